"""What a worker does with the matches that correlations count: their hits go to the second stage, by way of a topic."""

from __future__ import annotations

from collections.abc import Sequence

import orjson

from sigmac.runtime.correlation.correlator import Counts
from sigmac.runtime.correlation.observation import Observation, scalars_of
from sigmac.runtime.correlation.spread.families import Spreading
from sigmac.runtime.correlation.suppression import Suppressions
from sigmac.runtime.match import BatchResult
from sigmac.runtime.pack.pack import Pack
from sigmac.runtime.stream.cluster.hit_message import HitTooLarge, encode
from sigmac.runtime.stream.counts import CorrelationCounts, counts_of_pack, described
from sigmac.runtime.stream.sink import Message


class Forwarding:
    """The hits of a pack's rules; `slot` is the pack's name in the configuration."""

    def __init__(
        self,
        slot: str,
        pack: Pack,
        *,
        timestamp_fields: Sequence[str] | None,
        event: bool,
        suppressions: Suppressions | None = None,
    ) -> None:
        self._slot = slot
        self._event = event
        self._pack = {"name": pack.name, "version": pack.version}
        self._correlator = pack.correlator(timestamp_fields=timestamp_fields)
        self._spreading = Spreading(pack.correlations, pack.manifest["rules"])
        self._titles = {name: described(each) for name, each in pack.correlations.items()}
        self._no_time = 0
        # What the second stage compares alerts by that are held back
        loud = [each for each in pack.correlations.values() if not each.silent]
        self._compared = suppressions.fields(loud) if suppressions is not None else []

    def counted(self) -> CorrelationCounts:
        """What was a hit nowhere since it was asked last."""
        found = counts_of_pack(self._slot, self._titles, self._spreading.counts)
        self._spreading.counts = {name: Counts() for name in self._titles}
        if self._no_time:
            found["no_time"] = {self._slot: self._no_time}
            self._no_time = 0
        return found

    def observe(
        self, lines: Sequence[bytes], result: BatchResult
    ) -> list[tuple[int, Observation | None]]:
        """The events of a batch that correlations ask for, by their lines."""
        return [*self._correlator.observe(lines, result)]

    def messages(
        self, observation: Observation | None, event: bytes, partition: int
    ) -> tuple[list[Message], str]:
        """The messages of an event's hits, and why some cannot be told. Its source says where the event lies."""
        if observation is None:
            self._no_time += 1
            return [], ""
        if self._compared:
            fields = orjson.loads(event)
            compared = {name: scalars_of(fields, name) for name in self._compared}
            observation = observation._replace(values={**compared, **observation.values})
        made, problem = [], ""
        for family, place in self._spreading.places(observation):
            raw = event if self._event else None
            try:
                key, value = encode(self._slot, self._pack, family, place, observation, raw)
            except HitTooLarge as error:
                problem = str(error)
                continue
            made.append(Message(value, key, (), partition))
        return made, problem
