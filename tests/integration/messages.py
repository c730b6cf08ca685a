"""Messages into topics and out of them."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

from confluent_kafka import Consumer, Message, Producer, TopicPartition

from tests.integration.brokers import Broker

QUIET = {"log_level": 0}


def send(
    broker: Broker, topic: str, values: Sequence[bytes | None], partition: int = 0, **more: Any
) -> None:
    """All acknowledged; `more` is what `produce` takes, as `key` and `headers`."""
    producer = Producer(
        {"bootstrap.servers": broker.address, "message.max.bytes": 10_000_000, **QUIET}
    )
    for value in values:
        producer.produce(topic, value, partition=partition, **more)
    assert producer.flush(60) == 0


def committed_reads(broker: Broker) -> dict[str, Any]:
    """Properties of a consumer that reads what is committed, from the beginning."""
    return {
        "bootstrap.servers": broker.address,
        "auto.offset.reset": "earliest",
        "enable.auto.commit": False,
        "isolation.level": "read_committed",
        "receive.message.max.bytes": 1_000_000_000,
        **QUIET,
    }


def received(
    broker: Broker, topic: str, count: int, timeout: float = 60, settle: float = 0.5
) -> list[Message]:
    """What is committed of a topic, once there are `count` and no more come for `settle` seconds.

    Fewer where they do not come in time. Of each partition in order.
    """
    reader = Consumer({**committed_reads(broker), "group.id": "reader"})
    found: list[Message] = []
    until = time.monotonic() + timeout
    last = time.monotonic()
    try:
        partitions = reader.list_topics(topic, 30).topics[topic].partitions
        reader.assign([TopicPartition(topic, each, 0) for each in partitions])
        while time.monotonic() < until and (len(found) < count or time.monotonic() - last < settle):
            for message in reader.consume(1000, 0.1):
                if message.error() is None:
                    found.append(message)
                    last = time.monotonic()
    finally:
        reader.close()
    return found
