"""What a command found is written, and never over what it reads."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.unit.cli.conftest import ROOT, Run
from tests.unit.packs import rule, write_text_pack

EVENT = b'{"uid": 0}\n'


@pytest.fixture
def events(tmp_path: Path) -> Path:
    file = tmp_path / "events.ndjson"
    file.write_bytes(EVENT)
    return file


@pytest.mark.parametrize("option", ["-o", "--profile"])
@pytest.mark.parametrize(
    "way", ["its name", "another name", "a link", "a hard link", "one of many"]
)
def test_an_input_is_no_output(
    way: str, option: str, sigmac: Run, built: Path, events: Path, tmp_path: Path
) -> None:
    other = tmp_path / "other.ndjson"
    inputs = [events]
    if way == "another name":
        other = tmp_path / "folder" / ".." / events.name
        other.parent.parent.mkdir()
    elif way == "a link":
        other.symlink_to(events)
    elif way == "a hard link":
        other.hardlink_to(events)
    else:
        other = events
        inputs = [built / "manifest.json", events] if way == "one of many" else inputs
    done = sigmac("run", built, *inputs, option, other)
    assert done.returncode == 2
    assert "is also an input" in done.stderr
    assert events.read_bytes() == EVENT


@pytest.mark.parametrize("redirected", ["output", "input and output"])
def test_standard_output_onto_an_input(redirected: str, built: Path, events: Path) -> None:
    name = "-" if redirected == "input and output" else str(events)
    with events.open("rb") as source, events.open("ab") as target:
        done = subprocess.run(
            [sys.executable, "-m", "sigmac", "run", str(built), name],
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            stdin=source,
            stdout=target,
            stderr=subprocess.PIPE,
            check=False,
        )
    assert done.returncode == 2
    assert b"standard output is also an input" in done.stderr
    assert events.read_bytes() == EVENT


def test_what_events_are_tried_with_is_no_output(
    sigmac: Run, built: Path, events: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "rules"
    folder.mkdir()
    files = {name: folder / f"{name}.yml" for name in ("rule", "pipeline")}
    files["rule"].write_text(rule("s: {uid: 0}\ncondition: s"))
    files["pipeline"].write_text("transformations: []\n")
    key = tmp_path / "key.pem"
    key.write_text("no key")
    link = tmp_path / "link"
    link.hardlink_to(files["rule"])
    with_pipeline = (files["rule"], events, "-p", files["pipeline"])
    for given in (
        (built, events, "-o", built / "manifest.json"),
        (files["rule"], events, "-o", files["rule"]),
        (folder, events, "-o", link),
        (*with_pipeline, "--report", files["pipeline"]),
        (built, events, "--trusted-key", key, "-o", key),
    ):
        before = given[-1].read_bytes()
        done = sigmac("run", *given)
        assert (done.returncode, "is also an input" in done.stderr) == (2, True), done.stderr
        assert given[-1].read_bytes() == before
    for _ in range(2):  # beside the rules, and over what is there already
        done = sigmac("run", *with_pipeline, "-o", folder / "found.ndjson")
        assert done.returncode == 0, done.stderr
    monkeypatch.chdir(tmp_path)
    done = sigmac("run", folder, events, "-p", "windows", "-o", "windows")  # no file of that name
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("is_there", [True, False])
@pytest.mark.parametrize("option", ["--profile", "--report"])
def test_two_outputs_are_two_files(
    option: str, is_there: bool, sigmac: Run, built: Path, events: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    if is_there:
        out.touch()
    (tmp_path / "folder").mkdir()
    done = sigmac("run", built, events, "-o", out, option, tmp_path / "folder" / ".." / "out")
    assert done.returncode == 2
    assert "is also --output" in done.stderr


def test_a_hyphen_is_standard_output(
    sigmac: Run, built: Path, events: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    done = sigmac("run", built, events, "-o", "-")
    assert json.loads(done.stdout)["event"] == {"uid": 0}
    assert not (tmp_path / "-").exists()


def test_devices_without_content_may_be_both(sigmac: Run, built: Path) -> None:
    done = sigmac("run", built, os.devnull, "-o", os.devnull)
    assert done.returncode == 0, done.stderr


def test_an_explanation_may_hold_huge_integers(sigmac: Run, events: Path, tmp_path: Path) -> None:
    asks = {
        "Huge": "s: {Bytes|gte: 20000000000000000000}\ncondition: s",
        "Text": "s: {A: 100000000000000000000}\ncondition: s",
        "Less": "s: {B|lt: -99999999999999999999}\ncondition: s",
        "Plain": "s: {uid: 0}\ncondition: s",
    }
    text = "---\n".join(rule(detection, title=title) for title, detection in asks.items())
    pack = write_text_pack(text, tmp_path / "pack")
    events.write_bytes(
        b'{"Bytes":"20000000000000000001","A":"100000000000000000000","B":-1e30,"uid":0}\n'
    )
    done = sigmac("run", pack, events, "--explain")
    assert done.returncode == 0, done.stderr
    matches = [json.loads(line) for line in done.stdout.splitlines()]
    assert [match["rule"]["title"] for match in matches] == list(asks)
    assert "20000000000000000000" in done.stdout
    assert all(match["explanation"] for match in matches)


def test_an_explanation_that_fails_loses_no_match(
    sigmac: Run, built: Path, events: Path, tmp_path: Path
) -> None:
    (tmp_path / "sitecustomize.py").write_text(
        "from sigmac.runtime.errors import EventError\n"
        "from sigmac.runtime.pack.pack import Pack\n"
        "def explain(self, rule, event):\n"
        "    raise EventError('it cannot be said')\n"
        "Pack.explain = explain\n"
    )
    done = sigmac("run", built, events, "--explain", PYTHONPATH=f"{tmp_path}{os.pathsep}{ROOT}")
    assert done.returncode == 0, done.stderr
    (match,) = map(json.loads, done.stdout.splitlines())
    assert match["explanation"] is None
    assert match["event"] == {"uid": 0}
    assert f"{events}:1: no explanation of Admin # one: it cannot be said" in done.stderr


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("product=window", "no rule of test is for product `window`; did you mean `windows`?"),
        ("product=zzz", "no rule of test is for product `zzz`; it has linux, windows"),
        ("service=security", ""),  # no rule names a service: any may concern it
        ("product=WINDOWS", ""),
    ],
)
def test_a_logsource_that_no_rule_has_is_refused(
    given: str, said: str, sigmac: Run, events: Path, tmp_path: Path
) -> None:
    detection = "s: {uid: 0}\ncondition: s"
    text = "---\n".join(
        rule(detection, title=name, logsource=f"product: {name}") for name in ("windows", "linux")
    )
    pack = write_text_pack(text, tmp_path / "p")
    done = sigmac("run", pack, events, "--logsource", given)
    assert done.returncode == (2 if said else 0), done.stderr
    assert said in " ".join(done.stderr.split())
