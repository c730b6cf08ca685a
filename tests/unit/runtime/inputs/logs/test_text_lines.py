"""What holds for every reader of text logs, whatever the bytes."""

from __future__ import annotations

import io
from pathlib import Path

import orjson
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from sigmac.runtime.inputs.format import LOOKED_AT, Event, Format
from sigmac.runtime.inputs.lines import MAX_RECORD
from sigmac.runtime.inputs.logs import access_log, auditd, cef, iis, leef, syslog, w3c, zeek
from tests.unit.runtime.inputs.logs.reading import event_of, faults_of

CORPUS = Path(__file__).resolve().parents[6] / "shared" / "corpus"
FORMATS = [module.FORMAT for module in (access_log, auditd, cef, iis, leef, syslog, w3c, zeek)]
GOOD = {
    "access-log": b'192.0.2.7 - - [28/Nov/2026:10:00:00 +0100] "GET /a?b HTTP/1.1" 200 5 "-" "x"\n',
    "auditd": b'type=EXECVE msg=audit(1604994496.155:7): argc=2 a0="arp" a1[0]=4142 msg=\'a="b"\'\n',
    "cef": b"CEF:0|a|b|c|d|e|f|g=h i=j\\=k\n",
    "iis": b"#Software: Microsoft Internet Information Services 10.0\n#Fields: date cs-method\n1 GET\n",
    "leef": b"LEEF:2.0|a|b|c|d|^|e=f^g=h\n",
    "syslog": b'<34>1 2026-11-28T10:00:00Z host app 7 - [a b="c"] {"d": 1}\n',
    "w3c": b'#Fields: date time cs-method cs(User-Agent)\n2026-11-28 10:00:00 GET "a b"\n',
    "zeek": b"#separator \\x09\n#path\tdns\n#fields\ta\tb\n#types\ttime\tset[count]\n1.5\t1,2\n",
}
OTHERS = {
    "nothing": b"",
    "blank lines": b"\n\n \n",
    "ndjson": b'{"type": "SYSCALL", "msg": "audit(1:2)"}\n{"a": 1}\n',
    "json": b'[\n  {"a": 1}\n]\n',
    "csv": b"date,time,c-ip,cs-method\n2026-11-28,10:00:00,10.0.0.1,GET\n",
    "prose": b"On Nov 28 10:00:00 the host said: hello.\nIt was = a fine | day.\n",
    "xml": b'<?xml version="1.0"?>\n<Events><Event><System/></Event></Events>\n',
    "markdown": b"#Fields of study\n#separators\n# Zeek\n",
    "code": b"#!/bin/sh\n#Fields: none\ntype=x msg=y\n",
    "binary": bytes(range(256)) * 20,
    "pairs": b"time=2026-11-28T10:00:00Z level=info msg=hello\n",
}
by_name = pytest.mark.parametrize("form", FORMATS, ids=lambda form: form.name)

# Bytes at random reach little of a grammar: pieces of the formats' own lines reach more
PIECES = st.sampled_from(
    [
        piece
        for line in GOOD.values()
        for piece in line.replace(b" ", b"\n \n").split(b"\n")
        if piece
    ]
    + [
        b"\t",
        b'"',
        b"'",
        b"\\",
        b"\\x",
        b"=",
        b"|",
        b"[",
        b"]",
        b"{",
        b"<Event>",
        b"\xff",
        b"\0",
        b"\x1d",
    ]
    + [b'{"a":' * 3, b"-", b"#", b"#fields\t", b"9" * 30, b"1e999", b"\xed\xa0\x80", b"\r"]
)
LOGS = st.lists(
    st.one_of(PIECES, st.binary(max_size=5), st.sampled_from([b"\n", b" "])), max_size=30
)


@by_name
@given(is_begun=st.booleans(), pieces=LOGS)
@example(is_begun=False, pieces=[b"\xef\xbb\xbf"])
def test_every_line_is_an_event_or_told(form: Format, is_begun: bool, pieces: list[bytes]) -> None:
    log = (GOOD[form.name] if is_begun else b"") + b"".join(pieces)
    form.recognises(log)
    positions = []
    for item in form.read(io.BytesIO(log)):
        positions.append(item.position)
        if isinstance(item, Event):
            assert b"\n" not in item.data
            assert isinstance(orjson.loads(item.data), dict)
        else:
            assert item.reason
            assert not item.reason.endswith(".")
    assert positions == [
        number
        for number, line in enumerate(log.removeprefix(b"\xef\xbb\xbf").split(b"\n"))
        if not is_blank(line) and not is_layout(form, line)
    ]


def is_blank(line: bytes) -> bool:
    text = line.decode(errors="replace").rstrip("\r")
    return not text or text.isspace()


def is_layout(form: Format, line: bytes) -> bool:
    """Whether a line is of a header, or what ausearch writes between events."""
    if form.name == "auditd":
        return line.rstrip(b"\r") == b"----" or line.startswith(b"time->")
    return form.name in ("iis", "w3c", "zeek") and line.startswith(b"#")


@by_name
def test_a_file_is_recognised_by_its_format_alone(form: Format) -> None:
    of_it = {name for name, log in GOOD.items() if form.recognises(log)}
    assert of_it == ({"iis", "w3c"} if form.name == "w3c" else {form.name})
    assert {name for name, log in OTHERS.items() if form.recognises(log)} == set()


@by_name
def test_a_file_is_recognised_by_what_is_looked_at(form: Format) -> None:
    *header, line = GOOD[form.name].splitlines(keepends=True)
    log = b"".join(header) + line * (LOOKED_AT // len(line) + 1)
    assert form.recognises(log[:LOOKED_AT])
    assert form.recognises(b"\xef\xbb\xbf" + log[: LOOKED_AT - 3].replace(b"\n", b"\r\n"))


@by_name
def test_a_line_that_is_too_long_is_told_and_not_held(form: Format) -> None:
    good = GOOD[form.name]
    number = good.count(b"\n")
    log = good + b"x" * (MAX_RECORD + 5) + b"\n" + good.splitlines(keepends=True)[-1]
    assert faults_of(form, log) == {number: "the line is longer than 16,777,216 bytes"}


@by_name
def test_a_byte_order_mark_and_carriage_returns_are_no_part_of_a_line(form: Format) -> None:
    good = GOOD[form.name]
    assert event_of(form, b"\xef\xbb\xbf" + good.replace(b"\n", b"\r\n")) == event_of(form, good)


def test_json_too_deep_to_be_written_and_events_too_long_are_told() -> None:
    long = b'<34>a="%s" b=c\n' % (b"\x01" * (MAX_RECORD // 3))
    deep = b'<34>{"a": %s1%s}' % (b"[" * 1000, b"]" * 1000)
    faults = faults_of(syslog.FORMAT, long + deep)
    assert faults[0] == "the event is longer than 16,777,216 bytes as JSON"
    assert faults.get(1, "") in ("", "the JSON in the line is nested too deep")


@pytest.mark.skipif(not CORPUS.exists(), reason="needs ../shared")
def test_recorded_events_of_other_formats_are_not_taken() -> None:
    for file in (CORPUS / "formats").rglob("*"):
        if file.is_file() and file.parent.name != "auditd":
            start = file.read_bytes()[:LOOKED_AT]
            assert [form.name for form in FORMATS if form.recognises(start)] == [], file
