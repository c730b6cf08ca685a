"""Alerts of correlations among the matches of `sigmac run`: in the order of time, or as events come."""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Sequence
from typing import Any

import orjson

from sigmac.cli.options import counted, say
from sigmac.runtime.correlation.alert import Alert
from sigmac.runtime.correlation.correlator import Counts, Limits
from sigmac.runtime.correlation.observation import Observation
from sigmac.runtime.correlation.sorted_spool import SortedSpool
from sigmac.runtime.inputs.lines import Block
from sigmac.runtime.match import BatchResult
from sigmac.runtime.pack.pack import Pack

Line = tuple[int, bytes]  # the number of the record in its block, the line that is written
Observed = tuple[int, Observation | None, bytes]  # the number of the record, and the record

_BLANK = b" \t\r\xef\xbb\xbf"
_NOT_COUNTED = (
    ("no_group", "", "without a group"),
    ("no_value", "", "without a value"),
    ("late", "", "too late"),
    ("restarts", "group", "begun anew"),
    ("evicted_groups", "group", "forgotten"),
    ("evicted_hits", "hit", "forgotten"),
)


class Correlating:
    """The correlations of a pack over the inputs of one run.

    In the order of `arrival` alerts come with the block that makes them. In that of `time` matches and hits wait, on
    disk where they are many, and all is written at the end, by the position of its event.
    """

    def __init__(
        self, pack: Pack, order: str, fields: Sequence[str] | None, limits: Limits, event: bool
    ) -> None:
        self._correlator = pack.correlator(limits=limits, timestamp_fields=fields)
        self._by_time = order == "time"
        self._event = event
        self._names: list[str] = []
        self._lines = SortedSpool()
        self._hits = SortedSpool()

    def observe(self, data: bytes, result: BatchResult) -> list[Observed]:
        """The events of a block that correlations ask for. It changes nothing, so that several threads may do it."""
        found = [*self._correlator.observe(data, result)]
        if not found or not self._event:
            return [(number, each, b"") for number, each in found]
        lines = data.split(b"\n")
        return [(number, each, lines[number].strip(_BLANK)) for number, each in found]

    def take(self, block: Block, lines: Sequence[Line], observed: Sequence[Observed]) -> bytes:
        """What can be written of a block, which comes behind those before it."""
        if not self._names or self._names[-1] != block.name:
            self._names.append(block.name)
        place = len(self._names) - 1
        position = block.position
        if not self._by_time:
            alerts = [
                (number, line)
                for number, each, record in observed
                for line in self._alerts(each, (place, position(number)), record)
            ]
            merged = heapq.merge(lines, alerts, key=lambda line: line[0])
            return b"".join(line for _, line in merged)
        for number, line in lines:
            self._lines.add((place, position(number), 0), line)
        for number, each, record in observed:
            if each is None:
                self._correlator.take(None)
                continue
            said = orjson.dumps([each.matched, each.values])
            self._hits.add((each.time, place, position(number)), said + b"\n" + record)
        return b""

    def rest(self) -> Iterator[bytes]:
        """What waited for the end of all inputs."""
        alerts = SortedSpool()
        for (time, place, position), piece in self._hits:
            said, _, record = piece.partition(b"\n")
            matched, values = orjson.loads(said)
            observation = Observation(time, (place, position), matched, values)
            for number, line in enumerate(self._alerts(observation, (place, position), record), 1):
                alerts.add((place, position, number), line)
        for _, line in heapq.merge(self._lines, alerts, key=lambda piece: piece[0]):
            yield line
        for spool in (self._hits, self._lines, alerts):
            spool.close()

    def _alerts(
        self, observation: Observation | None, source: tuple[int, int], record: bytes
    ) -> Iterator[bytes]:
        if observation is not None:
            observation = observation._replace(source=source)
        for alert in self._correlator.take(observation):
            if not alert.correlation.silent:
                yield self._line(alert, record)

    def _line(self, alert: Alert, record: bytes) -> bytes:
        plain = alert.plain()
        plain["source"] = self._source(alert.source)
        plain["correlation"]["events"] = [self._source(each) for each in alert.events]
        line = orjson.dumps(plain)
        return line[:-1] + (b',"event":' + record if self._event else b"") + b"}\n"

    def _source(self, source: tuple[int, int]) -> dict[str, Any]:
        place, position = source
        return {"name": self._names[place], "position": position}

    def summarize(self, top: int) -> None:
        """Say how many alerts there were, and what was not counted."""
        counts = self._correlator.counts
        definitions = {each: self._correlator.definitions[each] for each in counts}
        shown = {name: each for name, each in counts.items() if not definitions[name].silent}
        alerts = sum(each.alerts for each in shown.values())
        made = sum(bool(each.alerts) for each in shown.values())
        say(f"{counted(alerts, 'alert')} of {counted(made, 'correlation')}")
        for name, each in sorted(shown.items(), key=lambda item: -item[1].alerts)[:top]:
            if each.alerts:
                say(f"{each.alerts:>9,}  {definitions[name].title}")
        if self._correlator.no_time:
            say(f"{counted(self._correlator.no_time, 'hit')} without a time (--timestamp-field)")
        for name, each in counts.items():
            if said := _not_counted(each):
                say(f"{definitions[name].title}: {said}")


def _not_counted(counts: Counts) -> str:
    found = ((getattr(counts, name), noun, words) for name, noun, words in _NOT_COUNTED)
    return ", ".join(
        f"{counted(number, noun) if noun else f'{number:,}'} {words}"
        for number, noun, words in found
        if number
    )
