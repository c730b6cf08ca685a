"""Records from the topics of Kafka or of a broker that speaks its protocol, as a member of a consumer group."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import structlog
from confluent_kafka import (
    OFFSET_STORED,
    KafkaError,
    KafkaException,
    TopicPartition,
)

from sigmac.runtime.errors import StreamError
from sigmac.runtime.inputs.lines import CHUNK
from sigmac.runtime.stream.kafka.connection import (
    Connection,
    Properties,
    find_topics,
    permanent,
)
from sigmac.runtime.stream.kafka.consumer import make_consumer
from sigmac.runtime.stream.kafka.direct.polled import Failure, Place, Polled
from sigmac.runtime.stream.kafka.reading_points import (
    PROPERTY,
    RESETS,
    UNREADABLE,
    Unreadable,
    reading_point,
    unreadable,
)
from sigmac.runtime.stream.kafka.silence import Silence
from sigmac.runtime.stream.kafka.topic_pattern import subscription, topic_pattern
from sigmac.runtime.stream.kafka.waiting import Waiting
from sigmac.runtime.stream.record import Batch

log = structlog.get_logger("sigmac.stream.kafka")

_FIRST_GUESS = 16 << 10  # bytes of a record before any was seen
_LINGER = 0.01  # seconds that a record waits for others while there is time to evaluate them
_ASK_AGAIN = 1.0  # seconds between two questions to a broker that went away
_ASK = 5.0  # seconds for an answer
# The group moves on: of what was polled some is somebody else's by and by, and let go when that is told. What stays
# ours is read on from where it was, so nobody else commits it.
_GROUP_MOVED = {
    KafkaError.ILLEGAL_GENERATION,
    KafkaError.UNKNOWN_MEMBER_ID,
    KafkaError.REBALANCE_IN_PROGRESS,
    KafkaError.FENCED_INSTANCE_ID,
    KafkaError.FENCED_MEMBER_EPOCH,
    KafkaError.STALE_MEMBER_EPOCH,
    KafkaError._ASSIGNMENT_LOST,
    KafkaError._NO_OFFSET,
}
_MISSING = {
    KafkaError.UNKNOWN_TOPIC_OR_PART,
    KafkaError.UNKNOWN_TOPIC_ID,
    KafkaError._UNKNOWN_TOPIC,
    KafkaError._UNKNOWN_PARTITION,
}


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
        self._subscribed: dict[str, str] = {}  # what the user wrote, by what librdkafka is given
        for number, topics in enumerate(inputs):
            for topic in topics:
                if topic.startswith("^"):
                    self._patterns.append((topic_pattern(topic), number))
                    self._subscribed[subscription(topic)] = topic
                else:
                    self._names[topic] = number
                    self._subscribed[topic] = topic
        self._found = dict(self._names)  # the input of each topic that was met
        self._max_bytes = max_bytes
        self._mean = float(_FIRST_GUESS)
        self._first: dict[
            Place, int
        ] = {}  # the first offsets of what was polled and is not committed
        self._next: dict[Place, int] = {}  # the offsets that a commit would go on at
        self._owed: dict[Place, int] = {}  # offsets that are good and not committed yet
        self._read: dict[Place, int] = {}  # the offsets behind what was polled
        self._unreadable: dict[Place, Unreadable] = {}
        self._forbidden: set[str] = set()  # topics of patterns that may not be read
        self._unmatched: set[str] = set()  # patterns without a topic
        self._held: list[Polled] = []
        self._paused = False
        self._ask_at = self._settle_at = 0.0
        self._dropped = False  # something polled went to another member before it was committed
        self.rebalances = self.polled_in = 0  # until now, and when the batch in work was polled
        self.uncommitted = 0  # batches whose records may be evaluated again
        self.lost: dict[str, int] = {}  # records that were gone before they were read, by topic
        self.owned: set[Place] = set()
        self.joined = False  # the group has told once what is ours
        self._reset = RESETS.get(str(properties.get(PROPERTY, "earliest")), "")
        self._eager = _is_eager(properties)
        # An unknown reset is left to librdkafka, which refuses it.
        told = {**properties, **({PROPERTY: "error"} if self._reset else {})}
        told["stats_cb"] = lambda statistics: self.silence.look(statistics)
        self.consumer, self._messages = make_consumer(told, connection)
        self.silence: Silence = Silence(float(properties.get("fetch.wait.max.ms", 500)) / 1000)
        self._waiting = Waiting(self.consumer)

    def start(self) -> bool:
        """Join the group; False where the broker does not answer yet.

        Raises `StreamError` where a topic does not exist, or where there is no way in.
        """
        if find_topics(self.consumer, self.connection, self._names) is None:
            return False
        self.consumer.subscribe(
            list(self._subscribed),
            on_assign=self._on_assign,
            on_revoke=self._on_revoke,
            on_lost=self._on_lost,
        )
        return True

    def _on_assign(self, _: Any, partitions: list[TopicPartition]) -> None:
        self.rebalances += 1
        self.joined = True
        self.owned.update((each.topic, each.partition) for each in partitions)
        for each in partitions:
            self.lost.setdefault(each.topic, 0)
            self._unmatched = {
                pattern for pattern in self._unmatched if not re.match(pattern, each.topic)
            }
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
        self._held = [each.only(self.owned) for each in self._held]
        for place in gone:
            self._dropped |= place in self._next
            for known in (self._first, self._next, self._owed, self._read, self._unreadable):
                known.pop(place, None)
        self._waiting.forget(gone)
        self._forbidden &= {topic for topic, _ in self.owned}
        if partitions and self._paused:
            # librdkafka remembers the pause, and would fetch nothing if the partition came back.
            self.consumer.resume(partitions)

    def poll(self, max_records: int, max_wait: float) -> list[Batch]:
        self._messages.catch_up()
        if self._paused:
            self._paused = False
            if mine := self.consumer.assignment():
                self.consumer.resume(mine)
        if not self._held:
            self._settle()
        # All that was held is older than what can be taken now.
        held, self._held = self._held, []
        found = self._batches(held or self._taken(max_records, max_wait))
        if found:
            self.connection.answered()
        else:
            self._look_for_the_broker()
        self.polled_in = self.rebalances
        return found

    def more(self, max_records: int) -> list[Batch]:
        # What is evaluated already shall be committed before a rebalance takes it away.
        return self._batches([self._told(self._messages.more(self._most(max_records)))])

    def _batches(self, taken: list[Polled]) -> list[Batch]:
        found: list[Batch] = []
        one_input = len(self._names) + len(self._patterns) == 1
        for polled in taken:
            if polled:
                # A batch of a few MB stays in the processor's caches while it is joined and evaluated.
                found += polled.batches(None if one_input else self._stream, CHUNK)
                self._remember(polled)
        return found

    def _most(self, max_records: int) -> int:
        """How many messages are taken at once."""
        return max(1, min(max_records, int(self._max_bytes / self._mean)))

    def _taken(self, max_records: int, wait: float) -> list[Polled]:
        """What comes within a short time of the first message, which is waited for."""
        most = self._most(max_records)
        soon = min(wait, _LINGER)
        taken = self._next_polled(most, soon)
        if len(taken) or taken.failures or soon == wait:
            return [taken]
        first = self._next_polled(1, wait - soon)
        if not len(first) or most == 1:
            return [first]
        # It is let go where its partition is taken away meanwhile, and may come again where it is given back.
        self._held.append(first)
        rest = self._next_polled(most - 1, soon)
        held, self._held = self._held, []
        return [*held, rest]

    def _next_polled(self, most: int, wait: float) -> Polled:
        before = self.rebalances
        polled = self._told(self._messages.take(most, wait))
        # A message may be of a partition that was taken away within the call.
        return polled if before == self.rebalances else polled.only(self.owned)

    def _told(self, polled: Polled) -> Polled:
        for failure in polled.failures:
            self._take_error(failure)
        return polled

    def _take_error(self, failure: Failure) -> None:
        topic, error = failure.topic or "the broker", failure.error
        if error.code() in UNREADABLE:
            place = failure.topic, failure.partition
            # One that went within the call is its next owner's, and librdkafka would refuse all that is asked with it.
            if place in self.owned:
                self._unreadable.setdefault(place, unreadable(failure))
        elif topic in self._subscribed and topic not in self._names:
            self._unmatched.add(self._subscribed[topic])
        elif topic in self._names or not failure.topic:
            self._stop_if_permanent(error, topic)
            self.connection.trouble = error.str()
            log.warning("the broker reports an error", error=error.str())
        elif error.code() == KafkaError.TOPIC_AUTHORIZATION_FAILED:
            # Whoever may create a topic could stop the service, if one that fits a pattern did.
            self._forbidden.add(topic)
        elif error.code() in _MISSING:
            log.info("a topic of a pattern is gone", topic=topic, reason=error.str())
        else:
            log.warning("the broker reports an error", topic=topic, error=error.str())

    def _stream(self, topic: str) -> int:
        known = self._found.get(topic)
        if known is None:
            fits = (number for pattern, number in self._patterns if pattern.match(topic))
            known = next(fits, None)
            if known is None:
                raise StreamError(f"kafka: no input reads the topic {topic}")
            self._found[topic] = known
        return known

    def _remember(self, polled: Polled) -> None:
        self._mean = max(64.0, 0.5 * self._mean + 0.5 * polled.size / len(polled))
        for place, reach in polled.reaches.items():
            self._first.setdefault(place, reach.first)
            self._next[place] = self._read[place] = reach.behind
        self._waiting.polled(polled.reaches)
        if self._forbidden:
            self._forbidden -= {topic for topic, _ in polled.reaches}

    def positions(self) -> list[TopicPartition]:
        """Where the group shall go on when what was polled is done."""
        return [TopicPartition(*place, offset) for place, offset in self._next.items()]

    def commit(self) -> None:
        self.uncommitted += self._dropped
        if self._next:
            self._owed.update(self._next)
            # What was delivered may be delivered again, with the same match ids; nothing is lost.
            self.uncommitted += not self._commit_owed()
        self._done()

    def _commit_owed(self) -> bool:
        """Commit what is owed; where the broker does not take it, it is tried again later."""
        offsets = [TopicPartition(*place, offset) for place, offset in self._owed.items()]
        try:
            self.consumer.commit(offsets=offsets, asynchronous=False)
        except KafkaException as error:
            kafka = error.args[0]
            what = "the consumer group"
            if kafka.code() == KafkaError.TOPIC_AUTHORIZATION_FAILED:
                what = ", ".join(sorted({topic for topic, _ in self._owed}))
            self._stop_if_permanent(kafka, what)
            moved = kafka.code() in _GROUP_MOVED
            level = log.info if moved else log.warning
            level("offsets were not committed; records may be evaluated again", error=kafka.str())
            if moved:
                self._owed = {each: at for each, at in self._owed.items() if each in self.owned}
            return False
        self.connection.answered()
        self._owed.clear()
        return True

    def committed(self) -> None:
        """What was polled is committed within a transaction."""
        for place in self._next:
            self._owed.pop(place, None)
        self._done()

    def _done(self) -> None:
        self._first, self._next, self._dropped = {}, {}, False

    def _settle(self) -> None:
        """Find out where to read what librdkafka has stopped to read, and commit what is owed."""
        if not self._unreadable and not self._owed:
            return
        if time.monotonic() < self._settle_at or not self.connection.connected:
            return
        self._settle_at = time.monotonic() + _ASK_AGAIN
        try:
            if self._reset != "error":
                self._go_on()
        except KafkaException as error:
            log.warning("it is not known yet where to read", reason=error.args[0].str())
        if self._owed:
            self._commit_owed()

    def _go_on(self) -> None:
        found: list[TopicPartition] = []
        for place, which in self._unreadable.items():
            first, end = self.consumer.get_watermark_offsets(TopicPartition(*place), timeout=_ASK)
            point = reading_point(which, self._reset, first, end)
            self._owed[place] = self._read[place] = point.offset
            topic, partition = place
            self.lost[topic] = self.lost.get(topic, 0) + point.lost
            where = {"topic": topic, "partition": partition, "offset": point.offset}
            if which.wanted is None:
                log.info("the group has no offset yet", **where)
            else:
                log.warning(
                    "the group's offset cannot be read",
                    wanted=which.wanted,
                    lost=point.lost,
                    **where,
                )
            found.append(TopicPartition(topic, partition, point.offset))
        self._waiting.forget(self._unreadable)
        if found and self._eager:
            mine = [
                TopicPartition(*each, self._read.get(each, OFFSET_STORED)) for each in self.owned
            ]
            self.consumer.assign(mine)
        elif found:
            self.consumer.incremental_unassign(found)
            self.consumer.incremental_assign(found)
        self._unreadable.clear()

    def stuck(self) -> str:
        """Why something that is ours cannot be read until somebody mends it."""
        if self._forbidden:
            return f"no permission to read the topic {min(self._forbidden)}, which fits a pattern"
        if self._reset == "error" and self._unreadable:
            (topic, partition), which = min(self._unreadable.items(), key=lambda each: each[0])
            return (
                f"{topic}, partition {partition}: {which.reason}, and `{PROPERTY}` is `error`: "
                "set the group's offset while the service is stopped"
            )
        return ""

    def unmatched(self) -> str:
        """The patterns that no topic fits yet, where there is nothing else to read."""
        if self.owned or self._names or not self._unmatched:
            return ""
        return f"no topic fits {', '.join(sorted(self._unmatched))} yet"

    def rewind(self) -> None:
        first = dict(self._in_work())
        for place, offset in first.items():
            self._read[place] = offset
            self.consumer.seek(TopicPartition(*place, offset))
        self._waiting.rewound(first)
        self._held = []
        self._done()

    def _in_work(self) -> Iterator[tuple[Place, int]]:
        """The first offsets of what was taken and is not committed, the earliest of a partition last."""
        for held in reversed(self._held):
            yield from ((place, reach.first) for place, reach in held.reaches.items())
        yield from self._first.items()

    def keep_alive(self) -> None:
        self._paused = True
        if mine := self.consumer.assignment():
            self.consumer.pause(mine)
        polled = self._next_polled(1, 0)
        if polled:
            self._held.append(polled)  # it was on its way before the pause
        self._look_for_the_broker()
        if self.connection.connected and not self.silence.reason:
            self._waiting.renew(self.owned)

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

    def lag(self) -> dict[Place, int]:
        return self._waiting.lag(self.owned, self._in_work())

    def close(self) -> None:
        if not self.consumer.assignment():
            # Without an assignment librdkafka's `close` does not tell the group, which waits for the session to end.
            self.consumer.unsubscribe()
        self.consumer.close()

    def _stop_if_permanent(self, error: KafkaError, what: str) -> None:
        stop = permanent(error, what)
        if stop is not None:
            raise stop


def _is_eager(properties: Properties) -> bool:
    """Whether a rebalance takes all partitions away and gives them anew."""
    strategy = str(properties.get("partition.assignment.strategy", "range,roundrobin"))
    return properties.get("group.protocol") != "consumer" and "cooperative" not in strategy


def _listed(partitions: Sequence[TopicPartition]) -> Mapping[str, list[int]]:
    found: dict[str, list[int]] = {}
    for each in partitions:
        found.setdefault(each.topic, []).append(each.partition)
    return {topic: sorted(numbers) for topic, numbers in found.items()}
