"""`sigmac test --update` writes what came out and leaves the rest of a file as it is; `--watch` judges again."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.unit.cli.conftest import ROOT, Run

UPDATES = yaml.safe_load((Path(__file__).parent / "updates.yml").read_text("utf-8"))
RULES = """title: One
name: one
logsource: {product: any}
detection: {selection: {a: 1}, condition: selection}
---
title: Two
correlation: {type: event_count, rules: one, group-by: [user], timespan: 1m, condition: {gte: 2}, generate: true}
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "events").mkdir()
    (tmp_path / "one.yml").write_text(RULES)
    (tmp_path / "events" / "few.ndjson").write_text('{"a":1}\n{"a":2}\n{"a":1}\n')
    return tmp_path


@pytest.mark.parametrize("update", UPDATES, ids=[each["why"] for each in UPDATES])
@pytest.mark.parametrize("ends", ["\n", "\r\n"])
def test_what_came_is_written(here: Run, folder: Path, update: dict[str, Any], ends: str) -> None:
    file = folder / "events" / "one.yml"
    before = update["before"].replace("\n", ends).encode()
    file.write_bytes(before)
    done = here("test", "one.yml", "--update", cwd=folder)
    after = update.get("after")
    if after is None:
        assert "left as it is, change it by hand" in done.stderr
        assert (done.returncode, file.read_bytes()) == (1, before)
        return
    assert file.read_bytes().decode() == after.replace("\n", ends)
    assert done.returncode == 0
    assert done.stderr.startswith("no pipeline was given")
    assert f"updated events{os.sep}one.yml: " in done.stderr
    assert here("test", "one.yml", cwd=folder).returncode == 0


def test_cases_in_a_rule_and_tests_of_sigmahq(here: Run, folder: Path) -> None:
    rule = RULES.partition("---")[0] + "regression_tests_path: data/info.yml\n"
    cases = "cases:\n    match:\n        - why: two\n          event: {a: 2}\nlevel: low\n"
    (folder / "one.yml").write_text(rule + cases)
    (folder / "data").mkdir()
    (folder / "data" / "few.json").write_bytes((folder / "events" / "few.ndjson").read_bytes())
    info = "regression_tests_info:\n    - path: data/few.evtx\n      match_count: 3\n"
    (folder / "data" / "info.yml").write_text(info)
    done = here("test", "one.yml", "--update", cwd=folder)
    assert done.returncode == 0, done.stderr
    assert (folder / "one.yml").read_text() == rule + cases.replace("match", "no_match")
    assert (folder / "data" / "info.yml").read_text() == info.replace("3", "2")


def test_watching(folder: Path) -> None:
    file = folder / "events" / "one.yml"
    file.write_text("match:\n  - event: {a: 1}\n")
    with subprocess.Popen(
        [sys.executable, "-u", "-m", "sigmac", "test", "one.yml", "--watch"],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT), "XDG_CACHE_HOME": str(folder / "cache")},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        assert process.stdout is not None
        guard = threading.Timer(60, process.kill)
        guard.start()
        lines = iter(process.stdout)
        assert "1 passed" in next(lines)
        assert next(lines).startswith("watching 2 files")
        file.write_text("match:\n  - event: {a: 1}\n  - event: {a: 17}\n")
        while "1 passed, 1 failed" not in next(lines):
            pass
        assert next(lines).startswith("watching 2 files")
        process.send_signal(signal.SIGINT)
        assert process.wait() == 130
        guard.cancel()
