"""A law: a quick item says what the reference says, whatever its values and an event's."""

from __future__ import annotations

from typing import Any

from hypothesis import example, given
from hypothesis import strategies as st

from sigmac.compiler.diagnostics.diagnostic import Place
from sigmac.compiler.ir.values import (
    ANY,
    DASH,
    ONE,
    Alternatives,
    Boolean,
    Compare,
    Exists,
    FieldRef,
    Null,
    Number,
    Regex,
    Text,
    Value,
    join,
)
from sigmac.compiler.meaning import reference
from sigmac.compiler.meaning.quick_item import QuickItem
from sigmac.compiler.syntax.rule import Item
from tests.examples import examples

LETTERS = st.text("aAbİıſßKk1-*", max_size=4)
TEXTS = st.builds(
    lambda parts, cased: Text(join(parts), cased),
    st.lists(LETTERS | st.sampled_from([ANY, ONE, DASH]), max_size=4),
    st.booleans(),
)
SINGLE = st.one_of(
    TEXTS,
    TEXTS,
    st.integers(0, 2).map(Number),
    st.booleans().map(Boolean),
    st.just(Null()),
    st.booleans().map(Exists),
    st.integers(0, 2).map(lambda number: Compare("gte", number)),
    st.just(Regex(("^a.*b",), "i")),
)
VALUES = SINGLE | st.lists(SINGLE, max_size=3).map(lambda values: Alternatives(tuple(values)))
SCALARS = LETTERS | st.integers(0, 2) | st.booleans() | st.sampled_from([1.0, 1.5])


def item_of(values: list[Value], every: bool, negated: bool) -> Item:
    return Item("f", (), tuple(values), every, negated, Place())


@given(st.lists(VALUES, max_size=5), st.booleans(), st.booleans(), SCALARS)
@example([Text(("a",)), Text(("A",))], True, False, "a")
@example([Text(("a", ANY)), Number(1)], True, True, 1)
@example([], True, False, "a")
@examples(400)
def test_a_quick_item_says_what_the_reference_says(
    values: list[Value], every: bool, negated: bool, found: Any
) -> None:
    item = item_of(values, every, negated)
    quick = QuickItem(item)
    assert quick.is_alone
    held = (all if every else any)(reference.holds(item, each, {"f": found}) for each in item.tests)
    assert quick.holds(found) is (held is not negated)


def test_what_looks_at_other_fields_is_not_alone() -> None:
    reference_to_another = Alternatives((Text(("a",)), FieldRef("g")))
    assert not QuickItem(item_of([reference_to_another], False, False)).is_alone
