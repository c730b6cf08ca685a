"""`sigmac build` as its users run it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.unit.cli.conftest import Run

FAULTY = """\
title: Faulty
logsource: {product: x}
detection:
  s: {f|startwith: a}
  condition: s
"""
SOUND = FAULTY.replace("startwith", "startswith").replace("Faulty", "Sound")


@pytest.fixture
def faulty(tmp_path: Path) -> Path:
    (tmp_path / "rules").mkdir()
    (tmp_path / "rules" / "faulty.yml").write_text(FAULTY)
    (tmp_path / "rules" / "sound.yml").write_text(SOUND)
    return tmp_path


def test_an_error_keeps_the_pack_that_is_there_and_skipping_it_builds_the_rest(
    sigmac: Run, faulty: Path
) -> None:
    (faulty / "pack").mkdir()
    build = ("build", "rules", "-o", "pack", "--cache-dir", "cache")
    refused = sigmac(*build, cwd=faulty)
    assert (refused.returncode, refused.stdout) == (1, "")
    assert "rules/faulty.yml:4:7" in refused.stderr
    assert "E_MODIFIER" in refused.stderr
    assert "did you mean `startswith`?" in refused.stderr
    assert "nothing was built: " in refused.stderr
    assert list((faulty / "pack").iterdir()) == []
    skipped = sigmac(*build, "--skip-errors", cwd=faulty)
    assert skipped.returncode == 0
    assert "built pack: 1 rule" in skipped.stderr
    assert "1 refused" in skipped.stderr
    assert "unchanged pack" in sigmac(*build, "--skip-errors", cwd=faulty).stderr
    whole = (faulty / "pack" / "manifest.json").read_bytes()
    assert sigmac(*build, cwd=faulty).returncode == 1
    assert (faulty / "pack" / "manifest.json").read_bytes() == whole


@pytest.mark.parametrize("form", ["json", "sarif"])
def test_diagnostics_for_tools(sigmac: Run, faulty: Path, form: str) -> None:
    done = sigmac("build", "rules", "--format", form, "--no-cache", cwd=faulty)
    assert done.returncode == 1
    found = json.loads(done.stdout)
    if form == "sarif":
        assert found["version"] == "2.1.0"
        (result,) = found["runs"][0]["results"]
        assert result["ruleId"] == "E_MODIFIER"
    else:
        assert "E_MODIFIER" in done.stdout
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("arguments", "status", "says"),
    [
        (["missing"], 1, "missing: there is no such file or folder"),
        (["empty"], 1, "empty: the folder holds no .yml or .yaml file"),
        (["broken.yml"], 1, "broken.yml:1:4: error"),
        (["binary.yml"], 1, "it looks like a binary file"),
        (["rules", "-o", "occupied"], 1, "occupied exists and is no rule pack"),
        (["rules", "--pipeline", "wndows"], 1, "did you mean"),
        (["rules", "--name", "1 2"], 2, "begins with a letter"),
        (["rules", "--pack-version", "latest"], 2, "PEP 440"),
        (["rules", "--logsource", "colour=red"], 2, "KEY=VALUE"),
        (["rules", "--placeholder", "x"], 2, "NAME=VALUE"),
        (["rules", "--sign", "missing.pem"], 2, "missing.pem"),
        ([], 2, "PATH"),
        (["rules", "--explain-optimizer", "nobody"], 1, "no rule has the id, title or file name"),
        (
            ["rules", "--logsource", "product=none"],
            1,
            "no rule has the logsource asked for; 1 rule left out",
        ),
        (["empty.yml"], 1, "there is no detection rule in 1 file"),
        (["rules", "-o", "/dev/null/pack"], 1, "/dev/null/pack: "),
    ],
)
def test_mistakes_are_told_without_a_traceback(
    sigmac: Run, tmp_path: Path, arguments: list[str], status: int, says: str
) -> None:
    for folder in ("rules", "empty", "occupied"):
        (tmp_path / folder).mkdir()
    (tmp_path / "rules" / "sound.yml").write_text(SOUND)
    (tmp_path / "occupied" / "thesis.txt").write_text("years of work")
    (tmp_path / "empty.yml").touch()
    (tmp_path / "broken.yml").write_text("a: [1\nb: {")
    (tmp_path / "binary.yml").write_bytes(bytes(range(256)))
    done = sigmac("build", *arguments, "--no-cache", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (status, "")
    assert says in done.stderr
    assert "Traceback" not in done.stderr
    assert (tmp_path / "occupied" / "thesis.txt").exists()
    assert not (tmp_path / "build").exists()


def test_explain_optimizer_prints_each_pass(sigmac: Run, rule_file: Path, tmp_path: Path) -> None:
    done = sigmac("build", rule_file, "--explain-optimizer", "Whoami Run As SYSTEM", cwd=tmp_path)
    assert done.returncode == 0
    lines = done.stdout.splitlines()
    assert lines[0].startswith("Whoami Run As SYSTEM")
    assert lines[1].startswith("  lowered: ")
    assert lines[-1].startswith("  gate: ")
    assert len(lines) > 5
    assert list(tmp_path.iterdir()) == []


def test_explain_optimizer_joins_filters(sigmac: Run, rule_file: Path, tmp_path: Path) -> None:
    file = tmp_path / "filter.yml"
    file.write_text(
        "title: Known Agents\nlogsource: {product: WINDOWS}\n"
        "filter: {rules: any, agents: {User: agent}, condition: not agents}\n"
    )
    done = sigmac("build", file, rule_file, "--explain-optimizer", "Whoami Run As SYSTEM")
    lines = done.stdout.splitlines()
    assert lines[1] == f"  filter: Known Agents  ({file}:1:1)"
    assert lines[2].endswith(" and (not (:filter known agents agents: equals(User, 'agent')))")


def test_strict_wheel_name_and_version(sigmac: Run, tmp_path: Path) -> None:
    (tmp_path / "a.yml").write_text(SOUND + "level: severe\n")
    done = sigmac(
        *("build", "a.yml", "-o", "pack", "--name", "night-watch", "--pack-version", "1.2"),
        *("--wheel", "--strict", "--no-cache"),
        cwd=tmp_path,
    )
    assert done.returncode == 1
    assert "W_META" in done.stderr
    assert "--strict" in done.stderr
    muted = sigmac("build", "a.yml", "-o", "muted", "--strict", "--ignore", "W_META", cwd=tmp_path)
    assert muted.returncode == 0
    assert "W_META" not in muted.stderr
    assert (tmp_path / "sigmac_pack_night_watch-1.2-py3-none-any.whl").is_file()
    manifest = json.loads((tmp_path / "pack" / "manifest.json").read_bytes())
    assert (manifest["name"], manifest["version"]) == ("night-watch", "1.2")


def test_many_missing_placeholders_are_one_line_and_no_word_of_success(
    sigmac: Run, tmp_path: Path
) -> None:
    (tmp_path / "rules").mkdir()
    for number in range(4):
        text = FAULTY.replace("f|startwith: a", "'f|expand': '%admns%'")
        (tmp_path / "rules" / f"{number}.yml").write_text(text.replace("Faulty", f"P{number}"))
    done = sigmac("build", "rules", "-o", "pack", "--no-cache", cwd=tmp_path)
    assert done.returncode == 1
    assert "4 rules are left out" in done.stderr
    assert "no problems found" not in done.stderr


def test_a_build_without_a_pipeline_says_once_that_logsources_are_not_checked(
    sigmac: Run, tmp_path: Path
) -> None:
    (tmp_path / "sound.yml").write_text(SOUND)
    done = sigmac("build", "sound.yml", "-o", "pack", "--no-cache", cwd=tmp_path)
    assert (done.returncode, done.stderr.count("no pipeline was given")) == (0, 1)
    mapped = sigmac("build", "sound.yml", "-o", "p", "-p", "windows", "--no-cache", cwd=tmp_path)
    assert "no pipeline was given" not in mapped.stderr


def test_rules_in_place_of_a_pack_are_built_in_memory(sigmac: Run, tmp_path: Path) -> None:
    rules = tmp_path / "rules"
    rules.mkdir()
    (rules / "sound.yml").write_text(
        "title: T\nlogsource: {product: x}\ndetection: {s: {a: b}, condition: s}"
    )
    (tmp_path / "e.ndjson").write_text('{"a": "b"}')
    for given in ("rules", "rules/sound.yml"):
        done = sigmac("run", given, "e.ndjson", cwd=tmp_path)
        assert done.returncode == 0
        assert '"title":"T"' in done.stdout
        assert "of no schema" in done.stderr
    (rules / "faulty.yml").write_text("title: F")
    done = sigmac("run", "rules", "e.ndjson", "-p", "windows", cwd=tmp_path)
    assert '"title":"T"' in done.stdout
    assert "1 rule left out because of errors: see `sigmac check rules`" in done.stderr
    done = sigmac("run", "rules/faulty.yml", "e.ndjson", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (1, "")
    assert "there is no rule without an error" in done.stderr
    assert sigmac("run", "rules", "e.ndjson", "--pack-name", "x", cwd=tmp_path).returncode == 2
