"""One program as its topic and its consumer group show it: what it wrote, and which events it is past.

A group's commit says that all matches of earlier events are in the topic. So the ends of the topic are asked for after
the commit was seen, uncommitted transactions included, and the program is past the event once all up to these ends was
read: then nothing of it can still come, but from a program that commits before it writes. `settle` waits for such.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from confluent_kafka import (
    OFFSET_BEGINNING,
    OFFSET_END,
    Consumer,
    KafkaError,
    KafkaException,
    TopicPartition,
)

from sigmac.migration.live.live_settings import SideSettings
from sigmac.migration.live.pairing import Partition, Side
from sigmac.runtime.errors import StreamError
from sigmac.runtime.stream.kafka.connection import (
    Connection,
    consumer_properties,
    find_topics,
    make_client,
    permanent,
)

_ANSWER = 5.0  # seconds for a broker's answer
_AGAIN = 0.5  # seconds between two questions
_MOST = 5000  # lines taken at once
_MAX_MIB = 16.0


class SideReader:
    """Reads a side's topic from `reading` on, by partition, and follows its group over the `sources`.

    It joins no group and commits nothing.
    """

    def __init__(
        self,
        side: Side,
        settings: SideSettings,
        properties: Mapping[str, Any],
        reading: Mapping[int, int],
        settle: float,
    ):
        self.side, self.settings = side, settings
        self.connection = Connection()
        own = {"group.id": settings.group, "auto.offset.reset": "error"}
        made = consumer_properties(properties, own, _MAX_MIB)
        made.pop("group.instance.id", None)
        made.pop("statistics.interval.ms")
        made["enable.partition.eof"] = True
        self._lines = make_client(Consumer, made, self.connection)
        # What is written but not committed counts for an end: it may be committed yet.
        asking = {**made, "isolation.level": "read_uncommitted"}
        self._asking = make_client(Consumer, asking, self.connection)
        looking = {**made, "auto.offset.reset": "earliest"}
        self._looking = make_client(Consumer, looking, self.connection)
        self.reading = dict(reading)
        self._from = dict(reading)
        self._assigned: set[int] = set()
        self._paused = False
        self._settle = settle
        self._committed: tuple[float, dict[Partition, int]] | None = None
        self._ends: dict[int, int] | None = None
        self._ask_at = 0.0
        self.committed: dict[Partition, int] = {}  # as the group said last
        self.past: dict[Partition, int] = {}  # events before these are done, and their matches read
        self.moved = time.monotonic()  # when `past` last grew

    def look_for_partitions(self, sources: Sequence[str]) -> Mapping[str, int] | None:
        """How many partitions the sources have; takes up those of the own topic. None where no broker answers.

        Raises `StreamError` where a topic is missing or may not be seen.
        """
        topic = self.settings.topic
        found = find_topics(self._asking, self.connection, [*sources, topic])
        if found is None:
            return None
        new = [part for part in range(found[topic]) if part not in self._assigned]
        if new:
            self._lines.incremental_assign(
                [
                    TopicPartition(topic, part, self._from.get(part, OFFSET_BEGINNING))
                    for part in new
                ]
            )
            self._assigned.update(new)
            self._paused = False
        return {each: found[each] for each in sources}

    def lines(self, wait: float, *, paused: bool) -> list[bytes]:
        """What comes within `wait` seconds; nothing while it is `paused`, which holds back the broker.

        Raises `StreamError` where lines are gone that were not read, or may not be read.
        """
        if paused is not self._paused:
            mine = self._lines.assignment()
            (self._lines.pause if paused else self._lines.resume)(mine)
            self._paused = paused
        found = []
        for message in self._lines.consume(_MOST, wait):
            if (error := message.error()) is not None:
                self._told(error, message)
                continue
            self._read_up_to(message.partition(), message.offset() + 1)
            found.append(message.value() or b"")
        if found:
            self.connection.answered()
        return found

    def _told(self, error: Any, message: Any) -> None:
        if error.code() == KafkaError._PARTITION_EOF:
            self._read_up_to(message.partition(), message.offset())
            return
        topic = self.settings.topic
        if error.code() == KafkaError._AUTO_OFFSET_RESET:
            part = message.partition()
            raise StreamError(
                f"kafka: partition {part} of {topic}: lines from offset {self.reading.get(part, 0):,} on are gone "
                "unread; begin anew with another file for the state"
            )
        if (stop := permanent(error, f"the topic {topic}")) is not None:
            raise stop
        self.connection.trouble = error.str()

    def _read_up_to(self, part: int, offset: int) -> None:
        self.reading[part] = max(offset, self.reading.get(part, 0))

    def follow(self, places: Iterable[Partition]) -> None:
        """Ask where the group is and where the topic ends; `past` grows when all up to there was read."""
        now = time.monotonic()
        if now >= self._ask_at and self._ends is None:
            self._ask_at = now + _AGAIN
            try:
                self._ask(list(places), now)
            except KafkaException as error:
                stop = permanent(error.args[0], f"the group {self.settings.group}")
                if stop is not None:
                    raise stop from None
                self.connection.trouble = error.args[0].str()
        if self._ends is None or self._committed is None:
            return
        if all(self.reading.get(part, 0) >= end for part, end in self._ends.items()):
            for place, offset in self._committed[1].items():
                if offset > self.past.get(place, 0):
                    self.past[place], self.moved = offset, now
            self._committed = self._ends = None

    def _ask(self, places: Sequence[Partition], now: float) -> None:
        if self._committed is None:
            self._committed = now, self.committed_of(places)
        if now >= self._committed[0] + self._settle:
            mine = [(self.settings.topic, part) for part in self._assigned]
            self._ends = {part: end for (_, part), end in self.ends_of(mine).items()}

    def committed_of(self, places: Sequence[Partition]) -> dict[Partition, int]:
        """Where the group is; 0 where it has committed nothing. Raises `KafkaException`."""
        answers = self._asking.committed(
            [TopicPartition(*each) for each in places], timeout=_ANSWER
        )
        self.committed = _offsets(answers)
        self.connection.answered()
        return self.committed

    def ends_of(self, places: Sequence[Partition]) -> dict[Partition, int]:
        """Where partitions end. Raises `KafkaException`."""
        asked = [TopicPartition(*each, OFFSET_END) for each in places]
        # Asked for by time, all partitions of a broker are one request.
        return _offsets(self._asking.offsets_for_times(asked, timeout=_ANSWER))

    def is_empty(self, place: Partition, start: int) -> bool:
        """Whether a partition has no record from an offset on, but marks of transactions and what they gave up."""
        self._looking.assign([TopicPartition(*place, start)])
        try:
            for message in self._looking.consume(1, _ANSWER):
                error = message.error()
                return error is not None and error.code() == KafkaError._PARTITION_EOF
            return False
        finally:
            self._looking.unassign()

    def close(self) -> None:
        for client in (self._lines, self._asking, self._looking):
            client.close()


def _offsets(answers: Iterable[TopicPartition]) -> dict[Partition, int]:
    found = {}
    for each in answers:
        if each.error is not None:
            raise KafkaException(each.error)
        found[each.topic, each.partition] = max(0, each.offset)
    return found
