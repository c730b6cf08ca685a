"""What each transformation and condition makes of a rule, by the cases of `cases.yml`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from sigmac.compiler.diagnostics.diagnostic import Diagnostics, RuleError
from sigmac.compiler.ir.values import (
    Alternatives,
    Boolean,
    Exists,
    FieldRef,
    Network,
    Null,
    Number,
    Regex,
    Text,
    Value,
)
from sigmac.compiler.meaning.reference import matches
from sigmac.compiler.pipeline import load_pipelines
from sigmac.compiler.pipeline.conditions.processing_conditions import (
    FIELD_CONDITIONS,
    ITEM_CONDITIONS,
    RULE_CONDITIONS,
)
from sigmac.compiler.pipeline.transformations import IGNORED, TRANSFORMATIONS
from sigmac.compiler.syntax.documents import read_file
from sigmac.compiler.syntax.rule import AnyOf, Detection, Item, Rule

CASES = yaml.safe_load(Path(__file__).with_name("cases.yml").read_text("utf-8"))


def read_rule(case: dict[str, Any]) -> Rule:
    document = {
        "title": "A rule",
        "logsource": case.get("logsource", {"product": "windows", "category": "process_creation"}),
        "detection": case["detection"],
        **case.get("rule", {}),
    }
    contents = read_file(yaml.safe_dump(document, sort_keys=False).encode(), "rule.yml")
    assert not contents.diagnostics.errors
    return contents.rules[0]


def run(case: dict[str, Any], folder: Path) -> Rule:
    pipelines = case.get("pipelines") or [{"transformations": case["pipeline"]}]
    files = []
    for number, pipeline in enumerate(pipelines):
        file = folder / f"pipeline_{number}.yml"
        file.write_text(yaml.safe_dump(pipeline, sort_keys=False), "utf-8")
        files.append(str(file))
    diagnostics = Diagnostics()
    (variant,) = load_pipelines(files).apply(read_rule(case), diagnostics)
    assert variant.name is None
    assert [each.message for each in diagnostics] == case.get("warns", [])
    return variant.rule


def written(rule: Rule) -> str:
    """The detection of a rule as `gives` has it."""
    lines = [f"{name}: {shown(each)}" for name, each in rule.detections.items()]
    return "\n".join([*lines, *(f"=> {each.expression!r}" for each in rule.conditions)]) + "\n"


def shown(detection: Detection) -> str:
    if isinstance(detection, Item):
        joined = (" and " if detection.all else " or ").join(map(value_shown, detection.values))
        return f"{'not ' * detection.negated}{detection.field or '*'}: {joined}"
    parts = [shown(child) for child in detection.children]
    return f"({' or '.join(parts)})" if isinstance(detection, AnyOf) else " and ".join(parts)


def value_shown(value: Value) -> str:
    match value:
        case Text():
            return f"'{value}'" if str(value).isdecimal() else str(value)
        case Number(number):
            return str(number)
        case FieldRef(field):
            return f"={field}"
        case Regex():
            return f"/{value.pattern}/"
        case Alternatives(values):
            return f"{{{', '.join(map(value_shown, values))}}}"
        case Null():
            return "null"
        case Exists(True):
            return "exists"
        case Exists(False):
            return "missing"
        case Boolean(True):
            return "true"
        case Network(cidr):
            return cidr
    raise AssertionError(value)


@pytest.mark.parametrize("case", [c for c in CASES if "refused" not in c], ids=lambda c: c["name"])
def test_pipeline_makes_of_a_rule(case: dict[str, Any], tmp_path: Path) -> None:
    rule = run(case, tmp_path)
    if "gives" in case:
        assert written(rule) == case["gives"]
    if "fields" in case:
        assert list(rule.meta.fields) == case["fields"]
    if "custom" in case:
        assert dict(rule.meta.custom) == case["custom"]
    for event in case.get("matches", []):
        assert matches(rule, event), event
    for event in case.get("misses", []):
        assert not matches(rule, event), event


@pytest.mark.parametrize("case", [c for c in CASES if "refused" in c], ids=lambda c: c["name"])
def test_pipeline_refuses_a_rule(case: dict[str, Any], tmp_path: Path) -> None:
    with pytest.raises(RuleError) as error:
        run(case, tmp_path)
    assert error.value.diagnostic.code == case["refused"]
    assert case["says"] in error.value.diagnostic.message
    assert error.value.diagnostic.place.file == "rule.yml"
    assert error.value.diagnostic.place.line > 0
    assert error.value.diagnostic.hint


def test_every_type_has_a_case() -> None:
    def types(node: Any) -> set[str]:
        if isinstance(node, dict):
            own = {node["type"]} if isinstance(node.get("type"), str) else set()
            return own.union(*map(types, node.values()))
        return set().union(*map(types, node)) if isinstance(node, list) else set()

    known = {
        *TRANSFORMATIONS,
        *IGNORED,
        "nest",
        *RULE_CONDITIONS,
        *ITEM_CONDITIONS,
        *FIELD_CONDITIONS,
    }
    assert types(CASES) == known
