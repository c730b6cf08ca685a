"""Why a rule matches an event or does not: the truth of each condition, selection, item and value.

Every truth is that of `reference.py`; this module keeps them in the shape of the rule.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sigmac.compiler.diagnostics.diagnostic import Place
from sigmac.compiler.ir.expressions import And, AtLeast, Expression, Not, Op, Or, bottom_up
from sigmac.compiler.ir.values import (
    ANY,
    Alternatives,
    Boolean,
    Compare,
    Exists,
    FieldRef,
    Network,
    Null,
    Number,
    Regex,
    Text,
    TimePart,
    Value,
    glob,
)
from sigmac.compiler.lowering.lower_rule import RuleVariant, text_predicate
from sigmac.compiler.meaning import reference
from sigmac.compiler.syntax.condition import Condition, Identifier, Quantifier, names_matching
from sigmac.compiler.syntax.rule import AllOf, Detection, Filter, Item, Rule
from sigmac.runtime.errors import EventError

MAX_DEPTH = 400  # of an event: the reference evaluator recurses
MAX_TEXT = 1000  # characters of an event's value in the JSON form
MAX_FOUND = 20  # an event's values of one field in the JSON form

Event = dict[str, Any]
Near = Callable[[str], str | None]


@dataclass(frozen=True, slots=True)
class Found:
    """What an event holds for an item: whether the field is present, and its values.

    The values of a keyword item are all scalar leaves of the event.
    """

    present: bool
    values: tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class ValueTruth:
    """One value of an item. `witness` is the event's value that satisfies it, None where none does
    or where it is not about a value that is there.

    `alternatives` are what one written value stands for where that is several, as with
    `base64offset`; `other` is what the event holds in the field that a `fieldref` names.
    """

    value: Value
    matched: bool
    witness: Any = None
    alternatives: tuple[ValueTruth, ...] = ()
    other: Found | None = None


@dataclass(frozen=True, slots=True)
class ItemTruth:
    """A detection item: what the event holds, and each value."""

    item: Item
    matched: bool
    found: Found
    values: tuple[ValueTruth, ...]


@dataclass(frozen=True, slots=True)
class GroupTruth:
    """A map (`all`) or a list of maps (not `all`) under a search identifier."""

    all: bool
    matched: bool
    parts: tuple[DetectionTruth, ...]


DetectionTruth = ItemTruth | GroupTruth


@dataclass(frozen=True, slots=True)
class SelectionTruth:
    """A search identifier."""

    name: str
    place: Place
    detection: DetectionTruth

    @property
    def matched(self) -> bool:
        return self.detection.matched


@dataclass(frozen=True, slots=True)
class TermTruth:
    """A node of a condition: `and`, `or`, `not`, a quantifier as `1 of selection_*`, or a search
    identifier.

    The operands of a quantifier are the search identifiers that it selects.
    """

    text: str
    matched: bool
    operands: tuple[TermTruth, ...] = ()


@dataclass(frozen=True, slots=True)
class ConditionTruth:
    """A condition of the rule."""

    condition: Condition
    term: TermTruth

    @property
    def matched(self) -> bool:
        return self.term.matched


@dataclass(frozen=True, slots=True)
class FilterTruth:
    """A filter that acts on the rule, over search identifiers of its own; `matched` where it lets the event pass."""

    filter: Filter
    condition: ConditionTruth
    selections: tuple[SelectionTruth, ...]

    @property
    def matched(self) -> bool:
        return self.condition.matched


@dataclass(frozen=True, slots=True)
class VariantTruth:
    """The rule as pipelines left it; `name` is None where they made no variants."""

    name: str | None
    conditions: tuple[ConditionTruth, ...]
    selections: tuple[SelectionTruth, ...]
    filters: tuple[FilterTruth, ...]

    @property
    def matched(self) -> bool:
        held = any(each.matched for each in self.conditions)
        return held and all(each.matched for each in self.filters)


@dataclass(frozen=True, slots=True)
class Explanation:
    """A rule over an event; the rule matches where one of its variants does."""

    rule: Rule
    variants: tuple[VariantTruth, ...]

    @property
    def matched(self) -> bool:
        return any(each.matched for each in self.variants)

    def plain(self, near: Near = lambda _: None) -> dict[str, Any]:
        """The explanation as JSON types; `docs/explain.md` describes it.

        `near` names the event's field nearest to one that is absent.
        """
        meta, place = self.rule.meta, self.rule.place
        return {
            "rule": {"id": meta.id, "title": meta.title, "level": meta.level},
            "source": {"file": place.file, "line": place.line},
            "matched": self.matched,
            "variants": [_plain_variant(each, near) for each in self.variants],
        }


def explain_rule(rule: Rule, variants: Sequence[RuleVariant], event: Event) -> Explanation:
    """The truth of every part of a rule (as the pipelines made it: `variants`) for an event.

    Raises `EventError` where the event is nested deeper than `MAX_DEPTH`.
    """
    bound_depth(event)
    return Explanation(rule, tuple(_variant(each, event) for each in variants))


def bound_depth(event: Event) -> None:
    """Raises `EventError` where the event is nested deeper than `MAX_DEPTH`."""
    level: list[Any] = [event]
    for _ in range(MAX_DEPTH):
        level = [
            child
            for node in level
            if isinstance(node, (dict, list))
            for child in (node.values() if isinstance(node, dict) else node)
        ]
        if not level:
            return
    raise EventError(f"the event is nested deeper than {MAX_DEPTH} levels")


def _variant(variant: RuleVariant, event: Event) -> VariantTruth:
    rule = variant.rule
    conditions, selections = _search(rule, rule.conditions, event)
    filters = []
    for each in rule.filters:
        (condition,), own = _search(each, [each.condition], event)
        filters.append(FilterTruth(each, condition, own))
    return VariantTruth(variant.name, conditions, selections, tuple(filters))


def _search(
    part: Rule | Filter, conditions: Iterable[Condition], event: Event
) -> tuple[tuple[ConditionTruth, ...], tuple[SelectionTruth, ...]]:
    """Conditions over the search identifiers of a rule or filter, and these."""
    selections = {
        name: SelectionTruth(name, part.places.get(name, part.place), _detection(detection, event))
        for name, detection in part.detections.items()
    }
    made = tuple(ConditionTruth(c, _term(c.expression, selections)) for c in conditions)
    return made, tuple(selections.values())


def _term(expression: Expression, selections: Mapping[str, SelectionTruth]) -> TermTruth:
    def named(name: str) -> TermTruth:
        return TermTruth(name, selections[name].matched)

    def term(node: Expression, operands: tuple[TermTruth, ...]) -> TermTruth:
        if isinstance(node, Identifier):
            return named(node.name)
        if isinstance(node, Not):
            return TermTruth("not", not operands[0].matched, operands)
        count: int | None = None
        if isinstance(node, (And, Or)):
            text, count = node.word, None if isinstance(node, And) else 1
        elif isinstance(node, AtLeast):
            text, count = f"at least {node.count}", node.count
        else:
            assert isinstance(node, Quantifier), node
            text, count = repr(node), node.count
            operands = tuple(map(named, names_matching(node.target, selections)))
        held = sum(each.matched for each in operands)
        return TermTruth(text, held >= (len(operands) if count is None else count), operands)

    return bottom_up(expression, term)


def _detection(detection: Detection, event: Event) -> DetectionTruth:
    if isinstance(detection, Item):
        return _item(detection, event)
    parts = tuple(_detection(child, event) for child in detection.children)
    every = isinstance(detection, AllOf)
    return GroupTruth(every, (all if every else any)(each.matched for each in parts), parts)


def _item(item: Item, event: Event) -> ItemTruth:
    found = _found(item.field, event)
    values = tuple(_value(item, value, found, event) for value in item.tests)
    held = (all if item.all else any)(each.matched for each in values)
    return ItemTruth(item, held is not item.negated, found, values)


def _found(field: str | None, event: Event) -> Found:
    if field is None:
        return Found(True, tuple(reference.leaves(event)))
    present, values = reference.lookup(event, field)
    return Found(present, tuple(values))


def _value(item: Item, value: Value, found: Found, event: Event) -> ValueTruth:
    if isinstance(value, Alternatives):
        parts = tuple(_value(item, each, found, event) for each in value.values)
        return ValueTruth(value, any(each.matched for each in parts), alternatives=parts)
    matched = reference.holds(item, value, event)
    other = _found(value.field, event) if isinstance(value, FieldRef) else None
    # False for values that are not about one scalar: null, exists, fieldref.
    satisfies: Callable[[Any], bool] = lambda each: reference.test(value, each)  # noqa: E731
    witness = next(filter(satisfies, found.values), None) if matched else None
    return ValueTruth(value, matched, witness, other=other)


# In words


def meaning(value: Value) -> str:
    r"""What a value asks of an event's, in words.

    >>> print(meaning(Text((ANY, r"\cmd.exe"))), meaning(Compare("gte", 3)), meaning(Null()), sep="; ")
    ends with "\cmd.exe"; is at least 3; is absent, null or an empty list
    """
    match value:
        case Alternatives(values):
            return f"one of {len(values)}"
        case Text():
            return _text_meaning(value)
        case Number(number):
            return f"is the number {number}"
        case Boolean(truth):
            return f"is {'true' if truth else 'false'}"
        case Null():
            return "is absent, null or an empty list"
        case Regex():
            return f'matches "{value.pattern}"'
        case Network(cidr):
            return f"is an address in {cidr}"
        case Compare(operator, number):
            return f"is {_COMPARISONS[operator]} {number}"
        case TimePart(part, operator, number):
            return f"its {part} is {_COMPARISONS[operator]} {number}"
        case Exists(present):
            return "is present" if present else "is absent"
        case FieldRef(field, placement, cased):
            return f"{_PLACEMENTS[placement]} the field {field}{_CASED * cased}"


_CASED = " (letter case counts)"
_COMPARISONS = {
    "eq": "exactly",
    "lt": "less than",
    "lte": "at most",
    "gt": "greater than",
    "gte": "at least",
}
_PLACEMENTS = {
    "equals": "is",
    "contains": "contains",
    "startswith": "starts with",
    "endswith": "ends with",
}


def _text_meaning(text: Text) -> str:
    if text.parts == (ANY,):
        return "is any text"
    op = text_predicate(None, text).op
    if op is Op.LIKE:
        return f'is like "{glob(text.parts)}"{_CASED * text.cased}'
    literal = "".join(part for part in text.parts if isinstance(part, str))
    return f'{_PLACEMENTS[op.value]} "{literal}"{_CASED * text.cased}'


# As JSON


def _plain_variant(variant: VariantTruth, near: Near) -> dict[str, Any]:
    return {
        "name": variant.name,
        "matched": variant.matched,
        "conditions": list(map(_plain_condition, variant.conditions)),
        "selections": [_plain_selection(each, near) for each in variant.selections],
        "filters": [
            {
                "id": each.filter.meta.id,
                "title": each.filter.meta.title,
                **_plain_place(each.filter.place),
                "matched": each.matched,
                "condition": _plain_condition(each.condition),
                "selections": [_plain_selection(own, near) for own in each.selections],
            }
            for each in variant.filters
        ],
    }


def _plain_condition(condition: ConditionTruth) -> dict[str, Any]:
    return {
        "condition": condition.condition.text,
        "line": condition.condition.place.line,
        "matched": condition.matched,
        "term": plain_term(condition.term),
    }


def _plain_selection(selection: SelectionTruth, near: Near) -> dict[str, Any]:
    return {
        "name": selection.name,
        **_plain_place(selection.place),
        "matched": selection.matched,
        "detection": _plain_detection(selection.detection, near),
    }


def _plain_place(place: Place) -> dict[str, Any]:
    return {"file": place.file, "line": place.line}


def plain_term(term: TermTruth) -> dict[str, Any]:
    """A term as JSON types."""
    made: dict[str, Any] = {"term": term.text, "matched": term.matched}
    if term.operands:
        made["operands"] = [plain_term(each) for each in term.operands]
    return made


def _plain_detection(detection: DetectionTruth, near: Near) -> dict[str, Any]:
    if isinstance(detection, GroupTruth):
        word = "all_of" if detection.all else "any_of"
        parts = [_plain_detection(each, near) for each in detection.parts]
        return {"matched": detection.matched, word: parts}
    item = detection.item
    held = _plain_found(detection.found, keywords=item.field is None)
    if item.field is not None and not detection.found.present:
        held["nearest"] = near(item.field)
    return {
        "matched": detection.matched,
        "field": item.field,
        "modifiers": list(item.modifiers),
        **_plain_place(item.place),
        "all": item.all,
        "negated": item.negated,
        "event": held,
        "values": [_plain_value(each) for each in detection.values],
    }


def _plain_value(value: ValueTruth) -> dict[str, Any]:
    made: dict[str, Any] = {"matched": value.matched, "test": meaning(value.value)}
    if value.witness is not None:
        made["matched_by"] = _plain_scalar(value.witness)
    if value.other is not None:
        made["other"] = _plain_found(value.other)
    if value.alternatives:
        made["alternatives"] = [_plain_value(each) for each in value.alternatives]
    return made


def _plain_found(found: Found, *, keywords: bool = False) -> dict[str, Any]:
    # All leaves of an event beside every keyword would be the event over and over.
    shown = () if keywords else found.values[:MAX_FOUND]
    return {
        "present": found.present,
        "count": len(found.values),
        "values": [_plain_scalar(each) for each in shown],
    }


def _plain_scalar(value: Any) -> dict[str, Any]:
    text = reference.text(value)
    cut = None if text is None else text[:MAX_TEXT]
    made: dict[str, Any] = {"type": kind(value), "text": cut}
    if text is not None and len(text) > MAX_TEXT:
        made["length"] = len(text)
    return made


def kind(value: Any) -> str:
    """JSON's name for the type of an event's value."""
    if value is None or isinstance(value, bool):
        return "null" if value is None else "boolean"
    if isinstance(value, dict):
        return "object"
    return "string" if isinstance(value, str) else "number"
