"""Records from the topics of Kafka or of a broker that speaks its protocol, as a member of a consumer group."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

import structlog
from confluent_kafka import OFFSET_INVALID, Consumer, KafkaError, KafkaException, TopicPartition

from sigmac.runtime.errors import StreamError
from sigmac.runtime.records import CHUNK
from sigmac.runtime.stream.kafka_client import Connection, Properties, make_client, permanent
from sigmac.runtime.stream.record import Batch, LongLine, Origin

log = structlog.get_logger("sigmac.stream.kafka")

_FIRST_GUESS = 16 << 10  # bytes of a record before any was seen
_ASK = 5.0  # seconds to wait for metadata
# The group has moved on: what was polled is somebody else's, or ours again from the last commit on.
_GROUP_MOVED = {
    KafkaError.ILLEGAL_GENERATION,
    KafkaError.UNKNOWN_MEMBER_ID,
    KafkaError.REBALANCE_IN_PROGRESS,
    KafkaError.FENCED_INSTANCE_ID,
    KafkaError._ASSIGNMENT_LOST,
    KafkaError._NO_OFFSET,
}

_Place = tuple[str, int]  # topic, partition


class KafkaBatch:
    """Messages of one input."""

    long_lines: Mapping[int, LongLine] = MappingProxyType({})  # only files have them

    def __init__(self, stream: int, messages: Sequence[Any]):
        self.stream = stream
        self.messages = messages
        self.values: Sequence[bytes | None] = [message.value() for message in messages]

    def origin(self, record: int) -> Origin:
        message = self.messages[record]
        kind, timestamp = message.timestamp()
        return Origin(
            message.topic(),
            message.partition(),
            message.offset(),
            timestamp if kind else None,
            message.key(),
            tuple(message.headers() or ()),
        )

    def sizes(self) -> list[tuple[str, int, int]]:
        topics = [message.topic() for message in self.messages]
        sizes = [len(value) if value else 0 for value in self.values]
        if len(set(topics)) == 1:
            return [(topics[0], len(sizes), sum(sizes))]
        found: dict[str, tuple[int, int]] = {}
        for topic, size in zip(topics, sizes, strict=True):
            records, total = found.get(topic, (0, 0))
            found[topic] = records + 1, total + size
        return [(topic, records, size) for topic, (records, size) in found.items()]


class KafkaSource:
    """A member of the group. `inputs` are the topics of each input; one that starts with ^ is a regular expression."""

    def __init__(
        self,
        properties: Properties,
        inputs: Sequence[Sequence[str]],
        connection: Connection,
        max_bytes: int,
    ):
        self.connection = connection
        self._names: dict[str, int] = {}
        self._patterns: list[tuple[re.Pattern[str], int]] = []
        for number, topics in enumerate(inputs):
            for topic in topics:
                if topic.startswith("^"):
                    self._patterns.append((re.compile(topic), number))
                else:
                    self._names[topic] = number
        self._topics = [topic for topics in inputs for topic in topics]
        self._max_bytes = max_bytes
        self._mean = float(_FIRST_GUESS)
        self._polled: dict[_Place, int] = {}  # first offset of what is polled and not committed
        self._next: list[TopicPartition] = []  # where a commit would go on
        self._held: list[Any] = []
        self._paused = False
        self.rebalances = 0
        self.owned: set[_Place] = set()
        self.joined = False  # the group has told once what is ours
        self.consumer = make_client(Consumer, properties, connection)

    def start(self) -> bool:
        """Join the group; False where the broker does not answer yet.

        Raises `StreamError` where a topic does not exist or credentials are wrong.
        """
        try:
            known = self.consumer.list_topics(timeout=_ASK).topics
        except KafkaException as error:
            self._stop_if_permanent(error.args[0], "the broker")
            if self.connection.refused is not None:
                self._stop_if_permanent(self.connection.refused, "the broker")
            self.connection.connected = False
            self.connection.trouble = error.args[0].str()
            return False
        self.connection.answered()
        missing = sorted(set(self._names) - set(known))
        if missing:
            raise StreamError(f"kafka: there is no topic {', '.join(missing)}; create it first")
        self.consumer.subscribe(
            self._topics,
            on_assign=self._on_assign,
            on_revoke=self._on_revoke,
            on_lost=self._on_lost,
        )
        return True

    def _on_assign(self, _: Any, partitions: list[TopicPartition]) -> None:
        self.rebalances += 1
        self.joined = True
        self.owned.update((each.topic, each.partition) for each in partitions)
        log.info("partitions assigned", partitions=_listed(partitions))

    def _on_revoke(self, _: Any, partitions: list[TopicPartition]) -> None:
        self._let_go(partitions)
        log.info("partitions revoked", partitions=_listed(partitions))

    def _on_lost(self, _: Any, partitions: list[TopicPartition]) -> None:
        self._let_go(partitions)
        log.warning(
            "partitions lost: the group gave them to others", partitions=_listed(partitions)
        )

    def _let_go(self, partitions: list[TopicPartition]) -> None:
        """What was polled of them and is not committed is their next owner's, also where that is this member again."""
        self.rebalances += 1
        gone = {(each.topic, each.partition) for each in partitions}
        self.owned -= gone
        self._polled = {place: first for place, first in self._polled.items() if place not in gone}
        self._next = [each for each in self._next if (each.topic, each.partition) not in gone]
        self._held = [each for each in self._held if (each.topic(), each.partition()) not in gone]
        if partitions and self._paused:
            # librdkafka remembers the pause, and would fetch nothing if the partition came back.
            self.consumer.resume(partitions)

    def poll(self, max_records: int, max_wait: float) -> list[Batch]:
        if self._paused:
            self._paused = False
            if mine := self.consumer.assignment():
                self.consumer.resume(mine)
        wanted = max(1, min(max_records, int(self._max_bytes / self._mean)))
        before = self.rebalances
        held, self._held = self._held, []
        messages = held or self.consumer.consume(wanted, max_wait)
        if not messages:
            return []
        good = self._without_errors(messages)
        if before != self.rebalances:
            # A message may be of a partition that was taken away within the call.
            good = [each for each in good if (each.topic(), each.partition()) in self.owned]
        if not good:
            return []
        self.connection.answered()
        batches = self._by_input(good)
        self._remember(good)
        size = sum(len(value) for batch in batches for value in batch.values if value)
        self._mean = max(64.0, 0.5 * self._mean + 0.5 * size / len(good))
        return batches

    def _without_errors(self, messages: list[Any]) -> list[Any]:
        good = [message for message in messages if message.error() is None]
        if len(good) == len(messages):
            return good
        for message in messages:
            error = message.error()
            if error is None:
                continue
            self._stop_if_permanent(error, message.topic() or "the broker")
            self.connection.trouble = error.str()
            log.warning("the broker reports an error", error=error.str())
        return good

    def _by_input(self, messages: list[Any]) -> list[Batch]:
        streams: dict[int, list[Any]] = {}
        if len(self._names) + len(self._patterns) == 1:
            streams[0] = messages
        else:
            for message in messages:
                streams.setdefault(self._stream(message.topic()), []).append(message)
        # A batch of a few MB stays in the processor's caches while it is joined, looked through and evaluated.
        most = max(1, int(CHUNK / self._mean))
        return [
            KafkaBatch(stream, some[first : first + most])
            for stream, some in sorted(streams.items())
            for first in range(0, len(some), most)
        ]

    def _stream(self, topic: str) -> int:
        known = self._names.get(topic)
        if known is None:
            known = next(number for pattern, number in self._patterns if pattern.match(topic))
            self._names[topic] = known
        return known

    def _remember(self, messages: list[Any]) -> None:
        places = [(message.topic(), message.partition()) for message in messages]
        # Of several of a place a dictionary keeps the one that comes last.
        first = dict(zip(reversed(places), reversed(messages), strict=True))
        last = dict(zip(places, messages, strict=True))
        self._polled = {place: message.offset() for place, message in first.items()}
        self._next = [
            TopicPartition(topic, partition, message.offset() + 1)
            for (topic, partition), message in last.items()
        ]

    def positions(self) -> list[TopicPartition]:
        """Where the group shall go on when what was polled is done."""
        return self._next

    def commit(self) -> None:
        if not self._next:
            return
        try:
            self.consumer.commit(offsets=self._next, asynchronous=False)
            self.connection.answered()
        except KafkaException as error:
            kafka = error.args[0]
            self._stop_if_permanent(kafka, "the consumer group")
            # What was delivered may be delivered again, with the same match ids; nothing is lost.
            level = log.info if kafka.code() in _GROUP_MOVED else log.warning
            level("offsets were not committed; records may be evaluated again", error=kafka.str())
        self.committed()

    def committed(self) -> None:
        """What was polled is committed, by `commit` or within a transaction."""
        self._polled, self._next = {}, []

    def rewind(self) -> None:
        back = dict(self._polled)
        for message in self._held:
            back.setdefault((message.topic(), message.partition()), message.offset())
        self._held = []
        for (topic, partition), offset in back.items():
            if (topic, partition) in self.owned:
                self.consumer.seek(TopicPartition(topic, partition, offset))
        self.committed()

    def keep_alive(self) -> None:
        self._paused = True
        if mine := self.consumer.assignment():
            self.consumer.pause(mine)
        message = self.consumer.poll(0)
        if message is not None:
            self._held += self._without_errors([message])  # it was on its way before the pause

    def assigned(self) -> dict[str, list[int]]:
        """Partitions that are ours, by topic."""
        found: dict[str, list[int]] = {}
        for topic, partition in sorted(self.owned):
            found.setdefault(topic, []).append(partition)
        return found

    def lag(self) -> dict[_Place, int]:
        lags = {}
        positions = self.consumer.position([TopicPartition(*place) for place in self.owned])
        for each in positions:
            place = TopicPartition(each.topic, each.partition)
            _, high = self.consumer.get_watermark_offsets(place, cached=True)
            known = each.offset != OFFSET_INVALID and high >= 0
            lags[each.topic, each.partition] = max(0, high - each.offset) if known else -1
        return lags

    def close(self) -> None:
        self.consumer.close()

    def _stop_if_permanent(self, error: KafkaError, what: str) -> None:
        stop = permanent(error, what)
        if stop is not None:
            raise stop


def _listed(partitions: Sequence[TopicPartition]) -> Mapping[str, list[int]]:
    found: dict[str, list[int]] = {}
    for each in partitions:
        found.setdefault(each.topic, []).append(each.partition)
    return {topic: sorted(numbers) for topic, numbers in found.items()}
