"""Events made of a rule: each way for its condition to be true, and each near miss.

For every node of the rule's tree one event makes it true and one makes it false where the answer depends on it; then
one value at a time is changed, a field is absent, null, of another type or an array. The number of events grows with
the number of values, never with that of their combinations, and is bounded: of long lists the first values have events
of their own, and what these have not shown share events, so that all of them are seen both true and false.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from sigmac.compiler.ir.expressions import Expression
from sigmac.compiler.ir.values import ANY, FieldRef, Text
from sigmac.compiler.meaning import reference
from sigmac.compiler.validation.made_event import Event, put, replace_value, value_of, with_value
from sigmac.compiler.validation.near_values import ABSENT, OTHER, filled, proposals
from sigmac.compiler.validation.rule_tree import Leaf, RuleTree, truths, wanted_for, wanted_of

MAX_EVENTS = 200  # of one rule
LEAST_EVENTS = 60  # of one rule that has very many values
MAX_TESTS = 30_000  # of one rule: values times events
NEAR_MISSES = 2  # of one value, where a rule has many
TURNS = 4  # ways that are tried to show what no event has shown yet
FEW = 24  # values up to which a rule's events may have more of each
MANY = 8  # values above which nothing else is tried than all of them at once
ATTEMPTS = 12  # values that are tried for what some leaves should be
KEYWORDS = ("Message", "Text", "Keywords", "sigmac_keywords")  # where keywords are put

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
        self._seen: dict[bool, set[Expression]] = {True: set(), False: set()}
        share = MAX_TESTS // max(1, len(self._leaves))
        self._most = min(MAX_EVENTS, max(LEAST_EVENTS, share))

    def cases(self) -> list[Case]:
        """Distinct events, the most telling first."""
        for make, share in (
            (self._decisive, 0.5),
            (self._changed_fields, 0.65),
            (self._for_unseen, 0.9),
            (self._changed_values, 1),
        ):
            most = self._most * share
            for event, why in make():
                self._add(event, why)
                if len(self._made) >= most:
                    break
        return [*self._made.values()]

    def unseen(self) -> list[tuple[Expression, bool]]:
        """The nodes that no event so far shows with a truth, and that truth."""
        return [
            (node, truth)
            for node in self.tree.nodes
            for truth in (False, True)
            if node not in self._seen[truth]
        ]

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
            for node, truth in seen.items():
                self._seen[truth].add(node)

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
        for node in (self.tree.root, *inner, *self._leaves):
            for truth in (True, False):
                yield self._event(wanted_for(self.tree, node, truth)), f"{_name(node)}: {truth}"

    # One field of a matching event at a time.

    def _changed_fields(self) -> Iterator[tuple[Event, str]]:
        base = self._event(wanted_for(self.tree, self.tree.root, True))
        for number, field in enumerate(self._fields):
            leaves = self._groups[field]
            fits = [each for leaf in leaves for each in self._proposals[leaf].fits[:1]]
            value = value_of(base, field)
            if value is ABSENT or value is None:
                value = fits[0] if fits and fits[0] is not ABSENT else OTHER
            if all(leaf.added for leaf in leaves):
                changes: list[tuple[Any, str]] = [(ABSENT, "absent")]
            else:
                other = _as_other_types(value)
                several = other[number % len(other)], other[(number * 3 + 1) % len(other)]
                changes = [
                    (ABSENT, "absent"),
                    (None, "null"),
                    ([self._miss(leaves, number, value), value], "an array"),
                    *several,
                ]
            for changed, what in changes:
                yield with_value(base, field, changed), f"`{field[:60]}` is {what}"
            if "." in field:
                name = f"`{field[:60]}`"
                yield {**with_value(base, field, ABSENT), field: value}, f"{name} is one key"
                outer = field.partition(".")[0]
                if outer in base:
                    yield {**base, outer: [{}, base[outer]]}, f"{name} is in one object of an array"
        lower = {key.swapcase(): value for key, value in base.items()}
        yield lower, "the names of fields in the other letter case"
        yield {"event": base}, "all of it within another object"

    def _miss(self, leaves: Sequence[Leaf], number: int, value: Any) -> Any:
        """A value that one of some leaves misses, each time another; of the type of a value where there is one."""
        misses = self._proposals[leaves[number % len(leaves)]].misses
        misses = tuple(each for each in misses if type(each) is type(value)) or misses
        miss = misses[number % len(misses)] if misses else OTHER
        return OTHER if miss is ABSENT else miss

    # What these have not shown: nodes share events where there are many, then fewer do.

    def _for_unseen(self) -> Iterator[tuple[Event, str]]:
        for turn in range(TURNS):
            # What stands on others comes first, as its event shows these too.
            unseen = self.unseen()[::-1]
            events = max(1, (self._most - len(self._made)) // 4)
            size = max(1, -(-len(unseen) // events) >> 2 * turn)
            for first in range(0, len(unseen), size):
                for truth in (True, False):
                    some = [
                        node
                        for node, wanted in unseen[first : first + size]
                        if wanted is truth and node not in self._seen[truth]
                    ]
                    if some:
                        yield self._sharing(some, truth, turn), _names(some, truth)

    def _sharing(self, some: Sequence[Expression], truth: bool, turn: int) -> Event:
        """An event in which several nodes have a truth; the last turn asks for nothing else."""
        wanted = wanted_of(some, truth, turn)
        if turn < TURNS - 1:
            beside = wanted_for(self.tree, some[0], truth, turn)
            # What the first wants to be false beside it may be what others want to be true.
            wanted = {leaf: other for leaf, other in beside.items() if other} | wanted
        return self._event(wanted)

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
            if leaf.field is None and isinstance(leaf.value, Text):
                name = filled(leaf.value.parts, "")
                yield {**self._event(wanted), name: OTHER}, f"{_name(leaf)}: the name of a field"
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
                put(event, self._keywords if group is None else group, value)
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
        there = [each for each in values if each is not ABSENT]
        if len(there) > MANY:
            yield self._all_of(positive)
            return
        if len(texts) == len(values):
            yield "".join(texts)
            yield " ".join(texts)
        elif len(values) > 1 and all(each == values[0] for each in values):
            yield values[0]
        yield there
        # Each of the values that fit, should the first not go with what must be false
        for i, leaf in enumerate(positive[:4]):
            for value in self._proposals[leaf].fits[1:]:
                yield value
                yield [*there[:i], value, *there[i + 1 :]]

    def _all_of(self, positive: Sequence[Leaf]) -> Any:
        """An array of what fits each leaf; what they look for inside of a value stands in one text."""
        inside: list[str] = []
        others: list[Any] = []
        for leaf in positive:
            fits = self._proposals[leaf].fits[:1]
            if (
                isinstance(leaf.value, Text)
                and _order(leaf) == 1
                and leaf.value.parts[-1:] == (ANY,)
            ):
                inside += fits
            else:
                others += [each for each in fits if each is not ABSENT]
        return ["".join(inside), *others] if inside else others

    def _relate(self, event: Event, leaf: Leaf, truth: bool) -> None:
        """Make two fields of an event alike, or not."""
        assert isinstance(leaf.value, FieldRef) and leaf.field is not None
        mine, other = value_of(event, leaf.field), value_of(event, leaf.value.field)
        if not truth:
            if mine is ABSENT:
                put(event, leaf.field, "one")
            if other is ABSENT:
                put(event, leaf.value.field, OTHER)
            return
        if other is ABSENT:
            other = OTHER if mine is ABSENT else mine
            put(event, leaf.value.field, other)
        if isinstance(other, (str, int, float)):
            text = {"contains": f"~{other}~", "startswith": f"{other}~", "endswith": f"~{other}"}
            replace_value(event, leaf.field, text.get(leaf.value.placement, other))

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
            ("{a", "[A"),
            (["a", "b"], ["c", "b"]),
        ):
            event = with_value(with_value(base, leaf.field, mine), leaf.value.field, other)
            yield event, f"{_name(leaf)}: {mine!r} and {other!r}"


def _name(node: Expression) -> str:
    return repr(node) if isinstance(node, Leaf) else type(node).__name__


def _names(some: Sequence[Expression], truth: bool) -> str:
    others = f" and {len(some) - 1:,} others" if len(some) > 1 else ""
    return f"{_name(some[0])}{others}: {truth}"


def _order(leaf: Leaf) -> int:
    """Texts that begin a value come first, those that end it last."""
    if not isinstance(leaf.value, Text) or not leaf.value.parts:
        return 1
    parts = leaf.value.parts
    return int(parts[0] is ANY) + int(parts[-1] is not ANY)


def _some(values: Sequence[Any], number: int, count: int) -> list[Any]:
    """Up to so many values: the first, and others by turns; if it is one, another each time."""
    if len(values) <= count:
        return list(values)
    if count == 1:
        return [values[number % len(values)]]
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
