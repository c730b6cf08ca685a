"""Messages to a topic, through one idempotent producer a worker."""

from __future__ import annotations

import contextlib
import math
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import structlog
from confluent_kafka import KafkaError, KafkaException, Producer

from sigmac.runtime.errors import StreamError
from sigmac.runtime.stream.kafka.connection import (
    Connection,
    Properties,
    find_topics,
    is_fatal,
    make_client,
    permanent,
)
from sigmac.runtime.stream.sink import DeliveryFailed, Message, Undeliverable

log = structlog.get_logger("sigmac.stream.kafka")

# The broker, or librdkafka before it, will never take this message.
_TOO_LARGE = {KafkaError.MSG_SIZE_TOO_LARGE, KafkaError.RECORD_LIST_TOO_LARGE}
_REFUSED = {
    *_TOO_LARGE,
    KafkaError.INVALID_RECORD,
    KafkaError.INVALID_MSG,
    KafkaError.POLICY_VIOLATION,
}
# It was refused with others, and one of those was named.
_BYSTANDER = -138  # RD_KAFKA_RESP_ERR__INVALID_DIFFERENT_RECORD, which has no name in older clients
_PURGED = {KafkaError._PURGE_QUEUE, KafkaError._PURGE_INFLIGHT}
_LATE = 0.5  # seconds
_OVERHEAD = 70  # bytes around a message in a producer's batch, at most


class ProducerLost(Exception):
    """The producer is of no use any more: the worker has to start anew."""


class MessagesRefused(Exception):
    """The broker took the transaction for failed, as it will never take one of its messages: abort, and do it again."""


class SharedProducer:
    """The producer of a worker; its sinks of several topics share it, and so does a transaction."""

    def __init__(self, properties: Properties, connection: Connection):
        self.connection = connection
        self.transactional = "transactional.id" in properties
        self.sinks: list[KafkaSink] = []  # of which a transaction is made
        self.producer = make_client(Producer, properties, connection)

    def partitions(self, topic: str) -> int | None:
        """How many partitions a topic has; None where the broker does not answer yet.

        Raises `StreamError` where there is no such topic, or no way in.
        """
        found = find_topics(self.producer, self.connection, [topic])
        return found[topic] if found is not None else None


@dataclass(frozen=True, slots=True)
class _Refusal:
    """A message that was refused, alone or with others of the producer's batch."""

    message: Message
    reason: str
    code: int

    @property
    def bystander(self) -> bool:
        return self.code == _BYSTANDER

    @property
    def too_large(self) -> bool:
        return self.code in _TOO_LARGE

    @property
    def needs_key(self) -> bool:
        return self.code == KafkaError.INVALID_RECORD and self.message.key is None


