"""What is known of the fields of events."""

from __future__ import annotations

from importlib import resources
from pathlib import Path
from typing import Any

import pytest
import yaml

from sigmac.compiler.checks.metadata import CATEGORIES
from sigmac.compiler.syntax.rule import LogSource
from sigmac.compiler.taxonomy.event_schemas import known_fields, schema_of

CASES = [*yaml.safe_load_all(Path(__file__).with_name("schemas.yml").read_text("utf-8"))][1:]
DATA: dict[str, Any] = yaml.safe_load(
    resources.files("sigmac.compiler.taxonomy").joinpath("fields.yml").read_text("utf-8")
)


def logsource(given: str) -> LogSource:
    parts = [None if part in "-*" else part for part in given.split("/")]
    product, category, service = (*parts, None, None)[:3]
    return LogSource(category, product, service)


@pytest.mark.parametrize("case", CASES, ids=lambda case: "/".join(case["logsource"].values()))
def test_case(case: dict[str, Any]) -> None:
    schema = schema_of(LogSource(**case["logsource"]))
    assert (schema.name if schema else None) == case["schema"]
    if schema is None:
        assert known_fields(LogSource(**case["logsource"])) == ()
        return
    assert schema.closed == case["closed"]
    assert {*case["fields"]} <= {*known_fields(LogSource(**case["logsource"]))}
    for name, meant in case.get("none", {}).items():
        assert name not in schema.fields
        assert schema.nearest(name) == meant, name


def test_what_is_meant_is_there_and_what_is_not_is_not() -> None:
    for name, each in DATA["schemas"].items():
        schema = schema_of(logsource(each["logsources"][0]))
        assert schema is not None
        assert schema.name == name
        assert {*schema.meant.values()} <= {*schema.fields}, name
        assert schema.meant.keys().isdisjoint(schema.fields), name


def test_no_schema_stands_in_the_shadow_of_another() -> None:
    for name, each in DATA["schemas"].items():
        for given in each["logsources"]:
            found = schema_of(logsource(given))
            assert found is not None
            assert found.name == name, given


def test_categories_are_those_of_the_specification() -> None:
    named = {given.split("/")[1] for s in DATA["schemas"].values() for given in s["logsources"]}
    assert named - {"-"} <= {*CATEGORIES}
