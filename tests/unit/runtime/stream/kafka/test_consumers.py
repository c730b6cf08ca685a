"""Both consumers say the same of the same messages, and obey alike; against a broker in this process."""

from __future__ import annotations

import logging
import time
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from confluent_kafka import KafkaException, Producer, TopicPartition

from sigmac.runtime.errors import ConfigurationError
from sigmac.runtime.stream.kafka.connection import Connection
from sigmac.runtime.stream.kafka.consumer import CHOICE, make_consumer
from sigmac.runtime.stream.kafka.direct.polled import Polled
from sigmac.runtime.stream.kafka.message_batch import PolledMessages
from sigmac.runtime.stream.record import Batch
from sigmac.testing import EmbeddedBroker

HEADERS = [("trace", b"1"), ("trace", None), ("", b"")]
RECORDS: list[tuple[str, bytes | None, dict[str, Any]]] = [
    ("one", b'{"a": 1}', {"key": b"k", "headers": HEADERS, "timestamp": 1234}),
    ("one", None, {"key": b""}),
    ("two", b"", {"headers": [("none", None)]}),
    ("one", b"two\nlines", {}),
    ("two", b"\xef\xbb\xbf{}", {"timestamp": 99}),
    ("one", b"x" * 5000, {"key": bytes(range(256))}),
]


@pytest.fixture(scope="module")
def broker() -> Iterator[EmbeddedBroker]:
    with EmbeddedBroker({"one": 2, "two": 1}) as made:
        producer = Producer({"bootstrap.servers": made.bootstrap_servers, "log_level": 0})
        for topic, value, more in RECORDS:
            producer.produce(topic, value, partition=0, **more)
        assert producer.flush(20) == 0
        yield made


Take = Callable[[int, float], Polled]
Make = Callable[[str], tuple[Any, Take]]


@pytest.fixture
def make(broker: EmbeddedBroker, monkeypatch: pytest.MonkeyPatch) -> Iterator[Make]:
    """A consumer by its name, and what takes from it."""
    made: list[Any] = []

    def make(name: str, **properties: Any) -> tuple[Any, Take]:
        monkeypatch.setenv(CHOICE, name)
        common = {
            "bootstrap.servers": broker.bootstrap_servers,
            "group.id": uuid.uuid4().hex,
            "enable.auto.commit": False,
            "auto.offset.reset": "earliest",
            "fetch.wait.max.ms": 10,
            "log_level": 0,
        }
        consumer, messages = make_consumer(common | properties, Connection())
        assert isinstance(messages.take(1, 0), PolledMessages) == (name == "python")
        made.append(consumer)
        return consumer, messages.take

    yield make
    for each in made:
        each.close()


def all_of(take: Take, count: int) -> list[Polled]:
    """What comes, until there are so many messages."""
    found: list[Polled] = []
    until = time.monotonic() + 30
    while sum(map(len, found)) < count:
        assert time.monotonic() < until
        found.append(take(100, 0.1))
    return found


def told(batches: list[Batch]) -> list[Any]:
    return sorted(
        (
            (batch.stream, *(batch.origin(i), batch.values[i]))
            for batch in batches
            for i in range(len(batch.values))
        ),
        key=lambda each: (each[1].topic, each[1].offset),
    )


EVERY = [TopicPartition("one", 0, 0), TopicPartition("two", 0, 0)]


@pytest.mark.parametrize("most", [1, 100, 1 << 20])
def test_both_say_the_same_of_messages(make: Make, most: int) -> None:
    said = {}
    for name in ("direct", "python"):
        consumer, take = make(name)
        consumer.assign(EVERY)
        polled = all_of(take, len(RECORDS))
        batches = [
            batch
            for each in polled
            for batch in each.batches(lambda topic: int(topic == "two"), most)
        ]
        sizes: dict[str, list[int]] = {}
        for topic, records, size in (each for batch in batches for each in batch.sizes()):
            sizes[topic] = [
                a + b for a, b in zip(sizes.get(topic, [0, 0]), (records, size), strict=True)
            ]
        said[name] = told(batches), sizes, sum(each.size for each in polled)
        places = {place: reach for each in polled for place, reach in each.reaches.items()}
        assert {place: reach.behind for place, reach in places.items()} == {
            ("one", 0): 4,
            ("two", 0): 2,
        }
    assert said["direct"] == said["python"]
    ((stream, first, value), *_), sizes, size = said["direct"]
    assert (stream, value, first.key, first.timestamp) == (0, RECORDS[0][1], b"k", 1234)
    assert first.headers == tuple(HEADERS)
    assert sizes == {"one": [4, 8 + 9 + 5000], "two": [2, 5]}
    assert size == sum(len(value or b"") for _, value, _ in RECORDS)


def test_messages_of_a_partition_that_went_are_left_out(make: Make, each_consumer: str) -> None:
    consumer, take = make(each_consumer)
    consumer.assign(EVERY)
    seen = 0
    for polled in all_of(take, len(RECORDS)):
        polled = polled.only({("two", 0)})
        assert set(polled.reaches) <= {("two", 0)}
        found = told(polled.batches(None, 1 << 20))
        assert [origin.topic for _, origin, _ in found] == ["two"] * len(polled)
        seen += len(polled)
    assert seen == 2


