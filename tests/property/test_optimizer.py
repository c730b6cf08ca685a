"""Laws of the optimizer: passes keep the truth on every event, gates are open where rules match."""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import cache
from typing import Any

import pytest
import re2
from hypothesis import assume, example, given
from hypothesis import strategies as st

from sigmac.compiler.ir.expressions import (
    FALSE,
    TEXT_OPS,
    TRUE,
    And,
    AtLeast,
    Expression,
    Named,
    Not,
    Op,
    Or,
    Predicate,
    transform,
)
from sigmac.compiler.ir.values import ANY, DASH, ONE, join
from sigmac.compiler.meaning.reference import fold
from sigmac.compiler.optimizer import PASSES, gate, logsource_part, optimize
from sigmac.compiler.optimizer.merge import merge
from sigmac.compiler.optimizer.regex_literals import (
    all_required_literals,
    equivalent_texts,
    required_literals,
)
from sigmac.compiler.optimizer.reorder import reorder
from sigmac.compiler.optimizer.weaken import weaken
from sigmac.compiler.syntax.modifiers.regex_values import re2_options
from tests.examples import examples
from tests.property.evaluate_ir import evaluate

# Few characters, so that texts meet. The last one is the Kelvin sign, which folds to k.
LETTERS = "abkA.\n\u212a"
FIELDS = ("A", "B", "C.D")

texts = st.text(LETTERS, max_size=4)
PIECES = r"a b k A \. . .* .+ a* b? (a|b) (?:ab|) [ab] [k] [^a] ^ $ \A \z \b \n (a|b.*) (?:^a|b$)"
MORE = "a{2} (?i:k) (?s:.*) (?i) (?m)"
pieces = st.sampled_from([*PIECES.split(), *MORE.split()])
patterns = st.builds(
    "".join, st.tuples(st.sampled_from(["", "", "(?i)", "(?s)", "(?m)", "(?ims)"]), *[pieces] * 4)
) | st.lists(pieces, max_size=6).map("".join)


def compiled(pattern: str) -> Any:
    try:
        return re2.compile(pattern, re2_options())
    except re2.error:
        return None


def folded_unless(cased: bool, text: Any) -> Any:
    return fold(text) if isinstance(text, str) and not cased else text


fields = st.sampled_from(FIELDS)
fields_or_keywords = st.sampled_from([*FIELDS, None])
case = st.booleans()
numbers = st.sampled_from([0, 1, 1.0, 2.5])
globs = st.lists(texts | st.sampled_from([ANY, ANY, ONE, DASH]), max_size=4).map(join)
placements = st.sampled_from(["equals", "contains", "startswith", "endswith"])
text_predicates = st.builds(
    lambda field, op, text, cased: Predicate(field, op, folded_unless(cased, text), cased),
    *(fields_or_keywords, st.sampled_from(sorted(TEXT_OPS, key=str)), texts, case),
)
likes = st.builds(
    lambda field, parts, cased: Predicate(
        field, Op.LIKE, tuple(folded_unless(cased, part) for part in parts), cased
    ),
    *(fields_or_keywords, globs, case),
)
predicates = st.one_of(
    text_predicates,
    text_predicates,
    likes,
    st.builds(Predicate, fields_or_keywords, st.just(Op.REGEX), patterns.filter(compiled)),
    st.builds(Predicate, fields, st.sampled_from([Op.EXISTS, Op.NULL])),
    st.builds(Predicate, fields_or_keywords, st.sampled_from([Op.NUMBER, Op.LESS]), numbers),
    st.builds(Predicate, fields, st.just(Op.SAME), st.tuples(fields, placements), case),
    st.builds(Predicate, fields_or_keywords, st.just(Op.CIDR), st.just("10.0.0.0/8")),
    st.builds(Predicate, fields, st.just(Op.TIME), st.just(("hour", "gte", 3))),
)


def junctions(inner: st.SearchStrategy[Expression]) -> st.SearchStrategy[Expression]:
    several = st.lists(inner, max_size=4)
    names = st.sampled_from(["selection", "filter", "_cond_0"])
    return st.one_of(
        several.map(lambda operands: And(*operands)),
        several.map(lambda operands: Or(*operands)),
        inner.map(Not),
        st.builds(Named, names, inner),
        st.builds(lambda n, operands: AtLeast(n, *operands), st.integers(0, 4), several),
    )


# Expressions over a handful of predicates, so that the same ones meet in many places.
places = [Predicate("place", Op.NUMBER, number) for number in range(4)]
shapes = st.recursive(st.sampled_from([*places, *places, TRUE, FALSE]), junctions, max_leaves=12)
expressions = st.builds(
    lambda shape, chosen: transform(shape, lambda place: chosen[place.argument], (Predicate,)),
    *(shapes, st.tuples(*[predicates] * len(places))),
)


