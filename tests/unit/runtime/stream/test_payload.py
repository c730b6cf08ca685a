"""What a record's value holds: one event, an array, lines, something in an envelope, or nothing of use."""

from __future__ import annotations

from typing import Any, get_args

import numpy as np
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sigmac.runtime.inputs.lines import Buffers
from sigmac.runtime.reading.known_formats import formats
from sigmac.runtime.stream.payload import Form, read_events
from sigmac.runtime.stream.record import Joinable, Joined

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


SYSMON_XML = (
    b"<Event xmlns='http://schemas.microsoft.com/win/2004/08/events/event'><System><EventID>1</EventID>"
    b"<Channel>Security</Channel></System><EventData><Data Name='Image'>a.exe</Data></EventData></Event>"
)


@pytest.mark.parametrize(
    ("form", "value", "field", "expected"),
    [
        ("json", b'{"Records":[{"eventName":"Stop"}]}', "eventName", "Stop"),
        ("json", b'{"Event":{"System":{"EventID":1},"EventData":{"Image":"a"}}}', "Image", "a"),
        ("windows-xml", SYSMON_XML, "Image", "a.exe"),
        ("cef", b"CEF:0|v|p|1|100|name|5|src=10.0.0.1 act=blocked", "act", "blocked"),
        ("leef", b"LEEF:1.0|v|p|1|login|usrName=bob\tsrc=10.0.0.1", "usrName", "bob"),
        (
            "syslog",
            b'<34>1 2026-01-01T00:00:00Z host app 1 - - {"user":"bob"}',
            "user",
            "bob",
        ),
        (
            "access-log",
            b'10.0.0.1 - - [01/Jan/2026:00:00:00 +0000] "GET /a HTTP/1.1" 404 9 "-" "curl"',
            "sc-status",
            "404",
        ),
        ("auditd", b"type=EXECVE msg=audit(1.0:1): argc=1 a0=6964", "type", "EXECVE"),
    ],
)
def test_formats_of_logs(form: Form, value: bytes, field: str, expected: object) -> None:
    for told in (form, "auto"):
        events = read_events([b"", value], form=told)
        assert not events.malformed
        assert orjson.loads(events.data)[field] == expected
        assert events.place(0) == (1, None)


def test_what_a_record_wraps_is_counted() -> None:
    events = read_events([b'{"Records":[{"a":1},{"a":2}]}', b'{"a":3}'], form="auto")
    assert events.data == b'{"a":1}\n{"a":2}\n{"a":3}'
    assert [events.place(line) for line in range(3)] == [(0, 0), (0, 1), (1, None)]


@pytest.mark.parametrize(
    ("form", "value", "reason"),
    [
        ("auto", b"what is this", "no known format of logs"),
        ("auto", b"PAR1" + bytes(20), "of a record alone this cannot be read: Parquet"),
        ("cef", b"hello", "cef: "),
        ("windows-xml", b"<Event><System>", "windows-xml: "),
    ],
)
def test_what_is_no_event_of_the_format_is_malformed(form: Form, value: bytes, reason: str) -> None:
    events = read_events([b'{"a":1}', value] if form == "auto" else [value], form=form)
    assert [bad.value for bad in events.malformed] == [value]
    assert events.malformed[0].reason.startswith(reason)


@given(st.binary(max_size=60), st.sampled_from(get_args(Form)))
def test_no_bytes_of_a_record_do_harm(value: bytes, form: Form) -> None:
    events = read_events([value, b'{"a":1}'], form=form)
    assert {bad.record for bad in events.malformed} <= {0, 1}


def test_each_format_of_a_record_is_known() -> None:
    own = {"event", "array", "ndjson", "auto"}
    assert set(get_args(Form)) - own <= set(formats())


class _Somewhere(Joinable):
    """Values that are joined into a buffer of `buffers`."""

    def __init__(self, values: list[bytes], buffers: Buffers):
        self._values = values
        self._buffers = buffers

    def __len__(self) -> int:
        return len(self._values)

    def __getitem__(self, index: Any) -> Any:
        return self._values[index]

    def joined(self) -> Joined | None:
        if any(b"\n" in value for value in self._values):
            return None
        data = self._buffers.take(sum(map(len, self._values)) + len(self._values))
        data[:] = b"".join(value + b"\n" for value in self._values)
        ends = np.cumsum([len(value) + 1 for value in self._values])
        return Joined(data, ends, self._buffers)


def test_values_are_joined_where_they_lie_and_their_buffer_goes_back() -> None:
    buffers = Buffers()
    values = [b'{"a": 1}', b"", b"{}"]
    events = read_events(_Somewhere(values, buffers))
    assert events.data == b'{"a": 1}\n\n{}\n'
    assert [*events.lines] == values
    assert events.lines[-1] == b"{}"
    assert events.lines[:2] == values[:2]
    assert {type(line) for line in events.lines} == {bytes}
    assert [events.place(line) for line in range(3)] == [(0, None), (1, None), (2, None)]
    events.done()
    assert buffers.take(1) is events.data
    lines = [b'{"a":\n 1}', b'{"b": [\n]}']
    apart = read_events(_Somewhere(lines, buffers))
    assert [*apart.lines] == [b'{"a":  1}', b'{"b": [ ]}']
    apart.done()
