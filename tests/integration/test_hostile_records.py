"""One record that is made to do harm stops nothing: what comes behind it is delivered."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path

import orjson
import pytest
from confluent_kafka import Message

from sigmac.runtime.stream.dead_letters import DeadLetter, from_message
from sigmac.runtime.stream.kafka.message_batch import told_headers
from tests.integration.brokers import Broker
from tests.integration.ledger import Service, Topics, running
from tests.integration.messages import received, send
from tests.integration.raw_messages import RawProducer

pytestmark = [pytest.mark.slow, pytest.mark.java]

LARGE = {"max_message_bytes": "6000000"}
BOTH = pytest.mark.parametrize("delivery", ["at-least-once", "exactly-once"])
WANTED, BROKEN = b'{"n": 0, "Kind": "wanted"}', b'{"n": 0, broken'


@BOTH
def test_headers_whose_names_are_no_text(
    delivery: str, start_broker: Callable[[str], Broker], pack_folder: Path, tmp_path: Path
) -> None:
    kafka = start_broker("kafka")
    topics = Topics(kafka, 2)
    producer = RawProducer(kafka.address)
    bad = [(b"traceparent", b"00-a-b-01"), (b"\xff\xfekey", b"v")]
    producer.produce(topics.events, WANTED, key=b"k", headers=bad)
    producer.produce(topics.events, BROKEN, key=b"k", headers=bad)
    producer.produce(topics.events, WANTED, headers=[(b"traceparent", b"00-a-b-01")])
    producer.produce(topics.events, WANTED, partition=1)
    producer.flush()
    producer.close()
    with running(Service(topics, pack_folder, tmp_path, delivery=delivery)) as service:
        matches = received(kafka, topics.matches, 3)
        letters = received(kafka, topics.dead, 1)
        assert service.metric("sigmac_worker_restarts_total") == [0, 0]
        assert service.stop() == 0
    headers = {}
    for each in matches:
        source = orjson.loads(each.value() or b"")["source"]
        headers[source["partition"], source["offset"]] = dict(each.headers() or ())
    assert headers.keys() == {(0, 0), (0, 2), (1, 0)}
    assert "traceparent" not in headers[0, 0]
    assert headers[0, 2]["traceparent"] == b"00-a-b-01"
    (letter,) = [from_message(each.value(), each.key(), each.headers() or ()) for each in letters]
    assert (letter.value, letter.origin.key, letter.origin.offset) == (BROKEN, b"k", 1)
    assert (letter.origin.headers, letter.origin.headers_lost) == ((), True)


def test_many_headers_whose_names_are_no_text(start_broker: Callable[[str], Broker]) -> None:
    # Python makes a call in another way once it has made it often.
    kafka = start_broker("kafka")
    topics = Topics(kafka, 1)
    producer = RawProducer(kafka.address)
    for number in range(300):
        names = [b"a", b"\xff", b"b"] if number % 3 else [b"a"]
        producer.produce(topics.events, b"", headers=[(name, b"v") for name in names])
    producer.flush()
    producer.close()
    told = [told_headers(each) for each in received(kafka, topics.events, 300)]
    assert told == [None if number % 3 else (("a", b"v"),) for number in range(300)]


def wanted(size: int) -> bytes:
    """An event that matches, with random text, as what repeats is compressed away."""
    return b'{"Kind": "wanted", "pad": "%s"}' % os.urandom(size // 2).hex().encode()


def offsets(matches: Sequence[Message]) -> list[int]:
    return sorted(orjson.loads(each.value() or b"")["source"]["offset"] for each in matches)


def buried(messages: Sequence[Message]) -> dict[int, DeadLetter]:
    letters = [from_message(each.value(), each.key(), each.headers() or ()) for each in messages]
    found = {each.origin.offset: each for each in letters}
    assert len(found) == len(letters)
    return found


def service_of(topics: Topics, pack: Path, folder: Path, delivery: str) -> Service:
    """Its producer takes larger messages than some topics do."""
    service = Service(topics, pack, folder, delivery=delivery, workers=1)
    service.configuration["source"]["kafka"]["producer"] = {"message.max.bytes": "6000000"}
    return service


@BOTH
def test_a_match_that_the_broker_refuses_as_too_large(
    delivery: str, start_broker: Callable[[str], Broker], pack_folder: Path, tmp_path: Path
) -> None:
    kafka = start_broker("kafka")
    topics = Topics(kafka, 1, settings=LARGE, dead_settings=LARGE)
    values = [wanted(20)] * 3 + [wanted(1_500_000)] + [wanted(20)] * 6
    send(kafka, topics.events, values)
    with running(service_of(topics, pack_folder, tmp_path, delivery)) as service:
        matches = received(kafka, topics.matches, 9)
        letters = buried(received(kafka, topics.dead, 1))
        assert sum(service.metric('sigmac_delivered_total{sink="kafka"')) == 9
        assert sum(service.metric("sigmac_delivery_failures_total")) == 0
        assert service.stop(timeout=10) == 0
    assert offsets(matches) == [0, 1, 2, 4, 5, 6, 7, 8, 9]
    assert letters.keys() == {3}
    assert letters[3].kind == "undeliverable"
    assert letters[3].reason == "Broker: Message size too large"
    assert orjson.loads(letters[3].value)["event"]["pad"] == orjson.loads(values[3])["pad"]


@BOTH
def test_small_matches_into_topics_that_take_small_batches_only(
    delivery: str, start_broker: Callable[[str], Broker], pack_folder: Path, tmp_path: Path
) -> None:
    kafka = start_broker("kafka")
    small = {"max_message_bytes": "20000"}
    topics = Topics(kafka, 1, match_settings=small, dead_settings=small)
    values = [wanted(600)] * 1000
    values[300:700:100] = [wanted(30_000), b"{", wanted(30_000)[:-1], b"{"]
    send(kafka, topics.events, values)
    with running(service_of(topics, pack_folder, tmp_path, delivery)) as service:
        matches = received(kafka, topics.matches, 996)
        letters = buried(received(kafka, topics.dead, 4))
        assert sum(service.metric('sigmac_delivered_total{sink="kafka"')) == 996
        assert service.stop(timeout=10) == 0
    assert offsets(matches) == sorted({*range(1000)} - letters.keys())
    kinds = {offset: (each.kind, each.value) for offset, each in letters.items()}
    assert kinds == {
        300: ("undeliverable", b""),
        400: ("rejected", b"{"),
        500: ("rejected", b""),
        600: ("rejected", b"{"),
    }


@BOTH
def test_matches_without_a_key_and_a_topic_that_demands_one(
    delivery: str, start_broker: Callable[[str], Broker], pack_folder: Path, tmp_path: Path
) -> None:
    kafka = start_broker("kafka")
    compacted = {"cleanup_policy": "compact"}
    topics = Topics(kafka, 1, match_settings=compacted, dead_settings=compacted)
    for number in range(60):
        value = BROKEN if number in (7, 8) else wanted(20)
        send(kafka, topics.events, [value], key=None if number % 7 == 0 else b"%d" % number)
    with running(service_of(topics, pack_folder, tmp_path, delivery)) as service:
        matches = received(kafka, topics.matches, 50)
        letters = buried(received(kafka, topics.dead, 10))
        assert service.metric("sigmac_worker_restarts_total") == [0]
        assert service.stop(timeout=10) == 0
    keyless = {*range(0, 60, 7)}
    assert offsets(matches) == sorted({*range(60)} - keyless - {8})
    assert letters.keys() == keyless | {8}
    for offset, letter in letters.items():
        assert letter.origin.key == (None if offset in keyless else b"8")
        assert letter.kind == ("rejected" if offset in (7, 8) else "undeliverable")
    assert letters[0].reason == "Broker: Broker failed to validate record (it has no key)"
