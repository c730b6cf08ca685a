"""Fields that the events of a logsource do not have."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from sigmac.compiler.checks.checker import check_sources
from sigmac.compiler.syntax.rule_files import find_sources

CASES = [*yaml.safe_load_all(Path(__file__).with_name("unknown_fields.yml").read_text("utf-8"))]


@pytest.mark.parametrize("case", CASES[1:], ids=lambda case: case["title"])
def test_case(case: dict[str, Any], tmp_path: Path) -> None:
    (tmp_path / "rule.yml").write_text(f"title: A\n{case['rule']}", encoding="utf-8")
    pipelines = []
    if "pipeline" in case:
        pipelines = [str(tmp_path / "pipeline")]
        Path(pipelines[0]).write_text(case["pipeline"], encoding="utf-8")
    found = check_sources(find_sources([tmp_path]), pipelines)
    told = {}
    for each in found:
        if each.code == "N_FIELD_UNKNOWN":
            near = re.search("did you mean `(.*)`", each.hint)
            told[each.message.split("`")[1]] = near[1] if near else None
    assert told == case["unknown"]
    assert [d for d in found if d.code in case.get("others", ())] != [] or "others" not in case
