"""One JSON object a line, in whatever it is wrapped; lines that are events as they are take a shorter way."""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import IO

import orjson

from sigmac.runtime.errors import InputError
from sigmac.runtime.inputs.format import Event, Format, Item, Unreadable
from sigmac.runtime.inputs.json_documents import objects_in
from sigmac.runtime.inputs.wrappings import events_in
from sigmac.runtime.scalar.json_record import json_bytes

MAX_LINE = 16 << 20  # bytes
_LOOKED_AT = 200  # lines


def is_plain(start: bytes) -> bool:
    """Whether the lines at the start of a file are events as they are, in no wrapping."""
    lines = start.removeprefix(b"\xef\xbb\xbf").split(b"\n")
    for line in lines[:_LOOKED_AT]:
        try:
            found = orjson.loads(line)
        except orjson.JSONDecodeError:
            continue
        if isinstance(found, dict):
            events = events_in(found)
            if len(events) != 1 or events[0] is not found:
                return False
    return True


def has_lines(start: bytes) -> bool:
    """Whether some line of a file that begins with an object, or with none, is an object by itself."""
    text = start.removeprefix(b"\xef\xbb\xbf").lstrip()
    if text[:1] == b"[" or text.startswith(b"Record "):
        return False
    return any(
        line[:1] == b"{" and line[-1:] == b"}" and _is_object(line)
        for line in map(bytes.strip, text.split(b"\n")[:_LOOKED_AT])
    )


def _is_object(line: bytes) -> bool:
    try:
        return isinstance(orjson.loads(line), dict)
    except orjson.JSONDecodeError:
        return False


def _recognises(start: bytes) -> bool:
    """Whether the first line that is not blank is a JSON object; one that is cut off may be."""
    text = start.removeprefix(b"\xef\xbb\xbf").lstrip(b" \t\r\n")
    line, newline, _ = text.partition(b"\n")
    if line[:1] != b"{":
        return False
    # The beginning of a long line, in which no object has come to its end: else others follow it there
    return _is_object(line) or (not newline and not _holds_an_object(line))


def _holds_an_object(line: bytes) -> bool:
    try:
        return next(objects_in(io.BytesIO(line)), None) is not None
    except InputError:
        return False


def _read(stream: IO[bytes]) -> Iterator[Item]:
    """Each line for itself: what it wraps has its position."""
    number = 0
    while line := stream.readline(MAX_LINE + 1):
        if len(line) > MAX_LINE and not line.endswith(b"\n"):
            while (rest := stream.readline(MAX_LINE)) and not rest.endswith(b"\n"):
                pass
            yield Unreadable(number, f"the line is longer than {MAX_LINE:,} bytes")
            number += 1
            continue
        text = line.removeprefix(b"\xef\xbb\xbf").strip()
        if text:
            yield from _events(number, text)
        number += 1


def _events(number: int, text: bytes) -> Iterator[Item]:
    try:
        found = orjson.loads(text)
    except orjson.JSONDecodeError:
        yield Event(number, text)  # whoever evaluates it says why it is none
        return
    for event in events_in(found):
        try:
            yield Event(number, text if event is found else json_bytes(event))
        except RecursionError:
            yield Unreadable(number, "it is nested too deep")


FORMAT = Format("ndjson", "JSON, one object a line", _recognises, _read)
