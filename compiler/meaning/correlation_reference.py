"""The obvious reading of correlations: every hit is kept, and each window is looked at anew.

It walks the document model and shares nothing with `runtime/correlation`, which is tested against it.
Source: `docs/semantics.md`, "Correlations".
"""

from __future__ import annotations

import math
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from operator import eq, ge, gt, le, lt, ne
from typing import Any

from sigmac.compiler.ir.expressions import And, Expression, Not, Or, children
from sigmac.compiler.meaning import reference
from sigmac.compiler.meaning.timestamp_reference import FIELDS, SECOND, event_time, shown
from sigmac.compiler.syntax.condition import Condition, Identifier
from sigmac.compiler.syntax.correlation import Correlation, Threshold
from sigmac.compiler.syntax.rule import Rule

Event = dict[str, Any]
Number = int | float
Names = Sequence[str]
Key = tuple[str, ...]
# The fields that a name stands for, by name and reference; by variant where the variants of the rule differ
Fields = Mapping[str, Mapping[str, Names | Mapping[str, Names]]]


@dataclass(frozen=True, slots=True)
class RuleSet:
    """Documents whose references are sound, in pack order.

    `variants` has what filters and pipelines make of each rule, by the name of the variant. `fields` has for each
    correlation what its names stand for, where that is not the name itself.
    """

    rules: Sequence[Rule]
    variants: Sequence[Mapping[str | None, Rule]]
    correlations: Sequence[Correlation]
    fields: Sequence[Fields]

    def meant(self, text: str) -> int:
        """The number of a rule, or that of a correlation behind all rules, by an id or a name."""
        targets: list[Rule | Correlation] = [*self.rules, *self.correlations]
        by_id = [i for i, t in enumerate(targets) if (t.meta.id or "").lower() == text.lower()]
        by_name = [i for i, t in enumerate(targets) if t.meta.name == text]
        return (by_id or by_name)[-1]

    def below(self, number: int) -> list[int]:
        """What a correlation refers to, in its order."""
        return [self.meant(each.text) for each in self.correlations[number - len(self.rules)].rules]

    def silent(self) -> set[int]:
        """What only counts: it is referred to, and by none that has `generate`."""
        above: dict[int, list[bool]] = {}
        for i, correlation in enumerate(self.correlations, len(self.rules)):
            for child in self.below(i):
                above.setdefault(child, []).append(correlation.generate)
        return {number for number, generate in above.items() if not any(generate)}


@dataclass(frozen=True, slots=True)
class Alert:
    """A condition that became true at the event of a position; times as text."""

    correlation: int  # its number among the correlations
    position: int
    group: dict[str, str]
    value: Number
    first: str
    last: str
    count: int
    events: list[int]
    silent: bool


@dataclass(frozen=True, slots=True)
class Found:
    """All that comes out of some events: matches as (position, rule), alerts in the order of events, counters.

    Of matches and alerts those that only count are among them; `counters` are by correlation.
    """

    matches: list[tuple[int, int]]
    alerts: list[Alert]
    counters: list[Counter[str]]
    no_time: int


@dataclass(frozen=True, slots=True)
class Limits:
    """Groups of a correlation, hits of a group."""

    groups: int = 100_000
    hits: int = 100_000


