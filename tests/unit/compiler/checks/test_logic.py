"""Implication and exclusion of predicates, held against the reference evaluator for every pair of a zoo."""

from __future__ import annotations

import itertools
import json
from functools import cache
from typing import Any

import pytest

from sigmac.compiler.checks.logic import contradicts_itself, excludes, implies
from sigmac.compiler.ir.expressions import (
    FALSE,
    TRUE,
    And,
    AtLeast,
    Expression,
    Named,
    Not,
    Op,
    Or,
    Predicate,
)
from sigmac.compiler.lowering.lower_rule import lower_detection
from sigmac.compiler.meaning.reference import matches
from sigmac.compiler.syntax.documents import read_file
from sigmac.compiler.syntax.rule import Rule

TEXTS = ("", "a", "A", "ab", "b", "ba", "5", "a*", "*b", "a?", "?", "*", "a*b", "\u017f", "s")
TEXT_KEYS = ("F", "F|contains", "F|startswith", "F|endswith")
ITEMS: list[dict[str, Any]] = [
    *({key: text} for key in TEXT_KEYS for text in TEXTS),
    *({f"{key}|cased": text} for key in TEXT_KEYS for text in TEXTS),
    *({f"F|{op}": n} for op in ("lt", "lte", "gt", "gte") for n in (4, 5, 5.5)),
    *({"F": value} for value in (5, 5.0, 6, True, False, None)),
    *({"F|cidr": net} for net in ("10.0.0.0/8", "10.1.0.0/16", "11.0.0.0/8", "::/0", "10.0.0.1")),
    *({"F|re": pattern} for pattern in ("a", "^a", "b$")),
    {"F|exists": True},
    {"F|fieldref": "G"},
    {"F|hour": 5},
]
SCALARS: list[Any] = [
    *(
        "",
        "a",
        "A",
        "ab",
        "AB",
        "b",
        "ba",
        "aab",
        "abb",
        "xabx",
        "5",
        "5.0",
        "6",
        "S",
        "\u017f",
        "K",
    ),
    *("10.0.0.1", "10.1.2.3", "11.0.0.1", "::1", "::ffff:10.0.0.1", "true", "2024-01-01T05:00"),
    *(4, 5, 5.25, 5.5, 6, True, False, None),
]
ARRAYS: list[Any] = [
    [],
    [None],
    ["a", "b"],
    [5, "x"],
    [{}, "ab"],
    *([a, b] for a in "aAb" for b in "5S"),
]


def rule(item: dict[str, Any]) -> Rule:
    detection = {"s": item, "condition": "s"}
    document = {"title": "A", "logsource": {"product": "x"}, "detection": detection}
    (made,) = read_file(json.dumps(document).encode(), "rule.yml").rules
    return made


@cache
def zoo() -> list[tuple[Predicate, frozenset[int], frozenset[int]]]:
    """Each predicate with the numbers of the scalar events and of all events that satisfy it."""
    events = [{"F": value, "G": "a"} for value in (*SCALARS, *ARRAYS)] + [{}, {"G": "a"}]
    found = []
    for item in ITEMS:
        made = rule(item)
        predicate = lower_detection(made.detections["s"])
        assert isinstance(predicate, Predicate)
        true = frozenset(i for i, event in enumerate(events) if matches(made, event))
        found.append((predicate, frozenset(i for i in true if i < len(SCALARS)), true))
    return found


def test_what_implies_another_is_never_true_without_it() -> None:
    wrong = [
        (one, other)
        for (one, _, true), (other, _, also) in itertools.product(zoo(), repeat=2)
        if implies(one, other) and not true <= also
    ]
    assert wrong == []


def test_what_excludes_another_is_never_true_of_the_same_scalar() -> None:
    wrong = [
        (one, other)
        for (one, true, _), (other, also, _) in itertools.product(zoo(), repeat=2)
        if excludes(one, other) and true & also
    ]
    assert wrong == []


def test_implications_that_people_expect_are_found() -> None:
    pairs = itertools.product(zoo(), repeat=2)
    found = sum(implies(one, other) for (one, _, _), (other, _, _) in pairs if one is not other)
    assert found > 1500  # the zoo is not chosen so that nothing can go wrong


A, B, C = (Predicate(name, Op.EXISTS) for name in "ABC")


@pytest.mark.parametrize(
    ("expression", "contradicts"),
    [
        (And(), False),
        (Or(), True),
        (FALSE, True),
        (Not(TRUE), True),
        (And(A, Not(A)), True),
        (And(Named("s", A), Not(Named("f", A))), True),
        (And(Or(A, B), Not(A)), False),
        (And(Or(A, B), Not(A), Not(B)), True),
        (And(Or(A, And(B, C)), Not(A), Not(C)), True),
        (And(Or(A, B), Or(Not(A), C), Not(B), Not(C)), True),
        (And(AtLeast(2, A, B), Not(A)), True),
        (And(AtLeast(1, A, B, C), Not(A)), False),
        (Not(Or(A, Not(A))), True),
        # Only a choice that is tried out would show it, and nothing is tried out.
        (And(Or(A, B), Or(A, Not(B)), Or(Not(A), B), Or(Not(A), Not(B))), False),
    ],
    ids=repr,
)
def test_what_follows_step_by_step_is_found(expression: Expression, contradicts: bool) -> None:
    assert contradicts_itself(expression) is contradicts


def test_an_expression_as_deep_as_a_rule_can_be_is_no_problem() -> None:
    deep: Expression = A
    for _ in range(50_000):
        deep = Or(Not(deep), B)
    assert not contradicts_itself(And(deep, C))
