"""The same operand twice."""

from __future__ import annotations

from sigmac.compiler.ir.expressions import And, Expression, Or, junction, transform


def deduplicate(expression: Expression) -> Expression:
    """Keep the first of equal operands of an And or an Or.

    The operands of a count stay: each of them counts.

    >>> from sigmac.compiler.ir.expressions import Op, Predicate
    >>> a, b = (Predicate(name, Op.EXISTS) for name in "ab")
    >>> deduplicate(And(a, b, a))
    exists(a) and exists(b)
    """
    return transform(expression, _distinct, (And, Or))


def _distinct(node: And | Or) -> Expression:
    kept = dict.fromkeys(node.operands)
    return node if len(kept) == len(node.operands) else junction(type(node), tuple(kept))
