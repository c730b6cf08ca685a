"""The state of one correlation in one group, and its step: a hit comes, and the condition is true or not.

A step depends on the group and the hit alone, never on a clock or on other events. Source: `docs/semantics.md`,
"Correlations, time", "alerts and chaining", "state".
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable
from operator import attrgetter, eq, ge, gt, le, lt, ne
from typing import Any, NamedTuple

from sigmac.runtime.correlation.definition import Correlation
from sigmac.runtime.correlation.exact import Number
from sigmac.runtime.correlation.hit import Hit
from sigmac.runtime.correlation.measures import Measure, measure_of
from sigmac.runtime.correlation.timestamps import SECOND

MAX_HITS = 100_000
SHOWN = 100  # sources of an alert
_SET_ASIDE = 3  # hits in a row that are too late begin a group anew
_COMPARE: dict[str, Callable[[Any, Any], bool]] = {
    "gt": gt,
    "gte": ge,
    "lt": lt,
    "lte": le,
    "eq": eq,
    "neq": ne,
}
_time = attrgetter("time")


class Group:
    """What is kept of one group: the hits in the window, its newest time, whether the condition was true.

    `hits[start:]` are in the order of time; `left` counts those that are gone from before them. `aside` are hits that
    were too late, in a row.
    """

    __slots__ = ("aside", "hits", "left", "measure", "newest", "start", "true")

    def __init__(self, measure: Measure) -> None:
        self.hits: list[Hit] = []
        self.start = 0
        self.left = 0
        self.newest = 0
        self.true = False
        self.aside: tuple[Hit, ...] = ()
        self.measure = measure

    def window(self) -> list[Hit]:
        """The hits in the window, oldest first."""
        return self.hits[self.start :]


class Outcome(NamedTuple):
    """What a hit did: whether it was taken into the window, and if the condition was tested, whether it is true.

    `rises` where it turned from false to true; `forgotten` hits are those beyond the bound; `restarted` where hits
    that were too late began the group anew.
    """

    taken: bool
    true: bool = False
    rises: bool = False
    value: Number = 0
    forgotten: int = 0
    restarted: bool = False


class Step:
    """The step of one correlation: `step(group, hit)` changes the group and says what came of it.

    `rules` are the distinct rules that bits of `Hit.seen` stand for, in temporal_ordered one for each place.
    """

    def __init__(self, definition: Correlation, max_hits: int = MAX_HITS) -> None:
        self.definition = definition
        self.span = definition.timespan * SECOND
        self.max_hits = max_hits
        self.rules = rules_of(definition)
        self._measure = measure_of(definition, self.rules)
        self._comparisons = [(_COMPARE[key], number) for key, number in definition.comparisons]
        self._expression = definition.expression
        self._bits = {rule: 1 << i for i, rule in enumerate(self.rules)}
        self._positive = (
            -1 if self._expression is None else _positive(self._expression, self._bits, True)
        )
        self._all = None if self._comparisons or self._expression else len(self.rules)

    def new_group(self) -> Group:
        """A group without hits."""
        return Group(self._measure())

    def __call__(self, group: Group, hit: Hit) -> Outcome:
        """Take a hit into a group that has had one, or into a new one."""
        time = hit.time
        hits = group.hits
        if not hits:
            pass
        elif time > group.newest + self.span:
            self._empty(group)
        elif time < group.newest:
            if time < group.newest - self.span:
                return self._too_late(group, hit)
            return self._take_late(group, hit)
        # In order: what is too old for the new end of the window leaves at its beginning.
        oldest = time - self.span
        while group.start < len(hits) and hits[group.start].time < oldest:
            self._leave(group)
        group.measure.enter(hit, group.left + len(hits) - group.start)
        hits.append(hit)
        group.newest = time
        group.aside = ()
        return self._test(group, hit, self._bound(group))

    def _empty(self, group: Group) -> None:
        group.hits.clear()
        group.start = group.left = 0
        group.true = False
        group.measure = self._measure()

    def _leave(self, group: Group) -> None:
        """The oldest hit leaves; the list is cut when half of it is gone, which costs each hit little."""
        group.measure.leave(group.hits[group.start])
        group.start += 1
        group.left += 1
        if 2 * group.start >= len(group.hits):
            del group.hits[: group.start]
            group.start = 0

    def _bound(self, group: Group) -> int:
        if len(group.hits) - group.start <= self.max_hits:
            return 0
        self._leave(group)
        return 1

    def _take_late(self, group: Group, hit: Hit) -> Outcome:
        group.aside = ()
        place = bisect_right(group.hits, hit.time, group.start, key=_time)
        group.hits.insert(place, hit)
        if self.definition.type == "temporal_ordered":
            self._follow_anew(group)
        else:
            group.measure.enter(hit, 0)
        return self._test(group, hit, self._bound(group))

    def _follow_anew(self, group: Group) -> None:
        group.measure = self._measure()
        for number, each in enumerate(group.window(), group.left):
            group.measure.enter(each, number)

    def _too_late(self, group: Group, hit: Hit) -> Outcome:
        """Set a hit aside; with the third in a row the group goes on from the newest of them."""
        aside = (*group.aside, hit)
        if len(aside) < _SET_ASIDE:
            group.aside = aside
            return Outcome(False)
        self._empty(group)
        group.aside = ()
        group.newest = max(each.time for each in aside)
        kept = [each for each in aside if each.time >= group.newest - self.span]
        group.hits.extend(sorted(kept, key=_time))  # stable
        self._follow_anew(group)
        forgotten = 0
        while len(group.hits) - group.start > self.max_hits:
            forgotten += self._bound(group)
        if hit.time < group.newest - self.span:
            return Outcome(False, forgotten=forgotten, restarted=True)
        return self._test(group, hit, forgotten)._replace(restarted=True)

    def _test(self, group: Group, hit: Hit, forgotten: int) -> Outcome:
        measure = group.measure
        value = measure.value(len(group.hits) - group.start, group.left)
        if not hit.seen & self._positive and self._positive != -1:
            return Outcome(True, forgotten=forgotten)
        if self._all is not None:
            true = value == self._all
        elif self._expression is not None:
            true = _holds(self._expression, self._bits, measure.seen)
        else:
            true = all(compare(value, number) for compare, number in self._comparisons)
        rises = true and not group.true
        group.true = true
        return Outcome(True, true, rises, value, forgotten)


def rules_of(definition: Correlation) -> list[str]:
    """What the bits of a hit's seen rules stand for: places of the list in temporal_ordered, else distinct rules."""
    if definition.type == "temporal_ordered":
        return list(definition.rules)
    return list(dict.fromkeys(definition.rules))


def _holds(node: Any, rules: dict[str, int], seen: int) -> bool:
    if isinstance(node, str):
        return bool(seen & rules[node])
    ((word, operands),) = node.items()
    if word == "not":
        return not _holds(operands, rules, seen)
    found = (_holds(each, rules, seen) for each in operands)
    return all(found) if word == "and" else any(found)


def _positive(node: Any, rules: dict[str, int], positive: bool) -> int:
    """The rules that stand under an even number of `not`, as bits."""
    if isinstance(node, str):
        return rules[node] if positive else 0
    ((word, operands),) = node.items()
    if word == "not":
        return _positive(operands, rules, not positive)
    found = 0
    for each in operands:
        found |= _positive(each, rules, positive)
    return found
