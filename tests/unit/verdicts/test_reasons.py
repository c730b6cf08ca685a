"""What is said of why a rule matches an event or does not."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from sigmac.compiler.diagnostics.diagnostic import Place
from sigmac.compiler.pipeline import load_pipelines
from sigmac.compiler.syntax.rule_files import find_sources
from sigmac.verdicts.reasons import Reasons
from sigmac.verdicts.verdict import JudgedRule

REASONS = yaml.safe_load((Path(__file__).parent / "reasons.yml").read_text("utf-8"))
FILTER = """title: agents
logsource: {product: any}
filter: {rules: any, known: {agent: backup}, condition: not known}
"""


@pytest.mark.parametrize("each", REASONS, ids=[each["why"] for each in REASONS])
def test_reasons(each: dict[str, Any], tmp_path: Path) -> None:
    file = tmp_path / "rule.yml"
    rule = {"title": "R", "logsource": {"product": "any"}, "detection": each["detection"]}
    file.write_text(json.dumps(rule))
    (tmp_path / "filter.yml").write_text(FILTER)
    reasons = Reasons(find_sources([tmp_path]), load_pipelines([], {}))
    judged = JudgedRule(0, None, "R", Place(str(file), 1, 1))
    assert reasons.of(judged, each["event"], matched=each["matches"]) == each["said"]
    (told,) = reasons.of(judged, each["event"], matched=not each["matches"])
    assert told.startswith("its logsource is another than the event's")
