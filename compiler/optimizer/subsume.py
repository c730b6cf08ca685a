"""Predicates that another predicate on the same field already answers."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

from sigmac.compiler.ir.expressions import (
    TEXT_OPS,
    And,
    Expression,
    Op,
    Or,
    Predicate,
    junction,
    transform,
)

# Comparing n texts of m characters costs n × m at most. Where that is more than this, the list goes
# to an automaton, for which a needless text costs nothing, and is left as it is.
MAX_WORK = 20_000_000


def subsume(expression: Expression) -> Expression:
    """Of two predicates where one implies the other keep the weaker in an Or, else the stronger.

    `contains 'abc'` implies `contains 'ab'` on arrays too, where each may be true of another
    member. Every predicate but `null` implies that its field exists.

    >>> def image(op, text):
    ...     return Predicate("Image", op, text)
    >>> subsume(Or(image(Op.CONTAINS, "ab"), image(Op.CONTAINS, "abc"), image(Op.EQUALS, "ab")))
    contains(Image, 'ab')
    >>> subsume(And(image(Op.EXISTS, None), image(Op.CONTAINS, "a"), image(Op.STARTSWITH, "cab")))
    startswith(Image, 'cab')
    """
    return transform(expression, _subsumed, (And, Or))


def _subsumed(node: And | Or) -> Expression:
    groups: dict[tuple[str | None, bool], list[Predicate]] = defaultdict(list)
    present: dict[str | None, Predicate] = {}
    for operand in node.operands:
        if isinstance(operand, Predicate):
            if operand.op in TEXT_OPS:
                groups[operand.field, operand.cased].append(operand)
            elif operand.op is Op.EXISTS:
                present[operand.field] = operand
    redundant: set[Expression] = set()
    for group in groups.values():
        if len(group) > 1:
            redundant |= _weaker(group) if isinstance(node, And) else _stronger(group)
    if present:
        redundant.update(_by_presence(node, present))
    if not redundant:
        return node
    return junction(type(node), [each for each in node.operands if each not in redundant])


def _weaker(group: list[Predicate]) -> set[Expression]:
    return {weak for weak in _inside_others(group) if any(_implies(each, weak) for each in group)}


def _stronger(group: list[Predicate]) -> set[Expression]:
    weak = _inside_others(group)
    if not weak:
        return set()
    return {each for each in group if any(_implies(each, other) for other in weak)}


def _inside_others(group: list[Predicate]) -> list[Predicate]:
    """Those whose text may occur in another one's: one search each over all texts at once."""
    joined = "\0".join(predicate.argument for predicate in group)
    if len(group) * len(joined) > MAX_WORK:
        return []
    return [each for each in group if each.op is not Op.EQUALS and joined.count(each.argument) > 1]


def _implies(strong: Predicate, weak: Predicate) -> bool:
    if weak.op is Op.CONTAINS:
        return strong is not weak and weak.argument in strong.argument
    if weak.op is Op.STARTSWITH and strong.op in (Op.EQUALS, Op.STARTSWITH):
        return strong is not weak and strong.argument.startswith(weak.argument)
    if weak.op is Op.ENDSWITH and strong.op in (Op.EQUALS, Op.ENDSWITH):
        return strong is not weak and strong.argument.endswith(weak.argument)
    return False


def _by_presence(node: And | Or, present: dict[str | None, Predicate]) -> Iterable[Expression]:
    implying = [
        operand
        for operand in node.operands
        if isinstance(operand, Predicate)
        and operand.op not in (Op.EXISTS, Op.NULL)
        and operand.field in present
    ]
    if isinstance(node, Or):
        return implying
    return [present[predicate.field] for predicate in implying]
