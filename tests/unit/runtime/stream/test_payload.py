"""What a record's value holds: one event, an array, lines, something in an envelope, or nothing of use."""

from __future__ import annotations

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sigmac.runtime.stream.payload import read_events

OBJECTS = st.dictionaries(st.text(max_size=3), st.integers(0, 9) | st.text(max_size=4), max_size=3)


def test_one_event_each_is_taken_as_it_is() -> None:
    events = read_events([b'{"a":1}', b' {"a" : 1.0e0} ', b"not JSON"])
    assert events.data == b'{"a":1}\n {"a" : 1.0e0} \nnot JSON'
    assert events.place(2) == (2, None)
    assert not events.malformed  # the engine says what is no object


def test_a_record_without_a_value_has_no_event() -> None:
    events = read_events([None, b'{"a":1}', b"", b'{"a":2}'])
    assert events.data == b'{"a":1}\n{"a":2}'
    assert [events.place(i) for i in range(2)] == [(1, None), (3, None)]


def test_an_event_over_several_lines_becomes_one() -> None:
    events = read_events([b'{\n  "a": 1\r\n}\n', b'{"b":2}'])
    assert [orjson.loads(line) for line in events.data.split(b"\n")] == [{"a": 1}, {"b": 2}]


def test_a_line_break_within_a_string_stays_an_error() -> None:
    events = read_events([b'{"a": "x\ny"}', b'{"b":2}'])
    assert events.data == b'{"b":2}'
    assert [(bad.record, bad.index) for bad in events.malformed] == [(0, None)]
    assert events.malformed[0].value == b'{"a": "x\ny"}'


def test_a_byte_order_mark_is_no_part_of_any_event() -> None:
    events = read_events([b'{"a":1}', b'\xef\xbb\xbf{"a":2}'])
    assert events.data == b'{"a":1}\n{"a":2}'


@pytest.mark.parametrize(
    ("value", "lines"),
    [
        (b'{"log":{"original":"{\\"a\\":1}"}}', b'{"a":1}'),
        (b'{"log":{"original":{"a":1}}}', b'{"a":1}'),
    ],
)
def test_an_envelope_holds_the_event_or_its_text(value: bytes, lines: bytes) -> None:
    assert read_events([value], "log.original").data == lines


@pytest.mark.parametrize("value", [b'{"log":{}}', b'{"log":3}', b"[]", b"{"])
def test_an_envelope_without_it_is_malformed(value: bytes) -> None:
    events = read_events([value, b'{"log":{"original":{}}}'], "log.original")
    assert events.data == b"{}"
    assert [bad.value for bad in events.malformed] == [value]


def test_elements_of_an_array_know_their_index() -> None:
    events = read_events([b'[{"a":1}, 7, {"a":2}]', b"{}", b"[]"], form="array")
    assert events.data == b'{"a":1}\n{"a":2}'
    assert [events.place(i) for i in range(2)] == [(0, 0), (0, 2)]
    assert [(bad.record, bad.index, bad.value) for bad in events.malformed] == [
        (0, 1, b"7"),
        (1, None, b"{}"),
    ]


def test_lines_know_their_index() -> None:
    events = read_events([b'{"a":1}\n\n{"a":2}\n', b"x"], form="ndjson")
    assert events.data == b'{"a":1}\n{"a":2}\nx'
    assert [events.place(i) for i in range(3)] == [(0, 0), (0, 2), (1, 0)]


@given(st.lists(st.lists(OBJECTS, max_size=4), max_size=4))
def test_nothing_is_lost_or_doubled(records: list[list[dict[str, object]]]) -> None:
    every = [event for record in records for event in record]
    arrays = read_events([orjson.dumps(record) for record in records], form="array")
    lines = read_events(
        [b"\n".join(map(orjson.dumps, record)) for record in records], form="ndjson"
    )
    for events in (arrays, lines):
        assert not events.malformed
        assert [orjson.loads(line) for line in events.data.split(b"\n") if line] == every
        assert [events.place(i)[0] for i in range(len(every))] == [
            number for number, record in enumerate(records) for _ in record
        ]
