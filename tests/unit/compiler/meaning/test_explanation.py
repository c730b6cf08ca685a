"""An explanation tells the truth: that of the reference evaluator, for every example rule and event."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

from sigmac.compiler.diagnostics.diagnostic import Diagnostics
from sigmac.compiler.meaning import reference
from sigmac.compiler.meaning.explanation import (
    MAX_DEPTH,
    DetectionTruth,
    ItemTruth,
    explain_rule,
)
from sigmac.compiler.pipeline import Pipelines, Variant, load_pipelines
from sigmac.compiler.syntax.documents import read_file
from sigmac.compiler.syntax.rule import Rule
from sigmac.runtime.errors import EventError

RULES = Path(__file__).resolve().parents[4] / "rules"
EVENTS = sorted((RULES / "events").rglob("*.yml"))


@cache
def pipelines() -> Pipelines:
    shipped = ("windows", "windows-audit")
    return load_pipelines([*shipped, str(RULES / "pipelines" / "demo.yml")])


def cases(file: Path) -> Iterator[tuple[Rule, dict[str, Any]]]:
    """Each rule of a file of examples with each of its events."""
    source = RULES / "examples" / file.relative_to(RULES / "events")
    rules = read_file(source.read_bytes(), source.name).rules
    documents = yaml.safe_load_all(file.read_text("utf-8"))
    of_rules = (each for each in documents if "sequences" not in each)
    for rule, listed in zip(rules, of_rules, strict=True):
        for each in (*listed["match"], *listed["no_match"]):
            yield rule, each["event"]


def items(detection: DetectionTruth) -> Iterator[ItemTruth]:
    if isinstance(detection, ItemTruth):
        yield detection
    else:
        for part in detection.parts:
            yield from items(part)


@pytest.mark.parametrize("file", EVENTS, ids=lambda file: file.stem)
def test_every_truth_is_that_of_the_reference(file: Path) -> None:
    for rule, event in cases(file):
        variants = (Variant(None, rule), *pipelines().apply(rule, Diagnostics()))
        for variant in variants:
            explained = explain_rule(rule, [variant], event)
            (truth,) = explained.variants
            held = [i for i, each in enumerate(truth.conditions) if each.matched]
            assert held == reference.matches(variant.rule, event)
            assert explained.matched is truth.matched is bool(held)
            for selection in truth.selections:
                for item in items(selection.detection):
                    for value in item.values:
                        assert value.matched is reference.holds(item.item, value.value, event)


def test_an_event_that_is_too_deep_is_refused() -> None:
    rule = next(iter(cases(EVENTS[0])))[0]
    event: dict[str, Any] = {"a": 1}
    for _ in range(MAX_DEPTH):
        event = {"a": [event]}
    with pytest.raises(EventError, match="nested deeper than 400 levels"):
        explain_rule(rule, [Variant(None, rule)], event)
