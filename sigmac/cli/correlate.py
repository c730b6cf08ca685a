"""Alerts of correlations among the matches of `sigmac run`: in the order of time, or as events come."""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

import orjson

from sigmac.cli.options import counted, say
from sigmac.results.result import packed
from sigmac.results.rule_choice import Choice
from sigmac.runtime.correlation.alert import Alert
from sigmac.runtime.correlation.correlator import Counts, Limits
from sigmac.runtime.correlation.observation import Observation
from sigmac.runtime.correlation.sorted_spool import SortedSpool
from sigmac.runtime.inputs.lines import Block
from sigmac.runtime.match import BatchResult
from sigmac.runtime.pack.pack import Pack

Found = tuple[int, bytes]  # the number of the record in its block, and a result of it
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
        self,
        pack: Pack,
        order: str,
        fields: Sequence[str] | None,
        limits: Limits,
        choice: Choice,
        *,
        event: bool,
    ) -> None:
        self._correlator = pack.correlator(limits=limits, timestamp_fields=fields)
        self._by_time = order == "time"
        self._event = event
        definitions = self._correlator.definitions.values()
        self._keys = {id(each): -1 - i for i, each in enumerate(definitions)}
        self._left_out = choice.left_out
        self.alerts: Counter[int] = Counter()  # by their keys, those that are results
        self._names: list[str] = []
        self._found = SortedSpool()
        self._hits = SortedSpool()

    def observe(self, data: bytes, result: BatchResult) -> list[Observed]:
        """The events of a block that correlations ask for. It changes nothing, so that several threads may do it."""
        found = [*self._correlator.observe(data, result)]
        if not found or not self._event:
            return [(number, each, b"") for number, each in found]
        lines = data.split(b"\n")
        return [(number, each, lines[number].strip(_BLANK)) for number, each in found]

    def take(
        self, block: Block, found: Sequence[Found], observed: Sequence[Observed]
    ) -> list[bytes]:
        """What can be written of a block, which comes behind those before it."""
        if not self._names or self._names[-1] != block.name:
            self._names.append(block.name)
        place = len(self._names) - 1
        position = block.position
        if not self._by_time:
            alerts = [
                (number, alert)
                for number, each, record in observed
                for alert in self._alerts(each, (place, position(number)), record)
            ]
            merged = heapq.merge(found, alerts, key=lambda each: each[0])
            return [result for _, result in merged]
        for number, result in found:
            self._found.add((place, position(number), 0), result)
        for number, each, record in observed:
            if each is None:
                self._correlator.take(None)
                continue
            said = orjson.dumps([each.matched, each.values])
            self._hits.add((each.time, place, position(number)), said + b"\n" + record)
        return []

    def rest(self) -> Iterator[bytes]:
        """What waited for the end of all inputs."""
        alerts = SortedSpool()
        for (time, place, position), piece in self._hits:
            said, _, record = piece.partition(b"\n")
            matched, values = orjson.loads(said)
            observation = Observation(time, (place, position), matched, values)
            made = self._alerts(observation, (place, position), record)
            for number, alert in enumerate(made, 1):
                alerts.add((place, position, number), alert)
        for _, piece in heapq.merge(self._found, alerts, key=lambda piece: piece[0]):
            yield piece
        for spool in (self._hits, self._found, alerts):
            spool.close()

    def _alerts(
        self, observation: Observation | None, source: tuple[int, int], record: bytes
    ) -> Iterator[bytes]:
        if observation is not None:
            observation = observation._replace(source=source)
        for alert in self._correlator.take(observation):
            key = self._keys[id(alert.correlation)]
            if not alert.correlation.silent and key not in self._left_out:
                self.alerts[key] += 1
                yield self._result(key, alert, record)

    def _result(self, key: int, alert: Alert, record: bytes) -> bytes:
        said = alert.plain()["correlation"]
        said["events"] = [self._source(each) for each in alert.events]
        source = orjson.dumps(self._source(alert.source))
        return packed(key, source, b',"correlation":' + orjson.dumps(said), record)

    def _source(self, source: tuple[int, int]) -> dict[str, Any]:
        place, position = source
        return {"name": self._names[place], "position": position}

    def summarize(self, top: int) -> None:
        """Say how many alerts there were, and what was not counted."""
        counts = self._correlator.counts
        definitions = {each: self._correlator.definitions[each] for each in counts}
        listed = list(self._correlator.definitions.values())
        alerts = self.alerts.total()
        say(f"{counted(alerts, 'alert')} of {counted(len(self.alerts), 'correlation')}")
        for key, made in self.alerts.most_common(top):
            say(f"{made:>9,}  {listed[-1 - key].title}")
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