def evaluate(
    rule_set: RuleSet,
    events: Sequence[Event],
    order: str = "time",
    limits: Limits | None = None,
    timestamp_fields: Sequence[str] = FIELDS,
) -> Found:
    """What a rule set finds in events, taken in the order of their `time` or of their `arrival`."""
    matched = [_matched(rule_set, event) for event in events]
    every = range(len(rule_set.rules), len(rule_set.rules) + len(rule_set.correlations))
    referred = {child for i in every for child in rule_set.below(i)}
    asked = [i for i, rules in enumerate(matched) if not referred.isdisjoint(rules)]
    times = {i: event_time(events[i], timestamp_fields) for i in asked}
    timed = [(time, i) for i, time in times.items() if time is not None]
    if order == "time":
        timed.sort()
    at_work = {i: _AtWork(rule_set, i, limits or Limits()) for i in every}
    children_first = list(_children_first(rule_set, every))
    alerts: list[Alert] = []
    for time, position in timed:
        seen: dict[int, list[dict[str, str]]] = {}  # for each correlation the groups it is true in
        for i in children_first:
            work = at_work[i]
            for key, hit in work.hits(events[position], time, position, matched[position], seen):
                is_true, alert = work.take(key, hit)
                if is_true:
                    seen.setdefault(i, []).append(work.shown(key))
                if alert is not None:
                    alerts.append(alert)
    matches = [(position, rule) for position, rules in enumerate(matched) for rule in rules]
    counters = [work.counters for work in at_work.values()]
    return Found(matches, alerts, counters, len(asked) - len(timed))


def _matched(rule_set: RuleSet, event: Event) -> dict[int, list[str | None]]:
    """The rules that match an event, each with the variants that do."""
    found = {
        i: [name for name, rule in variants.items() if reference.matches(rule, event)]
        for i, variants in enumerate(rule_set.variants)
    }
    return {i: variants for i, variants in found.items() if variants}


def _children_first(rule_set: RuleSet, every: Sequence[int]) -> Iterator[int]:
    """Repeatedly the first correlation all of whose children stand already."""
    waiting = list(every)
    while waiting:
        ready = next(i for i in waiting if not set(rule_set.below(i)) & set(waiting))
        waiting.remove(ready)
        yield ready


# Groups


@dataclass(frozen=True, slots=True)
class _Hit:
    """An event that counts: the rules it is a hit through, and what a `value_…` type looks at."""

    time: int
    position: int
    seen: frozenset[int]
    values: tuple[Any, ...]


@dataclass(slots=True)
class _Group:
    """`hits` are all that were taken, in the order of arrival, but for those that the cap forgot."""

    newest: int
    taken_at: int = 0
    true: bool = False
    hits: list[_Hit] = field(default_factory=list)
    aside: list[_Hit] = field(default_factory=list)