class KafkaSink:
    """One topic. A message with a key goes where its key belongs, another to the partition of its origin's number.

    librdkafka puts messages of a partition together, and the broker takes or refuses such a batch as a whole. What was
    refused with others is sent again in smaller groups, each by itself, until what is refused is refused alone: only
    that is given up. How large a group may be is remembered. Within a transaction nothing can be sent any more once
    something was refused: `flush` raises `MessagesRefused`, and the next try leaves out what is given up by then.
    """

    def __init__(self, topic: str, shared: SharedProducer):
        self.topic = topic
        self._shared = shared
        self._producer = shared.producer
        self._count = 0
        self._waiting: deque[Message] = deque()
        self._in_flight = 0
        self._room = (
            math.inf
        )  # bytes that may be on their way at once, as the topic takes no larger batches
        self._step = math.inf  # the same, while it is found out which message is refused
        self._group = 0  # bytes that were sent since nothing was on its way
        self._refused: dict[int | None, list[_Refusal]] = {}  # by partition
        self._given_up: list[Undeliverable] = []
        self._left_out: dict[Message, Undeliverable] = {}  # of the transaction that is done again
        self._failure: StreamError | DeliveryFailed | ProducerLost | None = None
        shared.sinks.append(self)

    def start(self) -> bool:
        """Look the topic up; False where the broker does not answer yet. Raises `StreamError` where it is missing."""
        count = self._shared.partitions(self.topic)
        self._count = count or 0
        return count is not None

    def write(self, messages: Sequence[Message]) -> None:
        self._waiting.extend(messages)
        self._send()

    def _send(self) -> None:
        while self._waiting:
            message = self._waiting[0]
            if self._left_out and message in self._left_out:
                self._given_up.append(self._left_out[message])
                self._waiting.popleft()
                continue
            if not self._in_flight:
                self._group = 0
            self._group += (size := _size(message))
            if self._in_flight and self._group > min(self._room, self._step):
                self._group -= size
                return  # `flush` goes on when the group before has arrived
            try:
                self._produce(message)
            except BufferError:
                return  # the producer's queue is full: `flush` goes on when there is room
            except KafkaException as error:
                self._refused_at_once(error.args[0], message)
            self._waiting.popleft()

    def _produce(self, message: Message) -> None:
        place: dict[str, Any] = {}
        if message.key is None and self._count:
            place["partition"] = message.partition % self._count
        self._producer.produce(
            self.topic,
            message.value,
            message.key,
            headers=list(message.headers),
            on_delivery=lambda error, told: self._delivered(error, told, message),
            **place,
        )
        self._in_flight += 1

    def _refused_at_once(self, error: KafkaError, message: Message) -> None:
        if is_fatal(error):
            raise ProducerLost(error.str())
        if error.code() in _REFUSED:
            self._give_up(_Refusal(message, error.str(), error.code()))
            return
        if self._shared.transactional:
            self._producer.flush(_LATE)  # why the transaction takes no more is told a little later
            self._raise_refusal()
        self.forget()
        raise self._meaning(error)

    def _delivered(self, error: KafkaError | None, told: Any, message: Message) -> None:
        self._in_flight -= 1
        if error is None:
            self._shared.connection.answered()
        elif (code := error.code()) in _REFUSED or code == _BYSTANDER:
            refusal = _Refusal(message, error.str(), code)
            self._refused.setdefault(told.partition(), []).append(refusal)
        elif code in _PURGED:
            # Of a transaction that failed or is aborted: its records are done again.
            self._failure = self._failure or DeliveryFailed("kafka: the transaction has failed")
        elif is_fatal(error):
            self._failure = ProducerLost(error.str())
        else:
            log.warning("a message was not delivered", topic=self.topic, error=error.str())
            self._failure = self._meaning(error)

    def _meaning(self, error: KafkaError) -> StreamError | DeliveryFailed:
        again = DeliveryFailed(f"kafka: {self.topic}: {error.str()}")
        return permanent(error, self.topic) or again

    def _give_up(self, refusal: _Refusal) -> None:
        reason = refusal.reason + " (it has no key)" * refusal.needs_key
        self._given_up.append(Undeliverable(refusal.message, reason, refusal.needs_key))

    def _judge(self) -> list[Message]:
        """Give up what was refused by itself; what was refused with others is to be sent again, in smaller groups.

        A batch is of one partition, and all of it is refused at once: a message that is alone among those of its
        partition was alone in its batch. Where the broker has named some, the others are bystanders; but several
        batches of a partition may be refused at once, and those of whom nobody is named look like named ones. So it is
        believed of one message, and of those without a key, which a compacted topic never takes.
        """
        again: list[Message] = []
        for refusals in self._refused.values():
            named = [each for each in refusals if not each.bystander]
            if len(named) < len(refusals):
                named = [each for each in named if each.needs_key] or named[: len(named) == 1]
            elif len(refusals) > 1:
                named = []
            if named or len(refusals) == 1:
                given_up = named or refusals
                for each in given_up:
                    self._give_up(each)
                again += [each.message for each in refusals if each not in given_up]
            else:
                messages = [each.message for each in refusals]
                half = max(1, sum(map(_size, messages)) // 2)
                if all(each.too_large for each in refusals):
                    self._room = min(self._room, half)
                else:
                    self._step = min(self._step, half)
                again += messages
        self._refused.clear()
        return again

    def _raise_refusal(self) -> None:
        """In a transaction, which has failed where any of its sinks was refused something."""
        reasons = [sink._leave_out() for sink in self._shared.sinks if sink._refused]
        if reasons:
            raise MessagesRefused(reasons[0])

    def _leave_out(self) -> str:
        """What is given up by now is left out of the next try; why something was refused."""
        reason = next(each.reason for some in self._refused.values() for each in some)
        before = len(self._given_up)
        self._judge()
        for each in self._given_up[before:]:
            self._left_out[each.message] = each
        return f"kafka: {self.topic}: {reason}"

    def flush(self, timeout: float) -> bool:
        until = time.monotonic() + timeout
        while True:
            if self._shared.transactional:
                self._raise_refusal()
            elif self._refused and not self._in_flight:
                self._waiting.extendleft(reversed(self._judge()))
            self._send()
            if not self._waiting and not self._in_flight:
                # The callbacks of what is done may still wait to be served.
                self._producer.poll(0)
                self._step = math.inf
                break
            left = until - time.monotonic()
            if left <= 0:
                break
            self._producer.flush(left)
        if self._failure is not None:
            failure = self._failure
            self.forget()
            raise failure
        return not self._waiting and not self._in_flight

    def forget(self) -> None:
        """Drop what is not on its way yet: the batch is done again."""
        self._waiting.clear()
        self._refused.clear()
        self._given_up.clear()
        self._failure = None

    def accepted(self) -> None:
        """The transaction is committed: what was left out of it is done with."""
        self._left_out.clear()

    def undeliverable(self) -> list[Undeliverable]:
        found, self._given_up = self._given_up, []
        return found

    def close(self) -> None:
        with contextlib.suppress(KafkaException):  # of one that is lost nothing has to be awaited
            self._producer.purge()
            self._producer.flush(1.0)


def _size(message: Message) -> int:
    """Bytes of a message in a producer's batch before it is compressed, at most."""
    headers = sum(len(name) + len(value or b"") + 10 for name, value in message.headers)
    return len(message.value) + len(message.key or b"") + headers + _OVERHEAD
