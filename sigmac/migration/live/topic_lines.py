"""The lines of a topic, one a record, of committed transactions alone."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, TopicPartition

from sigmac.migration.live.group_progress import AskingClient, client_properties
from sigmac.runtime.errors import StreamError
from sigmac.runtime.stream.kafka.connection import Connection, make_client, permanent

_MOST = 5000  # lines taken at once


class TopicLines:
    """Reads a topic from `reading` on, by partition. It joins no group and commits nothing.

    `asking` is the client that is asked for ends, of which it takes what is not committed too: it may be yet.
    """

    def __init__(
        self,
        topic: str,
        group: str,
        properties: Mapping[str, Any],
        asking: AskingClient,
        connection: Connection,
        reading: Mapping[int, int],
    ):
        self._topic, self._asking, self._connection = topic, asking, connection
        made = {**client_properties(properties, group), "auto.offset.reset": "error"}
        self._consumer = make_client(Consumer, made, connection)
        self.reading = dict(reading)
        self._from = dict(reading)
        self._assigned: set[int] = set()
        self._paused = False
        self._ends: dict[int, int] = {}

    def look(self) -> bool:
        """Take up partitions that are new; False where no broker answers. Raises `StreamError`."""
        found = self._asking.partitions([self._topic])
        if found is None:
            return False
        new = [part for part in range(found[self._topic]) if part not in self._assigned]
        if new:
            starts = [(part, self._from.get(part, OFFSET_BEGINNING)) for part in new]
            self._consumer.incremental_assign(
                [TopicPartition(self._topic, *each) for each in starts]
            )
            self._assigned.update(new)
            self._paused = False
        return True

    def read(self, wait: float, *, paused: bool) -> list[bytes]:
        """What comes within `wait` seconds; nothing while it is `paused`, which holds back the broker.

        Raises `StreamError` where lines are gone that were not read, or may not be read.
        """
        if paused is not self._paused:
            mine = self._consumer.assignment()
            (self._consumer.pause if paused else self._consumer.resume)(mine)
            self._paused = paused
        found = []
        for message in self._consumer.consume(_MOST, wait):
            if (error := message.error()) is not None:
                self._told(error, message)
                continue
            self._read_up_to(message.partition(), message.offset() + 1)
            found.append(message.value() or b"")
        if found:
            self._connection.answered()
        return found

    def _told(self, error: Any, message: Any) -> None:
        if error.code() == KafkaError._PARTITION_EOF:
            self._read_up_to(message.partition(), message.offset())
            return
        if error.code() == KafkaError._AUTO_OFFSET_RESET:
            part = message.partition()
            raise StreamError(
                f"kafka: partition {part} of {self._topic}: lines from offset {self.reading.get(part, 0):,} on are "
                "gone unread; begin anew with another file for the state"
            )
        if (stop := permanent(error, f"the topic {self._topic}")) is not None:
            raise stop
        self._connection.trouble = error.str()

    def _read_up_to(self, part: int, offset: int) -> None:
        self.reading[part] = max(offset, self.reading.get(part, 0))

    def mark_end(self) -> None:
        """Remember where the topic ends now. Raises `KafkaException`."""
        found = self._asking.ends_of([(self._topic, part) for part in self._assigned])
        self._ends = {part: end for (_, part), end in found.items()}

    def reached_end(self) -> bool:
        """Whether all was read up to where `mark_end` was called."""
        return all(self.reading.get(part, 0) >= end for part, end in self._ends.items())

    def kept(self) -> None:
        """What was read so far is kept, with `reading`."""

    def close(self) -> None:
        self._consumer.close()