class _AtWork:
    """One correlation with its groups."""

    def __init__(self, rule_set: RuleSet, number: int, limits: Limits) -> None:
        self.number = number - len(rule_set.rules)
        self.correlation = rule_set.correlations[self.number]
        self.texts = [each.text for each in self.correlation.rules]
        self.rules = [rule_set.meant(text) for text in self.texts]
        self.fields = rule_set.fields[self.number]
        self.silent = number in rule_set.silent()
        self.limits = limits
        self.span = self.correlation.timespan * SECOND
        self.groups: dict[Key, _Group] = {}
        self.counters: Counter[str] = Counter()
        self.clock = 0  # counts what is taken

    def shown(self, key: Key) -> dict[str, str]:
        """A group by its names."""
        return dict(zip(self.correlation.group_by, key, strict=True))

    # Hits and groups

    def hits(
        self,
        event: Event,
        time: int,
        position: int,
        matched: Mapping[int, Sequence[str | None]],
        children: Mapping[int, Sequence[dict[str, str]]],
    ) -> list[tuple[Key, _Hit]]:
        """The hits of an event, at most one a group, in the order of `rules`.

        `matched` are rules with their variants, `children` correlations with the groups that they are true in.
        """
        referred = False
        # For each group the rules that the event is a hit through, and the fields that values are looked for in
        through: dict[Key, dict[int, list[Names]]] = {}
        for rule, text in zip(self.rules, self.texts, strict=True):
            for group in [{}] if rule in matched else children.get(rule, []):
                referred = True
                key = [
                    _texts({**event, **group}, self._fields(name, text, matched.get(rule, [])))
                    for name in self.correlation.group_by
                ]
                if all(len(texts) == 1 for texts in key):
                    through.setdefault(tuple(text for (text,) in key), {})[rule] = [
                        self._fields(name, text, matched.get(rule, []))
                        for name in self.correlation.looks_at
                    ]
        hits = []
        for of_group, looks_at in through.items():
            values = self._values(event, list(looks_at.values()))
            if values is not None:
                hits.append((of_group, _Hit(time, position, frozenset(looks_at), values)))
        self.counters["no_group"] += referred and not through
        self.counters["no_value"] += bool(through) and not hits
        return hits

    def _fields(self, name: str, text: str, variants: Sequence[str | None]) -> Names:
        """The fields of an event that a name stands for in the rule of a reference."""
        given = self.fields.get(name, {}).get(text, [name])
        if isinstance(given, Mapping):
            return [each for variant in variants for each in given[str(variant)]]
        return given

    def _values(self, event: Event, looks_at: list[list[Names]]) -> tuple[Any, ...] | None:
        """What a `value_…` type looks at, through all references; None where the event has none."""
        kind = self.correlation.type
        if not kind.startswith("value_"):
            return ()
        # Each field of the event once, however many references look at it
        fields = [
            list(dict.fromkeys(each for names in place for each in names))
            for place in zip(*looks_at, strict=True)
        ]
        if kind != "value_count":
            return tuple(_numbers(event, fields[0])) or None
        texts = [_texts(event, names) for names in fields]
        if len(texts) == 1:
            return tuple(texts[0]) or None
        return (tuple(min(each) for each in texts),) if all(len(t) == 1 for t in texts) else None

    # Windows

    def take(self, key: Key, hit: _Hit) -> tuple[bool, Alert | None]:
        """Whether the condition is tested at a hit and true, and the alert where it became so."""
        group = self.groups.get(key)
        if group is None:
            if len(self.groups) == self.limits.groups:
                del self.groups[min(self.groups, key=lambda each: self.groups[each].taken_at)]
                self.counters["evicted_groups"] += 1
            group = self.groups[key] = _Group(hit.time)
        if hit.time < group.newest - self.span:
            self.counters["late"] += 1
            group.aside.append(hit)
            if len(group.aside) < 3:
                return False, None
            self.counters["restarts"] += 1
            group.newest = max(each.time for each in group.aside)
            group.hits = [each for each in group.aside if each.time >= group.newest - self.span]
            group.true = False
        else:
            if hit.time > group.newest + self.span:
                group.true = False
            group.newest = max(group.newest, hit.time)
            group.hits.append(hit)
        group.aside = []
        self.clock += 1
        group.taken_at = self.clock
        window = self._window(group)
        if hit.time < group.newest - self.span:  # the third that was set aside is the oldest
            return False, None
        return self._test(key, group, window, hit)

    def _window(self, group: _Group) -> list[_Hit]:
        """The hits in the window in the order of time, ties in that of arrival; what is beyond the cap is forgotten."""
        window = [hit for hit in group.hits if hit.time >= group.newest - self.span]
        window.sort(key=lambda hit: hit.time)
        forgotten = window[: max(0, len(window) - self.limits.hits)]
        self.counters["evicted_hits"] += len(forgotten)
        group.hits = [hit for hit in group.hits if not any(hit is each for each in forgotten)]
        return window[len(forgotten) :]

    # Conditions

    def _test(
        self, key: Key, group: _Group, window: list[_Hit], hit: _Hit
    ) -> tuple[bool, Alert | None]:
        condition = self.correlation.condition
        value = self._value(window)
        if isinstance(condition, Condition):
            if not any(self._meant(each) in hit.seen for each in _positive(condition.expression)):
                return False, None
            true = self._holds(condition.expression, _seen(window))
        elif condition is None:
            ordered = self.correlation.type == "temporal_ordered"
            true = value == len(self.rules if ordered else set(self.rules))
        else:
            true = all(COMPARE[word](value, number) for word, number in condition.comparisons)
        rises = true and not group.true
        group.true = true
        return true, self._alert(key, hit, value, window) if rises else None

    def _meant(self, name: Identifier) -> int:
        return self.rules[self.texts.index(name.name)]

    def _holds(self, node: Expression, seen: set[int]) -> bool:
        if isinstance(node, Identifier):
            return self._meant(node) in seen
        if isinstance(node, Not):
            return not self._holds(node.operand, seen)
        assert isinstance(node, (And, Or))
        found = [self._holds(each, seen) for each in node.operands]
        return all(found) if isinstance(node, And) else any(found)

    def _value(self, window: list[_Hit]) -> Number:
        """What is compared."""
        kind = self.correlation.type
        if kind == "event_count":
            return len(window)
        if kind == "temporal":
            return len(_seen(window))
        if kind == "temporal_ordered":
            return _longest(self.rules, window)
        values = [value for hit in window for value in hit.values]
        if kind == "value_count":
            return len(set(values))
        numbers = sorted(map(Fraction, values))
        if kind == "value_sum":
            return rounded(sum(numbers, Fraction()))
        if kind == "value_avg":
            return rounded(sum(numbers, Fraction()) / len(numbers))
        assert isinstance(self.correlation.condition, Threshold)
        return rounded(_percentile(numbers, self.correlation.condition.percentile or 0))

    def _alert(self, key: Key, hit: _Hit, value: Number, window: list[_Hit]) -> Alert:
        return Alert(
            self.number,
            hit.position,
            self.shown(key),
            int(value) if value == int(value) and abs(value) < 2**53 else value,
            shown(window[0].time),
            shown(window[-1].time),
            len(window),
            [each.position for each in window[-100:]],
            self.silent,
        )


