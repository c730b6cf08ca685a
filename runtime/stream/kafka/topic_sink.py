"""Messages to a topic, through one idempotent producer a worker."""

from __future__ import annotations

import contextlib
import time
from collections import deque
from collections.abc import Sequence
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

_TOO_LARGE = {KafkaError.MSG_SIZE_TOO_LARGE, KafkaError.RECORD_LIST_TOO_LARGE}
_INVALID = {KafkaError.INVALID_RECORD, KafkaError.INVALID_MSG}


class ProducerLost(Exception):
    """The producer is of no use any more: the worker has to start anew."""


class SharedProducer:
    """The producer of a worker; its sinks of several topics share it, and so does a transaction."""

    def __init__(self, properties: Properties, connection: Connection):
        self.connection = connection
        self.producer = make_client(Producer, properties, connection)

    def partitions(self, topic: str) -> int | None:
        """How many partitions a topic has; None where the broker does not answer yet.

        Raises `StreamError` where there is no such topic, or no way in.
        """
        found = find_topics(self.producer, self.connection, [topic])
        return found[topic] if found is not None else None


class KafkaSink:
    """One topic. A message with a key goes where its key belongs, another to the partition of its origin's number."""

    def __init__(self, topic: str, shared: SharedProducer):
        self.topic = topic
        self._shared = shared
        self._producer = shared.producer
        self._count = 0
        self._waiting: deque[Message] = deque()
        self._in_flight = 0
        self._given_up: list[Undeliverable] = []
        self._failure: StreamError | DeliveryFailed | ProducerLost | None = None

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
            place: dict[str, Any] = {}
            if message.key is None and self._count:
                place["partition"] = message.partition % self._count
            try:
                self._producer.produce(
                    self.topic,
                    message.value,
                    message.key,
                    headers=list(message.headers),
                    on_delivery=lambda error, _, message=message: self._delivered(error, message),
                    **place,
                )
                self._in_flight += 1
            except BufferError:
                return  # the producer's queue is full: `flush` goes on when there is room
            except KafkaException as error:
                refused: KafkaError = error.args[0]
                if is_fatal(refused):
                    raise ProducerLost(refused.str()) from None
                if refused.code() not in _TOO_LARGE | _INVALID:
                    self.forget()
                    raise self._meaning(refused) from None
                self._given_up.append(Undeliverable(message, refused.str()))
            self._waiting.popleft()

    def _delivered(self, error: KafkaError | None, message: Message) -> None:
        self._in_flight -= 1
        if error is None:
            self._shared.connection.answered()
        elif error.code() in _TOO_LARGE | _INVALID:
            self._given_up.append(Undeliverable(message, error.str()))
        elif error.code() in (KafkaError._PURGE_QUEUE, KafkaError._PURGE_INFLIGHT):
            pass  # of a transaction that was aborted: its records are done again
        elif is_fatal(error):
            self._failure = ProducerLost(error.str())
        else:
            log.warning("a message was not delivered", topic=self.topic, error=error.str())
            self._failure = self._meaning(error)

    def _meaning(self, error: KafkaError) -> StreamError | DeliveryFailed:
        again = DeliveryFailed(f"kafka: {self.topic}: {error.str()}")
        return permanent(error, self.topic) or again

    def flush(self, timeout: float) -> bool:
        until = time.monotonic() + timeout
        while True:
            self._send()
            if not self._waiting and not self._in_flight:
                # The callbacks of what is done may still wait to be served.
                self._producer.poll(0)
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
        self._given_up.clear()
        self._failure = None

    def undeliverable(self) -> list[Undeliverable]:
        found, self._given_up = self._given_up, []
        return found

    def close(self) -> None:
        with contextlib.suppress(KafkaException):  # of one that is lost nothing has to be awaited
            self._producer.purge()
            self._producer.flush(1.0)
