"""Values of one field and operator, side by side."""

from __future__ import annotations

from collections.abc import Hashable

from sigmac.compiler.ir.expressions import And, Expression, Or, Predicate, transform


def merge(expression: Expression) -> Expression:
    """Group an And's or an Or's predicates on one field and operator: one call asks for them.

    A group stands where its first member stood; inside it the order of writing stays.

    >>> from sigmac.compiler.ir.expressions import Op
    >>> image, parent = (Predicate("Image", Op.CONTAINS, text) for text in "ab")
    >>> merge(Or(image, Predicate("User", Op.EQUALS, "root"), parent))
    contains(Image, 'a') or contains(Image, 'b') or equals(User, 'root')
    """
    return transform(expression, _grouped, (And, Or))


def question(operand: Expression) -> Hashable:
    """What operands that can share one call have in common; any other has itself."""
    if isinstance(operand, Predicate):
        return operand.field, operand.op, operand.cased
    return operand


def _grouped(node: And | Or) -> Expression:
    groups: dict[Hashable, list[Expression]] = {}
    for operand in node.operands:
        groups.setdefault(question(operand), []).append(operand)
    if len(groups) in (1, len(node.operands)):
        return node
    operands = tuple([operand for group in groups.values() for operand in group])
    return node if operands == node.operands else type(node)(*operands)