COMPARE: dict[str, Callable[[Any, Any], bool]] = {
    "gt": gt,
    "gte": ge,
    "lt": lt,
    "lte": le,
    "eq": eq,
    "neq": ne,
}


def _positive(node: Expression, positive: bool = True) -> list[Identifier]:
    """The references under an even number of `not`."""
    if isinstance(node, Identifier):
        return [node] if positive else []
    if isinstance(node, Not):
        return _positive(node.operand, not positive)
    return [leaf for child in children(node) for leaf in _positive(child, positive)]


def _seen(window: list[_Hit]) -> set[int]:
    return {rule for hit in window for rule in hit.seen}


def _longest(steps: Sequence[int], window: list[_Hit]) -> int:
    """The longest common subsequence of the steps and of what the hits see."""
    row = [0] * (len(steps) + 1)  # of the hits so far, by the number of steps
    for hit in window:
        before = row
        row = [0]
        for i, step in enumerate(steps):
            longer = before[i] + 1 if step in hit.seen else 0
            row.append(max(row[i], before[i + 1], longer))
    return row[-1]


def _percentile(numbers: list[Fraction], percentile: Number) -> Fraction:
    rank = Fraction(str(percentile)) / 100 * (len(numbers) - 1)
    low, high = numbers[math.floor(rank)], numbers[math.ceil(rank)]
    return low + (high - low) * (rank - math.floor(rank))


def rounded(exact: Fraction) -> Number:
    """An integer where it is one of 64 bits, else the nearest float64; beyond these the last one."""
    if exact.denominator == 1 and -(2**63) <= exact < 2**64:
        return int(exact)
    try:
        return float(exact)
    except OverflowError:
        return sys.float_info.max if exact > 0 else -sys.float_info.max


# Events


def _values(event: Event, names: Names) -> list[Any]:
    return [value for name in dict.fromkeys(names) for value in reference.lookup(event, name)[1]]


def _texts(event: Event, names: Names) -> set[str]:
    found = map(reference.text, _values(event, names))
    return {text for text in found if text is not None}


def _numbers(event: Event, names: Names) -> list[Number]:
    found = map(reference.number, _values(event, names))
    return [number for number in found if number is not None and math.isfinite(number)]
