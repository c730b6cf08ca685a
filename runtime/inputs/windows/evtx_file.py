"""EVTX files: the event logs that Windows keeps.

A file is a header and chunks of 64 KiB, each of which can be read alone: so a file of any length takes the memory of
one, a stream need not be seekable, and what is wrong with one chunk leaves the others as they are.
"""

from __future__ import annotations

import importlib.util
from collections import deque
from collections.abc import Iterator
from typing import IO

from sigmac.runtime.errors import InputError
from sigmac.runtime.inputs.apart import Apart, Lost
from sigmac.runtime.inputs.format import Format, Item, Unreadable

_MAGIC, _CHUNK_MAGIC = b"ElfFile\x00", b"ElfChnk\x00"
_HEADER, _CHUNK = 4096, 1 << 16  # bytes
_RECORDS = "sigmac.runtime.inputs.windows.evtx_records"


def recognises(start: bytes) -> bool:
    """Whether a file that begins so is an EVTX file."""
    return start.startswith(_MAGIC)


def read(stream: IO[bytes]) -> Iterator[Item]:
    """The records of a file as flat events; positions are those of its records, from 0.

    Raises `InputError` where it is no EVTX file, or the package `evtx` is missing.
    """
    if importlib.util.find_spec("evtx") is None:
        raise InputError("EVTX files need the package evtx: pip install 'sigmac[evtx]'")
    header = _full(stream, _HEADER)
    if not recognises(header):
        raise InputError("this is no EVTX file")
    if len(header) < _HEADER:
        raise InputError("the EVTX file is cut off within its header")
    position = 0
    with Apart(_RECORDS) as records:
        for item in _of_chunks(records, _chunks(stream)):
            yield item._replace(position=position)
            position += 1


def _chunks(stream: IO[bytes]) -> Iterator[tuple[int, bytes]]:
    """The chunks that are no room for later records, and where they stand."""
    at = _HEADER
    while chunk := _full(stream, _CHUNK):
        if any(chunk[:512]):
            yield at, chunk
        at += len(chunk)


def _of_chunks(records: Apart, chunks: Iterator[tuple[int, bytes]]) -> Iterator[Item]:
    """What stands in the chunks; some are read ahead while the records of one are used."""
    waiting: deque[tuple[int, bytes]] = deque()
    while True:
        while len(waiting) < records.ahead and (found := next(chunks, None)) is not None:
            waiting.append(found)
            _give(records, found[1])
        if not waiting:
            return
        at, chunk = waiting.popleft()
        if not chunk.startswith(_CHUNK_MAGIC):
            yield Unreadable(0, f"there is no chunk of records at byte {at:,}")
            continue
        try:
            yield from records.answers()
        except Lost as error:
            reason = f"the rest of the chunk at byte {at:,} cannot be read: its reader {error}"
            yield Unreadable(0, reason)
            for _, forgotten in waiting:
                _give(records, forgotten)
        if len(chunk) < _CHUNK:
            yield Unreadable(0, f"the file is cut off within the chunk at byte {at:,}")


def _give(records: Apart, chunk: bytes) -> None:
    if chunk.startswith(_CHUNK_MAGIC):
        records.give(chunk.ljust(_CHUNK, b"\x00"))


def _full(stream: IO[bytes], size: int) -> bytes:
    """So many bytes, fewer only at the end: a stream may give less at once."""
    held = b""
    while len(held) < size and (more := stream.read(size - len(held))):
        held += more
    return held


FORMAT = Format(
    "evtx",
    "Windows event log (EVTX)",
    recognises,
    read,
    {"product": "windows"},
    needs="evtx",
    extra="evtx",
)
