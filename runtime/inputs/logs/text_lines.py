"""What all readers of text logs do: walk over the lines of a file, and tell by its first lines whether they read it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import IO, Any

from sigmac.runtime.inputs.format import LOOKED_AT, Event, Item, Unreadable
from sigmac.runtime.inputs.lines import MAX_RECORD
from sigmac.runtime.scalar.json_record import json_bytes

TOO_LONG = f"the line is longer than {MAX_RECORD:,} bytes"
# In memory a field costs many times its bytes in the line
MOST_FIELDS = 10_000
TOO_MANY = f"the line has more than {MOST_FIELDS:,} fields"
_BOM = b"\xef\xbb\xbf"
_SKIPPED_AT_ONCE = 1 << 20  # bytes of a line that is too long
_TRIED = 16  # lines at the start of a file

# A line's fields, or why it has none
Parsed = Mapping[str, Any] | str


def text_lines(stream: IO[bytes]) -> Iterator[tuple[int, str | None]]:
    """The lines that are not blank, each with its number from 0 and without its end; None for one that is too long.

    Bytes that are no UTF-8 become U+FFFD. At most one line is held.
    """
    number = 0
    while line := stream.readline(MAX_RECORD + 1):
        if number == 0:
            line = line.removeprefix(_BOM)
        if len(line) > MAX_RECORD and not line.endswith(b"\n"):
            while line and not line.endswith(b"\n"):
                line = stream.readline(_SKIPPED_AT_ONCE)
            yield number, None
        else:
            text = line.decode(errors="replace").rstrip("\r\n")
            if text and not text.isspace():
                yield number, text
        number += 1


def read_lines(stream: IO[bytes], parse: Callable[[str], Parsed]) -> Iterator[Item]:
    """An item for each line that is not blank, where every line is an event on its own."""
    for number, line in text_lines(stream):
        yield item_of(number, TOO_LONG if line is None else parse(line))


def item_of(number: int, parsed: Parsed) -> Item:
    """What a line gives: its fields as JSON, or the reason why there are none."""
    if isinstance(parsed, str):
        return Unreadable(number, parsed)
    try:
        data = json_bytes(parsed)
    except RecursionError:
        return Unreadable(number, "the JSON in the line is nested too deep")
    if len(data) > MAX_RECORD:
        return Unreadable(number, f"the event is longer than {MAX_RECORD:,} bytes as JSON")
    return Event(number, data)


def first_lines(start: bytes) -> list[str]:
    """The first lines of a file that are not blank, from its first bytes; a last line that is cut off is left out."""
    lines = start.removeprefix(_BOM).split(b"\n", 4 * _TRIED)
    if len(lines) > 4 * _TRIED or (len(lines) > 1 and len(start) >= LOOKED_AT):
        del lines[-1]
    texts = [line.decode(errors="replace").rstrip("\r") for line in lines]
    return [text for text in texts if text and not text.isspace()][:_TRIED]


def most_are(start: bytes, fits: Callable[[str], object]) -> bool:
    """Whether more than half of a file's first lines are such as `fits` says."""
    lines = first_lines(start)
    return 2 * sum(1 for line in lines if fits(line)) > len(lines)
