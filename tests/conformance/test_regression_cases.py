"""`sigmac test` over rules of SigmaHQ and the recorded attacks that they name, laid out as SigmaHQ has them."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.conformance.corpora import FOLDER, SigmaHQ, load_json

ROOT = Path(__file__).resolve().parents[2]
NAMED = re.compile(rb"^regression_tests_path: regression_data/(\S+)/info.yml", re.MULTILINE)


@pytest.fixture(scope="module")
def repository(sigmahq: SigmaHQ, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The rules with a recorded attack, and the tests with their events as JSON."""
    folder = tmp_path_factory.mktemp("repository")
    lines = (FOLDER / "regression" / "nested.ndjson").read_bytes().splitlines()
    tests: dict[str, list[dict[str, Any]]] = {}
    for case in load_json("regression/expect.json")["cases"]:
        tests.setdefault(os.path.dirname(case["evtx"]), []).append(case)
    for inside, cases in tests.items():
        data = folder / "regression_data" / inside
        data.mkdir(parents=True)
        for case in cases:
            events = b"\n".join(lines[number - 1] for number in case["lines"])
            (folder / "regression_data" / case["evtx"]).with_suffix(".json").write_bytes(events)
        info = {
            "rule_metadata": [{"id": rule} for case in cases for rule in case["rule_ids"]],
            "regression_tests_info": [
                {"name": case["test"], "type": "evtx", "path": f"regression_data/{case['evtx']}"}
                | ({"match_count": case["match_count"]} if case["match_count"] else {})
                for case in cases
            ],
        }
        (data / "info.yml").write_text(json.dumps(info))
    for source in sigmahq.sources:
        named = NAMED.search(source.read())
        if named and named[1].decode() in tests:
            target = folder / source.source
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(source.path, target)
    return folder


def test_all_recorded_attacks_are_found(repository: Path, tmp_path: Path) -> None:
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "sigmac",
            "test",
            "sigma",
            "-p",
            "windows",
            "--require",
            "--format=json",
        ],
        cwd=repository,
        env={**os.environ, "PYTHONPATH": str(ROOT), "XDG_CACHE_HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    report = json.loads(done.stdout)
    assert report["diagnostics"] == []
    assert [each for each in report["cases"] if not each["passed"]] == []
    assert report["counts"]["passed"] == len(load_json("regression/expect.json")["cases"])
    assert done.returncode == 0
