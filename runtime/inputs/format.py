"""What a reader of a format is: bytes in, events out, each with the place where it stands.

A format is one file, which ends in a `FORMAT`; `known_formats.py` lists them all in the order in which a file is tried.
Readers take a stream of the file's text, already decompressed, and hold a bounded part of it at a time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import IO, NamedTuple


class Event(NamedTuple):
    """One event as one line of JSON (an object, UTF-8, without its newline), and its place in the source.

    `position` counts what the format is made of from 0: lines where an event is a line, else records or elements.
    """

    position: int
    data: bytes


class Unreadable(NamedTuple):
    """What stands at a place and is no event of the format, and why, in one sentence without a full stop."""

    position: int
    reason: str


Item = Event | Unreadable
Reader = Callable[[IO[bytes]], Iterator[Item]]
LOOKED_AT = 64 << 10  # bytes at the start of a file by which its format is told


@dataclass(frozen=True, slots=True)
class Format:
    """A format of logs.

    `recognises` says of the first bytes of a file (at most `LOOKED_AT`, the last line may be cut off) whether it is of
    this format; it never says so of another one that stands behind it in the table. `read` yields what stands in the
    file, and raises `InputError` where the rest cannot be read. `logsource` is what all its events are; `needs` is the
    module of an extra that it is read with, `extra` the extra's name.
    """

    name: str
    title: str
    recognises: Callable[[bytes], bool]
    read: Reader
    logsource: Mapping[str, str] = field(default_factory=dict)
    needs: str = ""
    extra: str = ""
