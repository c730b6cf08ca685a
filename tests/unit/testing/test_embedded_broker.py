"""The broker for tests does what docs/testing.md says, and no more than that."""

from __future__ import annotations

import doctest
import gc
import os
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import (
    Consumer,
    KafkaError,
    KafkaException,
    Message,
    Producer,
    TopicPartition,
)
from confluent_kafka.admin import AdminClient, OffsetSpec

from sigmac.testing import EmbeddedBroker, Request, embedded_broker

# A group waits for a session less a second when members come and go.
QUICK = {"session.timeout.ms": 2000, "heartbeat.interval.ms": 300, "fetch.wait.max.ms": 10}


@pytest.fixture
def broker() -> Iterator[EmbeddedBroker]:
    with EmbeddedBroker({"one": 1, "two": 2}) as made:
        yield made


def settings(broker: EmbeddedBroker, **more: Any) -> dict[str, Any]:
    """With further properties; their names have underscores for dots."""
    common = {"bootstrap.servers": broker.bootstrap_servers, "log_level": 0}
    return {**common, **{name.replace("_", "."): value for name, value in more.items()}}


def producer(broker: EmbeddedBroker, **more: Any) -> Producer:
    return Producer(settings(broker, **more))


@pytest.fixture
def consumer(broker: EmbeddedBroker) -> Iterator[Callable[..., Consumer]]:
    made: list[Consumer] = []

    def make(group: str = "", **more: Any) -> Consumer:
        own = {"group.id": group or uuid.uuid4().hex, "auto.offset.reset": "earliest", **QUICK}
        made.append(Consumer({**own, "enable.auto.commit": False, **settings(broker, **more)}))
        return made[-1]

    yield make
    for each in made:
        each.close()


def read(reader: Consumer, count: int, timeout: float = 20) -> list[Message]:
    """The next messages; fewer where no more come in time."""
    found: list[Message] = []
    until = time.monotonic() + timeout
    while len(found) < count and time.monotonic() < until:
        found += [each for each in reader.consume(count - len(found), 0.1) if not each.error()]
    return found


def from_start(reader: Consumer, topic: str, partitions: int = 1) -> Consumer:
    reader.assign([TopicPartition(topic, number, 0) for number in range(partitions)])
    return reader


def until(happened: Callable[[], bool], timeout: float = 30) -> None:
    end = time.monotonic() + timeout
    while not happened():
        assert time.monotonic() < end
        time.sleep(0.01)


def shares(*members: Consumer) -> list[int]:
    """How many partitions each has; polls them, so that they join."""
    for member in members:
        member.poll(0.05)
    return [len(member.assignment()) for member in members]


def test_the_example_of_the_docstring() -> None:
    assert doctest.testmod(embedded_broker).failed == 0


@pytest.mark.parametrize("codec", ["none", "gzip", "snappy", "lz4", "zstd"])
def test_records_come_back_as_they_were_sent(
    codec: str, broker: EmbeddedBroker, consumer: Callable[..., Consumer]
) -> None:
    sender = producer(broker, compression_type=codec, enable_idempotence=True)
    for number in range(100):
        text = b"%d" % number
        headers = [("n", text), ("bytes", b"\xff\x00"), ("none", None)]
        more = {"headers": headers, "timestamp": 1_700_000_000_000 + number}
        sender.produce("two", text * 20, b"key " + text, partition=number % 2, **more)
    sender.produce("two", None, partition=0)
    assert sender.flush(10) == 0
    found = read(from_start(consumer(), "two", 2), 101)
    found.sort(key=lambda each: (each.partition(), each.offset()))
    assert [each.offset() for each in found] == [*range(51), *range(50)]
    assert found.pop(50).value() is None
    for number, each in zip([*range(0, 100, 2), *range(1, 100, 2)], found, strict=True):
        text = b"%d" % number
        assert (each.value(), each.key()) == (text * 20, b"key " + text)
        assert each.headers() == [("n", text), ("bytes", b"\xff\x00"), ("none", None)]
        assert each.timestamp()[1] == 1_700_000_000_000 + number


