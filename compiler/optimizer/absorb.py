"""Branches that a shorter branch beside them makes needless."""

from __future__ import annotations

from collections import defaultdict

from sigmac.compiler.ir.expressions import And, Expression, Or, junction, transform


def absorb(expression: Expression) -> Expression:
    """Remove branches that hold all of another and more: `a or (a and b)` and its dual are `a`.

    >>> from sigmac.compiler.ir.expressions import Op, Predicate
    >>> a, b, c = (Predicate(name, Op.EXISTS) for name in "abc")
    >>> absorb(Or(a, And(a, b)))
    exists(a)
    >>> absorb(And(Or(c, b, a), Or(a, b)))
    exists(a) or exists(b)
    """
    return transform(expression, _absorbed, (And, Or))


def _absorbed(node: And | Or) -> Expression:
    other = Or if isinstance(node, And) else And
    if not any(type(operand) is other for operand in node.operands):
        return node
    parts = [
        frozenset(operand.operands) if isinstance(operand, other) else frozenset((operand,))
        for operand in node.operands
    ]
    # A branch is absorbed by one that lies wholly in it. Each is filed under one of its parts, the
    # one that the fewest branches share, and so is met only by branches that have this part: no
    # comparing of all pairs.
    shared: dict[Expression, int] = defaultdict(int)
    for part in parts:
        for each in part:
            shared[each] += 1
    filed: dict[Expression | None, list[int]] = defaultdict(list)
    for i, part in enumerate(parts):
        filed[min(part, key=shared.__getitem__, default=None)].append(i)

    def absorbs(i: int, j: int) -> bool:
        return parts[i] < parts[j] or (parts[i] == parts[j] and i < j)

    kept = [
        operand
        for j, operand in enumerate(node.operands)
        if not any(absorbs(i, j) for each in (None, *parts[j]) for i in filed.get(each, ()))
    ]
    return node if len(kept) == len(node.operands) else junction(type(node), kept)