def test_what_is_taken_is_joined_where_each_value_is_a_line(make: Make) -> None:
    consumer, take = make("direct")
    consumer.assign([TopicPartition("one", 0, 0)])
    (polled,) = [each for each in all_of(take, 4) if len(each)]
    every: Any = polled.batches(None, 1 << 20)[0].values
    assert every.joined() is None
    data, ends, buffers = every[3:].joined()
    assert data == b"x" * 5000 + b"\n"
    assert ends.tolist() == [5001]
    buffers.give_back(data)
    again, ends, _ = every[:1].joined()
    assert again is data
    assert (data, ends.tolist()) == (b'{"a": 1}\n', [9])
    assert every[1:3].joined() is None


def test_a_group_is_told_what_is_its_own_and_commits(make: Make, each_consumer: str) -> None:
    consumer, take = make(each_consumer, **{"partition.assignment.strategy": "cooperative-sticky"})
    seen: list[tuple[str, list[tuple[str, int]]]] = []

    def on(event: str) -> Callable[[Any, list[TopicPartition]], None]:
        return lambda _, some: seen.append((event, sorted((e.topic, e.partition) for e in some)))

    consumer.subscribe(
        ["one", "two"],
        on_assign=on("assigned"),
        on_revoke=on("revoked"),
        on_lost=on("lost"),
    )
    all_of(take, len(RECORDS))
    mine = [("one", 0), ("one", 1), ("two", 0)]
    assert seen == [("assigned", mine)]
    assert sorted((each.topic, each.partition) for each in consumer.assignment()) == mine
    assert isinstance(consumer.consumer_group_metadata(), bytes)
    at = {(e.topic, e.partition): e.offset for e in consumer.position(EVERY)}
    assert at == {("one", 0): 4, ("two", 0): 2}
    consumer.commit(offsets=[TopicPartition("one", 0, 3)], asynchronous=False)
    (committed,) = consumer.committed([TopicPartition("one", 0)], timeout=10)
    assert (committed.offset, committed.error) == (3, None)
    assert consumer.get_watermark_offsets(TopicPartition("one", 0), timeout=10) == (0, 4)
    assert consumer.get_watermark_offsets(TopicPartition("one", 0), cached=True)[1] == 4
    topics = consumer.list_topics(timeout=10).topics
    assert {name: len(topics[name].partitions) for name in ("one", "two")} == {"one": 2, "two": 1}
    consumer.pause(consumer.assignment())
    consumer.seek(TopicPartition("two", 0, 1))
    assert not len(take(100, 0.2))
    consumer.resume(consumer.assignment())
    (again,) = [each for each in all_of(take, 1) if len(each)]
    assert again.reaches == {("two", 0): (1, 2)}
    consumer.close()
    assert ("revoked", mine) in seen[1:]


def test_what_a_callback_raises_is_raised_by_who_takes(make: Make) -> None:
    consumer, take = make("direct")

    def fail(*_: Any) -> None:
        raise ZeroDivisionError

    consumer.subscribe(["one"], on_assign=fail)
    with pytest.raises(ZeroDivisionError):
        all_of(take, 4)
    assert sum(map(len, all_of(take, 4))) == 4  # what was assigned is assigned


def test_errors_come_beside_messages(make: Make, each_consumer: str) -> None:
    consumer, take = make(each_consumer, **{"auto.offset.reset": "error"})
    consumer.assign([TopicPartition("one", 0, 2), TopicPartition("two", 0, 77)])
    polled = all_of(take, 2)
    until = time.monotonic() + 30
    while not any(each.failures for each in polled):
        assert time.monotonic() < until
        polled.append(take(100, 0.1))
    (failure,) = [failure for each in polled for failure in each.failures]
    assert (failure.topic, failure.partition, failure.offset) == ("two", 0, 77)
    assert failure.error.name() == "_AUTO_OFFSET_RESET"
    assert sum(map(len, polled)) == 2


@pytest.mark.parametrize("properties", [{"no.such": 1}, {"fetch.wait.max.ms": "long"}])
def test_a_wrong_property_is_named(
    make: Make, each_consumer: str, properties: dict[str, Any]
) -> None:
    with pytest.raises(ConfigurationError, match=next(iter(properties)).replace(".", "[.]")):
        make(each_consumer, **properties)


def test_what_is_not_answered_is_raised(make: Make, each_consumer: str) -> None:
    consumer, _ = make(each_consumer, **{"bootstrap.servers": "127.0.0.1:1"})
    place = TopicPartition("one", 0, 1)
    for ask in (
        lambda: consumer.get_watermark_offsets(place, timeout=0.1),
        lambda: consumer.offsets_for_times([place], timeout=0.1),
        lambda: consumer.committed([place], timeout=0.1),
        lambda: consumer.list_topics("one", timeout=0.1),
        lambda: consumer.seek(place),
    ):
        with pytest.raises(KafkaException):
            ask()


def test_one_that_is_closed_says_so(make: Make, each_consumer: str) -> None:
    consumer, take = make(each_consumer)
    consumer.close()
    with pytest.raises(RuntimeError):
        take(1, 0)


def test_errors_and_logs_are_told(each_consumer: str, caplog: pytest.LogCaptureFixture) -> None:
    connection, statistics = Connection(), list[str]()
    with caplog.at_level(logging.DEBUG, "sigmac.librdkafka"):
        consumer, messages = make_consumer(
            {
                "bootstrap.servers": "127.0.0.1:1",
                "group.id": "group",
                "stats_cb": statistics.append,
                "statistics.interval.ms": 50,
                "debug": "broker",
                "log_level": 7,
            },
            connection,
        )
        until = time.monotonic() + 20
        while not connection.trouble or not statistics or not caplog.records:
            assert time.monotonic() < until
            messages.take(1, 0.1)
        consumer.close()
    assert '"rxmsgs"' in statistics[0]
    assert any("Connection refused" in record.getMessage() for record in caplog.records)