def test_topics_are_there_and_have_their_partitions(broker: EmbeddedBroker) -> None:
    broker.create_topic("three", 3)
    topics = AdminClient(settings(broker)).list_topics(timeout=10).topics
    assert {name: len(topic.partitions) for name, topic in topics.items()} == {
        "one": 1,
        "two": 2,
        "three": 3,
    }


@pytest.mark.parametrize("name", ["", ".", "..", "a b", "é", "a\0b", "x" * 250])
def test_a_topic_of_a_name_that_kafka_does_not_take(broker: EmbeddedBroker, name: str) -> None:
    with pytest.raises(ValueError, match="cannot be the name of a topic"):
        broker.create_topic(name)


def test_a_topic_that_is_there_or_that_has_no_partitions(broker: EmbeddedBroker) -> None:
    with pytest.raises(KafkaException) as caught:
        broker.create_topic("one")
    assert caught.value.args[0].code() == KafkaError.TOPIC_ALREADY_EXISTS
    with pytest.raises(ValueError, match="0 partitions"):
        broker.create_topic("none", 0)


def test_a_group_goes_on_where_it_committed(
    broker: EmbeddedBroker, consumer: Callable[..., Consumer]
) -> None:
    sender = producer(broker)
    for number in range(20):
        sender.produce("one", b"%d" % number)
    assert sender.flush(10) == 0
    with closing(consumer("group")) as first:
        first.subscribe(["one"])
        assert len(read(first, 20)) == 20
        first.commit(offsets=[TopicPartition("one", 0, 12)], asynchronous=False)
    second = consumer("group")
    second.subscribe(["one"])
    assert [each.offset() for each in read(second, 8)] == [*range(12, 20)]


@pytest.mark.parametrize("strategy", ["range", "cooperative-sticky"])
def test_a_group_shares_partitions_and_inherits_them(
    strategy: str, consumer: Callable[..., Consumer]
) -> None:
    members = [consumer("group", partition_assignment_strategy=strategy) for _ in range(2)]
    for member in members:
        member.subscribe(["two"])
    until(lambda: shares(*members) == [1, 1])
    members[0].close()
    until(lambda: shares(members[1]) == [2])


MEMBER = """
import sys
from confluent_kafka import Consumer
member = Consumer({"bootstrap.servers": sys.argv[1], "group.id": "group", "session.timeout.ms": 2000,
                   "heartbeat.interval.ms": 300, "log_level": 0})
member.subscribe(["two"])
while True:
    member.poll(0.05)
"""


def test_a_member_in_another_process_that_is_killed_loses_its_partitions(
    broker: EmbeddedBroker, consumer: Callable[..., Consumer]
) -> None:
    member = consumer("group")
    member.subscribe(["two"])
    until(lambda: shares(member) == [2])
    command = [sys.executable, "-c", MEMBER, broker.bootstrap_servers]
    with subprocess.Popen(command) as other:
        try:
            until(lambda: shares(member) == [1])
        finally:
            other.kill()
    until(lambda: shares(member) == [2])


def test_transactions_with_positions_go_through(
    broker: EmbeddedBroker, consumer: Callable[..., Consumer]
) -> None:
    member = consumer("group")
    member.subscribe(["two"])
    until(lambda: shares(member) == [2])
    sender = producer(broker, transactional_id="id")
    sender.init_transactions(10)
    for number in range(3):
        sender.begin_transaction()
        sender.produce("one", b"%d" % number)
        positions = [TopicPartition("two", 0, number + 1)]
        sender.send_offsets_to_transaction(positions, member.consumer_group_metadata(), 10)
        sender.commit_transaction(10)
    reader = from_start(consumer(isolation_level="read_committed"), "one")
    assert [each.value() for each in read(reader, 3)] == [b"0", b"1", b"2"]


