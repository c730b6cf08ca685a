"""Laws of the optimizer: every pass keeps the truth on every event, a gate is open wherever its rule matches."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from typing import Any

import pytest
import re2
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from sigmac.compiler.ir import (
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
)
from sigmac.compiler.modifiers import re2_options
from sigmac.compiler.optimizer import PASSES, gate, logsource_part, optimize
from sigmac.compiler.optimizer.regex_literals import equivalent_texts, required_literals
from sigmac.compiler.optimizer.reorder import reorder
from sigmac.compiler.optimizer.weaken import weaken
from sigmac.compiler.reference import fold
from sigmac.compiler.values import ANY, DASH, ONE, join
from tests.property.evaluate_ir import evaluate

# Few characters, so that texts meet. The last two are the only ones beyond ASCII that fold into it (to k and s).
LETTERS = "abkA.\n\u212a"
FIELDS = ("A", "B", "C.D")

texts = st.text(LETTERS, max_size=4)
pieces = st.sampled_from(
    ["a", "b", "k", "A", r"\.", ".", ".*", ".+", "a*", "b?", "(a|b)", "(?:ab|)", "[ab]", "[k]", "[^a]"]
    + ["^", "$", r"\A", r"\z", r"\b", r"\n", "(a|b.*)", "(?:^a|b$)", "a{2}", "(?i:k)", "(?s:.*)", "(?i)", "(?m)"]
)
patterns = st.builds(
    "".join, st.tuples(st.sampled_from(["", "", "(?i)", "(?s)", "(?m)", "(?ims)"]), *[pieces] * 4)
) | st.lists(pieces, max_size=6).map("".join)


def compiled(pattern: str) -> Any:
    try:
        return re2.compile(pattern, re2_options())
    except re2.error:
        return None


@st.composite
def predicates(draw: st.DrawFn) -> Predicate:
    field = draw(st.sampled_from([*FIELDS, None]))
    op = draw(st.sampled_from([*TEXT_OPS, *TEXT_OPS, *Op]))
    if field is None and op in (Op.EXISTS, Op.NULL, Op.SAME, Op.TIME):
        op = Op.CONTAINS
    cased = draw(st.booleans())
    if op in TEXT_OPS:
        text = draw(texts)
        return Predicate(field, op, text if cased else fold(text), cased)
    if op is Op.LIKE:
        parts = join(draw(st.lists(texts | st.sampled_from([ANY, ANY, ONE, DASH]), max_size=4)))
        change = (lambda s: s) if cased else fold
        folded = tuple(change(part) if isinstance(part, str) else part for part in parts)
        return Predicate(field, op, folded, cased)
    if op is Op.SAME:
        placement = draw(st.sampled_from(["equals", "contains", "startswith", "endswith"]))
        return Predicate(field, op, (draw(st.sampled_from(FIELDS)), placement), cased)
    arguments: dict[Op, st.SearchStrategy[Any]] = {
        Op.REGEX: patterns.filter(compiled),
        Op.CIDR: st.just("10.0.0.0/8"),
        Op.TIME: st.just(("hour", "gte", 3)),
        Op.EXISTS: st.none(),
        Op.NULL: st.none(),
    }
    return Predicate(field, op, draw(arguments.get(op, st.sampled_from([0, 1, 1.0, 2.5]))))


def junctions(inner: st.SearchStrategy[Expression]) -> st.SearchStrategy[Expression]:
    several = st.lists(inner, min_size=0, max_size=4)
    names = st.sampled_from(["selection", "filter", "_cond_0"])
    return (
        several.map(lambda operands: And(*operands))
        | several.map(lambda operands: Or(*operands))
        | inner.map(Not)
        | st.builds(Named, names, inner)
        | st.builds(lambda n, operands: AtLeast(n, *operands), st.integers(0, 4), several)
    )


@st.composite
def expressions(draw: st.DrawFn) -> Expression:
    """Expressions over a handful of predicates, so that the same ones meet in many places."""
    pool = draw(st.lists(predicates(), min_size=1, max_size=4))
    return draw(st.recursive(st.sampled_from([*pool, *pool, TRUE, FALSE]), junctions, max_leaves=12))


scalars = (
    texts
    | st.sampled_from([None, True, False, 0, 1, 2.5, 3, "1", "2.5", "true", "10.1.1.1", "-a", "/a"])
    | st.sampled_from(["2024-01-02T03:04:05Z", 1704164645])
)
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("AD"), inner, max_size=2),
    max_leaves=4,
)
events = st.dictionaries(st.sampled_from(["A", "B", "C", "C.D"]), values, max_size=4)


@pytest.mark.parametrize("each", [*PASSES, optimize], ids=lambda each: each.__name__)
@settings(max_examples=300)
@given(expression=expressions(), some_events=st.lists(events, min_size=1, max_size=5))
def test_a_pass_keeps_the_truth(
    each: Callable[[Expression], Expression],
    expression: Expression,
    some_events: list[dict[str, Any]],
) -> None:
    made = each(expression)
    for event in some_events:
        assert evaluate(made, event) is evaluate(expression, event)


@pytest.mark.parametrize("each", [*PASSES, optimize], ids=lambda each: each.__name__)
@settings(max_examples=200)
@given(expression=expressions())
def test_a_pass_finds_nothing_in_its_own_result(
    each: Callable[[Expression], Expression], expression: Expression
) -> None:
    made = each(expression)
    assert each(made) is made


@given(expressions(), st.dictionaries(predicates(), st.floats(0, 1)), events)
def test_no_profile_changes_the_truth(
    expression: Expression, profile: dict[Predicate, float], event: dict[str, Any]
) -> None:
    assert evaluate(reorder(expression, profile), event) is evaluate(expression, event)


@settings(max_examples=500)
@given(expressions(), st.lists(events, min_size=1, max_size=5))
def test_a_gate_is_open_wherever_its_rule_matches(
    expression: Expression, some_events: list[dict[str, Any]]
) -> None:
    found = gate(expression)
    assume(found is not None)
    assert found is not None
    assert all(
        each.op in (*TEXT_OPS, Op.NUMBER, Op.EXISTS) and not each.cased for each in found.predicates
    )
    for event in some_events:
        if evaluate(expression, event):
            assert any(evaluate(each, event) for each in found.predicates)


@given(expressions(), events)
def test_the_parts_of_a_rule_are_the_rule(expression: Expression, event: dict[str, Any]) -> None:
    added, rest = logsource_part(expression)
    parts = evaluate(rest, event) and (added is None or evaluate(added, event))
    assert parts is evaluate(expression, event)


# Any characters of RE2's syntax in any order, as far as RE2 takes them.
noise = st.text("abk()|*+?.^${}[]\\1,:-isAzbQEpxd \u212a", max_size=10).filter(compiled)
subjects = st.text(LETTERS + "AB1{*\\", max_size=8)


@settings(max_examples=1500)
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
    literals = required_literals(pattern)
    for text in subjects:
        found = regex.search(text) is not None
        assert evaluate(shorter, {"A": text}) is found
        if tests is not None:
            assert any(evaluate(Predicate("A", *test), {"A": text}) for test in tests) is found
        if found and literals is not None:
            assert any(literal in fold(text) for literal in literals)


def test_re2_ignores_the_case_of_ascii_as_sigma_does() -> None:
    every = "".join(map(chr, [*range(0xD800), *range(0xE000, sys.maxunicode + 1)]))
    folded = fold(every)
    for code in range(128):
        pattern = "(?i)" + re.sub(r"(\W)", r"\\\1", chr(code), flags=re.ASCII)
        found = {match[0] for match in re2.compile(pattern, re2_options()).finditer(every)}
        assert found == {c for c, f in zip(every, folded, strict=True) if f == fold(chr(code))}


def test_folding_twice_is_folding_once() -> None:
    every = "".join(map(chr, [*range(0xD800), *range(0xE000, sys.maxunicode + 1)]))
    assert fold(fold(every)) == fold(every)
