"""`run --profile` and `build --profile`: questions in another order, the same answers."""

from __future__ import annotations

import json
from pathlib import Path

from tests.unit.cli.conftest import ROOT, Run


def test_a_profile_changes_order_and_no_answer(sigmac: Run, tmp_path: Path) -> None:
    rules, events = ROOT / "rules/examples", ROOT / "rules/events/demo.ndjson"
    pipelines = ["--pipeline", "windows", "--pipeline", ROOT / "rules/pipelines/demo.yml"]
    plain, fitted, profile = tmp_path / "plain", tmp_path / "fitted", tmp_path / "profile.json"
    assert sigmac("build", rules, "-o", plain, *pipelines).returncode == 0
    first = sigmac("run", plain, events, "--profile", profile)
    assert first.returncode == 0, first.stderr
    assert json.loads(profile.read_bytes())["records"] > 0
    done = sigmac("build", rules, "-o", fitted, "--profile", profile, *pipelines)
    assert done.returncode == 0, done.stderr
    assert sigmac("run", fitted, events).stdout == first.stdout
