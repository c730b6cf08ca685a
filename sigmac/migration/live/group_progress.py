"""What brokers are asked: how far a consumer group is, and where topics end."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from confluent_kafka import OFFSET_END, Consumer, KafkaError, KafkaException, TopicPartition

from sigmac.migration.live.pairing import Partition
from sigmac.runtime.stream.kafka.connection import (
    Connection,
    consumer_properties,
    find_topics,
    make_client,
)

_ANSWER = 5.0  # seconds for a broker's answer
_MAX_MIB = 16.0


def client_properties(properties: Mapping[str, Any], group: str) -> dict[str, Any]:
    """Properties of a consumer that is told where partitions end."""
    made = consumer_properties(properties, {"group.id": group}, _MAX_MIB)
    made.pop("group.instance.id", None)
    made.pop("statistics.interval.ms")
    return {**made, "enable.partition.eof": True}


class AskingClient:
    """Asks about a group without joining it, and about topics."""

    def __init__(self, group: str, properties: Mapping[str, Any], connection: Connection):
        made = client_properties(properties, group)
        self._connection = connection
        # What is written but not committed counts for an end: it may be committed yet.
        asking = {**made, "isolation.level": "read_uncommitted"}
        self._asking = make_client(Consumer, asking, connection)
        # One record is looked at, not what comes behind it.
        few = {"queued.min.messages": 1, "queued.max.messages.kbytes": 1024}
        looking = {**made, **few, "auto.offset.reset": "earliest"}
        self._looking = make_client(Consumer, looking, connection)

    def partitions(self, topics: Sequence[str]) -> Mapping[str, int] | None:
        """How many partitions topics have; None where no broker answers.

        Raises `StreamError` where a topic is missing or may not be seen.
        """
        return find_topics(self._asking, self._connection, topics)

    def committed_of(self, places: Sequence[Partition]) -> dict[Partition, int]:
        """Where the group is; 0 where it has committed nothing. Raises `KafkaException`."""
        answers = self._asking.committed(
            [TopicPartition(*each) for each in places], timeout=_ANSWER
        )
        found = _offsets(answers)
        self._connection.answered()
        return found

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

    def record_at(self, place: Partition, offset: int) -> bytes | None:
        """The value of a record; None where it is gone, or does not come in time."""
        self._looking.assign([TopicPartition(*place, offset)])
        try:
            for message in self._looking.consume(1, _ANSWER):
                if message.error() is None and message.offset() == offset:
                    value: bytes | None = message.value()
                    return value
            return None
        finally:
            self._looking.unassign()

    def close(self) -> None:
        self._asking.close()
        self._looking.close()


def _offsets(answers: Iterable[TopicPartition]) -> dict[Partition, int]:
    found = {}
    for each in answers:
        if each.error is not None:
            raise KafkaException(each.error)
        found[each.topic, each.partition] = max(0, each.offset)
    return found
