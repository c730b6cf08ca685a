"""`sigmac check` as its users run it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.unit.cli.conftest import Run

SOUND = """\
title: Somebody Asks Who They Are
id: 80167ada-7a12-41ed-b8e9-aa47195c66a1
status: test
description: Somebody asks who they are, which hardly anybody does by hand.
author: us
date: 2024-01-02
tags: [attack.t1033]
logsource: {product: windows, category: process_creation}
detection:
  selection: {Image|endswith: '\\whoami.exe'}
  condition: selection
falsepositives: [administrators]
level: low
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "rule.yml"
    path.write_text(SOUND)
    return path


def test_a_sound_rule(sigmac: Run, file: Path) -> None:
    done = sigmac("check", file, "--no-notes")
    assert (done.returncode, done.stdout, done.stderr) == (0, "no problems found\n", "")


@pytest.mark.parametrize(
    ("change", "status", "strict", "code"),
    [
        (("level: low", "level: severe"), 0, 1, "W_META"),
        (("condition: selection", "condition: selektion"), 1, 1, "E_CONDITION"),
    ],
)
def test_exit_status(
    sigmac: Run, file: Path, change: tuple[str, str], status: int, strict: int, code: str
) -> None:
    file.write_text(SOUND.replace(*change))
    done = sigmac("check", file)
    assert done.returncode == status
    assert code in done.stdout
    assert sigmac("check", file, "--strict").returncode == strict


def test_ignored_codes_are_not_there(sigmac: Run, file: Path) -> None:
    file.write_text(SOUND.replace("level: low", "level: severe").replace("[attack", "[Attack"))
    assert sigmac("check", file, "--strict", "--ignore", "W_META").returncode == 1
    for given in (["--ignore", "W_META, W_TAG"], ["--ignore", "W_TAG", "--ignore", "W_META"]):
        done = sigmac("check", file, "--strict", "--no-notes", *given)
        assert (done.returncode, done.stdout) == (0, "no problems found\n")


@pytest.mark.parametrize("form", ["json", "sarif"])
def test_forms_for_tools(sigmac: Run, file: Path, form: str) -> None:
    file.write_text("title: x\n---\na: [\n")
    done = sigmac("check", file, "--format", form)
    assert done.returncode == 1
    assert "E_YAML" in done.stdout
    json.loads(done.stdout)


def test_a_warning_of_a_pipeline_is_said_once(sigmac: Run, file: Path) -> None:
    pipeline = file.with_name("pipeline.yml")
    pipeline.write_text("name: p\npostprocessing: [{type: embed}]\ntransformations: []\n")
    done = sigmac("check", file, "--pipeline", pipeline, "--format", "json", "--no-notes")
    assert done.stdout.count('"W_PIPELINE"') == 1


@pytest.mark.parametrize(
    ("arguments", "status", "says"),
    [
        (["missing.yml"], 1, "missing.yml: there is no such file or folder"),
        (["."], 1, "holds no .yml or .yaml file"),
        ([], 2, "name rule files or folders"),
        (["--format", "xml", "x"], 2, "xml"),
        (["--ignore", "W_MEAT", "x"], 2, "there is no check 'W_MEAT'; did you mean `W_META`?"),
        (["--ignore", "E_YAML", "x"], 2, "E_YAML is an error"),
    ],
)
def test_mistakes_are_told_without_a_traceback(
    sigmac: Run, tmp_path: Path, arguments: list[str], status: int, says: str
) -> None:
    done = sigmac("check", *arguments, cwd=tmp_path)
    assert (done.returncode, done.stdout) == (status, "")
    assert says in done.stderr
    assert "Traceback" not in done.stderr


def test_unreadable_files_do_not_hide_the_others(sigmac: Run, file: Path) -> None:
    file.with_name("binary.yml").write_bytes(bytes(range(256)))
    file.with_name("broken.yml").write_text("a: [1\n")
    file.with_name("other.yml").write_text(SOUND.replace("level: low", "level: severe"))
    done = sigmac("check", file.parent)
    assert done.returncode == 1
    for name in ("binary.yml", "broken.yml", "other.yml"):
        assert name in done.stdout
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("command", [["check"], ["build", "-o", "pack"]])
def test_a_placeholder_that_no_rule_has_is_told(
    sigmac: Run, tmp_path: Path, command: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    rule = "{title: T, logsource: {category: a}, detection: {s: {User|expand: '%admins%'}, condition: s}}"
    Path("rules.yml").write_text(rule)
    given = ["--placeholder", "admins=root", "--placeholder", "admin=root"]
    done = sigmac(*command[:1], "rules.yml", *command[1:], *given)
    told = [line for line in done.stderr.splitlines() if "--placeholder" in line]
    assert told == ["sigmac: --placeholder admin: no rule has %admin%"]
