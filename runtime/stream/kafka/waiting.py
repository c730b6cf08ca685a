"""How many records wait in partitions: from the first that is not done up to the end.

librdkafka learns of a partition's end by fetching from it. While a sink is slow or an operator has paused the service
nothing is fetched, so the ends are asked for; and what was polled waits until it is delivered and committed.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Iterable
from typing import Any

import structlog
from confluent_kafka import OFFSET_END, OFFSET_INVALID, KafkaException, TopicPartition

from sigmac.runtime.stream.kafka.direct.polled import Place

log = structlog.get_logger("sigmac.stream.kafka")

AGAIN = 2.0  # seconds between two questions
_ANSWER = 1.0  # seconds for an answer


class Waiting:
    """What is known of the records that wait for one consumer."""

    def __init__(self, consumer: Any):
        self._consumer = consumer
        self._ends: dict[Place, int] = {}
        self._committed: dict[Place, int] = {}
        self._rewound: dict[Place, int] = {}  # offsets of what will be polled again
        self._ask_at = 0.0

    def forget(self, places: Iterable[Place]) -> None:
        """They are somebody else's, or are read from elsewhere."""
        for place in places:
            for known in (self._ends, self._committed, self._rewound):
                known.pop(place, None)

    def rewound(self, first: dict[Place, int]) -> None:
        """What was polled from these offsets on is not done."""
        self._rewound.update(first)

    def polled(self, places: Iterable[Place]) -> None:
        """Something of them was fetched: librdkafka knows their ends again."""
        if self._rewound or self._ends:
            for place in places:
                self._rewound.pop(place, None)
                self._ends.pop(place, None)

    def renew(self, owned: Collection[Place]) -> None:
        """Ask for the ends of partitions from which nothing is fetched, now and then."""
        now = time.monotonic()
        if now < self._ask_at or not owned:
            return
        self._ask_at = now + AGAIN
        try:
            ends = [TopicPartition(*place, OFFSET_END) for place in owned]
            # Asked for by time, all partitions of a broker are one request.
            self._ends.update(_told(self._consumer.offsets_for_times(ends, timeout=_ANSWER)))
            if unread := self._unread(owned):
                self._committed.update(_told(self._consumer.committed(unread, timeout=_ANSWER)))
        except KafkaException as error:
            log.debug("the ends of partitions are not known", reason=error.args[0].str())

    def _unread(self, owned: Collection[Place]) -> list[TopicPartition]:
        positions = self._consumer.position([TopicPartition(*place) for place in owned])
        return [each for each in positions if each.offset == OFFSET_INVALID]

    def lag(
        self, owned: Collection[Place], in_work: Iterable[tuple[Place, int]]
    ) -> dict[Place, int]:
        """How many records of each partition wait; -1 where it is not known.

        Those from an offset on that is in work, of a partition, are among them.
        """
        first = dict(self._rewound)
        for place, offset in in_work:
            first[place] = min(offset, first.get(place, offset))
        lags = {}
        for each in self._consumer.position([TopicPartition(*place) for place in owned]):
            place = each.topic, each.partition
            at = each.offset if each.offset >= 0 else self._committed.get(place, OFFSET_INVALID)
            at = first.get(place, at)
            _, end = self._consumer.get_watermark_offsets(TopicPartition(*place), cached=True)
            end = max(end, self._ends.get(place, OFFSET_INVALID))
            lags[place] = max(0, end - at) if at >= 0 and end >= 0 else -1
        return lags


def _told(answers: Iterable[TopicPartition]) -> dict[Place, int]:
    return {
        (each.topic, each.partition): each.offset
        for each in answers
        if each.error is None and each.offset >= 0
    }
