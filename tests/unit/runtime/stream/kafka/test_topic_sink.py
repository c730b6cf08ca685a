"""What a sink makes of the answers of librdkafka's producer."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, cast

import pytest
from confluent_kafka import KafkaError, KafkaException

from sigmac.runtime.errors import StreamError
from sigmac.runtime.stream.kafka.connection import Connection
from sigmac.runtime.stream.kafka.topic_sink import KafkaSink, ProducerLost, SharedProducer
from sigmac.runtime.stream.sink import DeliveryFailed, Message


class Producer:
    """Takes messages and answers each with the same error, or none; the first may be refused at once."""

    def __init__(self, answer: KafkaError | None = None, refusal: KafkaError | None = None):
        self.answer = answer
        self.refusal = refusal
        self.waiting: list[Callable[..., None]] = []

    def produce(self, topic: str, value: bytes, key: Any, on_delivery: Any, **_: Any) -> None:
        if self.refusal is not None:
            raise KafkaException(self.refusal)
        self.waiting.append(on_delivery)

    def flush(self, timeout: float) -> int:
        for told in self.waiting:
            told(self.answer, SimpleNamespace(partition=lambda: 0))
        self.waiting.clear()
        return 0

    def poll(self, timeout: float) -> int:
        return 0

    def purge(self) -> None:
        if self.answer is not None and self.answer.fatal():
            raise KafkaException(self.answer)


def sink(**answers: KafkaError) -> KafkaSink:
    shared = SimpleNamespace(
        producer=Producer(**answers), connection=Connection(), transactional=False, sinks=[]
    )
    return KafkaSink("matches", cast(SharedProducer, shared))


def error(code: int, *, fatal: bool = False) -> KafkaError:
    return KafkaError(code, "because", fatal=fatal)


@pytest.mark.parametrize(
    ("answer", "raised"),
    [
        (error(KafkaError._MSG_TIMED_OUT), DeliveryFailed),
        (error(KafkaError.TOPIC_AUTHORIZATION_FAILED), StreamError),
        (error(KafkaError.OUT_OF_ORDER_SEQUENCE_NUMBER, fatal=True), ProducerLost),
        (error(KafkaError._FATAL), ProducerLost),
    ],
)
def test_what_an_error_means(answer: KafkaError, raised: type[Exception]) -> None:
    tried = sink(answer=answer)
    tried.write([Message(b"{}")])
    with pytest.raises(raised, match="because"):
        tried.flush(1)
    tried.close()


def test_a_message_that_is_too_large_is_given_up() -> None:
    for answers in ({"answer": error(KafkaError.MSG_SIZE_TOO_LARGE)}, {"refusal": error(10)}):
        tried = sink(**answers)
        tried.write([Message(b"{}")])
        assert tried.flush(1)
        assert [each.reason for each in tried.undeliverable()] == ["because"]


def test_a_producer_that_is_lost_takes_no_more() -> None:
    with pytest.raises(ProducerLost, match="because"):
        sink(refusal=error(KafkaError._FATAL)).write([Message(b"{}")])


@pytest.mark.parametrize(
    ("code", "raised"),
    [
        (KafkaError._UNKNOWN_TOPIC, StreamError),
        (KafkaError._UNKNOWN_PARTITION, StreamError),
        (KafkaError._STATE, DeliveryFailed),
    ],
)
def test_what_is_refused_at_once_is_no_bug(code: int, raised: type[Exception]) -> None:
    tried = sink(refusal=error(code))
    with pytest.raises(raised, match="because"):
        tried.write([Message(b"{}")])
    assert tried.flush(0)  # what was written is forgotten
