"""What waits is counted while nothing is fetched, against a broker in this process."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import pytest
from confluent_kafka import Producer

from sigmac.runtime.stream.kafka import waiting
from sigmac.runtime.stream.kafka.connection import Connection, consumer_properties
from sigmac.runtime.stream.kafka.topic_source import KafkaSource
from sigmac.testing import EmbeddedBroker

pytestmark = pytest.mark.usefixtures("each_consumer")


@pytest.fixture
def broker() -> Iterator[EmbeddedBroker]:
    with EmbeddedBroker({"t": 2}) as made:
        yield made


@pytest.fixture
def source(broker: EmbeddedBroker, monkeypatch: pytest.MonkeyPatch) -> Iterator[KafkaSource]:
    """The one member of a group."""
    monkeypatch.setattr(waiting, "AGAIN", 0.05)
    common = {"bootstrap.servers": broker.bootstrap_servers, "group.id": "g", "log_level": 0}
    quick = {"fetch.wait.max.ms": 10, "heartbeat.interval.ms": 300}
    properties = consumer_properties(common, quick, 1)
    made = KafkaSource(properties, [["t"]], Connection(), 1 << 20)
    eventually(made.start)
    yield made
    made.close()


def eventually(true: Callable[[], object]) -> None:
    until = time.monotonic() + 30
    while not true():
        assert time.monotonic() < until
        time.sleep(0.02)


def produce(broker: EmbeddedBroker, partition: int, count: int) -> None:
    producer = Producer({"bootstrap.servers": broker.bootstrap_servers, "log_level": 0})
    for _ in range(count):
        producer.produce("t", b"{}", partition=partition)
    assert producer.flush(20) == 0


def polled(source: KafkaSource) -> int:
    """How many records came at last."""
    found = 0

    def poll() -> bool:
        nonlocal found
        found = sum(len(batch.values) for batch in source.poll(100, 0.1))
        return found > 0

    eventually(poll)
    return found


def waits(source: KafkaSource, *lags: int) -> None:
    """While nothing is fetched it comes to be known that so many records wait in each partition."""

    def told() -> bool:
        source.keep_alive()
        return source.lag() == {("t", number): lag for number, lag in enumerate(lags)}

    eventually(told)


def test_the_lag_rises_while_a_sink_is_slow(broker: EmbeddedBroker, source: KafkaSource) -> None:
    produce(broker, 0, 10)
    count = polled(source)
    waits(source, 10, 0)
    for total in (30, 50):
        produce(broker, 0, 20)
        waits(source, total, 0)
    produce(broker, 1, 7)  # nothing of it was ever fetched
    waits(source, 50, 7)
    source.commit()
    waits(source, 50 - count, 7)


def test_what_is_done_again_waits_again(broker: EmbeddedBroker, source: KafkaSource) -> None:
    produce(broker, 0, 10)
    polled(source)
    source.rewind()
    waits(source, 10, 0)
    done = polled(source)
    assert source.lag()["t", 0] == 10
    source.commit()
    waits(source, 10 - done, 0)
