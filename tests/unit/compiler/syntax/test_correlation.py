"""Correlation rules: what they become, and what is said of faulty ones (`correlations.yml`)."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sigmac.compiler.diagnostics.diagnostic import Diagnostics, RuleError
from sigmac.compiler.syntax.correlation import UNITS, Correlation, Threshold, read_correlation
from sigmac.compiler.syntax.yaml_nodes import Document, Node, documents

CASES = Path(__file__).with_name("correlations.yml")
RULE_A = "5638f7c0-ac70-491d-8465-2a65075e0d86"


def read(text: str) -> tuple[Correlation | None, Diagnostics]:
    """The correlation of a document, and all that was said of it."""
    (document,) = documents(text.encode(), "correlation.yml")
    return read_document(document)


def read_document(document: Document) -> tuple[Correlation | None, Diagnostics]:
    diagnostics = Diagnostics()
    try:
        return read_correlation(document, diagnostics), diagnostics
    except RuleError as error:
        diagnostics.catch(error)
        return None, diagnostics


def plain(text: str) -> dict[str, Any]:
    """What the pack keeps of a correlation without errors."""
    correlation, diagnostics = read(f"title: Case\ncorrelation: {text}")
    assert correlation is not None, list(diagnostics)
    found = json.loads(json.dumps(correlation.plain()))
    assert isinstance(found, dict)
    return found


def cases() -> list[Node]:
    (document,) = documents(CASES.read_bytes(), "correlations.yml")
    found = document.root.value
    assert isinstance(found, list)
    return found


@pytest.mark.parametrize("case", cases(), ids=lambda case: case.value["case"].value)
def test_case(case: Node) -> None:
    title = Node("Case", 0, 0, 0)
    correlation_map = case.value["correlation"]
    if correlation_map.is_map and "N_SCHEMA" not in str(case.plain()):
        # That a case is one group of all events is said of each, and is not what it is about.
        names = Node([Node("u", 0, 0, 1)], 0, 0, 1)
        given_map = {"group-by": names, **correlation_map.value}
        keys = {"group-by": names, **(correlation_map.keys or {})}
        correlation_map = replace(correlation_map, value=given_map, keys=keys)
    root = Node({"title": title, "correlation": correlation_map}, case.line, 1, 1)
    correlation, diagnostics = read_document(Document("correlations.yml", 0, root))
    lines = CASES.read_text("utf-8").splitlines()
    found = [
        (d.code, lines[d.place.line - 1][d.place.column - 1 :], d.message) for d in diagnostics
    ]
    for says in case.value["says"].plain() if "says" in case.value else []:
        code, _, at = says.partition(" ")
        matching = [each for each in found if each[0] == code and each[1].startswith(at)]
        assert matching, f"{says!r} is not among {found}"
        found.remove(matching[0])
    assert found == []
    assert (correlation is None) is bool(diagnostics.errors)
    if "hint" in case.value:
        assert case.value["hint"].value in " ".join(d.hint for d in diagnostics)


def test_a_correlation_as_the_pack_keeps_it() -> None:
    correlation, diagnostics = read(f"""
title: Many failed logons
id: 0e95725d-7320-415d-80f7-004da920fc11
name: many_failed_logons
level: high
date: 2024-11-01
tags: [attack.t1110]
owner: {{team: blue, since: 2024-01-01}}
correlation:
  type: event_count
  rules: [failed_logon, {RULE_A}]
  group-by: [user, Computer]
  timespan: 90m
  aliases:
    user: {{failed_logon: TargetUserName, {RULE_A}: User}}
  condition: {{gte: 100}}
  generate: true