def test_first_and_last_offsets_are_told(
    broker: EmbeddedBroker, consumer: Callable[..., Consumer]
) -> None:
    sender = producer(broker)
    for _ in range(7):
        sender.produce("one", b"x")
    assert sender.flush(10) == 0
    place = TopicPartition("one", 0)
    assert consumer().get_watermark_offsets(place, 10) == (0, 7)
    admin = AdminClient(settings(broker))
    for asked, offset in ((OffsetSpec.earliest(), 0), (OffsetSpec.latest(), 7)):
        assert admin.list_offsets({place: asked})[place].result(10).offset == offset


def test_a_broker_that_was_down_has_everything_at_the_same_address(
    broker: EmbeddedBroker, consumer: Callable[..., Consumer]
) -> None:
    sender = producer(broker, reconnect_backoff_max_ms=200)
    sender.produce("one", b"before")
    assert sender.flush(10) == 0
    broker.take_down()
    sender.produce("one", b"meanwhile")
    assert sender.flush(0.5) == 1
    broker.bring_up()
    assert sender.flush(20) == 0
    found = read(from_start(consumer(), "one"), 2)
    assert [each.value() for each in found] == [b"before", b"meanwhile"]


def test_a_frozen_broker_acknowledges_nothing_until_it_goes_on(broker: EmbeddedBroker) -> None:
    sender = producer(broker)
    sender.produce("one", b"before")
    assert sender.flush(10) == 0
    broker.set_round_trip_time(3600)
    sender.produce("one", b"while it was frozen")
    assert sender.flush(0.5) == 1
    broker.set_round_trip_time(0)
    assert sender.flush(20) == 0


def delivered(sender: Producer) -> list[KafkaError | None]:
    """What becomes of one message."""
    told: list[KafkaError | None] = []
    sender.produce("one", b"x", callback=lambda error, _: told.append(error))
    assert sender.flush(20) == 0
    return told


def test_errors_come_in_their_order_and_end(broker: EmbeddedBroker) -> None:
    sender = producer(broker, retry_backoff_ms=10)
    assert delivered(sender) == [None]
    # After the first a client tries again.
    refused = KafkaError.MSG_SIZE_TOO_LARGE
    broker.fail_next(Request.PRODUCE, KafkaError.NOT_ENOUGH_REPLICAS, refused)
    (error,) = delivered(sender)
    assert error is not None
    assert error.code() == refused
    assert delivered(sender) == [None]
    broker.fail_next(Request.PRODUCE, KafkaError._TRANSPORT)
    assert delivered(sender) == [None]
    broker.fail_next(Request.PRODUCE, *[refused] * 10)
    broker.clear_failures(Request.PRODUCE)
    assert delivered(sender) == [None]


def test_a_topic_that_may_not_be_seen(
    broker: EmbeddedBroker, consumer: Callable[..., Consumer]
) -> None:
    asks = consumer()
    for code in (KafkaError.TOPIC_AUTHORIZATION_FAILED, 0):
        broker.fail_topic("one", code)
        error = asks.list_topics("one", timeout=10).topics["one"].error
        assert (error.code() if error else 0) == code


def test_a_closed_broker_leaves_nothing_behind() -> None:
    def held() -> tuple[int, int]:
        return len(os.listdir("/proc/self/fd")), len(os.listdir("/proc/self/task"))

    if not Path("/proc/self/fd").is_dir():
        pytest.skip("there is no /proc here")
    gc.collect()  # clients of other tests
    before = held()
    brokers = [EmbeddedBroker({"one": 1}) for _ in range(3)]
    assert held() > before
    for each in brokers[:2]:
        each.close()
        each.close()
    del brokers, each  # the last one is not closed but forgotten
    gc.collect()
    until(lambda: held() == before)


def test_a_closed_broker_says_so(broker: EmbeddedBroker) -> None:
    broker.close()
    with pytest.raises(ValueError, match="the broker is closed"):
        broker.create_topic("more")
    with pytest.raises(ValueError, match="the broker is closed"):
        print(broker.bootstrap_servers)


