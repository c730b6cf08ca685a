"""Which alerts correlations of two packs give on the same events, and which only one of them gives.

Events are correlated in the order of their times, as `sigmac run` does it. An alert is the same on both sides where
correlation, group and event are.
"""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from operator import itemgetter

import orjson

from sigmac.compiler.changes.documented import Key
from sigmac.compiler.changes.sides import Changed, Sample, Side
from sigmac.compiler.meaning.correlation_words import timespan_text
from sigmac.compiler.meaning.watched_correlator import Taken, WatchedCorrelator
from sigmac.runtime.correlation.alert import plain_number
from sigmac.runtime.correlation.correlator import Limits
from sigmac.runtime.correlation.definition import Correlation
from sigmac.runtime.correlation.observation import Observation
from sigmac.runtime.correlation.sorted_spool import Key as Moment
from sigmac.runtime.correlation.sorted_spool import SortedSpool
from sigmac.runtime.correlation.timestamps import FIELDS
from sigmac.runtime.inputs.lines import Block
from sigmac.runtime.match import BatchResult
from sigmac.runtime.scalar.json_record import parse_record

_BLANK = b" \t\r\xef\xbb\xbf"
_MOST_NAMED = 5  # events of a window

Group = tuple[tuple[str, str], ...]  # names of `group-by` and their texts
_Waiting = tuple[
    Moment, int, bytes
]  # when and where an event is, the number of the side, what it knows of it


@dataclass(slots=True)
class AlertChanges:
    """What came of the correlations; `correlations` holds those with a difference only.

    `no_time` are hits of either side that have no time, and so count for nothing.
    """

    both: int = 0
    no_time: int = 0
    correlations: dict[Key, Changed] = field(default_factory=dict)


class AlertComparison:
    """Takes the matches of both sides block by block; what they make is compared at the end.

    Hits wait on disk where they are many. Raises `PackError` where a correlation of a pack cannot be evaluated.
    """

    def __init__(self, old: Side, new: Side, timestamp_fields: Sequence[str] = ()) -> None:
        self._sides = [_Correlating(side, timestamp_fields or FIELDS) for side in (old, new)]
        self._names: list[str] = []

    def take(self, block: Block, results: Sequence[BatchResult]) -> None:
        """What the old and the new side match in a block."""
        if not self._names or self._names[-1] != block.name:
            self._names.append(block.name)
        for side, result in zip(self._sides, results, strict=True):
            side.take(block, result, len(self._names) - 1)

    def compared(self) -> AlertChanges:
        """Correlate what was taken."""
        found = AlertChanges(no_time=max(side.no_time for side in self._sides))
        waiting = heapq.merge(*(side.waiting(n) for n, side in enumerate(self._sides)))
        for moment, pieces in itertools.groupby(waiting, key=itemgetter(0)):
            taken: list[dict[tuple[Key, Group], Taken]] = [{}, {}]
            record = b""
            for _, number, piece in pieces:
                taken[number], record = self._sides[number].correlate(moment, piece)
            alerts = [{at for at, each in side.items() if each.rises} for side in taken]
            found.both += len(alerts[0] & alerts[1])
            for name, number in (("lost", 0), ("gained", 1)):
                for key, group in sorted(alerts[number] - alerts[1 - number]):
                    changed = found.correlations.setdefault(key, Changed())
                    one_sided = changed.lost if name == "lost" else changed.gained
                    one_sided.count += 1
                    if one_sided.sample is None:
                        why = [*self._why(key, group, taken, number)]
                        source = self._source(moment[1:])
                        one_sided.sample = Sample(source, parse_record(record), why)
        for side in self._sides:
            side.close()
        return found

    def _why(
        self,
        key: Key,
        group: Group,
        taken: Sequence[Mapping[tuple[Key, Group], Taken]],
        number: int,
    ) -> Iterator[str]:
        """What is so now and was not, or the other way round; the group; what its window holds."""
        here, there = taken[number][key, group], taken[1 - number].get((key, group))
        is_gained = number == 1
        if not self._sides[1 - number].has(key):
            yield "the correlation is new" if is_gained else "the correlation is gone"
        elif there is None:
            was, now = ("no hit", "one now") if is_gained else ("a hit", "none now")
            yield f"the event was {was} of it in this group, and is {now}"
        elif there.true:
            was = "was" if is_gained else "is"
            yield f"the condition {was} true already, since {self._source(there.group.since)}"
        elif there.value == here.value:
            yield "what the condition asks has changed"
        else:
            old, new = (there, here) if is_gained else (here, there)
            yield f"the value was {plain_number(old.value)}, and is {plain_number(new.value)} now"
        yield from (f"{name}: {text}" for name, text in group)
        definition = self._sides[number].definition(key)
        window = here.group.window()
        place = here.hit.source[0]
        named = ", ".join(
            str(source[1] + 1) if source[0] == place else self._source(source)
            for source in (hit.source for hit in window[-_MOST_NAMED:])
        )
        before = f"{len(window) - _MOST_NAMED:,} more, " if len(window) > _MOST_NAMED else ""
        value, span = plain_number(here.value), timespan_text(definition.timespan)
        yield f"{definition.type} {value} within {span}: events {before}{named}"

    def _source(self, place: Sequence[int]) -> str:
        return f"{self._names[place[0]]}:{place[1] + 1}"


class _Correlating:
    """The correlations of one side."""

    def __init__(self, side: Side, timestamp_fields: Sequence[str]) -> None:
        pack = side.pack
        self._reader = pack.correlator(timestamp_fields=timestamp_fields)
        self._keys = dict(zip(pack.correlations, side.correlations, strict=True))
        self._definitions = dict(zip(side.correlations, pack.correlations.values(), strict=True))
        rules = pack.manifest["rules"]
        self._correlator = WatchedCorrelator(pack.correlations, rules, Limits(), timestamp_fields)
        self._hits = SortedSpool()
        self.no_time = 0

    def has(self, key: Key) -> bool:
        return key in self._definitions

    def definition(self, key: Key) -> Correlation:
        return self._definitions[key]

    def take(self, block: Block, result: BatchResult, place: int) -> None:
        """Keep what correlations need to know of a block of the input that is called `place`."""
        lines: list[bytes] | None = None
        for number, each in self._reader.observe(block.data, result):
            if each is None:
                self.no_time += 1
                continue
            lines = lines or block.data.split(b"\n")
            said = orjson.dumps([each.matched, each.values])
            moment = (each.time, place, block.position(number))
            self._hits.add(moment, said + b"\n" + lines[number].strip(_BLANK))

    def waiting(self, number: int) -> Iterator[_Waiting]:
        """What was kept, in the order of time."""
        return ((moment, number, piece) for moment, piece in self._hits)

    def correlate(
        self, moment: Moment, piece: bytes
    ) -> tuple[dict[tuple[Key, Group], Taken], bytes]:
        """What comes of an event in each group that it counts in, and the event's record."""
        said, _, record = piece.partition(b"\n")
        matched, values = orjson.loads(said)
        time, *source = moment
        found = {}
        for each in self._correlator.watch(Observation(time, source, matched, values)):
            key = self._keys[each.correlation]
            definition = self._definitions[key]
            if not definition.silent:
                found[key, tuple(zip(definition.group_by, each.key, strict=True))] = each
        return found, record

    def close(self) -> None:
        self._hits.close()
