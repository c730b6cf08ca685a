"""Records from the topics of Kafka or of a broker that speaks its protocol, as a member of a consumer group."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

import structlog
from confluent_kafka import (
    OFFSET_INVALID,
    Consumer,
    KafkaError,
    KafkaException,
    Message,
    TopicPartition,
)

from sigmac.runtime.inputs.lines import CHUNK
from sigmac.runtime.stream.kafka.connection import (
    Connection,
    Properties,
    find_topics,
    make_client,
    permanent,
)
from sigmac.runtime.stream.record import Batch, Headers, LongLine, Origin

log = structlog.get_logger("sigmac.stream.kafka")

_FIRST_GUESS = 16 << 10  # bytes of a record before any was seen
_ASK_AGAIN = 1.0  # seconds between two questions to a broker that went away
# The group has moved on: what was polled is somebody else's, or ours again from the last commit on.
_GROUP_MOVED = {
    KafkaError.ILLEGAL_GENERATION,
    KafkaError.UNKNOWN_MEMBER_ID,
    KafkaError.REBALANCE_IN_PROGRESS,
    KafkaError.FENCED_INSTANCE_ID,
    KafkaError._ASSIGNMENT_LOST,
    KafkaError._NO_OFFSET,
}

_Place = tuple[Any, Any]  # topic, partition


class KafkaBatch:
    """Messages of one input."""

    long_lines: Mapping[int, LongLine] = MappingProxyType({})  # only files have them

    def __init__(self, stream: int, messages: Sequence[Any]):
        self.stream = stream
        self.messages = messages
        self.values: Sequence[bytes | None] = list(map(Message.value, messages))
        self._origins: dict[int, Origin] = {}

    def origin(self, record: int) -> Origin:
        # Once for each record: a message whose headers could not be told must not be asked for them again.
        known = self._origins.get(record)
        if known is None:
            known = self._origins[record] = _origin(self.messages[record])
        return known

    def sizes(self) -> list[tuple[str, int, int]]:
        topics: list[Any] = list(map(Message.topic, self.messages))
        if topics.count(topics[0]) == len(topics):
            return [(topics[0], len(topics), _size(self.values))]
        values: dict[str, list[bytes | None]] = {}
        for topic, value in zip(topics, self.values, strict=True):
            values.setdefault(topic, []).append(value)
        return [(topic, len(some), _size(some)) for topic, some in values.items()]


def _origin(message: Any) -> Origin:
    kind, timestamp = message.timestamp()
    headers = told_headers(message)
    return Origin(
        message.topic(),
        message.partition(),
        message.offset(),
        timestamp if kind else None,
        message.key(),
        headers or (),
        headers is None,
    )


def told_headers(message: Any) -> Headers | None:
    """The headers of a message; None where the name of one is not UTF-8. To be asked once for each message.

    confluent-kafka can tell names as text only. Asked again it would give a list with a hole in it.
    """
    try:
        return tuple(message.headers() or ())
    except (UnicodeDecodeError, SystemError):  # the second where its list comes with an exception
        return None


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
        self._polled: Sequence[Any] = []  # messages that are not committed
        self._next: dict[_Place, int] = {}  # the offsets that a commit would go on at
        self._held: list[Any] = []
        self._paused = False
        self._ask_at = 0.0
        self.rebalances = 0
        self.owned: set[_Place] = set()
        self.joined = False  # the group has told once what is ours
        self.consumer = make_client(Consumer, properties, connection)

    def start(self) -> bool:
        """Join the group; False where the broker does not answer yet.

        Raises `StreamError` where a topic does not exist, or where there is no way in.
        """
        if find_topics(self.consumer, self.connection, self._names) is None:
            return False
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
        self._polled = [each for each in self._polled if _place(each) not in gone]
        self._held = [each for each in self._held if _place(each) not in gone]
        for place in gone:
            self._next.pop(place, None)
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
            self._look_for_the_broker()
            return []
        good = self._without_errors(messages)
        if before != self.rebalances:
            # A message may be of a partition that was taken away within the call.
            good = [each for each in good if _place(each) in self.owned]
        if not good:
            return []
        self.connection.answered()
        batches = self._by_input(good)
        self._remember(good)
        size = sum(_size(batch.values) for batch in batches)
        self._mean = max(64.0, 0.5 * self._mean + 0.5 * size / len(good))
        return batches

    def _without_errors(self, messages: list[Any]) -> list[Any]:
        errors = list(map(Message.error, messages))
        if all(error is None for error in errors):
            return messages
        good = []
        for message, error in zip(messages, errors, strict=True):
            if error is None:
                good.append(message)
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

    def _remember(self, messages: Sequence[Any]) -> None:
        self._polled = messages
        places = zip(map(Message.topic, messages), map(Message.partition, messages), strict=True)
        # Of several of a place a dictionary keeps the one that comes last.
        last = dict(zip(places, messages, strict=True))
        self._next = {place: message.offset() + 1 for place, message in last.items()}

    def positions(self) -> list[TopicPartition]:
        """Where the group shall go on when what was polled is done."""
        return [TopicPartition(*place, offset) for place, offset in self._next.items()]

    def commit(self) -> None:
        if not self._next:
            return
        try:
            self.consumer.commit(offsets=self.positions(), asynchronous=False)
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
        self._polled, self._next = [], {}

    def rewind(self) -> None:
        first: dict[_Place, int] = {}
        for message in (*self._polled, *self._held):
            first.setdefault(_place(message), message.offset())
        for place, offset in first.items():
            self.consumer.seek(TopicPartition(*place, offset))
        self._held = []
        self.committed()

    def keep_alive(self) -> None:
        self._paused = True
        if mine := self.consumer.assignment():
            self.consumer.pause(mine)
        message = self.consumer.poll(0)
        if message is not None:
            self._held += self._without_errors([message])  # it was on its way before the pause
        self._look_for_the_broker()

    def _look_for_the_broker(self) -> None:
        """Ask one that was away whether it is back, as librdkafka tells only that it went, and no record may come."""
        if self.connection.connected or time.monotonic() < self._ask_at:
            return
        self._ask_at = time.monotonic() + _ASK_AGAIN
        try:
            self.consumer.list_topics(next(iter(self._names), None), timeout=_ASK_AGAIN / 2)
        except KafkaException:
            return  # what is the matter was told to the connection
        self.connection.answered()

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


def _place(message: Any) -> _Place:
    return message.topic(), message.partition()


def _size(values: Sequence[bytes | None]) -> int:
    """Bytes of values."""
    return sum(map(len, filter(None, values)))


def _listed(partitions: Sequence[TopicPartition]) -> Mapping[str, list[int]]:
    found: dict[str, list[int]] = {}
    for each in partitions:
        found.setdefault(each.topic, []).append(each.partition)
    return {topic: sorted(numbers) for topic, numbers in found.items()}
