"""EVTX files: the event logs that Windows keeps.

A file is a header and chunks of 64 KiB, each of which can be read alone: so a file of any length takes the memory of
one, a stream need not be seekable, and what is wrong with one chunk leaves the others as they are.
"""

from __future__ import annotations

import importlib.util
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
    position, at = 0, _HEADER
    with Apart(_RECORDS) as records:
        while chunk := _full(stream, _CHUNK):
            for item in _of_chunk(records, chunk, at):
                yield item._replace(position=position)
                position += 1
            at += len(chunk)


def _of_chunk(records: Apart, chunk: bytes, at: int) -> Iterator[Item]:
    if not any(chunk[:512]):
        return  # room for later records
    if not chunk.startswith(_CHUNK_MAGIC):
        yield Unreadable(0, f"there is no chunk of records at byte {at:,}")
        return
    try:
        yield from records.ask(chunk.ljust(_CHUNK, b"\x00"))
    except Lost as error:
        yield Unreadable(
            0, f"the rest of the chunk at byte {at:,} cannot be read: its reader {error}"
        )
    if len(chunk) < _CHUNK:
        yield Unreadable(0, f"the file is cut off within the chunk at byte {at:,}")


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
