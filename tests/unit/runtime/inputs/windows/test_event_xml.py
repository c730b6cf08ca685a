"""Events of Windows as XML."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sigmac.runtime.inputs.format import Event, Item, Unreadable
from sigmac.runtime.inputs.lines import MAX_RECORD
from sigmac.runtime.inputs.windows.event_xml import FORMAT, read

EVTX = Path(__file__).resolve().parents[6] / "shared" / "corpus" / "formats" / "evtx"
GOOD = (
    b'<Event xmlns="http://schemas.microsoft.com/win/2004/08/events/event"><System>'
    b'<Provider Name="Sysmon" Guid="{5770385f}"/><EventID Qualifiers="0">1</EventID><Level>4</Level>'
    b"<Channel>Microsoft-Windows-Sysmon/Operational</Channel><Correlation/>"
    b'<TimeCreated SystemTime="2024-01-02T03:04:05.678Z"/></System>'
    b'<EventData><Data Name="Image">C:\\a &amp; b.exe</Data><Data Name="Rule Name"></Data></EventData></Event>'
)
FLAT = {
    "Provider_Name": "Sysmon",
    "Provider_Guid": "{5770385f}",
    "EventID": 1,
    "EventID_Qualifiers": 0,
    "Level": 4,
    "Channel": "Microsoft-Windows-Sysmon/Operational",
    "TimeCreated_SystemTime": "2024-01-02T03:04:05.678Z",
    "Image": "C:\\a & b.exe",
    "RuleName": "",
}


class Slow(io.BytesIO):
    """A stream that gives a few bytes at a time."""

    def read(self, size: int | None = -1) -> bytes:
        return super().read(7)


def items(text: bytes) -> list[Item]:
    made = [*read(io.BytesIO(text))]
    if len(text) < 10_000:
        assert [*read(Slow(text))] == made
    return made


def flat(text: bytes) -> list[dict[str, Any]]:
    made = items(text)
    assert [item.position for item in made] == list(range(len(made)))
    return [orjson.loads(item.data) for item in made if isinstance(item, Event)]


def with_data(body: str) -> bytes:
    return f"<Event><System><EventID>1</EventID></System>{body}</Event>".encode()


@pytest.mark.parametrize(
    ("text", "events"),
    [
        (GOOD, 1),
        (GOOD + b"\r\n" + GOOD, 2),
        (b"<?xml version='1.0' encoding='utf-16'?>\n<Events>" + GOOD * 3 + b"</Events>", 3),
        (b"\xef\xbb\xbf<?xml version='1.0'?><Events>" + GOOD + b"</Events>", 1),
        (2 * (b"\xef\xbb\xbf<?xml version='1.0'?>\n<Events>\n" + GOOD + b"</Events>"), 2),
        (b"<!-- exported --> " + GOOD, 1),
    ],
)
def test_exports_and_events_one_after_the_other(text: bytes, events: int) -> None:
    assert FORMAT.recognises(text)
    assert flat(text) == [FLAT] * events


@pytest.mark.parametrize(
    "text", [b"<html><Event><System>", b"<Eventful><System>", b"{}", b"", b"<a/>"]
)
def test_any_other_text_is_not_recognised(text: bytes) -> None:
    assert not FORMAT.recognises(text)


def test_recognising_takes_no_time_for_many_comments() -> None:
    assert not FORMAT.recognises(b"<!--a-->" * 8000)


@pytest.mark.parametrize(
    ("body", "gives"),
    [
        ("<EventData><Data>a</Data><Data>b</Data></EventData>", {"Data": ["a", "b"]}),
        ("<EventData><Data>a</Data><Binary>00</Binary></EventData>", {"Data": "a", "Binary": "00"}),
        (
            "<EventData><Data Name='A'>1</Data><Data Name='A'>2</Data></EventData>",
            {"A": ["1", "2"]},
        ),
        ("<UserData><E xmlns='x'><K>v</K></E></UserData>", {"K": "v"}),
        ("<UserData><n:E xmlns:n='x'><n:K>v</n:K></n:E></UserData>", {"K": "v"}),
        ("<UserData><E><Event>v</Event></E></UserData>", {"Event": "v"}),
        ("<RenderingInfo><Message>m</Message></RenderingInfo>", {"Message": "m"}),
        ("<EventData><Data Name='A'><![CDATA[</Event>]]></Data></EventData>", {"A": "</Event>"}),
        ("<EventData><Data Name='EventID'>7</Data></EventData>", {}),
    ],
)
def test_data(body: str, gives: dict[str, Any]) -> None:
    assert flat(with_data(body)) == [{"EventID": 1, **gives}]


def test_what_is_laid_out_over_lines_is_read_without_the_layout() -> None:
    text = b"<Event>\n <System>\n  <Provider Name='P'>\n  </Provider>\n  <EventID>\n 1 </EventID>\n </System>\n</Event>"
    assert flat(text) == [{"Provider_Name": "P", "EventID": 1}]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (b"<Event><System>", "the event has no end"),
        (b"<Event><System></Event>", "not well-formed XML: mismatched tag"),
        (b"<Event><System>&nothing;</System></Event>", "not well-formed XML: undefined entity"),
        (b"<Event><System/></Event>", "the event has no System"),
        (b"<Event>" + b"<a>" * 70 + b"</a>" * 70 + b"</Event>",
         "the event has more than 64 elements within each other"),
        (b"<Event>" + b"<a/>" * 70_000 + b"</Event>", "the event has more than 65,536 elements"),
        (b"<Event><System><a>" + b"x" * (MAX_RECORD + 1) + b"</a></System></Event>",
         "the event is longer than 16,777,216 bytes"),
        (b"<Event><System a='" + b"x" * (2 * MAX_RECORD) + b"'/></Event>",
         "a part of it is longer than 16,777,216 bytes"),
    ],
)  # fmt: skip
def test_what_cannot_be_read_is_told_and_the_rest_read(text: bytes, reason: str) -> None:
    made = items(GOOD + text + GOOD * 2)
    assert made[1] == Unreadable(1, reason)
    assert [type(item) for item in made] == [Event, Unreadable, Event, Event]


def test_nothing_is_declared() -> None:
    bomb = b'<!DOCTYPE a [<!ENTITY x "y"><!ENTITY z "&x;&x;">]>' + with_data(
        "<EventData><Data Name='A'>&z;</Data></EventData>"
    )
    made = items(bomb + GOOD)
    assert [type(item) for item in made] == [Unreadable, Unreadable, Event]


def test_a_text_that_ends_within_an_event_is_told() -> None:
    assert items(GOOD + GOOD[:-20])[1:] == [Unreadable(1, "the text ends within the event")]


@pytest.mark.skipif(not EVTX.is_dir(), reason=f"there is no corpus at {EVTX}")
def test_xml_and_evtx_files_give_the_same_events() -> None:
    evtx = pytest.importorskip("evtx", reason="the extra evtx is not installed")
    from sigmac.runtime.inputs.windows import evtx_file

    compared = 0
    for file in sorted(EVTX.glob("*.evtx"))[::4]:
        records = evtx.PyEvtxParser(str(file)).records()
        as_xml = flat("".join(record["data"] for record in records).encode())
        with file.open("rb") as stream:
            as_evtx = [
                orjson.loads(item.data)
                for item in evtx_file.read(stream)
                if isinstance(item, Event)
            ]
        for one, other in zip(as_xml, as_evtx, strict=True):
            compared += 1
            assert as_texts(one) == as_texts(other)
    assert compared > 50


def as_texts(event: dict[str, Any]) -> dict[str, str]:
    """Values as XML has them; what is empty left out, ends of lines alike."""
    texts = {}
    for name, value in event.items():
        text = "\n".join(value) if isinstance(value, list) else str(value)
        text = text.lower() if isinstance(value, bool) else text.replace("\r\n", "\n")
        if value is not None and text.strip():
            texts[name] = text
    return texts


@given(st.binary(max_size=300))
def test_no_bytes_end_the_reader(some: bytes) -> None:
    for text in (some, GOOD[:120] + some + GOOD, b"<Event>" + some):
        FORMAT.recognises(text)
        assert [item.position for item in items(text)] == [*range(len(items(text)))]


PIECES = b"<Event>,</Event>,<System>,</System>,<a b='c'>,</a>,x,<!--,-->,&,<?xml ?>".split(b",")


@given(st.lists(st.sampled_from([*PIECES, GOOD]), max_size=12))
def test_no_pieces_end_the_reader(pieces: list[bytes]) -> None:
    made = items(b"".join(pieces))
    assert [item.position for item in made] == [*range(len(made))]
