"""Why a rule does not match events: which of its items would have had to be otherwise, how often, and what was there.

An event that a rule does not match lacks a set of items: the smallest one that, were each of them otherwise, would
make the rule match. Events that lack the same items make one *miss*; the fewer the items, the nearer it is.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

from sigmac.compiler.diagnostics.diagnostic import Place
from sigmac.compiler.ir.expressions import And, AtLeast, Const, Expression, Not, Or, bottom_up
from sigmac.compiler.lowering.lower_rule import RuleVariant
from sigmac.compiler.meaning import reference
from sigmac.compiler.meaning.asked_item import AskedItem
from sigmac.compiler.meaning.explanation import bound_depth, kind
from sigmac.compiler.meaning.quick_item import QuickItem
from sigmac.compiler.syntax.condition import Condition, resolve
from sigmac.compiler.syntax.rule import AllOf, Detection, Item, Rule

MAX_MISSES = 200  # sets of items that are told apart
MAX_LOOKED_AT = 20  # items of a miss whose values are kept
MAX_TEXTS = 200  # values of an item in a miss that are told apart
MAX_TEXT = 200  # characters of a value
MAX_NAMES = 200  # fields of an event that are looked at where one is absent
FIRST = 5  # events that are named, values that are taken of one
_MOST_ANSWERS = 20_000  # that are remembered
_MOST_TRUTHS = 2_000_000
_LONGEST = 500  # characters of a text whose answer is remembered

Event = dict[str, Any]
Source = tuple[str, int]  # of an event: the name of its input, its position there
Needed = tuple[
    tuple[int, bool], ...
]  # numbers of parts, each with the truth that it should have had


@dataclass(frozen=True, slots=True)
class Part:
    """An item of a rule, and where it stands: in a variant, a filter (by its title) or neither, and in a selection."""

    number: int
    item: Item
    selection: str
    variant: str | None
    filter: str | None


@dataclass(slots=True)
class Counted:
    """A search identifier and its parts: of how many events it was true, each of them was, and had no such field."""

    name: str
    place: Place
    variant: str | None
    filter: str | None
    meaning: Expression
    parts: list[Part]
    matched: int = 0


@dataclass(slots=True)
class Held:
    """What events hold for a part: how often each value (its JSON type and text), how often nothing.

    `others` counts values that came when `MAX_TEXTS` were known, `fields` the fields of the first events that have
    not the part's.
    """

    texts: Counter[tuple[str, str]] = field(default_factory=Counter)
    absent: int = 0
    others: int = 0
    fields: Counter[str] = field(default_factory=Counter)

    def add(self, present: bool, values: Sequence[Any]) -> None:
        """Count what one event holds, the first values of several."""
        if not present:
            self.absent += 1
        for each in values[:FIRST]:
            key = kind(each), (reference.text(each) or "")[: MAX_TEXT + 1]
            if key in self.texts or len(self.texts) < MAX_TEXTS:
                self.texts[key] += 1
            else:
                self.others += 1


@dataclass(slots=True)
class Miss:
    """Events that lack the same: how many, the first of them, and what they hold for each part, by its number."""

    needed: Needed
    count: int = 0
    first: list[Source] = field(default_factory=list)
    held: dict[int, Held] = field(default_factory=dict)


class NearMisses:
    """Counts over events what keeps a rule, as pipelines left it, from matching them.

    Memory is bounded whatever comes: `further` counts the events whose misses were too far to be kept.
    """

    def __init__(
        self,
        rule: Rule,
        variants: Sequence[RuleVariant],
        names: Callable[[Event], Iterable[str]] = list,
    ):
        """`names` gives those of an event's fields."""
        self.rule = rule
        self._names = names
        self.events = self.matched = self.further = 0
        self.first: list[Source] = []  # of the events that match
        self.parts: list[Part] = []
        self.selections: list[Counted] = []
        self._asked = Or(*map(self._variant, variants))
        self._quick = [QuickItem(part.item) for part in self.parts]
        self._true = [0] * len(self.parts)
        self._absent = [0] * len(self.parts)
        self._misses: dict[Needed, Miss] = {}
        self._answers: dict[tuple[int, type, Any], bool] = {}
        self._lacked: dict[bytes, Needed | None] = {}
        self._seen: Counter[bytes] = Counter()  # how often each row of truths
        self._most_rows = max(100, _MOST_TRUTHS // (len(self.parts) + 1))

    def add(self, event: Event, source: Source) -> None:
        """Look at one event. Raises `EventError` where it is nested too deeply."""
        bound_depth(event)
        self.events += 1
        known: dict[str | None, tuple[bool, Sequence[Any]]] = {}
        for part in self.parts:
            if part.item.field not in known:
                known[part.item.field] = _found(part.item.field, event)
        truths = bytes(self._holds(each, known[each.item.field], event) for each in self.parts)
        self._seen[truths] += 1
        for part in self.parts:
            self._absent[part.number] += not known[part.item.field][0]
        if truths not in self._lacked:
            if len(self._lacked) >= self._most_rows:
                self._lacked.clear()
            self._lacked[truths] = _lacked(self._asked, truths)
        if len(self._seen) >= self._most_rows:
            self._count()
        needed = self._lacked[truths]
        if needed is None:
            self.further += 1
        elif not needed:
            self.matched += 1
            if len(self.first) < FIRST:
                self.first.append(source)
        else:
            self._note(needed, event, source, known)

    def nearest(self) -> list[Miss]:
        """The misses, those that lack the fewest items first, of these the most frequent."""
        return sorted(self._misses.values(), key=lambda each: (len(each.needed), -each.count))

    def counts(self, part: Part) -> tuple[int, int]:
        """Of how many events a part was true, and how many had no such field."""
        self._count()
        return self._true[part.number], self._absent[part.number]

    def counted(self) -> list[Counted]:
        """The search identifiers in their order, with how many events each was true of."""
        self._count()
        return self.selections

    def _note(
        self,
        needed: Needed,
        event: Event,
        source: Source,
        known: Mapping[str | None, tuple[bool, Sequence[Any]]],
    ) -> None:
        miss = self._misses.get(needed)
        if miss is None:
            if len(self._misses) >= MAX_MISSES:
                farthest = max(
                    self._misses.values(), key=lambda each: (len(each.needed), -each.count)
                )
                if len(farthest.needed) <= len(needed):
                    self.further += 1
                    return
                self.further += self._misses.pop(farthest.needed).count
            miss = self._misses[needed] = Miss(needed)
        miss.count += 1
        if len(miss.first) < FIRST:
            miss.first.append(source)
        for place, (number, _) in enumerate(needed[:MAX_LOOKED_AT]):
            present, values = known[self.parts[number].item.field]
            if number not in miss.held:
                miss.held[number] = Held()
            held = miss.held[number]
            held.add(present, values)
            if not present and held.absent <= FIRST and place < FIRST:
                held.fields.update(islice(self._names(event), MAX_NAMES))

    def _count(self) -> None:
        """Count the rows of truths that were seen, so that they can be forgotten."""
        for truths, count in self._seen.items():
            for number, truth in enumerate(truths):
                self._true[number] += count * truth
            for each in self.selections:
                if _lacked(each.meaning, truths) == ():
                    each.matched += count
        self._seen.clear()

    def _holds(self, part: Part, found: tuple[bool, Sequence[Any]], event: Event) -> bool:
        item, quick = part.item, self._quick[part.number]
        value = found[1][0] if len(found[1]) == 1 else None
        if not quick.is_alone or not isinstance(value, str | int | float):
            held = (all if item.all else any)(
                reference.holds(item, each, event) for each in item.tests
            )
            return held is not item.negated
        if isinstance(value, str) and len(value) > _LONGEST:
            return quick.holds(value)
        # 1, 1.0 and True are equal to Python.
        key = part.number, type(value), value
        if key not in self._answers:
            if len(self._answers) >= _MOST_ANSWERS:
                self._answers.clear()
            self._answers[key] = quick.holds(value)
        return self._answers[key]

    def _variant(self, variant: RuleVariant) -> Expression:
        rule = variant.rule
        found = self._searched(rule.detections, rule.places, rule.place, variant.name, None)
        conditions = [_resolved(each, found) for each in rule.conditions]
        filters = []
        for each in rule.filters:
            of_filter = self._searched(
                each.detections, each.places, each.place, variant.name, each.meta.title
            )
            filters.append(_resolved(each.condition, of_filter))
        return And(Or(*conditions), *filters)

    def _searched(
        self,
        detections: Mapping[str, Detection],
        places: Mapping[str, Place],
        place: Place,
        variant: str | None,
        of_filter: str | None,
    ) -> dict[str, Expression]:
        """What search identifiers stand for; their items become parts."""
        found = {}
        for name, detection in detections.items():
            first = len(self.parts)

            def asked(item: Item, name: str = name) -> Expression:
                part = Part(len(self.parts), item, name, variant, of_filter)
                self.parts.append(part)
                return AskedItem(item, part.number)

            found[name] = meaning = _detected(detection, asked)
            parts = self.parts[first:]
            at = places.get(name, place)
            self.selections.append(Counted(name, at, variant, of_filter, meaning, parts))
        return found


def _resolved(condition: Condition, found: Mapping[str, Expression]) -> Expression:
    return resolve(condition.expression, list(found), found.__getitem__)


def _detected(detection: Detection, asked: Callable[[Item], Expression]) -> Expression:
    if isinstance(detection, Item):
        return asked(detection)
    kind_of = And if isinstance(detection, AllOf) else Or
    return kind_of(*(_detected(child, asked) for child in detection.children))


def _found(name: str | None, event: Event) -> tuple[bool, Sequence[Any]]:
    return (True, ()) if name is None else reference.lookup(event, name)


def _lacked(asked: Expression, truths: bytes) -> Needed | None:
    """The smallest set of parts that would have to be otherwise for an expression to be true; None where none helps.

    Parts below several operands are counted for each of them, so that it may be one of the small ones only.
    """

    def ways(
        node: Expression, operands: tuple[tuple[Needed | None, Needed | None], ...]
    ) -> tuple[Needed | None, Needed | None]:
        """What is lacked for it to be true, and to be false."""
        if isinstance(node, AskedItem):
            truth = bool(truths[node.number])
            other: Needed = ((node.number, not truth),)
            return ((), other) if truth else (other, ())
        if isinstance(node, Const):
            return ((), None) if node.value else (None, ())
        if isinstance(node, Not):
            return operands[0][1], operands[0][0]
        true, false = [each[0] for each in operands], [each[1] for each in operands]
        count = len(operands) if isinstance(node, And) else 1
        if isinstance(node, AtLeast):
            count = node.count
        return _fewest(true, count), _fewest(false, len(operands) - count + 1)

    return bottom_up(asked, ways)[0]


def _fewest(ways: Sequence[Needed | None], count: int) -> Needed | None:
    """What is lacked for so many of some operands, the cheapest of them."""
    possible = sorted((each for each in ways if each is not None), key=len)[: max(count, 0)]
    if len(possible) < count:
        return None
    return tuple(dict.fromkeys(part for each in possible for part in each))
