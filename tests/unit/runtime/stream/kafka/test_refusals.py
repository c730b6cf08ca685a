"""What a topic refuses is given up by itself, and all else is delivered: alone, in batches, in transactions."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from types import SimpleNamespace
from typing import Any, cast

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sigmac.runtime.errors import StreamError
from sigmac.runtime.stream.dead_letters import DeadLetter, as_message, from_message
from sigmac.runtime.stream.delivery import AtLeastOnce, Outputs
from sigmac.runtime.stream.kafka.topic_sink import KafkaSink
from sigmac.runtime.stream.kafka.topic_source import KafkaSource
from sigmac.runtime.stream.kafka.transactions import ExactlyOnce
from sigmac.runtime.stream.record import Origin, Source
from sigmac.runtime.stream.sink import Message
from tests.unit.runtime.stream.kafka.broker_in_memory import MemoryProducer, Rules

SIZE = 200  # bytes that a match has without its event, at most


def match(number: int, size: int = 10, key: bytes | None = b"k", partition: int = 0) -> Message:
    head = {
        "id": str(number),
        "source": {"topic": "events", "partition": partition, "offset": number},
        "pack": {"name": "p", "version": "1"},
    }
    event = b',"event":{"n":"%s"}}' % (b"x" * size)
    return Message(orjson.dumps(head)[:-1] + event, key, (("h", b"1"),), partition)


def broken(number: int, size: int = 10, key: bytes | None = None) -> DeadLetter:
    origin = Origin("events", 0, number, None, key, (("h", b"y" * size),))
    return DeadLetter(b"{" * size, origin, None, "rejected", "because", "p", "1", 1.0)


class Delivered:
    """A delivery of either kind over a broker in memory."""

    def __init__(self, exactly_once: bool, matches: Rules, dead: Rules = Rules(), batch: int = 5):  # noqa: B008 - frozen
        rules = {"matches": matches, "dead": dead}
        self.producer = MemoryProducer(rules, batch, transactional=exactly_once, slips=1)
        shared = self.producer.shared()
        self.committed = 0
        self.outputs = Outputs(
            {"kafka": KafkaSink("matches", shared)}, KafkaSink("dead", shared), as_message
        )
        source: Any = SimpleNamespace(
            rebalances=0,
            polled_in=0,
            consumer=SimpleNamespace(consumer_group_metadata=lambda: "group"),
            positions=list,
            committed=self.commit,
            commit=self.commit,
        )
        self.delivery = (
            ExactlyOnce(cast(KafkaSource, source), self.outputs, shared)
            if exactly_once
            else AtLeastOnce(cast(Source, source), self.outputs)
        )

    def commit(self) -> None:
        self.committed += 1

    def deliver(self, *matches: Message, dead: tuple[DeadLetter, ...] = ()) -> None:
        self.delivery.deliver(matches, dead, lambda: None)

    def values(self) -> list[bytes]:
        """The matches that arrived."""
        return [value for topic, value, _, _ in self.producer.taken if topic == "matches"]

    def letters(self) -> list[DeadLetter]:
        taken = [each for each in self.producer.taken if each[0] == "dead"]
        return [from_message(value, key, headers) for _, value, key, headers in taken]


both = pytest.mark.parametrize("exactly_once", [False, True])


@both
@given(
    sizes=st.lists(st.sampled_from([1, 50, 300, 900, 3000]), max_size=25),
    keys=st.lists(st.sampled_from([None, b"", b"a", b"ab"]), min_size=25, max_size=25),
    rules=st.builds(
        Rules,
        most=st.sampled_from([SIZE, 600, 2000, 1 << 40]),
        keys=st.booleans(),
        names=st.booleans(),
        sometimes=st.booleans(),
    ),
    in_flight=st.booleans(),
    room=st.sampled_from([SIZE, 2000, 1 << 40]),
    batch=st.integers(1, 30),
)
def test_each_match_arrives_or_is_a_dead_letter(
    exactly_once: bool,
    sizes: list[int],
    keys: list[bytes | None],
    rules: Rules,
    in_flight: bool,
    room: int,
    batch: int,
) -> None:
    tried = Delivered(exactly_once, rules, Rules(most=room), batch)
    tried.producer.in_flight = in_flight
    matches = [
        match(number, size, key, number % 3)
        for number, (size, key) in enumerate(zip(sizes, keys, strict=False))
    ]
    good = [
        each
        for each in matches
        if len(each.value) <= rules.most and not (rules.keys and each.key is None)
    ]
    tried.deliver(*matches)
    assert Counter(tried.values()) == Counter(each.value for each in good)
    refused = {each.origin.offset: each for each in tried.letters()}
    assert len(refused) == len(tried.letters()) == len(matches) - len(good)
    for number, each in enumerate(matches):
        if each not in good:
            assert refused[number].kind == "undeliverable"
            assert refused[number].value == (each.value if len(each.value) <= room else b"")
    assert tried.outputs.delivered == {"kafka": len(good), "dead_letters": len(refused)}
    assert (len(tried.outputs.buried()), tried.committed) == (len(refused), 1)


@both
def test_a_topic_for_smaller_batches_gets_smaller_ones_from_then_on(exactly_once: bool) -> None:
    tried = Delivered(exactly_once, Rules(most=1000), batch=1000)
    tried.deliver(*[match(number) for number in range(200)])
    assert len(tried.values()) == 200
    aborted = tried.producer.aborted
    tried.deliver(*[match(number) for number in range(200, 400)])
    assert len(tried.values()) == 400
    assert tried.producer.aborted == aborted
    assert tried.letters() == []


@both
def test_a_message_that_a_policy_forbids_slows_only_its_own_batch(exactly_once: bool) -> None:
    tried = Delivered(exactly_once, Rules(policy=b"!"), batch=50)
    matches = [match(number) for number in range(40)]
    matches[7] = replace(matches[7], value=matches[7].value.replace(b"xx", b"x!"))
    tried.deliver(*matches)
    assert len(tried.values()) == 39
    assert [each.origin.offset for each in tried.letters()] == [7]
    sink = tried.outputs.matches["kafka"]
    assert isinstance(sink, KafkaSink)
    assert (sink._step, sink._room) == (float("inf"), float("inf"))


@both
def test_the_order_of_what_a_topic_takes_stays(exactly_once: bool) -> None:
    tried = Delivered(exactly_once, Rules(keys=True), batch=100)
    matches = [match(number, key=None if number == 5 else b"k") for number in range(20)]
    tried.deliver(*matches)
    assert tried.values() == [each.value for each in matches if each.key]


@both
def test_a_dead_letter_loses_what_its_topic_does_not_take(exactly_once: bool) -> None:
    tried = Delivered(exactly_once, Rules(), Rules(most=100, keys=True))
    tried.deliver(dead=(broken(0), broken(1, 500), broken(2, 500, key=b"k" * 500)))
    letters = {each.origin.offset: each for each in tried.letters()}
    assert letters[0] == broken(0)
    assert [letters[number].value for number in (1, 2)] == [b"", b""]
    assert letters[2].origin.key == b"k" * 500  # a broker in memory weighs values only
    assert letters[1].origin.key is None


def test_what_cannot_be_made_smaller_ends_the_worker() -> None:
    tried = Delivered(False, Rules(), Rules(most=-1))
    with pytest.raises(StreamError, match="a dead letter cannot be delivered: because"):
        tried.deliver(dead=(broken(0),))
    assert tried.committed == 0


@both
def test_a_match_is_not_blamed_as_those_of_another_batch_are_named(exactly_once: bool) -> None:
    """Kafka names nobody of a batch that fails a transaction first, and bystanders of one behind it."""
    tried = Delivered(exactly_once, Rules(keys=True, sometimes=True), batch=4)
    tried.producer.in_flight = True
    keyless = {0, 5}
    tried.deliver(
        *[match(number, key=None if number in keyless else b"abc") for number in range(12)]
    )
    assert len(tried.values()) == 10
    assert {each.origin.offset for each in tried.letters()} == keyless
