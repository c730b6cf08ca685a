"""A broker that takes what it is asked and never answers is noticed in time, and so is that it answers again."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

import orjson
import pytest

from sigmac.runtime.stream.kafka import silence
from sigmac.runtime.stream.kafka.connection import Connection, consumer_properties
from sigmac.runtime.stream.kafka.silence import Silence
from sigmac.runtime.stream.kafka.topic_source import KafkaSource
from sigmac.testing import EmbeddedBroker

pytestmark = pytest.mark.usefixtures("each_consumer")


@pytest.fixture
def broker() -> Iterator[EmbeddedBroker]:
    with EmbeddedBroker({"t": 2}) as made:
        yield made


def eventually(true: Callable[[], object]) -> None:
    until = time.monotonic() + 30
    while not true():
        assert time.monotonic() < until
        time.sleep(0.02)


@pytest.mark.slow
@pytest.mark.parametrize("paused", [False, True])
def test_a_frozen_broker(
    paused: bool, broker: EmbeddedBroker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(silence, "_LIMIT", 1.5)
    common = {"bootstrap.servers": broker.bootstrap_servers, "group.id": "g", "log_level": 0}
    quick = {"statistics.interval.ms": 200, "heartbeat.interval.ms": 300}
    source = KafkaSource(consumer_properties(common, quick, 1), [["t"]], Connection(), 1 << 20)
    eventually(source.start)
    eventually(lambda: source.poll(10, 0.05) == [] and source.joined)

    def told() -> str:
        source.keep_alive() if paused else source.poll(10, 0.05)
        return source.silence.reason

    until = time.monotonic() + 2.5
    while time.monotonic() < until:
        assert told() == ""
        time.sleep(0.02)
    broker.set_round_trip_time(3600)
    eventually(told)
    assert broker.bootstrap_servers in source.silence.reason
    assert source.silence.reason.endswith("does not answer")
    broker.set_round_trip_time(0)
    eventually(lambda: not told())
    source.close()


class Consumer:
    """What librdkafka tells of two brokers, one of which leads our partition, and of the coordinator."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch):
        self.now = 100.0
        self.looks = Silence(0.5)
        self.join_state = "steady"
        self.leader = 1
        monkeypatch.setattr(silence.time, "monotonic", lambda: self.now)

    def tell(self, seconds: float = 5, **idle: Any) -> str:
        """Some seconds later; `idle` are brokers that owe an answer, and for how long they have been silent."""
        self.now += seconds
        brokers = {}
        for number, name in ((1, "one"), (2, "two"), (-1, "GroupCoordinator")):
            silent = idle.get(name, 0)
            brokers[name] = {
                "name": name,
                "nodename": f"{name}:9092",
                "nodeid": number,
                "state": "DOWN" if silent is None else "UP",
                "rxidle": int((silent or 0) * 1e6),
                "txidle": 1000,
            }
        partitions = {
            "0": {"partition": 0, "leader": self.leader, "desired": True},
            "1": {"partition": 1, "leader": 2, "desired": False},
            "-1": {"partition": -1, "leader": -1, "desired": False},
        }
        told = {
            "brokers": brokers,
            "topics": {"t": {"partitions": partitions}},
            "cgrp": {"join_state": self.join_state},
        }
        self.looks.look(orjson.dumps(told).decode())
        return self.looks.reason


@pytest.fixture
def consumer(monkeypatch: pytest.MonkeyPatch) -> Consumer:
    return Consumer(monkeypatch)


def test_who_is_silent_for_long_does_not_answer(consumer: Consumer) -> None:
    said = [consumer.tell(one=5 * count) for count in range(1, 7)]
    assert said == [*[""] * 5, "the broker one:9092 does not answer"]
    assert consumer.tell() == ""


def test_an_old_silence_is_none_when_nothing_was_asked(consumer: Consumer) -> None:
    assert [consumer.tell(), consumer.tell(one=1000), consumer.tell(one=1005)] == [""] * 3
    assert [consumer.tell(one=0.5) for _ in range(9)] == [""] * 9


def test_a_connection_that_is_gone_for_long_does_not_answer(consumer: Consumer) -> None:
    said = [consumer.tell(one=None) for _ in range(6)]
    assert said[-2:] == ["", "the broker one:9092 does not answer"]


def test_who_is_not_needed_may_be_silent(consumer: Consumer) -> None:
    assert [consumer.tell(two=None) for _ in range(9)] == [""] * 9


def test_where_the_leader_moves_all_is_well(consumer: Consumer) -> None:
    assert [consumer.tell(one=None) for _ in range(6)][-1]
    consumer.leader = 2
    assert consumer.tell(one=None) == ""


def test_a_join_takes_its_time_and_a_member_that_was_thrown_out_is_not_well(
    consumer: Consumer,
) -> None:
    consumer.join_state = "wait-join"
    assert [consumer.tell(GroupCoordinator=50) for _ in range(9)] == [""] * 9
    consumer.join_state = "steady"
    said = [consumer.tell(GroupCoordinator=None) for _ in range(6)]
    assert said[-1] == "the coordinator of the group, GroupCoordinator:9092, does not answer"
    consumer.join_state, consumer.leader = "init", -1
    assert consumer.tell(GroupCoordinator=None) == said[-1]
    assert consumer.tell() == ""
