"""Definitions that a pack may hold: what cannot be evaluated is refused before any event comes."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from sigmac.runtime.correlation.definition import Correlation, check_definitions
from sigmac.runtime.errors import PackError
from tests.unit.runtime.correlation.definitions import RULES, correlator, made

SUM = {"field": ["n"], "gte": 1}


def nested(depth: int) -> Any:
    node: Any = "a"
    for _ in range(depth):
        node = {"not": node}
    return node


@pytest.mark.parametrize(
    "given",
    [
        {},
        {"timespan": True},
        {"rules": ("a", "b"), "group_by": ("u",), "tags": ("attack.t1110",)},
        {"type": "temporal", "condition": None},
        {"type": "temporal", "condition": {"expression": nested(200)}},
        {"type": "temporal_ordered", "rules": ["a", "a"], "condition": {"gte": 1.5}},
        {"type": "value_sum", "condition": SUM},
        {"type": "value_percentile", "condition": {**SUM, "percentile": 99.9}},
        {"fields": {"u": {"a": ["user.name"], "b": {"one": ["u"], "two": ()}}}},
    ],
)
def test_what_can_be_evaluated(given: dict[str, Any]) -> None:
    assert check_definitions({"made": made(**given)}, RULES) == ["made"]
    correlator(made(**given))


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"type": "event_counts"}, "is of no known type"),
        ({"type": ["event_count"]}, "is of no known type"),
        ({"type": None}, "is of no known type"),
        ({"title": None}, "has metadata that is no text"),
        ({"digest": 5}, "has metadata that is no text"),
        ({"id": b"x"}, "has metadata that is no text"),
        ({"tags": "attack"}, "has metadata that is no text"),
        ({"tags": [None]}, "has metadata that is no text"),
        ({"timespan": 0}, "has no timespan"),
        ({"timespan": -5}, "has no timespan"),
        ({"timespan": 1.5}, "has no timespan"),
        ({"timespan": "5m"}, "has no timespan"),
        ({"rules": []}, "has no rules"),
        ({"rules": "a"}, "has no rules"),
        ({"rules": [1]}, "has no rules"),
        ({"rules": None}, "has no rules"),
        ({"rules": ["a", "z"]}, "refers to `z`, which the pack has not"),
        ({"rules": ["z" * 1000]}, f"refers to `{'z' * 80}`, which the pack has not"),
        ({"condition": None}, "compares with nothing"),
        ({"condition": {}}, "compares with nothing"),
        ({"condition": {"more": 5}}, "compares with nothing"),
        ({"condition": "gte"}, "has a condition that is none"),
        ({"condition": [5]}, "has a condition that is none"),
        ({"condition": {"gte": "5"}}, "compares with what is no number"),
        ({"condition": {"gte": None}}, "compares with what is no number"),
        ({"condition": {"gte": float("nan")}}, "compares with what is no number"),
        ({"condition": {"gte": float("inf")}}, "compares with what is no number"),
        ({"group_by": "u"}, "has a field that is no text"),
        ({"group_by": [5]}, "has a field that is no text"),
        ({"type": "value_sum"}, "looks at no field"),
        ({"type": "value_sum", "condition": {"field": "n", "gte": 1}}, "has a field that is no"),
        ({"type": "value_sum", "condition": {"field": 5, "gte": 1}}, "has a field that is no text"),
        ({"type": "value_sum", "condition": {"field": ["n", "m"], "gte": 1}}, "looks at more than"),
        ({"condition": {**SUM, "percentile": 101}}, "has a percentile that is none"),
        ({"condition": {**SUM, "percentile": "50"}}, "has a percentile that is none"),
        ({"condition": {**SUM, "percentile": float("nan")}}, "has a percentile that is none"),
        ({"condition": {"expression": "a"}}, "has a condition in words that is none"),
        ({"fields": []}, "has fields that are no texts"),
        ({"fields": {"u": ["user"]}}, "has fields that are no texts"),
        ({"fields": {"u": {"a": "user"}}}, "has fields that are no texts"),
        ({"fields": {"u": {"a": {"one": [5]}}}}, "has fields that are no texts"),
    ],
)
def test_what_cannot(given: dict[str, Any], message: str) -> None:
    with pytest.raises(PackError) as told:
        check_definitions({"made": made(**given)}, RULES)
    assert str(told.value).startswith(f"the correlation made {message}")


@pytest.mark.parametrize(
    "node",
    [
        *(
            "z",
            "",
            5,
            [],
            ["a"],
            {},
            {"and": "a"},
            {"and": []},
            {"and": ["a", "z"]},
            {"nor": ["a"]},
        ),
        *({"not": ["a"]}, {"and": ["a"], "or": ["a"]}, {"or": {"not": "a"}}, nested(202)),
    ],
    ids=lambda node: str(node)[:30],
)
def test_words_that_say_nothing(node: Any) -> None:
    with pytest.raises(PackError, match="has a condition in words that is none"):
        check_definitions({"made": made(type="temporal", condition={"expression": node})}, RULES)


def test_what_is_no_definition() -> None:
    for each in (None, {}, "event_count", Correlation):
        with pytest.raises(PackError, match="the correlation made is of no known type"):
            check_definitions({"made": each}, RULES)  # type: ignore[dict-item]


def test_one_name_is_one_thing() -> None:
    with pytest.raises(PackError, match="`a` is a rule and a correlation"):
        check_definitions({"a": made()}, RULES)


def test_children_stand_before_their_parents_and_else_nothing_moves() -> None:
    over = {"d": ["b", "e"], "e": ["a"], "f": ["d"], "g": ["a"]}
    definitions = {name: made(rules=rules) for name, rules in over.items()}
    assert check_definitions(definitions, RULES) == ["e", "d", "f", "g"]


@pytest.mark.parametrize(
    ("over", "first"),
    [
        ({"d": ["d"]}, "d"),
        ({"d": ["e"], "e": ["d"]}, "d"),
        ({"d": ["a"], "e": ["f", "a"], "f": ["g"], "g": ["e"]}, "e"),
    ],
)
def test_a_circle_is_refused(over: dict[str, list[str]], first: str) -> None:
    definitions = {name: replace(made(), rules=rules) for name, rules in over.items()}
    with pytest.raises(PackError, match=f"the correlation {first} refers to itself"):
        check_definitions(definitions, RULES)


def test_a_long_chain_is_no_circle() -> None:
    definitions = {f"c{i}": made(rules=[f"c{i + 1}"]) for i in range(400)} | {"c400": made()}
    assert len(correlator(*definitions.values()).counts) == 401
