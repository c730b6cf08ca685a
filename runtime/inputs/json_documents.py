"""JSON that is not one object a line: arrays, objects over several lines, one after the other, with RS between them.

A stream is cut into the objects that stand at its top, or in an array there, without parsing what is around them: an
array of any length takes the memory of one of its elements.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import IO, Any

import orjson

from sigmac.runtime.errors import InputError
from sigmac.runtime.inputs.format import Event, Format, Item, Unreadable
from sigmac.runtime.inputs.wrappings import events_in

MAX_DOCUMENT = 256 << 20  # bytes of one object: a wrapping may hold a whole file
_CHUNK = 1 << 20  # bytes
# Strings, brackets, and a quotation mark whose string has no end yet
_TOKEN = re.compile(rb'"(?:[^"\\]++|\\.)*+"|[{}\[\]]|"', re.DOTALL)
# What may stand between values: blanks, commas, RS (RFC 7464), and the headings of evtx_dump
_BETWEEN = re.compile(rb"(?:[\s,\x1e]|^Record \d{1,20}$|\xef\xbb\xbf)*", re.MULTILINE)


def objects_in(stream: IO[bytes]) -> Iterator[tuple[int, bytes | None]]:
    """Each object with its number; None for text between them that is no JSON, or an element that is no object.

    Raises `InputError` where the stream ends within a value, or one is too long.
    """
    buffer, at, done = (
        b"",
        0,
        0,
    )  # what is not used up; up to where it is read; and up to where it is told
    depth = base = number = 0
    start: int | None = None
    in_array = False
    while more := stream.read(max(_CHUNK, len(buffer))):
        keep = done if start is None else start
        buffer, at, done = buffer[keep:] + more, at - keep, done - keep
        start = None if start is None else 0
        for token in _TOKEN.finditer(buffer, at):
            text = token[0]
            if text == b'"':
                break  # the string goes on
            at = token.end()
            if text[0] == 0x22:
                continue
            if text in b"{[":
                if start is None:
                    if not _BETWEEN.fullmatch(buffer, done, token.start()):
                        yield number, None
                    done = token.end()
                    if text == b"[" and not depth:
                        in_array, depth = True, 1
                        continue
                    start, base = token.start(), depth
                depth += 1
                continue
            depth -= 1
            if depth < 0:
                raise InputError(f"a bracket too many after {number:,} objects")
            if start is not None and depth == base:
                value = buffer[start : token.end()]
                yield number, value if value[0] == 0x7B else None
                number += 1
                start, done = None, token.end()
            elif start is None and in_array and depth == 0:
                in_array, done = False, token.end()
        if start is not None and len(buffer) - start > MAX_DOCUMENT:
            raise InputError(f"an object of more than {MAX_DOCUMENT >> 20} MiB")
        if start is None and len(buffer) - done > MAX_DOCUMENT:
            raise InputError(f"more than {MAX_DOCUMENT >> 20} MiB that are no JSON")
    if start is not None or depth:
        raise InputError(f"it ends within a value, after {number:,} objects")
    if not _BETWEEN.fullmatch(buffer, done):
        yield number, None


def values_in(stream: IO[bytes]) -> Iterator[tuple[int, bytes, Any] | Unreadable]:
    """Each object with its number, as it is written and as Python has it."""
    for number, value in objects_in(stream):
        if value is None:
            yield Unreadable(number, "no JSON object")
            continue
        try:
            yield number, value, orjson.loads(value)
        except orjson.JSONDecodeError as error:
            yield Unreadable(number, f"not JSON: {error}")


def _read(stream: IO[bytes]) -> Iterator[Item]:
    """What an object wraps is counted one by one."""
    position = 0
    for each in values_in(stream):
        if isinstance(each, Unreadable):
            yield each._replace(position=position)
            position += 1
            continue
        _, value, found = each
        for event in events_in(found):
            whole = event is found and b"\n" not in value and b"\r" not in value
            yield Event(position, value if whole else _line(event))
            position += 1


def _line(event: object) -> bytes:
    try:
        return orjson.dumps(event)
    except orjson.JSONEncodeError:
        return b"nested too deep"  # no JSON: rejected, not evaluated as what it is not


def _recognises(start: bytes) -> bool:
    text = start.removeprefix(b"\xef\xbb\xbf").lstrip(b" \t\r\n\x1e")
    return text[:1] in (b"{", b"[") or re.match(rb"Record \d{1,20}\r?\n\{", text) is not None


FORMAT = Format(
    "json", "JSON: arrays, objects over several lines or one after the other", _recognises, _read
)
