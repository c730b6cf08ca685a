"""Lists of topics and partitions, between confluent-kafka's objects and librdkafka's structs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from confluent_kafka import TopicPartition

from sigmac.runtime.stream.kafka.direct.functions import error_of, functions


@contextmanager
def listed(partitions: Sequence[TopicPartition]) -> Iterator[Any]:
    """A list for librdkafka, as long as it is used."""
    told = functions()
    made = told.topic_partition_list_new(len(partitions))
    try:
        for each in partitions:
            place = told.topic_partition_list_add(made, each.topic.encode(), each.partition)
            place.contents.offset = each.offset
        yield made
    finally:
        told.topic_partition_list_destroy(made)


def told_of(made: Any) -> list[TopicPartition]:
    """What a list of librdkafka says."""
    content = made.contents
    return [_told(content.elems[i]) for i in range(content.cnt)]


def _told(place: Any) -> TopicPartition:
    found = TopicPartition(place.topic.decode(), place.partition, place.offset)
    return found if not place.err else _Failed(found, place.err)


class _Failed(TopicPartition):
    """One for which the answer is an error."""

    def __init__(self, place: TopicPartition, code: int):
        super().__init__(place.topic, place.partition, place.offset)
        self._code = code

    @property
    def error(self) -> Any:  # type: ignore[override]
        return error_of(self._code)