@pytest.mark.parametrize(
    "script",
    [
        # It is forgotten at the end.
        "broker.create_topic('one')",
        # It is of no use in a fork, and whole afterwards.
        """
import os
child = os.fork()
if not child:
    try:
        broker.create_topic("one")
    except RuntimeError:
        broker.close()
        sys.exit(7)
assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
broker.create_topic("one")
""",
    ],
)
def test_a_process_ends_with_its_broker_open(script: str) -> None:
    program = f"import sys\nfrom sigmac.testing import EmbeddedBroker\nbroker = EmbeddedBroker()\n{script}"
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False, timeout=60
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_the_package_does_not_load_it() -> None:
    program = "import sys, sigmac; print('sigmac.testing' in sys.modules, 'ctypes' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout.split()[0] == "False"


# What the page says that only a real broker does


def test_limit_transactions_hide_commit_and_fence_nothing(
    broker: EmbeddedBroker, consumer: Callable[..., Consumer]
) -> None:
    member = consumer("group")
    member.subscribe(["two"])
    until(lambda: shares(member) == [2])
    old = producer(broker, transactional_id="id")
    old.init_transactions(10)
    old.begin_transaction()
    old.produce("one", b"aborted")
    assert old.flush(10) == 0
    old.abort_transaction(10)
    old.begin_transaction()
    old.produce("one", b"open")
    assert old.flush(10) == 0
    reader = from_start(consumer(isolation_level="read_committed"), "one")
    assert [each.value() for each in read(reader, 2)] == [b"aborted", b"open"]
    new = producer(broker, transactional_id="id")
    new.init_transactions(10)
    place = TopicPartition("two", 0, 1)
    old.send_offsets_to_transaction([place], member.consumer_group_metadata(), 10)
    old.commit_transaction(10)
    assert member.committed([place], 10)[0].offset < 0


def test_limit_a_partition_keeps_five_mebibytes_as_they_were_sent(
    broker: EmbeddedBroker, consumer: Callable[..., Consumer]
) -> None:
    for topic, codec in (("one", "none"), ("two", "zstd")):
        sender = producer(broker, compression_type=codec, message_max_bytes=10_000_000)
        for _ in range(100):
            sender.produce(topic, b"x" * 100_000, partition=0)
        assert sender.flush(20) == 0
    asks = consumer()
    first, end = asks.get_watermark_offsets(TopicPartition("one", 0), 10)
    assert end == 100
    assert 0 < (end - first) * 100_000 < (5 << 20) + 2_000_000  # whole batches
    assert asks.get_watermark_offsets(TopicPartition("two", 0), 10) == (0, 100)


def test_limit_a_record_may_have_any_size(
    broker: EmbeddedBroker, consumer: Callable[..., Consumer]
) -> None:
    sender = producer(broker, message_max_bytes=20_000_000)
    sender.produce("one", b"x" * 15_000_000)
    assert sender.flush(20) == 0
    (found,) = read(from_start(consumer(), "one"), 1)
    assert len(found.value() or b"") == 15_000_000


def test_limit_a_producer_makes_topics_by_asking_for_them(broker: EmbeddedBroker) -> None:
    sender = producer(broker)
    sender.produce("nowhere", b"x")
    assert sender.flush(10) == 0
    assert len(sender.list_topics(timeout=10).topics["nowhere"].partitions) == 4


def test_limit_what_is_sent_twice_is_there_twice(
    broker: EmbeddedBroker, consumer: Callable[..., Consumer]
) -> None:
    sender = producer(broker, enable_idempotence=True, socket_timeout_ms=1000)
    sender.produce("one", b"first")
    assert sender.flush(10) == 0
    broker.set_round_trip_time(3600)
    sender.produce("one", b"again")
    assert sender.flush(2) == 1
    broker.set_round_trip_time(0)
    assert sender.flush(20) == 0
    found = read(from_start(consumer(), "one"), 3)
    assert [each.value() for each in found] == [b"first", b"again", b"again"]


def test_limit_nothing_is_found_by_its_time(
    broker: EmbeddedBroker, consumer: Callable[..., Consumer]
) -> None:
    sender = producer(broker)
    sender.produce("one", b"x", timestamp=1_700_000_000_000)
    assert sender.flush(10) == 0
    (found,) = consumer().offsets_for_times([TopicPartition("one", 0, 1_600_000_000_000)], 10)
    assert found.offset < 0
