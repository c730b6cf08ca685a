"""What is true or false whatever the event."""

from __future__ import annotations

from collections.abc import Sequence

from sigmac.compiler.ir.expressions import (
    FALSE,
    TRUE,
    And,
    AtLeast,
    Const,
    Expression,
    Named,
    Not,
    Or,
    junction,
    transform,
)


def fold_constants(expression: Expression) -> Expression:
    """Decide what no event can change: constants, `x and not x`, `not not x`, needless counts.

    >>> from sigmac.compiler.ir.expressions import Op, Predicate
    >>> a, b, c = (Predicate(name, Op.EXISTS) for name in "abc")
    >>> fold_constants(Or(And(a, Named("selection", TRUE)), And(b, Not(b))))
    exists(a)
    >>> fold_constants(Not(Not(a))), fold_constants(Or(a, Not(a), b))
    (exists(a), true)
    >>> AtLeast(2, a, b, FALSE)
    2 of (exists(a), exists(b), false)
    >>> fold_constants(_)
    exists(a) and exists(b)

    Conditions of a list and variants stay where they can hold, since a match tells which of them did.

    >>> fold_constants(Or(Named(":condition 0", a), Named(":condition 1", Not(a))))
    (:condition 0: exists(a)) or (:condition 1: (not exists(a)))
    """
    return transform(expression, _folded, (And, Or, Not, AtLeast, Named))


def _folded(node: Expression) -> Expression:
    if isinstance(node, (And, Or)):
        return _junction(node)
    if isinstance(node, Not):
        if isinstance(node.operand, Const):
            return FALSE if node.operand.value else TRUE
        return node.operand.operand if isinstance(node.operand, Not) else node
    if isinstance(node, Named):
        told = node.is_internal and node.operand is TRUE
        return node.operand if isinstance(node.operand, Const) and not told else node
    return _at_least(node) if isinstance(node, AtLeast) else node


def _junction(node: And | Or) -> Expression:
    decisive, neutral = (FALSE, TRUE) if isinstance(node, And) else (TRUE, FALSE)
    if decisive in node.operands or _complementary(node.operands):
        return decisive
    if neutral in node.operands or len(node.operands) < 2:
        return junction(type(node), [each for each in node.operands if each is not neutral])
    return node


def _complementary(operands: Sequence[Expression]) -> bool:
    """Whether some operand is the negation of another, whatever names the rule gives them."""
    if not any(isinstance(operand, (Not, Named)) for operand in operands):
        return False
    meanings = {_meaning(operand) for operand in operands}
    return any(isinstance(each, Not) and _meaning(each.operand) in meanings for each in meanings)


def _meaning(expression: Expression) -> Expression:
    while isinstance(expression, Named) and not expression.is_internal:
        expression = expression.operand
    return expression


def _at_least(node: AtLeast) -> Expression:
    operands = [operand for operand in node.operands if not isinstance(operand, Const)]
    count = node.count - node.operands.count(TRUE)
    if count <= 0:
        return TRUE
    if count > len(operands):
        return FALSE
    if 1 < count < len(operands):
        return AtLeast(count, *operands)
    made = junction(Or if count == 1 else And, operands)
    return _junction(made) if isinstance(made, (And, Or)) else made
