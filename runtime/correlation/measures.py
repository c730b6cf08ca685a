"""What the hits in a window amount to, kept up to date as they come and go: one class a type of correlation.

A measure is told of each hit that enters and leaves; adding and removing take no longer in a larger window, but for
percentiles the logarithm of its size, and for an order that a late hit changes, which is followed anew.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Callable, Iterator, Sequence
from typing import Protocol

from sigmac.runtime.correlation.definition import Correlation
from sigmac.runtime.correlation.exact import ExactSum, Number, interpolated, share_of
from sigmac.runtime.correlation.hit import Hit


class Measure(Protocol):
    """What is kept of a window besides its hits."""

    def enter(self, hit: Hit, at: int) -> None:
        """A hit has entered; `at` is its number among all hits that the window has had, in the order of time."""

    def leave(self, hit: Hit) -> None:
        """The oldest hit has left."""

    def value(self, hits: int, first: int) -> Number:
        """What is compared: of so many hits, of which the oldest has the number `first`."""

    @property
    def seen(self) -> int:
        """The rules that the hits see, as bits."""


class _Plain:
    """No rules are asked for."""

    __slots__ = ()
    seen = 0


class Count(_Plain):
    """event_count: the hits themselves."""

    __slots__ = ()

    def enter(self, hit: Hit, at: int) -> None: ...

    def leave(self, hit: Hit) -> None: ...

    def value(self, hits: int, first: int) -> Number:
        return hits


COUNT = Count()


class Distinct(_Plain):
    """value_count: how many different texts, or tuples of texts."""

    __slots__ = ("_counts",)

    def __init__(self) -> None:
        self._counts: dict[object, int] = {}

    def enter(self, hit: Hit, at: int) -> None:
        counts = self._counts
        for value in hit.values:
            counts[value] = counts.get(value, 0) + 1

    def leave(self, hit: Hit) -> None:
        counts = self._counts
        for value in hit.values:
            left = counts[value] - 1
            if left:
                counts[value] = left
            else:
                del counts[value]

    def value(self, hits: int, first: int) -> Number:
        return len(self._counts)


class Total(_Plain):
    """value_sum and value_avg."""

    __slots__ = ("_average", "_numbers", "_sum")

    def __init__(self, average: bool) -> None:
        self._average = average
        self._sum = ExactSum()
        self._numbers = 0

    def enter(self, hit: Hit, at: int) -> None:
        for number in hit.values:
            self._sum.add(number)
        self._numbers += len(hit.values)

    def leave(self, hit: Hit) -> None:
        for number in hit.values:
            self._sum.add(number, -1)
        self._numbers -= len(hit.values)

    def value(self, hits: int, first: int) -> Number:
        return self._sum.over(self._numbers if self._average else 1)


class Percentile(_Plain):
    """value_percentile and value_median: all numbers, sorted."""

    __slots__ = ("_numbers", "_share")

    def __init__(self, share: tuple[int, int]) -> None:
        self._share = share
        self._numbers: list[Number] = []

    def enter(self, hit: Hit, at: int) -> None:
        for number in hit.values:
            insort(self._numbers, number)

    def leave(self, hit: Hit) -> None:
        for number in hit.values:
            del self._numbers[bisect_left(self._numbers, number)]

    def value(self, hits: int, first: int) -> Number:
        return interpolated(self._numbers, self._share)


class Seen:
    """temporal: which rules the hits see."""

    __slots__ = ("_counts", "seen")

    def __init__(self, rules: int) -> None:
        self._counts = [0] * rules
        self.seen = 0

    def enter(self, hit: Hit, at: int) -> None:
        for rule in bits(hit.seen):
            self._counts[rule] += 1
        self.seen |= hit.seen

    def leave(self, hit: Hit) -> None:
        for rule in bits(hit.seen):
            self._counts[rule] -= 1
            if not self._counts[rule]:
                self.seen &= ~(1 << rule)

    def value(self, hits: int, first: int) -> Number:
        return self.seen.bit_count()


class Ordered(_Plain):
    """temporal_ordered: the longest part of the list of rules that hits see in its order, each by a hit of its own.

    `_starts[m][j]` is the latest hit with which a chain of m + 1 steps begins that ends with one of the first j + 1
    rules: a chain is in the window while its first hit is. A hit makes chains longer that ended before it.
    """

    __slots__ = ("_rules", "_starts")

    def __init__(self, rules: int) -> None:
        self._rules = rules
        self._starts: list[list[int]] = [[-1] * rules for _ in range(rules)]

    def enter(self, hit: Hit, at: int) -> None:
        starts = self._starts
        # The longest first: what a hit begins or goes on with is not gone on with by itself.
        for steps in range(self._rules - 1, -1, -1):
            row = starts[steps]
            for rule in bits(hit.seen):
                if rule < steps:
                    continue
                start = at if steps == 0 else starts[steps - 1][rule - 1]
                # Rows ascend with the rules they may end with.
                for later in range(rule, self._rules):
                    if row[later] >= start:
                        break
                    row[later] = start

    def leave(self, hit: Hit) -> None: ...

    def value(self, hits: int, first: int) -> Number:
        for steps in range(self._rules, 0, -1):
            if self._starts[steps - 1][-1] >= first:
                return steps
        return 0


def bits(seen: int) -> Iterator[int]:
    """The places of the bits that are set."""
    while seen:
        lowest = seen & -seen
        yield lowest.bit_length() - 1
        seen ^= lowest


def measure_of(definition: Correlation, rules: Sequence[object]) -> Callable[[], Measure]:
    """What makes the measure of a new group; `rules` are the places that a hit's bits stand for."""
    kind = definition.type
    if kind == "event_count":
        return lambda: COUNT
    if kind == "value_count":
        return Distinct
    if kind in ("value_sum", "value_avg"):
        return lambda: Total(kind == "value_avg")
    if kind == "temporal":
        return lambda: Seen(len(rules))
    if kind == "temporal_ordered":
        return lambda: Ordered(len(rules))
    share = share_of(definition.percentile)
    return lambda: Percentile(share)
