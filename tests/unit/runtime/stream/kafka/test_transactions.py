"""The order of the steps of a transaction, and what becomes of it when one fails or does not end."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any, cast

import pytest
from confluent_kafka import KafkaError, KafkaException

from sigmac.runtime.errors import StreamError
from sigmac.runtime.stream.dead_letters import as_message
from sigmac.runtime.stream.delivery import Outputs
from sigmac.runtime.stream.kafka import transactions as kafka_transactions
from sigmac.runtime.stream.kafka.connection import Connection
from sigmac.runtime.stream.kafka.topic_sink import ProducerLost, SharedProducer
from sigmac.runtime.stream.kafka.topic_source import KafkaSource
from sigmac.runtime.stream.kafka.transactions import ExactlyOnce
from sigmac.runtime.stream.sink import DeliveryFailed, Message
from tests.unit.runtime.stream.stand_ins import MemorySink

MATCH = Message(b"{}")


def failure(code: int, **kind: bool) -> KafkaException:
    return KafkaException(KafkaError(code, "because", **kind))


class Group:
    """Source and producer; `fails` says what a step raises, each time it is taken."""

    def __init__(self) -> None:
        self.log: list[str] = []
        self.fails: dict[str, list[BaseException]] = {}
        self.rebalances = self.polled_in = 0
        self.consumer = self
        self.producer = self
        self.connection = Connection()
        self.sink = MemorySink(self.log, "matches")
        outputs = Outputs({"memory": self.sink}, None, as_message)
        shared = cast(SharedProducer, self)
        self.delivery = ExactlyOnce(cast(KafkaSource, self), outputs, shared)

    def deliver(self, meanwhile: Callable[[], None] = lambda: None) -> None:
        self.delivery.deliver([MATCH], [], meanwhile)

    def step(self, name: str) -> None:
        self.log.append(name)
        if self.fails.get(name):
            raise self.fails[name].pop(0)

    def consumer_group_metadata(self) -> str:
        return "generation 1"

    def positions(self) -> list[str]:
        return ["topic 0 at 7"]

    def committed(self) -> None:
        self.log.append("committed")

    def begin_transaction(self) -> None:
        self.step("begin")

    def send_offsets_to_transaction(self, positions: Any, group: Any, timeout: float) -> None:
        assert (positions, group) == (["topic 0 at 7"], "generation 1")
        self.step("positions")

    def commit_transaction(self, timeout: float) -> None:
        self.step("commit")

    def abort_transaction(self, timeout: float) -> None:
        self.step("abort")


WRITTEN = ["begin", "write matches", "flush matches"]


def test_positions_are_part_of_what_commits() -> None:
    group = Group()
    group.deliver()
    assert group.log == [*WRITTEN, "positions", "commit", "committed"]


def test_a_commit_that_is_not_answered_is_asked_for_again() -> None:
    group = Group()
    group.fails["commit"] = [failure(KafkaError._TIMED_OUT, retriable=True)] * 3
    alive: list[int] = []
    group.deliver(lambda: alive.append(1))
    assert group.log[-5:] == ["commit"] * 4 + ["committed"]
    assert len(alive) == 3


@pytest.mark.parametrize("step", ["positions", "commit"])
def test_what_fails_is_aborted_and_done_again(step: str) -> None:
    group = Group()
    group.fails[step] = [failure(KafkaError.ILLEGAL_GENERATION)]
    group.fails["abort"] = [failure(KafkaError._TIMED_OUT, retriable=True)]
    with pytest.raises(DeliveryFailed, match="because"):
        group.deliver()
    assert group.log[-2:] == ["abort", "abort"]
    assert "committed" not in group.log


@pytest.mark.parametrize("step", ["begin", "positions", "commit", "abort"])
def test_a_producer_that_was_fenced_is_lost(step: str) -> None:
    group = Group()
    group.fails[step] = [failure(KafkaError._FENCED, fatal=True)]
    if step == "abort":
        group.fails["commit"] = [failure(KafkaError.ILLEGAL_GENERATION)]
    with pytest.raises(ProducerLost, match="because"):
        group.deliver()
    assert "committed" not in group.log


def test_a_missing_permission_ends_the_worker() -> None:
    group = Group()
    group.fails["positions"] = [failure(KafkaError.GROUP_AUTHORIZATION_FAILED)]
    with pytest.raises(StreamError, match="no permission for the consumer group"):
        group.deliver()


def test_a_rebalance_while_a_sink_is_slow_aborts() -> None:
    group = Group()
    slow = iter([False])
    group.sink.trouble = lambda: next(slow, True)

    def meanwhile() -> None:
        group.rebalances += 1

    with pytest.raises(DeliveryFailed, match="rebalanced"):
        group.deliver(meanwhile)
    assert group.log[-1] == "abort"
    assert "positions" not in group.log


def test_positions_that_are_never_added_hold_up_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kafka_transactions, "_ADDED_WITHIN", 0.3)
    monkeypatch.setattr(kafka_transactions, "_LOOK", 0.01)
    group, ends, alive = Group(), threading.Event(), []
    monkeypatch.setattr(group, "send_offsets_to_transaction", lambda *_: ends.wait())
    with pytest.raises(ProducerLost, match="could not be added"):
        group.deliver(lambda: alive.append(1))
    ends.set()
    assert len(alive) > 5
    assert "commit" not in group.log
    assert "abort" not in group.log  # librdkafka would refuse it for as long


def test_a_stop_does_not_wait_for_positions() -> None:
    class StopNow(Exception):
        pass

    def stop() -> None:
        raise StopNow

    group, ends = Group(), threading.Event()
    group.send_offsets_to_transaction = lambda *_: ends.wait()  # type: ignore[method-assign,assignment]
    with pytest.raises(StopNow):
        group.deliver(stop)
    ends.set()
    assert group.log[-1] == "abort"
