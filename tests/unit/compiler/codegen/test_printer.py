"""What expressions look like as Python, by `printer.txt`, and that they still mean the same."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sigmac.compiler.codegen.printer import MAX_NESTING, Body, print_body, print_expression
from sigmac.compiler.ir.expressions import (
    FALSE,
    TRUE,
    And,
    AtLeast,
    Const,
    Expression,
    Named,
    Not,
    Op,
    Or,
)
from sigmac.compiler.ir.expressions import Predicate as P
from sigmac.compiler.ir.values import parse_text

NAMES: dict[str, Any] = {
    **{each.__name__: each for each in (And, AtLeast, Named, Not, Or, Op)},
    "P": P,
    "TRUE": TRUE,
    "FALSE": FALSE,
    "eq": lambda text, field="f": P(field, Op.EQUALS, text),
    "contains": lambda text, field="f": P(field, Op.CONTAINS, text),
    "cased": lambda text, field="f": P(field, Op.EQUALS, text, True),
    "like": lambda text, field="f": P(field, Op.LIKE, parse_text(text)),
}


def cases() -> list[tuple[str, str]]:
    text = Path(__file__).with_name("printer.txt").read_text("utf-8")
    blocks = text.split("\n\n")[1:]
    return [(one, other) for one, _, other in (b.strip("\n").partition("\n->\n") for b in blocks)]


def source(body: Body) -> str:
    lines = []
    for variable, value in body.statements:
        lines += [f"{variable} = {value}"] if variable else [f"if {value}:", "    return False"]
    return "\n".join([*lines, f"return {body.result}"])


@pytest.mark.parametrize(("expression", "printed"), cases(), ids=[one[:40] for one, _ in cases()])
def test_case(expression: str, printed: str) -> None:
    assert source(print_body(eval(expression, dict(NAMES)))) == printed


def function(body: Body) -> Callable[[Any], bool]:
    text = "def rule(event):\n" + "".join(f"    {line}\n" for line in source(body).splitlines())
    scope: dict[str, Any] = {}
    exec(compile(text, "<rule>", "exec"), scope)
    made: Callable[[Any], bool] = scope["rule"]
    return made


class Answers:
    """An event in which exactly some texts are the value of `f`."""

    def __init__(self, true: frozenset[str]):
        self.true = true

    def equals(self, field: str, *texts: str) -> bool:
        return any(text in self.true for text in texts)

    contains = equals

    def contains_all(self, field: str, *texts: str) -> bool:
        return all(text in self.true for text in texts)


def truth(node: Expression, true: frozenset[str]) -> bool:
    match node:
        case Const():
            return node.value
        case P():
            return node.argument in true
        case Not() | Named():
            inner = truth(node.operand, true)
            return inner is not isinstance(node, Not)
        case And():
            return all(truth(each, true) for each in node.operands)
        case Or():
            return any(truth(each, true) for each in node.operands)
        case AtLeast():
            return sum(truth(each, true) for each in node.operands) >= node.count
    raise AssertionError(node)


LETTERS = "abcd"
LEAVES = st.builds(
    P, st.just("f"), st.sampled_from([Op.EQUALS, Op.CONTAINS]), st.sampled_from(LETTERS)
) | st.sampled_from([TRUE, FALSE])


def joined(inner: st.SearchStrategy[Expression]) -> st.SearchStrategy[Expression]:
    several = st.lists(inner, min_size=1, max_size=3)
    return (
        several.map(lambda operands: And(*operands))
        | several.map(lambda operands: Or(*operands))
        | st.builds(lambda n, operands: AtLeast(n, *operands), st.integers(1, 3), several)
        | inner.map(Not)
        | st.builds(Named, st.sampled_from(["sel", "a.b", "a-b", "if", "é"]), inner)
    )


@given(st.recursive(LEAVES, joined, max_leaves=12), st.frozensets(st.sampled_from(LETTERS)))
def test_printed_code_means_what_the_expression_means(
    expression: Expression, true: frozenset[str]
) -> None:
    expected = truth(expression, true)
    assert bool(function(print_body(expression))(Answers(true))) is expected
    inline = Body(result=print_expression(expression))
    assert bool(function(inline)(Answers(true))) is expected


@pytest.mark.parametrize("depth", [MAX_NESTING, 50, 3000])
def test_deep_nesting_is_given_names(depth: int) -> None:
    node: Expression = P("f", Op.EQUALS, "a")
    for level in range(depth):
        node = (And, Or)[level % 2](node, P("f", Op.EQUALS, "b" if level % 2 else "c"))
    try:
        body = print_body(node)
    except RecursionError:
        pytest.fail("the printer recurses as deep as the expression")
    deepest = 0
    for line in source(body).splitlines():
        open_ = 0
        for character in line:
            open_ += (character == "(") - (character == ")")
            deepest = max(deepest, open_)
    assert deepest <= MAX_NESTING + 2
    made = function(body)
    assert made(Answers(frozenset("ac"))) is truth_of_chain(depth, frozenset("ac"))
    assert set(body.renamed.values()) <= {""}


def truth_of_chain(depth: int, true: frozenset[str]) -> bool:
    found = "a" in true
    for level in range(depth):
        found = (found or "b" in true) if level % 2 else (found and "c" in true)
    return found