""")
    assert correlation is not None
    assert list(diagnostics) == []
    assert correlation.label == "0e95725d-7320-415d-80f7-004da920fc11"
    assert str(correlation.place) == "correlation.yml:2:1"
    assert [str(rule.place) for rule in correlation.rules] == [
        "correlation.yml:11:11",
        "correlation.yml:11:25",
    ]
    assert json.loads(json.dumps(correlation.plain())) == {
        "title": "Many failed logons",
        "id": "0e95725d-7320-415d-80f7-004da920fc11",
        "name": "many_failed_logons",
        "level": "high",
        "date": "2024-11-01",
        "taxonomy": "sigma",
        "tags": ["attack.t1110"],
        "custom": {"owner": {"team": "blue", "since": "2024-01-01"}},
        "type": "event_count",
        "rules": ["failed_logon", RULE_A],
        "timespan": 5400,
        "group_by": ["user", "Computer"],
        "aliases": {"user": {"failed_logon": "TargetUserName", RULE_A: "User"}},
        "condition": {"gte": 100},
        "generate": True,
    }


@pytest.mark.parametrize(("unit", "seconds"), UNITS.items())
def test_timespans_are_seconds(unit: str, seconds: int) -> None:
    text = f"{{type: temporal, rules: [a, b], timespan: 3{unit}}}"
    assert plain(text)["timespan"] == 3 * seconds


@pytest.mark.parametrize(
    ("correlation", "condition"),
    [
        ("{type: temporal, rules: [a, b]", None),
        ("{type: temporal_ordered, rules: [a, b], condition: {gte: 2}", {"gte": 2}),
        ("{type: temporal, rules: [a, b], condition: {gte: 1}", {"gte": 1}),
        ("{type: event_count, rules: a, condition: {gt: 1, lt: 9.5}", {"gt": 1, "lt": 9.5}),
        ("{type: value_count, rules: a, condition: {field: u, gte: 3}", {"field": ["u"], "gte": 3}),
        (
            "{type: value_percentile, rules: a, condition: {field: u, gte: 3}",
            {"field": ["u"], "percentile": 50, "gte": 3},
        ),
        (
            "{type: value_percentile, rules: a, condition: {field: u, gte: 3, percentile: 0}",
            {"field": ["u"], "percentile": 0, "gte": 3},
        ),
        (
            "{type: value_median, rules: a, condition: {field: u, gte: 3}",
            {"field": ["u"], "percentile": 50, "gte": 3},
        ),
        (
            "{type: temporal, condition: a and b or not (c and a)",
            {"expression": {"or": [{"and": ["a", "b"]}, {"not": {"and": ["c", "a"]}}]}},
        ),
        ("{type: temporal, condition: a", {"expression": "a"}),
    ],
)
def test_conditions_as_the_pack_keeps_them(correlation: str, condition: object) -> None:
    assert plain(f"{correlation}, timespan: 5m}}")["condition"] == condition


def test_rules_are_taken_from_the_condition_in_the_order_of_writing() -> None:
    text = "{type: temporal, rules: [], condition: c and (a or not b) and c, timespan: 5m}"
    assert plain(text)["rules"] == ["c", "a", "b"]


def test_generate_stands_inside_the_correlation_or_beside_it() -> None:
    given_map = "type: temporal, rules: [a, b], group-by: [u], timespan: 5m"
    inside = f"correlation: {{{given_map}, generate: true}}"
    beside = f"correlation: {{{given_map}}}\ngenerate: true"
    for text in (inside, beside):
        correlation, diagnostics = read(f"title: Case\n{text}")
        assert correlation is not None
        assert correlation.generate is True
        assert correlation.meta.custom == ()
        assert list(diagnostics) == []


def test_a_missing_title_is_said_beside_the_other_faults() -> None:
    correlation, diagnostics = read("correlation: {type: temporal, rules: [a, b]}")
    assert correlation is None
    assert sorted(d.code for d in diagnostics) == ["E_CORRELATION", "E_TITLE"]


def test_deep_conditions_are_kept() -> None:
    condition = "(a or b and not " * 95 + "a" + ")" * 95
    found = plain(f"{{type: temporal, rules: [a, b], timespan: 5m, condition: {condition}}}")
    assert json.dumps(found["condition"]).count("not") == 95


numbers = st.one_of(st.integers(-3, 8), st.sampled_from([-0.5, 0.5, 1.0, 1.5, 2.0, 2.5, 7.5]))
comparisons = st.dictionaries(
    st.sampled_from(["gt", "gte", "lt", "lte", "eq", "neq"]), numbers, min_size=1
)
HOLDS = {
    "gt": lambda a, b: a > b,
    "gte": lambda a, b: a >= b,
    "lt": lambda a, b: a < b,
    "lte": lambda a, b: a <= b,
    "eq": lambda a, b: a == b,
    "neq": lambda a, b: a != b,
}


@given(st.sampled_from(["event_count", "temporal", "value_sum"]), comparisons)
def test_never_holds_is_said_where_no_value_satisfies_the_condition(
    kind: str, given_: dict[str, int | float]
) -> None:
    field = ", field: x" if kind == "value_sum" else ""
    condition = ", ".join(f"{key}: {value}" for key, value in given_.items()) + field
    correlation, diagnostics = read(
        f"title: Case\ncorrelation: {{type: {kind}, rules: [a, b, c], timespan: 5m, "
        f"condition: {{{condition}}}}}"
    )
    assert correlation is not None
    assert isinstance(correlation.condition, Threshold)
    values: dict[str, list[float]] = {
        "event_count": [*range(1, 12)],
        "temporal": [1, 2, 3],
        "value_sum": [each / 4 for each in range(-40, 50)],
    }
    holds = any(all(HOLDS[key](v, n) for key, n in given_.items()) for v in values[kind])
    assert any(d.code == "W_RANGE" for d in diagnostics) is not holds


@given(st.text(max_size=12))
def test_any_timespan_is_read_or_refused_with_its_place(text: str) -> None:
    title, kind, rule = (Node(each, 1, 1, 1) for each in ("Case", "temporal", "a"))
    timespan = Node(text, 7, 8, 9)
    correlation = Node({"type": kind, "rules": rule, "timespan": timespan}, 1, 1, 1)
    root = Node({"title": title, "correlation": correlation}, 1, 1, 1)
    found, diagnostics = read_document(Document("correlation.yml", 0, root))
    if found is None:
        assert [(d.code, d.place.line) for d in diagnostics] == [("E_CORRELATION", 7)]
    else:
        assert 0 < found.timespan == int(text[:-1]) * UNITS[text[-1]]
