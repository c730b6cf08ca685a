"""A rule over an event as a picture: a tree of boxes, conditions down to values, each true or false."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from sigmac.compiler.meaning.explanation import (
    ConditionTruth,
    DetectionTruth,
    Explanation,
    ItemTruth,
    Near,
    SelectionTruth,
    TermTruth,
    ValueTruth,
    meaning,
)
from sigmac.compiler.meaning.found_words import found_words, hint_words
from sigmac.runtime.printable import escaped, shortened

MAX_TEXT = 300  # characters of a box
MAX_VALUES = 12  # of an item that are shown, those that hold first
MAX_BOXES = 2_000  # of a rule


@dataclass(slots=True)
class Box:
    """What a part of a rule says, and its truth; `note` is what the event holds there.

    `truth` is None where it stands for several parts that are left out, `absent` where its field is.
    """

    text: str
    truth: bool | None
    kind: str
    note: str = ""
    absent: bool = False
    children: list[Box] = field(default_factory=list)


def picture_of(explanation: Explanation, near: Near) -> Box:
    """The picture of a rule over an event; `near` names the event's field nearest to one that is absent."""
    rule = explanation.rule
    level = f" ({rule.meta.level})" if rule.meta.level else ""
    top = Box(_cut(rule.meta.title) + escaped(level), explanation.matched, "rule")
    top.note = escaped(str(rule.place))
    for variant in explanation.variants:
        held = top
        if variant.name is not None:
            held = Box(f"variant {variant.name}", variant.matched, "variant")
            top.children.append(held)
        held.children += _searched(variant.conditions, variant.selections, near)
        for each in variant.filters:
            box = Box(f"filter {_cut(each.filter.meta.title)}", each.matched, "variant")
            box.children += _searched((each.condition,), each.selections, near)
            held.children.append(box)
    _bound(top)
    return top


def walked(top: Box) -> Iterator[tuple[Box, int]]:
    """Every box with its depth, those above first."""
    waiting = [(top, 0)]
    while waiting:
        box, depth = waiting.pop()
        yield box, depth
        waiting += [(child, depth + 1) for child in reversed(box.children)]


def _searched(
    conditions: Iterable[ConditionTruth], selections: Sequence[SelectionTruth], near: Near
) -> Iterator[Box]:
    """The conditions, each search identifier in full where it is first named; those that none names behind."""
    left = {each.name: each for each in selections}
    for each in conditions:
        box = Box(_cut(" ".join(each.condition.text.split())), each.matched, "condition")
        _add_term(box, each.term, left, near)
        yield box
    yield from (_selection(each, near) for each in left.values())


def _add_term(above: Box, term: TermTruth, left: dict[str, SelectionTruth], near: Near) -> None:
    # A condition nests deeper than Python's stack may be.
    waiting = [(above, term)]
    while waiting:
        above, term = waiting.pop()
        found = None if term.operands else left.pop(term.text, None)
        if found is not None:
            above.children.append(_selection(found, near))
            continue
        box = Box(_cut(term.text), term.matched, "operator" if term.operands else "selection")
        above.children.append(box)
        waiting += [(box, each) for each in reversed(term.operands)]


def _selection(selection: SelectionTruth, near: Near) -> Box:
    box = Box(_cut(selection.name), selection.matched, "selection")
    detection = selection.detection
    if isinstance(detection, ItemTruth) or not detection.all:
        box.children.append(_detection(detection, near))
    else:
        box.children += [_detection(part, near) for part in detection.parts]
    return box


def _detection(detection: DetectionTruth, near: Near) -> Box:
    if isinstance(detection, ItemTruth):
        return _item(detection, near)
    if len(detection.parts) == 1:
        return _detection(detection.parts[0], near)
    box = Box("all of" if detection.all else "any of", detection.matched, "operator")
    box.children += [_detection(part, near) for part in detection.parts]
    return box


def _item(truth: ItemTruth, near: Near) -> Box:
    item, found = truth.item, truth.found
    name = "|".join((item.field or "keywords", *item.modifiers))
    box = Box(_cut(name), truth.matched, "item")
    if item.field is None:
        box.note = f"{len(found.values):,} values of the event"
    else:
        box.absent = not found.present
        box.note = found_words(found) + (hint_words(near(item.field)) if box.absent else "")
    shown = sorted(truth.values, key=lambda each: not each.matched)[:MAX_VALUES]
    box.children += map(_value, shown)
    if len(truth.values) > len(shown):
        box.children.append(_left_out(len(truth.values) - len(shown)))
    return box


def _value(value: ValueTruth) -> Box:
    box = Box(_cut(meaning(value.value)), value.matched, "value")
    if value.other is not None:
        box.note = found_words(value.other)
    shown = sorted(value.alternatives, key=lambda each: not each.matched)[:MAX_VALUES]
    box.children += map(_value, shown)
    if len(value.alternatives) > len(shown):
        box.children.append(_left_out(len(value.alternatives) - len(shown)))
    return box


def _left_out(count: int) -> Box:
    return Box(f"and {count:,} more", None, "value")


def _bound(top: Box) -> None:
    """Leave out what is beyond `MAX_BOXES`, the deepest first."""
    level = [top]
    count = 1
    while level:
        below = [child for box in level for child in box.children]
        count += len(below)
        if count > MAX_BOXES:
            for box in level:
                if box.children:
                    box.children = [_left_out(len(box.children))]
            return
        level = below


def _cut(text: str) -> str:
    return shortened(text, MAX_TEXT)
