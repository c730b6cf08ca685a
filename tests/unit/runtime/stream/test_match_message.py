"""A match on the wire, and its id."""

from __future__ import annotations

from dataclasses import replace

import orjson

from sigmac.runtime import Pack
from sigmac.runtime.correlation.alert import Alert
from sigmac.runtime.correlation.definition import Correlation
from sigmac.runtime.stream.dead_letters import bury
from sigmac.runtime.stream.match_message import (
    MatchWriter,
    alert_message,
    match_id,
    without_event,
)
from sigmac.runtime.stream.record import Origin

ORIGIN = Origin("events", 3, 17, 1_700_000_000_000, b"host-1", (("traceparent", b"00-a-b-01"),))
EVENT = b'{"User": "AUTHORITY",  "Image":"x\\\\whoami.exe"}'


def test_a_match_carries_rule_source_pack_and_the_event_as_it_was(pack: Pack) -> None:
    message = MatchWriter(pack, event=True).message(0, ORIGIN, None, EVENT)
    assert message.value.endswith(b',"event":' + EVENT + b"}")
    match = orjson.loads(message.value)
    assert match["rule"]["title"] == "Whoami"
    assert match["source"] == {"topic": "events", "partition": 3, "offset": 17}
    assert match["pack"] == {"name": pack.name, "version": pack.version}
    assert message.key == b"host-1"
    assert message.partition == 3
    assert dict(message.headers) == {
        "sigmac-rule": b"80167ada-7a12-41ed-b8e9-aa47195c66a1",
        "sigmac-level": b"high",
        "sigmac-pack": f"{pack.name}@{pack.version}".encode(),
        "sigmac-match-id": match["id"].encode(),
        "traceparent": b"00-a-b-01",
    }


def test_without_events_a_match_tells_where_it_is(pack: Pack) -> None:
    message = MatchWriter(pack, event=False).message(0, ORIGIN, 2, EVENT)
    match = orjson.loads(message.value)
    assert "event" not in match
    assert match["source"]["index"] == 2


def test_the_id_is_of_the_place_and_the_rule() -> None:
    first = match_id(ORIGIN, None, "rule")
    assert first == match_id(replace(ORIGIN, key=None, headers=()), None, "rule")
    others = [
        match_id(replace(ORIGIN, offset=18), None, "rule"),
        match_id(replace(ORIGIN, partition=4), None, "rule"),
        match_id(replace(ORIGIN, topic="other"), None, "rule"),
        match_id(replace(ORIGIN, timestamp=1), None, "rule"),  # a topic that was made anew
        match_id(ORIGIN, 0, "rule"),
        match_id(ORIGIN, None, "other rule"),
    ]
    assert len({first, *others}) == 7


def test_a_match_can_be_read_without_its_event(pack: Pack) -> None:
    for event in (EVENT, b'{"Image":' + b"[" * 1023 + b"]" * 1023 + b"}"):
        message = MatchWriter(pack, event=True).message(0, ORIGIN, None, event)
        assert without_event(message.value)["source"]["offset"] == 17
        letter = bury(message, "too large")
        assert (letter.value, letter.origin.offset, letter.version) == (
            message.value,
            17,
            pack.version,
        )
    message = MatchWriter(pack, event=False).message(0, ORIGIN, 2, EVENT)
    assert without_event(message.value) == orjson.loads(message.value)


def test_a_group_may_have_a_field_of_that_name(pack: Pack) -> None:
    correlation = Correlation("C", "event_count", ["a"], 10, ("u", "event"), {"gte": 1})
    group = {"u": "x", "event": "y"}
    place = ("events", 3, 17, None)
    alert = Alert(correlation, place, group, 1, 0, 0, 1, [place])
    for event in (EVENT, None):
        message = alert_message(alert, {"name": "p", "version": "1"}, 3, event)
        assert without_event(message.value)["correlation"]["group"] == group
