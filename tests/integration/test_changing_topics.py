"""Topics that come, go and lose their records while a group reads them."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import pytest
from confluent_kafka import TopicPartition

from sigmac.runtime.errors import StreamError
from sigmac.runtime.stream.kafka.connection import Connection, consumer_properties
from sigmac.runtime.stream.kafka.topic_source import KafkaSource
from tests.integration.brokers import Broker
from tests.integration.messages import send

pytestmark = [pytest.mark.slow, pytest.mark.java]

PROTOCOLS = pytest.mark.parametrize(
    "protocol",
    [
        {},
        {"partition.assignment.strategy": "range"},
        {"group.protocol": "consumer"},
    ],
    ids=["cooperative", "eager", "consumer"],
)


@dataclass
class Topics:
    """Topics of one test, and members of its group."""

    broker: Broker
    prefix: str = field(default_factory=lambda: f"t{uuid.uuid4().hex[:8]}")
    members: list[KafkaSource] = field(default_factory=list)

    def create(self, name: str, partitions: int = 1) -> str:
        self.broker.create(f"{self.prefix}-{name}", partitions)
        return f"{self.prefix}-{name}"

    def delete(self, topic: str) -> None:
        admin = self.broker.admin()
        admin.delete_topics([topic])[topic].result(30)

    def cut(self, topic: str, offset: int) -> None:
        """What retention does: the records of the first partition before an offset are gone."""
        admin, place = self.broker.admin(), TopicPartition(topic, 0, offset)
        admin.delete_records([place])[place].result(30)

    def member(self, *topics: str, **properties: str) -> KafkaSource:
        """One that reads names and patterns, each an input of its own."""
        common = {
            "bootstrap.servers": self.broker.address,
            "group.id": self.prefix,
            "topic.metadata.refresh.interval.ms": "500",
            **{name.replace("_", "."): value for name, value in properties.items()},
        }
        given = consumer_properties(common, {}, 1)
        source = KafkaSource(given, [[topic] for topic in topics], Connection(), 1 << 20)
        self.members.append(source)
        assert source.start()
        return source

    def leave(self, member: KafkaSource) -> None:
        self.members.remove(member)
        member.close()


@pytest.fixture
def topics(start_broker: Callable[[str], Broker]) -> Iterator[Topics]:
    made = Topics(start_broker("kafka"))
    yield made
    for member in made.members:
        member.close()


def polled(source: KafkaSource, count: int, timeout: float = 30) -> list[bytes]:
    """The next values; all of them are committed."""
    found: list[bytes] = []
    until = time.monotonic() + timeout
    while len(found) < count and time.monotonic() < until:
        for batch in source.poll(100, 0.1):
            found += [value or b"" for value in batch.values]
        source.commit()
    return sorted(found)


def until(source: KafkaSource, happened: Callable[[], bool], timeout: float = 30) -> None:
    end = time.monotonic() + timeout
    while not happened():
        assert time.monotonic() < end
        assert source.poll(100, 0.1) == []


def settled(source: KafkaSource) -> None:
    """Wait until it reads, and has committed where it began."""
    until(source, lambda: source.joined)
    for _ in range(30):
        assert source.poll(100, 0.1) == []
    assert source._owed == {}


@PROTOCOLS
def test_a_pattern_waits_for_topics_and_follows_them(
    topics: Topics, protocol: dict[str, str]
) -> None:
    source = topics.member(f"^{topics.prefix}-win-.*", f"^{topics.prefix}-lin", **protocol)
    if "group.protocol" not in protocol:  # there the broker says nothing of what is not there
        until(source, lambda: f"^{topics.prefix}-lin" in source.unmatched())
    first = topics.create("win-a")
    send(topics.broker, first, [b"1"])
    assert polled(source, 1) == [b"1"]
    assert source.unmatched() == ""
    second, third = topics.create("win-b"), topics.create("lin-a")
    send(topics.broker, second, [b"2"])
    send(topics.broker, third, [b"3"])
    assert polled(source, 2) == [b"2", b"3"]
    topics.delete(first)
    until(source, lambda: first not in source.assigned())
    send(topics.broker, second, [b"4"])
    assert polled(source, 1) == [b"4"]


def test_a_name_that_goes_ends_the_service(topics: Topics) -> None:
    name, other = topics.create("a"), topics.create("b")
    source = topics.member(name, f"^{topics.prefix}-b")
    send(topics.broker, other, [b"1"])
    assert polled(source, 1) == [b"1"]
    topics.delete(name)
    with pytest.raises(StreamError, match=f"{name}: there is no such"):
        until(source, lambda: False)


@PROTOCOLS
def test_what_comes_while_a_latest_service_is_stopped_is_read(
    topics: Topics, protocol: dict[str, str]
) -> None:
    topic = topics.create("a", 2)
    send(topics.broker, topic, [b"before"] * 3)
    source = topics.member(topic, auto_offset_reset="latest", **protocol)
    settled(source)
    topics.leave(source)
    for partition in (0, 1):
        send(topics.broker, topic, [b"while it was stopped"] * 2, partition)
    source = topics.member(topic, auto_offset_reset="latest", **protocol)
    assert polled(source, 4) == [b"while it was stopped"] * 4
    assert source.lost == {topic: 0}


@PROTOCOLS
def test_records_that_retention_took_are_counted(topics: Topics, protocol: dict[str, str]) -> None:
    topic = topics.create("a", 2)
    for partition in (0, 1):
        send(topics.broker, topic, [b"%d" % number for number in range(10)], partition)
    source = topics.member(topic, **protocol)
    assert len(polled(source, 20)) == 20
    topics.leave(source)
    send(topics.broker, topic, [b"%d" % number for number in range(10, 50)])
    topics.cut(topic, 35)
    source = topics.member(topic, **protocol)
    assert polled(source, 15) == [b"%d" % number for number in range(35, 50)]
    assert source.lost == {topic: 25}
    assert source.stuck() == ""
    topics.leave(source)
    source = topics.member(topic, **protocol)
    send(topics.broker, topic, [b"last"])
    assert polled(source, 1) == [b"last"]
    assert source.lost == {topic: 0}


def test_without_an_offset_and_with_error_the_reason_is_told(topics: Topics) -> None:
    first, second = topics.create("a"), topics.create("b")
    send(topics.broker, first, [b"1"])
    source = topics.member(second)
    settled(source)
    topics.leave(source)
    source = topics.member(first, second, auto_offset_reset="error")
    until(source, lambda: "no previously committed offset" in source.stuck())
    assert source.stuck().startswith(f"{first}, partition 0: ")
    send(topics.broker, second, [b"2"])
    assert polled(source, 1) == [b"2"]  # the others go on
    assert source.stuck()
