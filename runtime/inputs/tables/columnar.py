"""Rows of files that pyarrow reads, which it does in a process of its own, over a file of its own."""

from __future__ import annotations

import contextlib
import importlib.util
import io
import os
import tempfile
from collections.abc import Iterator
from typing import IO

from sigmac.runtime.errors import InputError
from sigmac.runtime.inputs.apart import Apart, Lost
from sigmac.runtime.inputs.format import Item

_ROWS = "sigmac.runtime.inputs.tables.arrow_rows"
_MOST_COPIED = 4 << 30  # bytes
_AT_ONCE = 1 << 20  # bytes


def rows_of(stream: IO[bytes], kind: str) -> Iterator[Item]:
    """The rows of a file of the kind `parquet` or `arrow`; positions are those of the rows, from 0.

    Raises `InputError` where pyarrow is missing, or the rest cannot be read.
    """
    if importlib.util.find_spec("pyarrow") is None:
        name = "Parquet files need" if kind == "parquet" else "Arrow files need"
        raise InputError(f"{name} the package pyarrow: pip install 'sigmac[parquet]'")
    with _as_file(stream) as path, Apart(_ROWS) as rows:
        try:
            yield from rows.ask(f"{kind}\n{path}".encode("utf-8", "surrogateescape"))
        except Lost as error:
            raise InputError(f"the rest cannot be read: its reader {error}") from None


@contextlib.contextmanager
def _as_file(stream: IO[bytes]) -> Iterator[str]:
    """Where the content of a stream lies: its own file, or a copy for as long as it is needed."""
    path = _path(stream)
    if path is not None:
        yield path
        return
    with tempfile.NamedTemporaryFile(prefix="sigmac-") as copy:
        size = 0
        while some := stream.read(_AT_ONCE):
            size += len(some)
            if size > _MOST_COPIED:
                raise InputError(
                    f"more than {_MOST_COPIED:,} bytes out of a pipe or an archive: give the file itself"
                )
            copy.write(some)
        copy.flush()
        yield copy.name


def _path(stream: IO[bytes]) -> str | None:
    """The path of a stream that is a whole file."""
    raw = getattr(stream, "raw", None)
    if not isinstance(raw, io.FileIO) or not isinstance(raw.name, str) or not raw.seekable():
        return None
    path = os.path.abspath(raw.name)
    try:
        same = os.path.samestat(os.stat(path), os.fstat(raw.fileno()))
        return path if same and stream.tell() == 0 else None
    except OSError:
        return None
