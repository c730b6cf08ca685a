"""Detection items of a rule changed: the tree around them kept, what becomes empty taken out."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from operator import is_

from sigmac.compiler.ir.expressions import And, AtLeast, Expression, Not, Or, transform
from sigmac.compiler.pipeline.conditions.processing_run import Refusal
from sigmac.compiler.syntax.condition import Condition, Identifier, Quantifier, names_matching
from sigmac.compiler.syntax.rule import AllOf, AnyOf, Detection, Filter, Item, Rule

ItemChange = Callable[[Item], Detection | None]

_GONE = And()  # stands for an operand that is taken out; no condition of a rule holds an empty And


def change_items(rule: Rule, change: ItemChange) -> Rule:
    """The rule with each detection item, of its filters too, replaced by what `change` gives; None drops it.

    A selection that loses all its items is taken out of the conditions: And and Or go on without
    it. The rule itself is given back where nothing changed, that is every item is the same object.
    A filter of which nothing is left is left out. Raises `Refusal` (`E_EMPTY`) where nothing is
    left of the rule.
    """
    made = _in_detections(rule.detections, change)
    filters = _in_filters(rule.filters, change)
    if made is rule.detections and filters is rule.filters:
        return rule
    if len(made) == len(rule.detections):
        return replace(rule, detections=made, filters=filters)
    conditions = _without_dropped(rule.conditions, made)
    if not conditions:
        message = "the pipelines drop every detection item that the condition asks for"
        raise Refusal(message, code="E_EMPTY")
    places = {name: place for name, place in rule.places.items() if name in made}
    return replace(rule, detections=made, conditions=conditions, places=places, filters=filters)


def _in_detections(detections: dict[str, Detection], change: ItemChange) -> dict[str, Detection]:
    """The changed detections without those that are dropped; the same dict where none changed."""
    made = {name: _changed(detection, change) for name, detection in detections.items()}
    if all(made[name] is detection for name, detection in detections.items()):
        return detections
    return {name: each for name, each in made.items() if each is not None}


def _in_filters(filters: tuple[Filter, ...], change: ItemChange) -> tuple[Filter, ...]:
    """The changed filters without those of which nothing is left; the same tuple where none changed."""
    made = []
    for each in filters:
        detections = _in_detections(each.detections, change)
        if detections is each.detections:
            made.append(each)
        else:
            left = _without_dropped([each.condition], detections)
            made += [replace(each, detections=detections, condition=one) for one in left]
    same = len(made) == len(filters) and all(map(is_, made, filters))
    return filters if same else tuple(made)


def _changed(detection: Detection, change: ItemChange) -> Detection | None:
    if isinstance(detection, Item):
        return change(detection)
    kept: list[Detection] = []
    changed = False
    for child in detection.children:
        made = _changed(child, change)
        changed = changed or made is not child
        if made is None:
            continue
        # What replaces an item joins its neighbours: repeated changes do not nest ever deeper.
        if made is not child and isinstance(made, (AllOf, AnyOf)) and type(made) is type(detection):
            kept.extend(made.children)
        else:
            kept.append(made)
    if not changed:
        return detection
    return replace(detection, children=tuple(kept)) if kept else None


def _without_dropped(
    conditions: Iterable[Condition], detections: dict[str, Detection]
) -> tuple[Condition, ...]:
    """The conditions without the search identifiers that are not left in `detections`."""
    names = list(detections)

    def change(node: Expression) -> Expression:
        if isinstance(node, Identifier):
            return node if node.name in detections else _GONE
        if isinstance(node, Quantifier):
            count = len(names_matching(node.target, names))
            if not count:
                return _GONE
            return Quantifier(count, node.target) if node.count and node.count > count else node
        if isinstance(node, Not):
            return _GONE if node.operand is _GONE else node
        if isinstance(node, (And, Or, AtLeast)):
            left = [operand for operand in node.operands if operand is not _GONE]
            if not left:
                return _GONE
            if isinstance(node, AtLeast):
                return AtLeast(min(node.count, len(left)), *left)
            return left[0] if len(left) == 1 else type(node)(*left)
        return node

    return tuple(
        replace(condition, expression=expression)
        for condition in conditions
        if (expression := transform(condition.expression, change)) is not _GONE
    )
