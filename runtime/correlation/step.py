"""The state of one correlation in one group, and its step: a hit comes, and the condition is true or not.

A step depends on the group and the hit alone, never on a clock or on other events. Source: `docs/semantics.md`,
"Correlations, time", "alerts and chaining", "state".
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable
from functools import partial
from operator import attrgetter, eq, ge, gt, le, lt, ne
from typing import Any

from sigmac.runtime.correlation.definition import Correlation
from sigmac.runtime.correlation.exact import Number
from sigmac.runtime.correlation.hit import Hit
from sigmac.runtime.correlation.measures import Measure, measure_of
from sigmac.runtime.correlation.timestamps import SECOND

MAX_HITS = 100_000
SHOWN = 100  # sources of an alert
_SET_ASIDE = 3  # hits in a row that are too late begin a group anew
# Comparisons with the threshold on the left
_TURNED: dict[str, Callable[[Any, Any], bool]] = {
    "gt": lt,
    "gte": le,
    "lt": gt,
    "lte": ge,
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


# What a hit did, as bits: it was tested and the condition is true; that turned from false; it was too late; it began
# the group anew. All above these is how many hits beyond the bound were forgotten.
TRUE, RISES, LATE, RESTARTS, FORGETS = 1, 2, 4, 8, 16


class Step:
    """The step of one correlation: `step(group, hit)` changes the group and gives bits that say what came of it.

    `rules` are the distinct rules that bits of `Hit.seen` stand for, in temporal_ordered one for each place.
    """

    def __init__(self, definition: Correlation, max_hits: int = MAX_HITS) -> None:
        self.definition = definition
        self.span = definition.timespan * SECOND
        self.max_hits = max_hits
        self.rules = rules_of(definition)
        self._measure = measure_of(definition, self.rules)
        self._counts_only = definition.type == "event_count"
        self._expression = definition.expression
        self._bits = {rule: 1 << i for i, rule in enumerate(self.rules)}
        # The rules that a hit must see to test: any where there is no condition in words
        self._testing = (
            -1 if self._expression is None else _positive(self._expression, self._bits, True)
        )
        self._holds = _thresholds(definition, len(self.rules))

    def new_group(self) -> Group:
        """A group without hits."""
        return Group(self._measure())

    def __call__(self, group: Group, hit: Hit) -> int:
        """Take a hit into a group that has had one, or into a new one."""
        time = hit[0]
        hits = group.hits
        newest = group.newest
        if hits:
            if time > newest + self.span:
                self._empty(group)
            elif time < newest:
                if time < newest - self.span:
                    return self._too_late(group, hit)
                return self._take_late(group, hit)
            # In order: what is too old for the new end of the window leaves at its beginning.
            oldest = time - self.span
            while hits and hits[group.start][0] < oldest:
                self._leave(group)
        if not self._counts_only:
            group.measure.enter(hit, group.left + len(hits) - group.start)
        hits.append(hit)
        group.newest = time
        if group.aside:
            group.aside = ()
        done = 0
        if len(hits) - group.start > self.max_hits:
            self._leave(group)
            done = FORGETS
        if self._counts_only:
            true = self._holds(len(hits) - group.start)
        elif self._testing == -1:
            true = self._holds(group.measure.value(len(hits) - group.start, group.left))
        else:
            return done | self._test(group, hit)
        if true:
            done |= TRUE if group.true else TRUE | RISES
        group.true = true
        return done

    def value(self, group: Group) -> Number:
        """What the condition compares."""
        return group.measure.value(len(group.hits) - group.start, group.left)

    def _test(self, group: Group, hit: Hit) -> int:
        """Test the condition, where the hit does that; TRUE and RISES."""
        if self._expression is None:
            true = self._holds(self.value(group))
        elif hit.seen & self._testing:
            true = _holds(self._expression, self._bits, group.measure.seen)
        else:
            return 0
        rises = true and not group.true
        group.true = true
        return TRUE * true | RISES * rises

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

    def bound(self, group: Group) -> int:
        """Forget the oldest hits beyond the bound; FORGETS for each."""
        done = 0
        while len(group.hits) - group.start > self.max_hits:
            self._leave(group)
            done += FORGETS
        return done

    def _take_late(self, group: Group, hit: Hit) -> int:
        group.aside = ()
        place = bisect_right(group.hits, hit.time, group.start, key=_time)
        group.hits.insert(place, hit)
        if self.definition.type == "temporal_ordered":
            self._follow_anew(group)
        else:
            group.measure.enter(hit, 0)
        return self.bound(group) | self._test(group, hit)

    def _follow_anew(self, group: Group) -> None:
        group.measure = self._measure()
        for number, each in enumerate(group.window(), group.left):
            group.measure.enter(each, number)

    def _too_late(self, group: Group, hit: Hit) -> int:
        """Set a hit aside; with the third in a row the group goes on from the newest of them."""
        aside = (*group.aside, hit)
        if len(aside) < _SET_ASIDE:
            group.aside = aside
            return LATE
        self._empty(group)
        group.aside = ()
        group.newest = max(each.time for each in aside)
        oldest = group.newest - self.span
        # Stable: of one time they stay as they came.
        group.hits.extend(sorted((e for e in aside if e.time >= oldest), key=_time))
        self._follow_anew(group)
        done = LATE | RESTARTS | self.bound(group)
        return done if hit.time < oldest else done | self._test(group, hit)


def _thresholds(definition: Correlation, rules: int) -> Callable[[Number], bool]:
    """Whether a value meets all comparisons; without any, whether all rules are seen."""
    tests = [partial(_TURNED[key], number) for key, number in definition.comparisons]
    if not tests:
        return partial(eq, rules)
    if len(tests) == 1:
        return tests[0]
    return lambda value: all(test(value) for test in tests)


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
