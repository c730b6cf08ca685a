"""The brokers of the tests keep what the other tests take for granted."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import Consumer, KafkaError, KafkaException, Message, Producer, TopicPartition

from tests.integration.brokers import ApacheKafka, Broker, BrokerProcess
from tests.integration.proxy import Proxy

pytestmark = pytest.mark.slow


@pytest.fixture
def topic(broker: Broker) -> str:
    name = f"topic-{uuid.uuid4().hex[:8]}"
    broker.create(name, 2)
    return name


def producer(broker: Broker, **more: Any) -> Producer:
    """With further properties; their names have underscores for dots."""
    return Producer({"bootstrap.servers": broker.address, "log_level": 0, **dotted(more)})


def dotted(properties: dict[str, Any]) -> dict[str, Any]:
    return {name.replace("_", "."): value for name, value in properties.items()}


@pytest.fixture
def consumer() -> Iterator[Callable[..., Consumer]]:
    made: list[Consumer] = []

    def make(broker: Broker, group: str = "", **more: Any) -> Consumer:
        settings = {
            "bootstrap.servers": broker.address,
            "group.id": group or uuid.uuid4().hex,
            "auto.offset.reset": "earliest",
            "enable.auto.commit": False,
            "log_level": 0,
            **broker.properties,
            **dotted(more),
        }
        made.append(Consumer(settings))
        return made[-1]

    yield make
    for each in made:
        each.close()


def read(reader: Consumer, count: int, timeout: float = 40) -> list[Message]:
    """The next messages; fewer where no more come in time."""
    found: list[Message] = []
    until = time.monotonic() + timeout
    while len(found) < count and time.monotonic() < until:
        found += [each for each in reader.consume(count - len(found), 0.2) if not each.error()]
    return found


def read_to_end(reader: Consumer) -> list[Message]:
    """All messages of its one partition."""
    found: list[Message] = []
    while True:
        message = reader.poll(30)
        assert message is not None, "the partition does not end"
        error = message.error()
        if error is not None and error.code() == KafkaError._PARTITION_EOF:
            return found
        assert error is None, error
        found.append(message)


def test_messages_keep_value_key_headers_and_order(
    broker: Broker, topic: str, consumer: Callable[..., Consumer]
) -> None:
    sender = producer(broker, enable_idempotence=True, compression_type="lz4")
    for number in range(200):
        text = b"%d" % number
        sender.produce(topic, text, b"key " + text, partition=number % 2, headers=[("n", text)])
    assert sender.flush(30) == 0
    reader = consumer(broker)
    reader.assign([TopicPartition(topic, 0, 0), TopicPartition(topic, 1, 0)])
    found = read(reader, 200)
    for partition in (0, 1):
        mine = [each for each in found if each.partition() == partition]
        assert [each.value() for each in mine] == [b"%d" % n for n in range(partition, 200, 2)]
        assert [each.offset() for each in mine] == list(range(100))
    assert all(each.key() == b"key " + (each.value() or b"") for each in found)
    assert all(each.headers() == [("n", each.value())] for each in found)


def test_a_group_goes_on_where_it_committed(
    broker: Broker, topic: str, consumer: Callable[..., Consumer]
) -> None:
    sender = producer(broker)
    for number in range(20):
        sender.produce(topic, b"%d" % number, partition=0)
    sender.flush(30)
    group = uuid.uuid4().hex
    with closing(consumer(broker, group)) as first:
        first.subscribe([topic])
        assert len(read(first, 20)) == 20
        first.commit(offsets=[TopicPartition(topic, 0, 12)], asynchronous=False)
    second = consumer(broker, group)
    assert [each.offset for each in second.committed([TopicPartition(topic, 0)], 10)] == [12]


def test_a_frozen_broker_acknowledges_nothing_until_it_goes_on(broker: Broker, topic: str) -> None:
    sender = producer(broker, message_timeout_ms=60000)
    sender.produce(topic, b"before", partition=0)
    assert sender.flush(30) == 0
    broker.pause()
    try:
        sender.produce(topic, b"while it was frozen", partition=0)
        assert sender.flush(1) == 1
    finally:
        broker.resume()
    assert sender.flush(60) == 0


@pytest.mark.java
def test_what_is_aborted_is_hidden_and_what_is_committed_is_seen(
    start_broker: Callable[[str], Broker], consumer: Callable[..., Consumer]
) -> None:
    kafka = start_broker("kafka")
    topic = f"topic-{uuid.uuid4().hex[:8]}"
    kafka.create(topic, 1)
    sender = producer(kafka, transactional_id=uuid.uuid4().hex)
    sender.init_transactions(30)
    source, group = TopicPartition(topic, 0, 7), uuid.uuid4().hex
    member = consumer(kafka, group)
    for outcome in ("aborted", "committed", "aborted"):
        sender.begin_transaction()
        for number in range(10):
            sender.produce(topic, f"{outcome} {number}".encode(), partition=0)
        if outcome == "aborted":
            wrong = TopicPartition(topic, 0, 1000)
            sender.send_offsets_to_transaction([wrong], member.consumer_group_metadata(), 30)
            sender.flush(30)
            sender.abort_transaction(30)
        else:
            sender.send_offsets_to_transaction([source], member.consumer_group_metadata(), 30)
            sender.commit_transaction(30)
    for level, expected in (("read_committed", 10), ("read_uncommitted", 30)):
        reader = consumer(kafka, isolation_level=level, enable_partition_eof=True)
        reader.assign([TopicPartition(topic, 0, 0)])
        found = [each.value() or b"" for each in read_to_end(reader)]
        assert len(found) == expected, level
        assert sum(value.startswith(b"committed") for value in found) == 10
    assert member.committed([TopicPartition(topic, 0)], 10)[0].offset == 7


@pytest.mark.java
def test_a_zombie_is_fenced(start_broker: Callable[[str], Broker]) -> None:
    kafka = start_broker("kafka")
    topic = f"topic-{uuid.uuid4().hex[:8]}"
    kafka.create(topic, 1)
    name = uuid.uuid4().hex
    old = producer(kafka, transactional_id=name)
    old.init_transactions(30)
    old.begin_transaction()
    old.produce(topic, b"of the zombie", partition=0)
    old.flush(30)
    new = producer(kafka, transactional_id=name)
    new.init_transactions(30)
    with pytest.raises(KafkaException) as caught:
        old.commit_transaction(30)
    error: KafkaError = caught.value.args[0]
    assert error.code() in (KafkaError._FENCED, KafkaError.INVALID_PRODUCER_EPOCH)
    new.begin_transaction()
    new.commit_transaction(30)


def test_a_group_shares_partitions_and_inherits_them(
    broker: Broker, consumer: Callable[..., Consumer]
) -> None:
    topic, group = f"topic-{uuid.uuid4().hex[:8]}", uuid.uuid4().hex
    broker.create(topic, 2)
    members = [consumer(broker, group) for _ in range(2)]
    for member in members:
        member.subscribe([topic])

    def shares(of: list[Consumer]) -> list[int]:
        for member in of:
            member.poll(0.1)
        return [len(member.assignment()) for member in of]

    assert eventually(lambda: shares(members) == [1, 1])
    members[0].close()
    assert eventually(lambda: shares(members[1:]) == [2])


@pytest.mark.java
def test_apache_kafka_keeps_its_data_when_it_is_killed(
    start_broker: Callable[[str], Broker], consumer: Callable[..., Consumer]
) -> None:
    kafka = start_broker("kafka")
    topic = f"topic-{uuid.uuid4().hex[:8]}"
    kafka.create(topic, 1)
    sender = producer(kafka, enable_idempotence=True)
    sender.produce(topic, b"before")
    assert sender.flush(30) == 0
    kafka.kill()
    kafka.start()
    sender.produce(topic, b"after")
    assert sender.flush(30) == 0
    reader = consumer(kafka)
    reader.assign([TopicPartition(topic, 0, 0)])
    assert [each.value() for each in read(reader, 2)] == [b"before", b"after"]


@pytest.mark.java
def test_a_proxy_stands_between_a_client_and_apache_kafka(
    start_broker: Callable[[str], Broker],
) -> None:
    kafka = start_broker("kafka")
    assert isinstance(kafka, ApacheKafka)
    topic = f"topic-{uuid.uuid4().hex[:8]}"
    kafka.create(topic, 1)
    with closing(Proxy(kafka.proxied_port, kafka.behind_proxy)) as proxy:
        sender = producer(kafka, bootstrap_servers=f"127.0.0.1:{kafka.proxied_port}")
        for broken in (proxy.cut, proxy.silence):
            sender.produce(topic, b"while all is well")
            assert sender.flush(30) == 0
            broken()
            sender.produce(topic, b"while it is not")
            assert sender.flush(1) == 1
            proxy.restore()
            assert sender.flush(60) == 0


@pytest.mark.skipif(sys.platform != "linux", reason="Linux alone ties a process to its parent")
def test_a_broker_ends_with_the_process_that_started_it() -> None:
    script = (
        "from tests.integration.brokers import tied; import subprocess, sys, time\n"
        "broker = subprocess.Popen(tied(['sleep', '60'])); print(broker.pid, flush=True)\n"
        "time.sleep(60)"
    )
    command = [sys.executable, "-c", script]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as parent:
        assert parent.stdout is not None
        broker = int(parent.stdout.readline())
        os.kill(broker, 0)  # it is there
        parent.send_signal(signal.SIGKILL)

    assert eventually(lambda: is_gone(broker))


def is_gone(process: int) -> bool:
    try:
        state = Path(f"/proc/{process}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except FileNotFoundError:
        return True
    return state == "Z"


def test_a_broker_that_does_not_start_says_why(tmp_path: Path) -> None:
    class Broken(BrokerProcess):
        name = "broken"

        def command(self) -> list[str]:
            return [sys.executable, "-c", "raise SystemExit('no such option')"]

    with pytest.raises(RuntimeError, match="no such option"):
        Broken(tmp_path).start()


def eventually(happened: Callable[[], bool], timeout: float = 40) -> bool:
    """Whether it happens in time."""
    until = time.monotonic() + timeout
    while time.monotonic() < until:
        if happened():
            return True
        time.sleep(0.05)
    return False
