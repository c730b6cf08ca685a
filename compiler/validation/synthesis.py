"""Events made of a rule: each way for its condition to be true, and each near miss.

For every node of the rule's tree one event makes it true and one makes it false where the answer depends on it; then
one value at a time is changed, a field is absent, null, of another type or an array. The number of events grows with
the number of values, never with that of their combinations, and is bounded.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from sigmac.compiler.ir.expressions import Expression
from sigmac.compiler.ir.values import ANY, FieldRef, Text
from sigmac.compiler.meaning import reference
from sigmac.compiler.validation.near_values import ABSENT, OTHER, proposals
from sigmac.compiler.validation.rule_tree import Leaf, RuleTree, truths, wanted_for

MAX_EVENTS = 200  # of one rule
LEAST_EVENTS = 60  # of one rule that has very many values
MAX_TESTS = 30_000  # of one rule: values times events
NEAR_MISSES = 2  # of one value, where a rule has many
FEW = 12  # values up to which a rule's events may have more of each
ATTEMPTS = 12  # values that are tried for what some leaves should be
KEYWORDS = ("Message", "Text", "Keywords", "sigmac_keywords")  # where keywords are put

Event = dict[str, Any]
Group = str | None  # the field that some leaves ask; None: keywords


@dataclass(frozen=True, slots=True)
class Case:
    """An event made of a rule, and why; `seen` has the truth of each node, as the reference says it of the leaves."""

    event: Event
    why: str
    seen: Mapping[Expression, bool]


class Synthesis:
    """The events of one rule, and what was seen of its tree."""

    def __init__(self, tree: RuleTree):
        self.tree = tree
        self._leaves = tree.leaves
        self._groups: dict[Group, list[Leaf]] = {}
        for leaf in self._leaves:
            self._groups.setdefault(leaf.field, []).append(leaf)
        self._fields = [name for name in self._groups if name is not None]
        for leaf in self._leaves:
            if isinstance(leaf.value, FieldRef):
                self._groups.setdefault(leaf.value.field, [])
        taken = {*self._groups}
        self._keywords = next(
            name for name in (*KEYWORDS, *map(str, range(len(taken) + 1))) if name not in taken
        )
        self._proposals = {leaf: proposals(leaf.value) for leaf in self._leaves}
        self._answers: dict[tuple[Group, bytes], dict[Leaf, bool]] = {}
        self._solved: dict[Any, Any] = {}
        self._made: dict[bytes, Case] = {}
        share = MAX_TESTS // max(1, len(self._leaves))
        self._most = min(MAX_EVENTS, max(LEAST_EVENTS, share))

    def cases(self) -> list[Case]:
        """Distinct events, the most telling first."""
        for make in (self._decisive, self._changed_fields, self._changed_values):
            for event, why in make():
                self._add(event, why)
                if len(self._made) >= self._most:
                    break
        return [*self._made.values()]

    def case(self, wanted: Mapping[Leaf, bool], why: str = "") -> Case:
        """The event in which leaves are as wanted, as far as there is one."""
        event = self._event(wanted)
        return Case(event, why, truths(self.tree, self._leaf_truths(event)))

    def _add(self, event: Event, why: str) -> None:
        try:
            data = orjson.dumps(event)
        except TypeError:
            return  # a lone surrogate in a field's name: no event has it
        if data not in self._made:
            seen = truths(self.tree, self._leaf_truths(event))
            self._made[data] = Case(event, why, seen)

    # What the reference says of leaves, remembered by what they look at.

    def _leaf_truths(self, event: Event) -> dict[Expression, bool]:
        found: dict[Expression, bool] = {}
        for group in self._groups:
            found.update(self._said(group, event).items())
        for leaf in self._leaves:
            if isinstance(leaf.value, FieldRef):
                found[leaf] = reference.holds(leaf.item, leaf.value, event)
        return found

    def _said(self, group: Group, event: Event) -> dict[Leaf, bool]:
        """The truth of a group's leaves, but for those that look at two fields."""
        looked_at: Any = event if group is None else reference.lookup(event, group)
        key = group, orjson.dumps(looked_at)
        known = self._answers.get(key)
        if known is None:
            leaves = [e for e in self._groups[group] if not isinstance(e.value, FieldRef)]
            if group is None:
                known = {leaf: reference.holds(leaf.item, leaf.value, event) for leaf in leaves}
            else:
                known = {leaf: reference.holds_of(leaf.value, *looked_at) for leaf in leaves}
            self._answers[key] = known
        return known

    # One event for each node and each truth of it.

    def _decisive(self) -> Iterator[tuple[Event, str]]:
        inner = [node for node in self.tree.nodes if not isinstance(node, Leaf)]
        alone = self._leaves[: self._most // 2]
        for node in (self.tree.root, *alone, *inner):
            for truth in (True, False):
                yield self._event(wanted_for(self.tree, node, truth)), f"{_name(node)}: {truth}"
        # Of long lists the later values share events, so that these stay few.
        rest = self._leaves[len(alone) :]
        size = max(1, -(-len(rest) // (self._most // 4)))
        for first in range(0, len(rest), size):
            some = rest[first : first + size]
            wanted = {
                leaf: truth for leaf, truth in wanted_for(self.tree, some[0], True).items() if truth
            }
            wanted.update(dict.fromkeys(some, True))
            yield self._event(wanted), f"{_name(some[0])} and others: True"

    # One field of a matching event at a time.

    def _changed_fields(self) -> Iterator[tuple[Event, str]]:
        base = self._event(wanted_for(self.tree, self.tree.root, True))
        for number, field in enumerate(self._fields):
            leaves = self._groups[field]
            fits = [each for each in (self._proposals[leaf].fits[:1] for leaf in leaves) if each]
            value = self._value_of(base, field)
            if value is ABSENT or value is None:
                value = fits[0][0] if fits else OTHER
            if all(leaf.added for leaf in leaves):
                changes: list[tuple[Any, str]] = [(ABSENT, "absent")]
            else:
                other = _as_other_types(value)
                several = other[number % len(other)], other[(number * 3 + 1) % len(other)]
                changes = [
                    (ABSENT, "absent"),
                    (None, "null"),
                    ([OTHER, value], "an array"),
                    *several,
                ]
            for changed, what in changes:
                yield self._with(base, field, changed), f"`{field[:60]}` is {what}"
            if "." in field:
                yield (
                    {**self._with(base, field, ABSENT), field: value},
                    f"`{field[:60]}` is one key",
                )
        lower = {key.swapcase(): value for key, value in base.items()}
        yield lower, "the names of fields in the other letter case"
        yield {"event": base}, "all of it within another object"

    # One value at a time: further values that fit, and near misses.

    def _changed_values(self) -> Iterator[tuple[Event, str]]:
        alone = [leaf for leaf in self._leaves if not isinstance(leaf.value, FieldRef)]
        more = FEW // max(1, sum(not leaf.added for leaf in alone))
        for number, leaf in enumerate(alone):
            made = self._proposals[leaf]
            further = made.fits[1:]
            if further:
                wanted = wanted_for(self.tree, leaf, True)
                for value in _some(further, number, 1 if leaf.added else max(1, more // 2)):
                    yield self._event(wanted, {leaf: value}), f"{_name(leaf)}: another value"
            wanted = wanted_for(self.tree, leaf, False)
            for value in _some(made.misses, number, 1 if leaf.added else max(NEAR_MISSES, more)):
                yield self._event(wanted, {leaf: value}), f"{_name(leaf)}: a near miss"
        for leaf in self._leaves:
            if isinstance(leaf.value, FieldRef):
                yield from self._related(leaf)

    # Putting events together.

    def _event(
        self, wanted: Mapping[Leaf, bool], instead: Mapping[Leaf, Any] | None = None
    ) -> Event:
        """An event in which leaves are as wanted, as far as values for that are found.

        `instead` has the value to take for a leaf, whatever it makes of it.
        """
        event: Event = {}
        related = []
        for group, leaves in self._groups.items():
            asked = [(leaf, wanted[leaf]) for leaf in leaves if leaf in wanted]
            related += [each for each in asked if isinstance(each[0].value, FieldRef)]
            asked = [each for each in asked if not isinstance(each[0].value, FieldRef)]
            own = {leaf: value for leaf, value in (instead or {}).items() if leaf.field == group}
            if not asked and not own:
                continue
            if own:
                value = self._solve(group, asked, own)
            else:
                key = group, frozenset(asked)
                if key not in self._solved:
                    self._solved[key] = self._solve(group, asked, {})
                value = self._solved[key]
            if value is not ABSENT:
                self._put(event, self._keywords if group is None else group, value)
        for leaf, truth in related:
            self._relate(event, leaf, truth)
        return event

    def _solve(
        self, group: Group, asked: Sequence[tuple[Leaf, bool]], instead: Mapping[Leaf, Any]
    ) -> Any:
        """A value of a field for what its leaves should be."""
        positive = [leaf for leaf, truth in asked if truth and leaf not in instead]
        name = self._keywords if group is None else group
        first: Any = None
        for attempt, value in enumerate(
            self._attempts(positive, instead, [leaf for leaf, _ in asked])
        ):
            found = self._said(group, {} if value is ABSENT else {name: value})
            if all(found[leaf] is truth for leaf, truth in asked if leaf not in instead):
                return value
            if attempt == 0 or (first[1] is False and all(found[leaf] for leaf in positive)):
                first = value, all(found[leaf] for leaf in positive)
            if attempt > ATTEMPTS:
                break
        return first[0] if first else ABSENT

    def _attempts(
        self, positive: Sequence[Leaf], instead: Mapping[Leaf, Any], asked: Sequence[Leaf]
    ) -> Iterator[Any]:
        if not positive and not instead:
            yield OTHER
            yield ABSENT
            for leaf in asked[:8]:
                yield from self._proposals[leaf].misses[:6]
            yield from (None, "", "9", 0)
            return
        own = list(instead.values())
        if len(positive) + len(own) == 1:
            if own:
                yield own[0]
                return
            yield from self._proposals[positive[0]].fits
            return
        plain = [(_order(leaf), self._proposals[leaf].fits[:1]) for leaf in positive]
        plain += [(_order(leaf), (value,)) for leaf, value in instead.items()]
        values = [each[0] for _, each in sorted(plain, key=lambda each: each[0]) if each]
        texts = [each for each in values if isinstance(each, str)]
        if len(texts) == len(values):
            yield "".join(texts)
            yield " ".join(texts)
        elif len(values) > 1 and all(each == values[0] for each in values):
            yield values[0]
        there = [each for each in values if each is not ABSENT]
        yield there
        # Each of the values that fit, should the first not go with what must be false
        for i, leaf in enumerate(positive[:4]):
            for value in self._proposals[leaf].fits[1:]:
                yield value
                yield [*there[:i], value, *there[i + 1 :]]

    def _relate(self, event: Event, leaf: Leaf, truth: bool) -> None:
        """Make two fields of an event alike, or not."""
        assert isinstance(leaf.value, FieldRef) and leaf.field is not None
        mine, other = self._value_of(event, leaf.field), self._value_of(event, leaf.value.field)
        if not truth:
            if mine is ABSENT:
                self._put(event, leaf.field, "one")
            if other is ABSENT:
                self._put(event, leaf.value.field, OTHER)
            return
        if other is ABSENT:
            other = OTHER if mine is ABSENT else mine
            self._put(event, leaf.value.field, other)
        if isinstance(other, (str, int, float)):
            text = {"contains": f"~{other}~", "startswith": f"{other}~", "endswith": f"~{other}"}
            self._replace(event, leaf.field, text.get(leaf.value.placement, other))

    def _related(self, leaf: Leaf) -> Iterator[tuple[Event, str]]:
        assert isinstance(leaf.value, FieldRef) and leaf.field is not None
        base = self._event(wanted_for(self.tree, leaf, True))
        for mine, other in (
            ("Ab", "aB"),
            (10, "10.0"),
            ("10", 10),
            ("ab", "b"),
            ("ab", "a"),
            ("", ""),
            (None, None),
            (True, "TRUE"),
            ("aba", "b"),
            (["a", "b"], ["c", "b"]),
        ):
            event = self._with(self._with(base, leaf.field, mine), leaf.value.field, other)
            yield event, f"{_name(leaf)}: {mine!r} and {other!r}"

    def _with(self, event: Event, field: str, value: Any) -> Event:
        """A copy of an event with another value in one field."""
        made = copy.deepcopy(event)
        self._replace(made, field, value)
        return made

    def _replace(self, event: Event, field: str, value: Any) -> None:
        self._remove(event, field)
        if value is not ABSENT:
            self._put(event, field, value)

    def _put(self, event: Event, field: str, value: Any) -> None:
        """Set a field, a dotted one in objects within objects where these have room."""
        *path, last = field.split(".")
        node = event
        for part in path:
            below = node.setdefault(part, {})
            if not isinstance(below, dict):
                event[field] = value
                return
            node = below
        if last in node and node is not event:
            event[field] = value
        else:
            node[last] = value

    def _remove(self, event: Event, field: str) -> None:
        event.pop(field, None)
        *path, last = field.split(".")
        node: Any = event
        for part in path:
            node = node.get(part) if isinstance(node, dict) else None
        if isinstance(node, dict):
            node.pop(last, None)

    def _value_of(self, event: Event, field: str) -> Any:
        if field in event:
            return event[field]
        node: Any = event
        for part in field.split("."):
            if not isinstance(node, dict) or part not in node:
                return ABSENT
            node = node[part]
        return node


def _name(node: Expression) -> str:
    return repr(node) if isinstance(node, Leaf) else type(node).__name__


def _order(leaf: Leaf) -> int:
    """Texts that begin a value come first, those that end it last."""
    if not isinstance(leaf.value, Text) or not leaf.value.parts:
        return 1
    parts = leaf.value.parts
    return int(parts[0] is ANY) + int(parts[-1] is not ANY)


def _some(values: Sequence[Any], number: int, count: int) -> list[Any]:
    """Up to so many values: the first, and others by turns."""
    if len(values) <= count:
        return list(values)
    rest = values[1:]
    return [values[0], *(rest[(number * (count - 1) + i) % len(rest)] for i in range(count - 1))][
        :count
    ]


def _as_other_types(value: Any) -> list[tuple[Any, str]]:
    made: list[tuple[Any, str]] = [
        ({"x": value}, "an object"),
        ([], "an empty array"),
        ([[value]], "an array in an array"),
        (True, "a boolean"),
    ]
    if isinstance(value, str):
        made.append((int(value) if value.isdecimal() and len(value) < 18 else 1.5, "a number"))
        made.append((f" {value} ", "between blanks"))
        made.append((f"{value}\0", "with a NUL behind"))
    else:
        made.append((str(value), "a text"))
    return made
