"""What a source makes of what librdkafka tells: errors of topics, offsets that cannot be read or committed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from confluent_kafka import KafkaError, KafkaException, TopicPartition

from sigmac.runtime.errors import StreamError
from sigmac.runtime.stream.kafka import consumer as consumer_module
from sigmac.runtime.stream.kafka import message_batch, topic_source
from sigmac.runtime.stream.kafka.connection import Connection, consumer_properties
from sigmac.runtime.stream.kafka.message_batch import PolledMessages
from sigmac.runtime.stream.kafka.topic_source import KafkaSource


@dataclass
class Told:
    """A message, or an error of a partition."""

    _topic: str | None = "named"
    _offset: int | None = 0
    code: int = 0

    def topic(self) -> str | None:
        return self._topic

    def partition(self) -> int:
        return 0

    def offset(self) -> int | None:
        return self._offset

    def value(self) -> bytes:
        return b"{}"

    def error(self) -> KafkaError | None:
        return KafkaError(self.code, "because") if self.code else None


class Consumer:
    """Gives what is in `coming`; `refuses` are raised by commits, one after the other."""

    def __init__(self) -> None:
        self.coming: list[list[Told] | Callable[[], list[Told]]] = []
        self.refuses: list[int] = []
        self.commits: list[dict[str, int]] = []
        self.assigned: list[tuple[str, int]] = []
        self.told: dict[str, Callable[..., None]] = {}

    def subscribe(self, topics: list[str], **told: Callable[..., None]) -> None:
        self.topics = topics
        self.told = told

    def consume(self, count: int, timeout: float) -> list[Told]:
        come = self.coming.pop(0) if self.coming else []
        return come() if callable(come) else come

    def commit(self, offsets: list[TopicPartition], asynchronous: bool) -> None:
        if self.refuses:
            raise KafkaException(KafkaError(self.refuses.pop(0), "because"))
        self.commits.append({each.topic: each.offset for each in offsets})

    def get_watermark_offsets(self, place: TopicPartition, timeout: float) -> tuple[int, int]:
        return 35, 50

    def incremental_unassign(self, places: list[TopicPartition]) -> None:
        pass

    def incremental_assign(self, places: list[TopicPartition]) -> None:
        self.assigned += [(each.topic, each.offset) for each in places]

    assign = incremental_assign


@pytest.fixture
def source(monkeypatch: pytest.MonkeyPatch) -> Callable[..., tuple[KafkaSource, Consumer]]:
    """A member that reads `named` and `^found`, with both of them assigned."""

    def make(**properties: str) -> tuple[KafkaSource, Consumer]:
        consumer = Consumer()
        dotted = {name.replace("_", "."): value for name, value in properties.items()}
        monkeypatch.setattr(message_batch, "Message", Told)
        monkeypatch.setenv(consumer_module.CHOICE, "python")
        monkeypatch.setattr(consumer_module, "make_client", lambda *_: consumer)
        monkeypatch.setattr(topic_source, "find_topics", lambda *_: {})
        monkeypatch.setattr(topic_source, "_ASK_AGAIN", 0)
        connection = Connection()
        connection.answered()
        given = consumer_properties(dotted, {}, 1)
        made = KafkaSource(given, [["named"], ["^found"]], connection, 1 << 20)
        assert made.start()
        assert consumer.topics == ["named", "^found.*"]
        consumer.told["on_assign"](
            consumer, [TopicPartition("named", 0), TopicPartition("found", 0)]
        )
        return made, consumer

    return make


Make = Callable[..., tuple[KafkaSource, Consumer]]


def step(source: KafkaSource, consumer: Consumer, *messages: Told) -> list[Any]:
    consumer.coming.append(list(messages))
    return source.poll(10, 0.1)


def test_offsets_that_were_not_committed_are_tried_again_and_counted(source: Make) -> None:
    made, consumer = source()
    consumer.refuses = [KafkaError._TRANSPORT, KafkaError._TRANSPORT]
    assert step(made, consumer, Told("named", 7))
    made.commit()
    assert (made.uncommitted, consumer.commits) == (1, [])
    assert step(made, consumer) == []  # it fails again
    assert step(made, consumer) == []
    assert consumer.commits == [{"named": 8}]
    assert step(made, consumer) == []
    assert (made.uncommitted, len(consumer.commits)) == (1, 1)


def test_what_another_member_has_now_is_not_committed_later(source: Make) -> None:
    made, consumer = source()
    consumer.refuses = [KafkaError._TRANSPORT]
    step(made, consumer, Told("named", 7), Told("found", 3))
    made.commit()
    consumer.told["on_lost"](consumer, [TopicPartition("named", 0)])
    step(made, consumer)
    assert consumer.commits == [{"found": 4}]
    consumer.refuses = [KafkaError.ILLEGAL_GENERATION]
    step(made, consumer, Told("found", 4))
    made.commit()
    consumer.told["on_lost"](consumer, [TopicPartition("found", 0)])
    step(made, consumer)
    assert consumer.commits == [{"found": 4}]


def test_all_that_was_held_comes_before_what_waits(source: Make) -> None:
    made, consumer = source()
    made._held = [PolledMessages([Told("named", 7)]), PolledMessages([Told("named", 8)])]
    assert len(step(made, consumer, Told("named", 9))) == 2
    assert [each.offset for each in made.positions()] == [9]
    assert len(made.poll(10, 0.1)) == 1
    made.commit()
    assert consumer.commits == [{"named": 10}]


def test_a_partition_that_goes_and_comes_back_while_messages_are_taken_is_read_once(
    source: Make,
) -> None:
    made, consumer = source()
    again = [Told("named", 7), Told("named", 8)]

    def moved() -> list[Told]:
        consumer.told["on_revoke"](consumer, [TopicPartition("named", 0)])
        consumer.told["on_assign"](consumer, [TopicPartition("named", 0)])
        return again

    # Nothing comes at once, then one message, and the group moves while others are waited for.
    consumer.coming = [[], [Told("named", 7)], moved]
    batches: list[Any] = made.poll(10, 1.0)
    assert [each.messages for each in batches if each.messages] == [again]


@pytest.mark.parametrize(
    "code",
    [
        KafkaError.ILLEGAL_GENERATION,
        KafkaError.REBALANCE_IN_PROGRESS,
        KafkaError.STALE_MEMBER_EPOCH,
    ],
)
def test_what_stays_ours_while_the_group_moves_is_committed_later(code: int, source: Make) -> None:
    made, consumer = source()
    consumer.refuses = [code]
    step(made, consumer, Told("named", 7), Told("found", 3))
    made.commit()
    consumer.told["on_revoke"](consumer, [TopicPartition("named", 0)])
    step(made, consumer)
    assert (made.uncommitted, consumer.commits) == (1, [{"found": 4}])


def test_a_batch_whose_partition_went_before_the_commit_is_counted(source: Make) -> None:
    made, consumer = source()
    step(made, consumer, Told("named", 7))
    consumer.told["on_lost"](consumer, [TopicPartition("named", 0)])
    made.commit()
    assert (made.uncommitted, consumer.commits) == (1, [])


@pytest.mark.parametrize("code", [KafkaError.UNKNOWN_TOPIC_OR_PART, KafkaError._UNKNOWN_PARTITION])
def test_a_topic_that_is_named_ends_the_service_and_one_of_a_pattern_does_not(
    code: int, source: Make
) -> None:
    made, consumer = source()
    assert step(made, consumer, Told("found", None, code)) == []
    assert step(made, consumer, Told("^found.*", None, code)) == []
    assert (made.stuck(), made.unmatched()) == ("", "")
    with pytest.raises(StreamError, match="named: there is no such"):
        step(made, consumer, Told("named", None, code))


def test_a_topic_of_a_pattern_that_may_not_be_read_is_told_until_it_may(source: Make) -> None:
    made, consumer = source()
    step(made, consumer, Told("found", None, KafkaError.TOPIC_AUTHORIZATION_FAILED))
    assert made.stuck() == "no permission to read the topic found, which fits a pattern"
    step(made, consumer, Told("named", 1))
    assert made.stuck()
    step(made, consumer, Told("found", 1))
    assert made.stuck() == ""


@pytest.mark.parametrize(
    ("reset", "wanted", "offset", "lost"),
    [
        ("earliest", None, 35, 0),
        ("beginning", 10, 35, 25),
        ("latest", None, 50, 0),
        ("end", 10, 50, 40),
    ],
)
@pytest.mark.parametrize("strategy", ["cooperative-sticky", "range"])
def test_where_it_reads_is_committed_and_what_is_lost_counted(
    reset: str, wanted: int | None, offset: int, lost: int, strategy: str, source: Make
) -> None:
    made, consumer = source(auto_offset_reset=reset, partition_assignment_strategy=strategy)
    step(made, consumer, Told("found", wanted, KafkaError._AUTO_OFFSET_RESET), Told("named", 7))
    made.commit()
    step(made, consumer)
    assert ("found", offset) in consumer.assigned
    assert ("named", 8) in consumer.assigned or strategy != "range"
    assert {name: at for each in consumer.commits for name, at in each.items()} == {
        "named": 8,
        "found": offset,
    }
    assert made.lost == {"named": 0, "found": lost}


def test_an_error_of_a_partition_that_went_while_it_was_taken_keeps_no_other_waiting(
    source: Make,
) -> None:
    made, consumer = source()

    def moved() -> list[Told]:
        consumer.told["on_revoke"](consumer, [TopicPartition("named", 0)])
        return [Told(name, None, KafkaError._AUTO_OFFSET_RESET) for name in ("named", "found")]

    consumer.coming = [moved]
    made.poll(10, 0.1)
    step(made, consumer)
    assert consumer.assigned == [("found", 35)]


def test_with_error_it_stays_and_says_why(source: Make) -> None:
    made, consumer = source(auto_offset_reset="error")
    step(made, consumer, Told("found", None, KafkaError._AUTO_OFFSET_RESET))
    step(made, consumer, Told("named", 7))
    assert consumer.assigned == []
    assert made.stuck() == (
        "found, partition 0: because, and `auto.offset.reset` is `error`: "
        "set the group's offset while the service is stopped"
    )
    consumer.told["on_revoke"](consumer, [TopicPartition("found", 0)])
    assert made.stuck() == ""
