"""Every record that is no event becomes a dead letter with its bytes and its place, and the others are evaluated."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import orjson
import pytest

from sigmac.runtime import load_pack
from sigmac.runtime.stream.dead_letters import from_message
from sigmac.runtime.stream.match_message import without_event
from tests.integration.brokers import Broker
from tests.integration.ledger import Service, Topics, running
from tests.integration.messages import received, send
from tests.unit.packs import rule, write_text_pack
from tests.unit.runtime.engine.records import read_records, records_at_block_ends

pytestmark = pytest.mark.slow

PARTITIONS = 3
RULES = rule("sel: {A|contains: evil}\ncondition: sel", title="Evil")
MARK = b"\xef\xbb\xbf"


@pytest.fixture(scope="module")
def evil(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_text_pack(RULES, tmp_path_factory.mktemp("evil"))


def records() -> Iterator[bytes]:
    """Whatever a parser may get wrong, one at the end of each other."""
    yield from read_records()
    yield from records_at_block_ends()


def event_of(record: bytes) -> dict[str, object] | None:
    """What a strict parser finds in it; None where it is no object."""
    try:
        found = orjson.loads(record.removeprefix(MARK))
    except orjson.JSONDecodeError:
        return None
    return found if isinstance(found, dict) else None


def is_blank(record: bytes) -> bool:
    return not record.removeprefix(MARK).strip(b" \t\r\n")


def test_malformed_records_with_their_bytes_and_places(
    broker: Broker, evil: Path, tmp_path: Path
) -> None:
    topics = Topics(broker, PARTITIONS)
    everything = list(records())
    for partition in range(PARTITIONS):
        send(
            broker,
            topics.events,
            everything[partition::PARTITIONS],
            partition,
            key=b"k",
            headers=[("h", b"\xff")],
        )
    pack = load_pack(evil)
    dead, matching = {}, set()
    for number, record in enumerate(everything):
        place = number % PARTITIONS, number // PARTITIONS
        event = event_of(record)
        if event is not None and any(pack.match(event)):
            matching.add(place)
        elif event is None and not is_blank(record):
            dead[place] = record
    assert len(dead) > 800
    assert len(matching) > 800
    with running(Service(topics, evil, tmp_path)) as service:
        letters = [
            from_message(each.value(), each.key(), each.headers() or [])
            for each in received(broker, topics.dead, len(dead))
        ]
        matches = received(broker, topics.matches, len(matching))
        assert service.stop() == 0
    assert {(each.origin.partition, each.origin.offset): each.value for each in letters} == dead
    assert len(letters) == len(dead)
    for letter in letters:
        assert letter.kind in ("rejected", "payload")
        assert letter.origin.topic == topics.events
        assert (letter.origin.key, letter.origin.headers) == (b"k", (("h", b"\xff"),))
        assert letter.origin.timestamp is not None
        assert (letter.pack, letter.index) == ("test", None)
        assert letter.reason
    sources = [without_event(each.value() or b"")["source"] for each in matches]
    assert {(each["partition"], each["offset"]) for each in sources} == matching
    assert len(matches) == len(matching)


def test_what_is_too_large_for_a_topic(broker: Broker, evil: Path, tmp_path: Path) -> None:
    topics = Topics(broker, 1, settings={"max_message_bytes": "5000000"})
    size = 2_000_000
    broken = b'{"A": "' + b"x" * size
    match = b'{"A": "evil' + b"x" * size + b'"}'
    send(broker, topics.events, [broken, match, b"{", b'{"A": "evil"}'])
    with running(Service(topics, evil, tmp_path)) as service:
        letters = [
            from_message(each.value(), each.key(), each.headers() or [])
            for each in received(broker, topics.dead, 3)
        ]
        (last,) = received(broker, topics.matches, 1)
        assert service.stop() == 0
    assert sorted((each.origin.offset, each.kind, each.value) for each in letters) == [
        (0, "rejected", b""),
        (1, "undeliverable", b""),
        (2, "rejected", b"{"),
    ]
    assert orjson.loads(last.value() or b"")["source"]["offset"] == 3
