"""How the conditions of a processing item are joined: by `and`, `or`, `not`, or an expression."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TypeVar

from sigmac.compiler.diagnostics.diagnostic import RuleError, did_you_mean
from sigmac.compiler.ir.expressions import And, Expression, Not, Or
from sigmac.compiler.pipeline.conditions.parameters import CODE, Parameters
from sigmac.compiler.pipeline.conditions.processing_conditions import Reader, Test
from sigmac.compiler.syntax import condition as conditions
from sigmac.compiler.syntax.condition import Identifier, Quantifier, names_matching
from sigmac.compiler.syntax.yaml_nodes import Node

_S = TypeVar("_S")
Quantify = Callable[[Iterable[bool]], bool]


def read_conditions(
    given: Parameters, kind: str, table: Mapping[str, Reader[_S]]
) -> Test[_S] | None:
    """The test that `<kind>_conditions`, `<kind>_cond_op`, `_cond_not` and `_cond_expr` make; None
    where the item acts on everything.

    Raises `RuleError` (`E_PIPELINE`).
    """
    node = given.optional(f"{kind}_conditions")
    quantifier = _quantifier(given, f"{kind}_cond_op")
    negated = given.flag(f"{kind}_cond_not")
    expression = given.optional(f"{kind}_cond_expr")
    tests = _named_tests(given, node, f"{kind}_conditions", table) if node else {}
    if expression is not None:
        if given.optional(f"{kind}_cond_op") is not None:
            message = f"`{kind}_cond_expr` and `{kind}_cond_op` exclude each other"
            raise given.fail(message, expression)
        if node is None or not node.is_map:
            message = (
                f"`{kind}_cond_expr` needs `{kind}_conditions` as a map from names to conditions"
            )
            raise given.fail(message, node or expression)
        combined = _by_expression(given, expression, tests)
    elif tests:
        combined = _joined(list(tests.values()), quantifier)
    else:
        return _without_conditions(given, kind, quantifier, negated)
    return _negation(combined) if negated else combined


_QUANTIFIERS: Mapping[str, Quantify] = {"and": all, "or": any, "all": all, "any": any}


def _quantifier(given: Parameters, key: str) -> Quantify:
    """How the conditions are joined: `and` (`all`), where nothing is said, or `or` (`any`)."""
    word = given.choice(key, _QUANTIFIERS, "and")
    if word == "any":
        message = f"`{key}: any` is read as `or`; pySigma takes the word for `and`"
        given.warn("W_PIPELINE_DIFFERS", message, given.optional(key), "write `or` or `and`")
    return _QUANTIFIERS[word]


def _without_conditions(
    given: Parameters, kind: str, quantifier: Quantify, negated: bool
) -> Test[_S] | None:
    """What an operator or a negation says of no conditions at all.

    As in pySigma: `and` of none holds, `or` of none does not, and a negation turns that round; but
    a rule without conditions is always acted on.
    """
    nothing: list[bool] = []
    holds = kind == "rule" or quantifier(nothing) is not negated
    for key in (f"{kind}_cond_op", f"{kind}_cond_not"):
        node = given.optional(key)
        if node is not None and node.value not in (False, "and", "all"):
            acts = "everything" if holds else "nothing"
            message = f"`{key}` without `{kind}_conditions`: the item acts on {acts}"
            given.warn("W_PIPELINE", message, node, "add the conditions")
            break
    return None if holds else lambda subject, run: False


def _named_tests(
    given: Parameters, node: Node, key: str, table: Mapping[str, Reader[_S]]
) -> dict[str, Test[_S]]:
    if node.is_list:
        named = {str(index): child for index, child in enumerate(node.value, 1)}
    elif node.is_map:
        named = {
            given.as_text(name, "the name of a condition"): child
            for name, child in given.pairs(key)
        }
    else:
        raise given.fail(f"`{key}` must be a list of conditions, or a map of them", node)
    return {name: _test(given, child, key, table) for name, child in named.items()}


def _test(given: Parameters, node: Node, key: str, table: Mapping[str, Reader[_S]]) -> Test[_S]:
    parameters = Parameters(given.document, node, f"a condition of `{key}`")
    kind = parameters.text("type")
    if kind not in table:
        hint = did_you_mean(kind, table) or f"one of {', '.join(table)}"
        raise given.fail(f"`{key}` knows no type `{kind[:60]}`", parameters.optional("type"), hint)
    parameters.what = f"the condition `{kind}`"
    test = table[kind](parameters)
    parameters.finish()
    return test


def _joined(tests: list[Test[_S]], quantifier: Quantify) -> Test[_S]:
    if len(tests) == 1:
        return tests[0]
    return lambda subject, run: quantifier(test(subject, run) for test in tests)


def _negation(test: Test[_S]) -> Test[_S]:
    return lambda subject, run: not test(subject, run)


def _by_expression(given: Parameters, node: Node, tests: dict[str, Test[_S]]) -> Test[_S]:
    text = given.as_text(node, "an expression of conditions")
    names = list(tests)
    try:
        parsed = conditions.parse(text, given.place(node), raw=node.raw)
        for fault in conditions.name_faults(parsed, names):
            raise fault
    except RuleError as error:
        found = error.diagnostic
        raise RuleError(CODE, found.message, found.place, found.hint) from None
    unused = sorted(set(names) - conditions.names_used(parsed, names))
    if unused:
        raise given.fail(f"the expression does not use the condition `{unused[0][:60]}`", node)
    return _evaluation(parsed.expression, tests)


def _evaluation(node: Expression, tests: dict[str, Test[_S]]) -> Test[_S]:
    if isinstance(node, Identifier):
        return tests[node.name]
    if isinstance(node, Not):
        return _negation(_evaluation(node.operand, tests))
    if isinstance(node, (And, Or)):
        operands = [_evaluation(each, tests) for each in node.operands]
        return _joined(operands, all if isinstance(node, And) else any)
    assert isinstance(node, Quantifier)
    chosen = [tests[name] for name in names_matching(node.target, tests)]
    least = len(chosen) if node.count is None else node.count
    return lambda subject, run: sum(test(subject, run) for test in chosen) >= least
