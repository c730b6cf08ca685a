"""What a field's index says of a value, against asking each question by itself; memos and their budget."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from sigmac.runtime.scalar.fields import (
    CONTAINS,
    ENDSWITH,
    EQUALS,
    MAX_REMEMBERED,
    STARTSWITH,
    Budget,
    FieldIndex,
)
from sigmac.runtime.scalar.folding import default_fold
from sigmac.runtime.scalar.scalars import number_of, text_of

BITS = {EQUALS: "equals", STARTSWITH: "startswith", ENDSWITH: "endswith", CONTAINS: "contains"}
LETTERS = st.text("abAé", max_size=4)
LITERALS = st.dictionaries(LETTERS.map(str.lower), st.integers(1, 15), max_size=6)
VALUES = LETTERS | st.none() | st.booleans() | st.integers(-2, 3) | st.just({}) | st.just("2.0")
LIMITS = (-1, 0.5, 2)


def position(number: float) -> int:
    return 2 * sum(limit < number for limit in LIMITS) + (number in LIMITS)


def index(
    literals: dict[str, int], gates: dict[Any, list[int]], limit: int = 1 << 20
) -> FieldIndex:
    made = FieldIndex("f", sorted(literals.items()), (gates, {}), default_fold(), Budget(limit))
    made.compare_with(LIMITS, position)
    return made


def holds(bit: int, literal: str, value: Any) -> bool:
    text = text_of(value)
    if text is None:
        return False
    folded = default_fold()(text)
    return {
        EQUALS: folded == literal,
        STARTSWITH: folded.startswith(literal),
        ENDSWITH: folded.endswith(literal),
        CONTAINS: literal in folded,
    }[bit]


@given(LITERALS, st.lists(VALUES, max_size=3))
def test_facts_are_what_each_question_says(literals: dict[str, int], values: list[Any]) -> None:
    asked = [(bit, text) for text, bits in literals.items() for bit in BITS if bits & bit]
    # no literal that every text holds is a gate
    gates: dict[Any, list[int]] = {gate: [rule] for rule, gate in enumerate(asked) if gate[1]}
    gates[None] = [40]
    gates[2] = [41]
    made = index(literals, gates)
    for _ in range(2):  # the second time from the memo
        facts = made.facts_of_all(values)
        for rule, (bit, literal) in enumerate(asked):
            truth = any(holds(bit, literal, value) for value in values)
            assert (literal in getattr(facts, BITS[bit])) is truth, (literal, BITS[bit])
            assert bool(facts.gates >> rule & 1) is (truth and literal != "")
        numbers = [n for n in map(number_of, values) if n is not None]
        assert facts.positions == tuple(map(position, numbers))
        assert facts.numbers == {limit for limit in LIMITS if limit in numbers}
        assert bool(facts.gates >> 41 & 1) is (2 in numbers)
        assert facts.gates >> 40 & 1
        assert facts.null is (not values or None in values)
        assert facts.present


def test_values_that_are_equal_to_python_are_told_apart() -> None:
    made = index({"1": EQUALS, "true": EQUALS}, {})
    assert [made.facts_of(each).equals for each in (True, 1, "1", 1.0)] == [
        {"true"},
        {"1"},
        {"1"},
        {"1"},
    ]
    assert [made.facts_of(each).positions for each in (True, 1, "1")] == [(), (4,), (4,)]


def test_the_budget_is_kept_and_answers_stay() -> None:
    made = index({"ab": CONTAINS}, {}, limit=20_000)
    budget = made._budget
    for number in range(500):
        assert made.facts_of(f"xab{number}").contains == {"", "ab"}
        assert made.facts_of(f"xa{number}").contains == {""}
        assert budget.used <= budget.limit
    assert budget.flushes > 10
    assert len(made._memo) * 800 <= budget.limit


def test_long_values_are_not_remembered() -> None:
    made = index({"ab": ENDSWITH}, {})
    assert made.facts_of("x" * MAX_REMEMBERED + "ab").endswith == {"", "ab"}
    assert made._memo == {}
    assert made._budget.used == 0
