"""A rule as a tree of yes-no questions, made from the model after pipelines: what is to be seen both true and false.

The tree serves the search for events and the count of what they cover. What a rule means is the reference's alone.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from sigmac.compiler.ir.expressions import (
    ADDED,
    And,
    AtLeast,
    Const,
    Expression,
    Not,
    Or,
    bottom_up,
    children,
    intern,
)
from sigmac.compiler.ir.values import Alternatives, Exists, FieldRef, Null, Regex, Text, Value
from sigmac.compiler.syntax.condition import Condition, resolve
from sigmac.compiler.syntax.rule import AllOf, Detection, Filter, Item, Rule


class Leaf(Expression):
    """Whether an event satisfies one value of an item; field None asks every scalar of the event."""

    __slots__ = ("added", "field", "item", "value")
    field: str | None
    value: Value
    item: Item
    added: bool  # by a pipeline, for the logsource

    def __new__(cls, item: Item, value: Value, added: bool) -> Leaf:
        key = (item.field, type(value), value, added)
        return intern(cls, key, field=item.field, value=value, item=item, added=added)

    def __repr__(self) -> str:
        name = "a keyword" if self.field is None else f"`{self.field[:60]}`"
        return f"{name} {described(self.value)}"


def described(value: Value) -> str:
    """A value as a person reads it, for reports."""
    match value:
        case Null():
            return "is null"
        case Exists(present):
            return "exists" if present else "does not exist"
        case FieldRef(other, placement):
            return f"{placement} the field `{other[:60]}`"
        case Text():
            return f"against {str(value)[:80]!r}"
        case Regex():
            return f"against the pattern {value.pattern[:80]!r}"
    return f"against {value!r}"[:100]


@dataclass(frozen=True, slots=True)
class RuleTree:
    """The whole question of a rule, and each of its nodes once, operands before what stands on them."""

    root: Expression
    nodes: tuple[Expression, ...]

    @property
    def leaves(self) -> list[Leaf]:
        return [node for node in self.nodes if isinstance(node, Leaf)]


def tree_of(variants: Sequence[Rule]) -> RuleTree:
    """The tree of a rule's variants, of which any may hold."""
    root = _either([_rule(each) for each in variants])
    nodes: list[Expression] = []
    bottom_up(root, lambda node, _: nodes.append(node))
    return RuleTree(root, tuple(nodes))


def _rule(rule: Rule) -> Expression:
    conditions = [_condition(each, rule.detections) for each in rule.conditions]
    filters = [_filter(each) for each in rule.filters]
    return And(_either(conditions), *filters) if filters else _either(conditions)


def _filter(joined: Filter) -> Expression:
    return _condition(joined.condition, joined.detections)


def _condition(condition: Condition, detections: Mapping[str, Detection]) -> Expression:
    return resolve(
        condition.expression,
        list(detections),
        lambda name: _detection(detections[name], name.startswith(ADDED)),
    )


def _detection(detection: Detection, added: bool) -> Expression:
    if not isinstance(detection, Item):
        made = [_detection(child, added) for child in detection.children]
        return _both(made) if isinstance(detection, AllOf) else _either(made)
    tests = [_value(detection, value, added) for value in detection.tests]
    found = _both(tests) if detection.all else _either(tests)
    return Not(found) if detection.negated else found


def _value(item: Item, value: Value, added: bool) -> Expression:
    if isinstance(value, Alternatives):
        return _either([_value(item, each, added) for each in value.values])
    return Leaf(item, value, added)


def _either(operands: Sequence[Expression]) -> Expression:
    return operands[0] if len(operands) == 1 else Or(*operands)


def _both(operands: Sequence[Expression]) -> Expression:
    return operands[0] if len(operands) == 1 else And(*operands)


def truths(tree: RuleTree, known: Mapping[Expression, bool]) -> dict[Expression, bool]:
    """The truth of every node, given that of the leaves."""
    found = dict(known)
    for node in tree.nodes:
        if isinstance(node, Leaf):
            continue
        if isinstance(node, Const):
            found[node] = node.value
            continue
        below = [found[each] for each in children(node)]
        if isinstance(node, Not):
            found[node] = not below[0]
        elif isinstance(node, AtLeast):
            found[node] = sum(below) >= node.count
        else:
            found[node] = all(below) if isinstance(node, And) else any(below)
    return found


def wanted_for(tree: RuleTree, target: Expression, truth: bool, turn: int = 0) -> dict[Leaf, bool]:
    """What each leaf should be so that a node has a truth value and the rule's answer depends on it.

    Where one of several operands will do, `turn` says which, so that another can be tried.

    The nodes beside the way from the root to the target are those that decide nothing: true in an And, false in an Or.
    That each condition be shown to decide by itself is "modified condition/decision coverage" (Chilenski and Miller
    1994), which takes about one event more than there are conditions.
    """
    wanted: dict[Leaf, bool] = {}
    _want(target, truth, wanted, turn, narrowly=True)
    way = _way_to(tree, target)
    for parent, child in reversed([*itertools.pairwise(way)]):
        others = [] if isinstance(parent, Not) else children(parent)
        for i, each in enumerate(each for each in others if each is not child):
            decided = (
                i < parent.count - 1 if isinstance(parent, AtLeast) else isinstance(parent, And)
            )
            _want(each, decided, wanted, turn)
    return wanted


def wanted_of(targets: Iterable[Expression], truth: bool, turn: int) -> dict[Leaf, bool]:
    """What each leaf should be so that several nodes have a truth, whatever the rule's answer."""
    wanted: dict[Leaf, bool] = {}
    for target in targets:
        _want(target, truth, wanted, turn)
    return wanted


def _way_to(tree: RuleTree, target: Expression) -> list[Expression]:
    """A way from the root to a node."""
    came_from: dict[Expression, Expression] = {}
    waiting = [tree.root]
    while waiting and target is not tree.root:
        node = waiting.pop()
        for child in children(node):
            if child not in came_from:
                came_from[child] = node
                waiting.append(child)
    way = [target]
    while way[-1] is not tree.root:
        way.append(came_from[way[-1]])
    return way[::-1]


def _want(
    top: Expression, truth: bool, wanted: dict[Leaf, bool], turn: int, narrowly: bool = False
) -> None:
    """Add what the leaves below a node should be for its truth; what is wanted already stays.

    Where one operand settles the node, the others of the top are as they decide nothing, if it is to be so `narrowly`.
    """
    waiting = [(top, truth)]
    while waiting:
        node, value = waiting.pop()
        if isinstance(node, Leaf):
            wanted.setdefault(node, value)
        elif isinstance(node, Not):
            waiting.append((node.operand, not value))
        elif isinstance(node, AtLeast):
            count = node.count if value else node.count - 1
            first = turn % len(node.operands) if node is top else 0
            rotated = (*node.operands[first:], *node.operands[:first])
            waiting += [(each, i < count) for i, each in enumerate(rotated)]
        elif isinstance(node, And | Or) and isinstance(node, And) is value:
            waiting += [(each, value) for each in node.operands]
        elif isinstance(node, And | Or) and node.operands:
            chosen = node.operands[turn % len(node.operands)]
            if narrowly and node is top:
                waiting += [(each, not value) for each in node.operands if each is not chosen]
            waiting.append((chosen, value))
