"""The obvious evaluator of the IR, on the primitives of the reference: what passes are held to."""

from __future__ import annotations

from typing import Any

from sigmac.compiler.ir.expressions import (
    COMPARISONS,
    TEXT_OPS,
    And,
    AtLeast,
    Const,
    Expression,
    Named,
    Not,
    Op,
    Or,
    Predicate,
)
from sigmac.compiler.ir.values import (
    ANY,
    Compare,
    Network,
    Number,
    Part,
    Regex,
    Text,
    TimePart,
    Value,
    join,
)
from sigmac.compiler.meaning import reference

_OPERATORS = {op: operator for operator, op in COMPARISONS.items()}


def evaluate(expression: Expression, event: dict[str, Any]) -> bool:
    """Whether an expression is true of an event."""
    if isinstance(expression, Const):
        return expression.value
    if isinstance(expression, Predicate):
        return _predicate(expression, event)
    if isinstance(expression, (Not, Named)):
        return evaluate(expression.operand, event) is isinstance(expression, Named)
    assert isinstance(expression, (And, Or, AtLeast))
    found = [evaluate(operand, event) for operand in expression.operands]
    if isinstance(expression, AtLeast):
        return sum(found) >= expression.count
    return all(found) if isinstance(expression, And) else any(found)


def _predicate(predicate: Predicate, event: dict[str, Any]) -> bool:
    if predicate.field is None:
        return any(reference.test(_value(predicate), leaf) for leaf in reference.leaves(event))
    present, found = reference.lookup(event, predicate.field)
    if predicate.op is Op.EXISTS:
        return present
    if predicate.op is Op.NULL:
        return not found or None in found
    if predicate.op is Op.SAME:
        name, placement = predicate.argument
        others = reference.lookup(event, name)[1]
        return any(_same(a, b, placement, predicate.cased) for a in found for b in others)
    return any(reference.test(_value(predicate), each) for each in found)


def _value(predicate: Predicate) -> Value:
    op, argument = predicate.op, predicate.argument
    if op is Op.LIKE:
        return Text(argument, predicate.cased)
    if op in TEXT_OPS:
        parts: list[Part] = [argument]
        if op in (Op.CONTAINS, Op.ENDSWITH):
            parts.insert(0, ANY)
        if op in (Op.CONTAINS, Op.STARTSWITH):
            parts.append(ANY)
        return Text(join(parts), predicate.cased)
    if op is Op.REGEX:
        return Regex((argument,))
    if op is Op.CIDR:
        return Network(argument)
    if op is Op.TIME:
        return TimePart(*argument)
    return Number(argument) if op is Op.NUMBER else Compare(_OPERATORS[op], argument)


def _same(left: Any, right: Any, placement: str, cased: bool) -> bool:
    a, b = reference.text(left), reference.text(right)
    if a is None or b is None:
        return False
    one, other = reference.number(left), reference.number(right)
    if placement == "equals" and one is not None and other is not None:
        return one == other
    if not cased:
        a, b = reference.fold(a), reference.fold(b)
    return {
        "equals": a == b,
        "contains": b in a,
        "startswith": a.startswith(b),
        "endswith": a.endswith(b),
    }[placement]
