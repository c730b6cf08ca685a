"""Every pass on the cases of `fixtures/<pass>.txt` and of `docs/optimizer.md`."""

from __future__ import annotations

import doctest
import importlib
import re
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import pytest

from sigmac.compiler.ir.expressions import And, Expression, Named, Not, Op, Or, Predicate
from sigmac.compiler.ir.values import ANY
from sigmac.compiler.optimizer import PASSES, optimize
from sigmac.compiler.optimizer.subsume import subsume
from tests.unit.compiler.optimizer.expressions import (
    Case,
    read_case_file,
    read_cases,
    read_expression,
)

FIXTURES = Path(__file__).with_name("fixtures")
GUIDE = Path(__file__).parents[4] / "docs" / "optimizer.md"
MODULES = sorted(path.stem for path in Path(optimize.__code__.co_filename).parent.glob("[a-z]*.py"))
FUNCTIONS: dict[str, Callable[[Expression], Expression]] = {
    **{each.__name__: each for each in PASSES},
    "optimize": optimize,
}


def guide_cases(name: str) -> list[Case]:
    """The examples of a section of the guide: its indented blocks with an arrow in them."""
    section = re.search(rf"^### `{name}`\n(.*?)(?=^##|\Z)", GUIDE.read_text("utf-8"), re.M | re.S)
    blocks = re.findall(r"^```text\n(.*?)^```", section[1], re.M | re.S) if section else []
    return [case for block in blocks for case in read_cases(block)]


def all_cases() -> list[tuple[str, Case]]:
    return [
        (name, case)
        for name in FUNCTIONS
        for case in [*read_case_file(FIXTURES / f"{name}.txt"), *guide_cases(name)]
    ]


@pytest.mark.parametrize(
    ("name", "case"), all_cases(), ids=lambda each: each if isinstance(each, str) else each.title
)
def test_case(name: str, case: Case) -> None:
    given = read_expression(case.given)
    expected = given if case.unchanged else read_expression(case.expected)
    assert FUNCTIONS[name](given) is expected


@pytest.mark.parametrize("name", [each.__name__ for each in PASSES])
def test_every_pass_is_explained_with_an_example(name: str) -> None:
    assert guide_cases(name)


@pytest.mark.parametrize("name", MODULES)
def test_examples_in_docstrings(name: str) -> None:
    module = importlib.import_module(f"sigmac.compiler.optimizer.{name}")
    failed, tried = doctest.testmod(module)
    assert not failed
    assert tried or name in ("__init__", "estimates", "measured_profile")


def test_expressions_read_back_as_they_are_shown() -> None:
    for _, case in all_cases():
        given = read_expression(case.given)
        assert read_expression(repr(given)) is given


def test_the_observer_is_told_every_step() -> None:
    given = read_expression("a or (a and (b and c)) or regex(A, '^x')")
    steps: list[tuple[str, Expression, Expression]] = []
    made = optimize(given, observe=lambda *step: steps.append(step))
    assert [name for name, _, _ in steps[: len(PASSES)]][:6] == [p.__name__ for p in PASSES][:6]
    assert steps[0][1] is given
    assert steps[-1][2] is made
    assert all(one[2] is next_[1] for one, next_ in pairwise(steps))


def test_a_profile_of_real_events_decides_the_order() -> None:
    given = read_expression("number(A, 1) and contains(B, 'zzz')")
    common, rare = given.operands if isinstance(given, And) else ()
    assert isinstance(common, Predicate)
    assert isinstance(rare, Predicate)
    assert optimize(given, {common: 0.99, rare: 0.001}) is And(rare, common)
    assert optimize(given, {common: 0.001, rare: 0.99}) is And(common, rare)


def nested(depth: int) -> Expression:
    made: Expression = Predicate("A", Op.EQUALS, "x")
    for i in range(depth):
        other = Predicate(f"F{i}", Op.LIKE, (ANY, "x"))
        made = Not(And(made, other)) if i % 3 else Named(f"n{i}", Or(made, other))
    return made


def test_deep_expressions_are_no_deeper_than_pythons_stack() -> None:
    made = optimize(nested(1500))
    assert optimize(made) is made
    assert repr(made)


def test_long_lists_take_no_quadratic_time() -> None:
    texts = [f"{i:05d}-{'x' * (i % 50)}" for i in range(10_000)]
    given = Or(*(Predicate("A", Op.CONTAINS, text) for text in texts))
    assert optimize(given) is given
    inner = Or(*(And(*given.operands[i : i + 3]) for i in range(9_990)))
    assert isinstance(optimize(inner), Or)
    grown = Or(*(Predicate("A", Op.CONTAINS, "a" * n) for n in range(1, 5000)))
    assert subsume(grown) in (grown, Predicate("A", Op.CONTAINS, "a"))


@pytest.mark.parametrize(
    "pattern",
    [
        "(a|b)" * 300,
        "a?" * 1000,
        "x" * 100_000,
        "(" * 900 + "a" + ")" * 900,
        "((a{30}){30}){30}",
        "|".join(f"word{i}" for i in range(5000)),
        "[ab]" * 5000,
        "(?:a?|b?)" * 500,
    ],
    ids=lambda pattern: pattern[:12],
)
def test_large_regular_expressions_take_no_exponential_time(pattern: str) -> None:
    optimize(Predicate("A", Op.REGEX, pattern))
