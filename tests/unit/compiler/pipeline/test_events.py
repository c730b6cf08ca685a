"""What a rule finds through each pipeline that is shipped, in events as the product writes them.

The cases stand in `events/NAME.yml`, one file a pipeline:

  name             what the case shows
  logsource        of the rule
  selection        of the rule; `not` is what it must not have
  matches, misses  events: each is tried with objects within each other, and with dotted names
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from sigmac.compiler.diagnostics.diagnostic import Diagnostics
from sigmac.compiler.meaning.reference import matches
from sigmac.compiler.pipeline import load_pipelines
from sigmac.compiler.pipeline.shipped_pipelines import shipped
from sigmac.compiler.syntax.documents import read_file

FILES = {file.stem: file for file in sorted(Path(__file__).with_name("events").glob("*.yml"))}
CASES = [
    pytest.param(name, case, id=f"{name}: {case['name']}")
    for name, file in FILES.items()
    for case in yaml.safe_load(file.read_text("utf-8"))
]
PIPELINES = {name: load_pipelines([name]) for name in FILES}


def dotted(event: dict[str, Any], before: str = "") -> dict[str, Any]:
    """Objects within each other as dotted names; lists stay as they are."""
    made: dict[str, Any] = {}
    for name, value in event.items():
        if isinstance(value, dict) and value:
            made |= dotted(value, f"{before}{name}.")
        else:
            made[before + name] = value
    return made


def nested(event: dict[str, Any]) -> dict[str, Any]:
    """Dotted names as objects within each other."""
    made: dict[str, Any] = {}
    for name, value in dotted(event).items():
        *folders, last = name.split(".")
        place = made
        for folder in folders:
            place = place.setdefault(folder, {})
        place[last] = value
    return made


def forms(event: dict[str, Any]) -> list[dict[str, Any]]:
    """Both; a list of objects is within objects only."""
    flat = dotted(event)
    of_objects = any(
        isinstance(value, list) and any(isinstance(each, dict) for each in value)
        for value in flat.values()
    )
    return [nested(event)] if of_objects else [nested(event), flat]


@pytest.mark.parametrize(("name", "case"), CASES)
def test_a_rule_finds_events(name: str, case: dict[str, Any]) -> None:
    detection = {"selection": case["selection"], "condition": "selection"}
    if "not" in case:
        detection |= {"filter": case["not"], "condition": "selection and not filter"}
    document = {"title": "t", "logsource": case["logsource"], "detection": detection}
    (rule,) = read_file(yaml.safe_dump(document).encode(), "rule.yml").rules
    variants = PIPELINES[name].apply(rule, Diagnostics())

    for key, expected in (("matches", True), ("misses", False)):
        for event in case.get(key, []):
            for form in forms(event):
                assert any(matches(each.rule, form) for each in variants) is expected, form


def test_every_pipeline_has_events() -> None:
    assert set(FILES) | {"windows", "windows-audit"} == set(shipped())
