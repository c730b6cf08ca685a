"""Parquet files."""

from __future__ import annotations

from collections.abc import Iterator
from typing import IO

from sigmac.runtime.inputs.format import Format, Item
from sigmac.runtime.inputs.tables.columnar import rows_of


def recognises(start: bytes) -> bool:
    """Whether a file that begins so is a Parquet file."""
    return start.startswith((b"PAR1", b"PARE"))


def read(stream: IO[bytes]) -> Iterator[Item]:
    """The rows as events; positions are theirs, from 0. Raises `InputError` as `rows_of` does."""
    return rows_of(stream, "parquet")


FORMAT = Format("parquet", "Parquet", recognises, read, needs="pyarrow", extra="parquet")
