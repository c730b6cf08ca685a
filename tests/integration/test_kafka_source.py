"""A member of a real group whose partitions come and go while a sink is slow."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import pytest
from confluent_kafka import Producer, TopicPartition

from sigmac.runtime.stream.kafka.connection import Connection, consumer_properties
from sigmac.runtime.stream.kafka.topic_source import KafkaSource
from tests.integration.brokers import Broker

pytestmark = [
    pytest.mark.slow,
    pytest.mark.java,
    pytest.mark.usefixtures("each_consumer"),
]


@dataclass
class Group:
    """A topic of two partitions and the members of a group that read it."""

    broker: Broker
    topic: str = field(default_factory=lambda: f"topic-{uuid.uuid4().hex[:8]}")
    members: list[KafkaSource] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.broker.create(self.topic, 2)

    def member(self) -> KafkaSource:
        """One more, that has not joined yet."""
        common = {
            "bootstrap.servers": self.broker.address,
            "group.id": self.topic,
            **self.broker.properties,
        }
        properties = consumer_properties(common, {}, 1)
        source = KafkaSource(properties, [[self.topic]], Connection(), 1 << 20)
        self.members.append(source)
        assert source.start()
        return source

    def produce(self, partition: int, *values: bytes) -> None:
        producer = Producer({"bootstrap.servers": self.broker.address, "log_level": 0})
        for value in values:
            producer.produce(self.topic, value, partition=partition)
        assert producer.flush(30) == 0

    def count(self) -> int:
        """The members that the broker knows."""
        admin = self.broker.admin()
        return len(admin.describe_consumer_groups([self.topic])[self.topic].result(30).members)

    def committed(self, partition: int) -> int:
        """The offset that the group goes on at."""
        place = TopicPartition(self.topic, partition)
        (found,) = self.members[0].consumer.committed([place], 30)
        return int(found.offset)


@pytest.fixture
def group(start_broker: Callable[[str], Broker]) -> Iterator[Group]:
    made = Group(start_broker("kafka"))
    yield made
    for member in made.members:
        member.close()


def polled(source: KafkaSource, count: int = 1, timeout: float = 20) -> list[bytes]:
    """The next values, sorted."""
    found: list[bytes] = []
    until = time.monotonic() + timeout
    while len(found) < count and time.monotonic() < until:
        for batch in source.poll(100, 0.1):
            found += [value or b"" for value in batch.values]
    return sorted(found)


def share(group: Group, slow: KafkaSource) -> tuple[KafkaSource, int]:
    """A second member joins while the first is slow; it, and the partition that it was given."""
    second = group.member()
    until = time.monotonic() + 30
    while len(slow.owned) != 1 or len(second.owned) != 1:
        assert time.monotonic() < until
        slow.keep_alive()
        second.keep_alive()
        time.sleep(0.02)
    ((_, number),) = second.owned
    return second, number


def both(group: Group) -> KafkaSource:
    """A member with both partitions, that has polled all that is there at once."""
    for number in (0, 1):
        group.produce(number, b"before")
    first = group.member()
    until = time.monotonic() + 30
    while sum(len(batch.values) for batch in first.poll(100, 0.1)) < 2:
        assert time.monotonic() < until
        first.rewind()  # one that came alone: only what was polled last is done again
    return first


def give_back(group: Group, slow: KafkaSource, second: KafkaSource) -> None:
    """The second member leaves, and the first, which is still slow, gets its partition back."""
    group.members.remove(second)
    second.close()
    until = time.monotonic() + 30
    while len(slow.owned) != 2:
        assert time.monotonic() < until
        slow.keep_alive()
        time.sleep(0.02)


def test_a_partition_that_was_paused_when_it_went_is_read_when_it_comes_back(group: Group) -> None:
    first = both(group)
    first.commit()
    second, number = share(group, first)
    assert polled(first, timeout=0.5) == []  # the sink is quick again, the partition is away
    group.members.remove(second)
    second.close()
    group.produce(number, b"after")
    assert polled(first) == [b"after"]


def test_what_another_member_has_done_meanwhile_is_not_polled_again(group: Group) -> None:
    first = both(group)
    second, number = share(group, first)
    assert polled(second) == [b"before"]
    second.commit()
    give_back(group, first, second)
    first.rewind()
    group.produce(number, b"after")
    group.produce(1 - number, b"after")
    # Of its own partition it has committed nothing, of the other one the second member has.
    assert polled(first, 3) == [b"after", b"after", b"before"]
    assert polled(first, timeout=0.5) == []


def test_what_was_held_of_a_partition_that_went_is_not_polled(group: Group) -> None:
    first = both(group)
    first.commit()
    for number in (0, 1):
        group.produce(number, b"held")
    while len(first._held) < 2:  # on its way before the partitions were paused
        first.consumer.resume(first.consumer.assignment())
        held = first._messages.take(1, 0.1)
        first._held += [held] if len(held) else []
    second, number = share(group, first)
    assert polled(second) == [b"held"]
    second.commit()
    give_back(group, first, second)
    assert polled(first, 1) == [b"held"]
    assert polled(first, timeout=0.5) == []


def test_what_is_in_work_is_committed_before_its_partition_goes(group: Group) -> None:
    first = both(group)
    second = group.member()
    until = time.monotonic() + 5
    while time.monotonic() < until:  # it evaluates what more there is
        assert not first.more(100)
        second.keep_alive()
    assert (len(first.owned), len(second.owned)) == (2, 0)
    first.commit()
    assert (first.uncommitted, group.committed(0), group.committed(1)) == (0, 1, 1)
    until = time.monotonic() + 30
    while len(first.owned) != 1 or len(second.owned) != 1:
        assert time.monotonic() < until
        assert not first.poll(100, 0.05)
        assert not second.poll(100, 0.05)


def test_a_member_without_partitions_leaves_too(group: Group) -> None:
    first = both(group)
    share(group, first)
    third = group.member()
    until = time.monotonic() + 30
    while not third.rebalances:
        assert time.monotonic() < until
        for member in group.members:
            member.keep_alive()
    assert (third.owned, group.count()) == (set(), 3)
    group.members.remove(third)
    third.close()
    assert group.count() == 2


def test_a_late_commit_does_not_set_another_member_back(group: Group) -> None:
    first = both(group)
    second, number = share(group, first)
    assert polled(second) == [b"before"]
    group.produce(number, b"after")
    assert polled(second) == [b"after"]
    second.commit()
    first.commit()
    assert group.committed(number) == 2
    # On a machine that has too much to do the first may have been out of the group meanwhile.
    assert group.committed(1 - number) in (0, 1)
