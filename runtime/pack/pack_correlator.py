"""The correlations of a pack over its matches: events come in order, alerts come out."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from sigmac.runtime.correlation.alert import Alert
from sigmac.runtime.correlation.correlator import Correlator, Counts, Limits
from sigmac.runtime.correlation.definition import Correlation
from sigmac.runtime.correlation.observation import Observation
from sigmac.runtime.correlation.timestamps import FIELDS
from sigmac.runtime.match import BatchResult, Explanation, Match, Rule
from sigmac.runtime.scalar.json_record import parse_record, plain_event

_BLANK = b" \t\r\xef\xbb\xbf"
_LINE_FEED = 10


class PackCorrelator:
    """Made by `Pack.correlator`. It takes events in the order in which they count; not thread-safe.

    `counts` has for each correlation, by its name in the pack, what it did not count in full; `no_time` the events
    without a timestamp that a correlation would have counted.
    """

    def __init__(
        self,
        definitions: Mapping[str, Correlation],
        rules: Sequence[str],
        place: Callable[[Rule], int],
        explain: Callable[[int, dict[str, Any]], Explanation],
        limits: Limits | None,
        timestamp_fields: Sequence[str] | None,
    ) -> None:
        self.definitions = definitions
        self._names = rules
        self._place = place
        self._explain = explain
        self.correlator = Correlator(
            definitions,
            rules,
            limits=limits,
            timestamp_fields=FIELDS if timestamp_fields is None else timestamp_fields,
        )
        places = {name: i for i, name in enumerate(self._names)}
        self._referred = {places[name] for name in self.correlator.reader.rules}
        self._by_variant = {
            places[rule]
            for each in definitions.values()
            for by_rule in each.fields.values()
            for rule, fields in by_rule.items()
            if isinstance(fields, Mapping) and rule in places
        }

    @property
    def counts(self) -> dict[str, Counts]:
        return self.correlator.counts

    @property
    def no_time(self) -> int:
        return self.correlator.no_time

    def feed(
        self, event: Mapping[str, Any], matches: Iterable[Match], source: Any = None
    ) -> list[Alert]:
        """The alerts that an event makes, given its matches as `Pack.match` returns them.

        `source` is what alerts say of where the event lies: anything that JSON can hold.
        """
        places = (self._place(match.rule) for match in matches)
        rules = [place for place in places if place in self._referred]
        return self.take(self._observe(plain_event(event), rules, source)) if rules else []

    def feed_batch(
        self, records: bytes, result: BatchResult, name: str = "", first: int = 0
    ) -> list[Alert]:
        """The alerts of a batch of records, given what `Pack.match_batch` returned for it.

        Their sources are `{"name": name, "position": first + line}`.
        """
        alerts: list[Alert] = []
        for record, observation in self.observe(records, result):
            if observation is not None:
                source = {"name": name, "position": first + record}
                observation = observation._replace(source=source)
            alerts += self.take(observation)
        return alerts

    def observe(
        self, records: bytes | Sequence[bytes], result: BatchResult
    ) -> Iterator[tuple[int, Observation | None]]:
        """What correlations need to know of a batch of records, raw or line by line: by the number of the line, which
        is its source too.

        None where a record has no timestamp. It changes nothing, so that several threads may do it.
        """
        by_record: dict[int, list[int]] = {}
        for record, rule in zip(result.record.tolist(), result.rule.tolist(), strict=True):
            if rule in self._referred:
                by_record.setdefault(record, []).append(rule)
        if not by_record:
            return
        lines = _lines(records, by_record) if isinstance(records, bytes) else records
        for record, rules in by_record.items():
            event = parse_record(lines[record].strip(_BLANK))
            yield record, self._observe(event, rules, record)

    def take(self, observation: Observation | None) -> list[Alert]:
        """The alerts that an observation makes; one without a timestamp is counted."""
        if observation is None:
            self.correlator.no_time += 1
            return []
        return self.correlator.take(observation)

    def _observe(
        self, event: Mapping[str, Any], rules: Iterable[int], source: Any
    ) -> Observation | None:
        matched = {self._names[rule]: self._variants(rule, event) for rule in rules}
        return self.correlator.reader.read(event, source, matched)

    def _variants(self, rule: int, event: Mapping[str, Any]) -> tuple[str, ...]:
        if rule not in self._by_variant:
            return ()
        return self._explain(rule, dict(event)).variants

    def redo(self, observation: Observation | None) -> None:
        """Take again what was taken after the snapshot that was restored."""
        if observation is None:
            self.correlator.no_time += 1
        else:
            self.correlator.redo(observation)

    def snapshot(self) -> bytes:
        """The whole state, to go on from with `restore`: the same events then give the same alerts."""
        return self.correlator.snapshot()

    def restore(self, state: bytes) -> list[str]:
        """Go on from a snapshot; returns the names of the correlations that changed since and begin anew.

        Raises `SigmacError` with one sentence where the bytes are no such state.
        """
        return self.correlator.restore(state)


def _lines(records: bytes, numbers: Iterable[int]) -> dict[int, bytes]:
    """Some lines by their numbers: to split thousands for a few costs as much as to evaluate them."""
    ends = np.flatnonzero(np.frombuffer(records, np.uint8) == _LINE_FEED).tolist()
    starts = [0, *(end + 1 for end in ends)]
    ends.append(len(records))
    return {number: records[starts[number] : ends[number]] for number in numbers}