scalars = (
    texts
    | st.sampled_from([None, True, False, 0, 1, 2.5, 3, "1", "2.5", "true", "10.1.1.1", "-a", "/a"])
    | st.sampled_from(["2024-01-02T03:04:05Z", 1704164645])
)
values = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("AD"), inner, max_size=2)
    ),
    max_leaves=4,
)
events = st.dictionaries(st.sampled_from(["A", "B", "C", "C.D"]), values, max_size=4)


@pytest.mark.parametrize("each", [*PASSES, optimize], ids=lambda each: each.__name__)
@examples(100, deadline=None)
@given(expression=expressions, some_events=st.lists(events, min_size=1, max_size=5))
def test_a_pass_keeps_the_truth(
    each: Callable[[Expression], Expression],
    expression: Expression,
    some_events: list[dict[str, Any]],
) -> None:
    made = each(expression)
    for event in some_events:
        assert evaluate(made, event) is evaluate(expression, event)


@pytest.mark.parametrize("each", [*PASSES, optimize], ids=lambda each: each.__name__)
@examples(50, deadline=None)
@given(expression=expressions)
def test_a_pass_finds_nothing_in_its_own_result(
    each: Callable[[Expression], Expression], expression: Expression
) -> None:
    made = each(merge(expression))  # reorder relies on what merge did
    assert each(made) is made


@examples(50, deadline=None)
@given(expressions, st.dictionaries(predicates, st.floats(0, 1)), events)
def test_no_profile_changes_the_truth(
    expression: Expression, profile: dict[Predicate, float], event: dict[str, Any]
) -> None:
    assert evaluate(reorder(expression, profile), event) is evaluate(expression, event)


@examples(200, deadline=None)
@given(expressions, st.sets(fields_or_keywords), st.lists(events, min_size=1, max_size=5))
def test_a_gate_is_open_wherever_its_rule_matches(
    expression: Expression, without: set[str | None], some_events: list[dict[str, Any]]
) -> None:
    found = gate(expression, without=without)
    assume(found is not None)
    assert found is not None
    assert all(
        each.op in (*TEXT_OPS, Op.NUMBER, Op.EXISTS) and not each.cased for each in found.predicates
    )
    assert not without & {each.field for each in found.predicates}
    for event in some_events:
        if evaluate(expression, event):
            assert any(evaluate(each, event) for each in found.predicates)


@examples(50, deadline=None)
@given(expressions, events)
def test_the_parts_of_a_rule_are_the_rule(expression: Expression, event: dict[str, Any]) -> None:
    added, rest = logsource_part(expression)
    parts = evaluate(rest, event) and (added is None or evaluate(added, event))
    assert parts is evaluate(expression, event)


# Any characters of RE2's syntax in any order, as far as RE2 takes them.
noise = st.text("abk()|*+?.^${}[]\\1,:-isAzbQEpxd \u212a", max_size=10).filter(compiled)
subjects = st.text(LETTERS + "AB1{*\\", max_size=8)


@examples(400, deadline=None)
@given(patterns.filter(compiled) | noise, st.lists(subjects, min_size=1, max_size=8))
@example(r"a+\.*.*", ["a", "a\n"])
@example("(?i)k", ["\u212a"])
@example("^.*a", ["b\na"])
@example("a$", ["a\n"])
@example("a(?i)*", ["", "A"])
@example("(?:.*)a|b.*", ["a"])
def test_text_predicates_say_what_re2_says(pattern: str, subjects: list[str]) -> None:
    regex = compiled(pattern)
    tests = equivalent_texts(pattern)
    shorter = weaken(Predicate("A", Op.REGEX, pattern))
    sets = all_required_literals(pattern)
    assert required_literals(pattern) == (sets[0] if sets else None)
    for text in subjects:
        found = regex.search(text) is not None
        assert evaluate(shorter, {"A": text}) is found
        if tests is not None:
            assert any(evaluate(Predicate("A", *test), {"A": text}) for test in tests) is found
        if found:
            assert all(any(literal in fold(text) for literal in literals) for literals in sets)


@cache
def letter_case() -> dict[str, str]:
    """Every character of Unicode that folds to something → what it folds to."""
    every = [chr(code) for code in (*range(0xD800), *range(0xE000, sys.maxunicode + 1))]
    return {char: folded for char in every if (folded := fold(char)) != char}


def test_re2_ignores_the_case_of_ascii_as_sigma_does() -> None:
    every = "".join(map(chr, [*range(0xD800), *range(0xE000, sys.maxunicode + 1)]))
    for code in range(128):
        char = chr(code)
        regex = re2.compile("(?i)" + re2.escape(char), re2_options())
        same = [each for each, folded in letter_case().items() if folded == fold(char)]
        rest = every
        for each in {char, fold(char), *same}:
            assert regex.search(each)
            rest = rest.replace(each, "")
        assert not regex.search(rest)


def test_folding_twice_is_folding_once() -> None:
    assert not letter_case().keys() & set(letter_case().values())
