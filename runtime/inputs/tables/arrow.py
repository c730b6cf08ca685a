"""Arrow's files and streams of record batches, which Feather's second version is too."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import IO

from sigmac.runtime.inputs.format import Format, Item
from sigmac.runtime.inputs.tables.columnar import rows_of

_FILE, _STREAM = b"ARROW1\x00\x00", b"\xff\xff\xff\xff"
_LONGEST_SCHEMA = 16 << 20  # bytes


def recognises(start: bytes) -> bool:
    """Whether a file that begins so is a file or a stream of Arrow."""
    if start.startswith(_FILE):
        return True
    if not start.startswith(_STREAM) or len(start) < 16:
        return False
    size: int = struct.unpack_from("<I", start, 4)[0]
    return 0 < size <= _LONGEST_SCHEMA and size % 8 == 0


def read(stream: IO[bytes]) -> Iterator[Item]:
    """The rows as events; positions are theirs, from 0. Raises `InputError` as `rows_of` does."""
    return rows_of(stream, "arrow")


FORMAT = Format("arrow", "Arrow, Feather", recognises, read, needs="pyarrow", extra="parquet")
