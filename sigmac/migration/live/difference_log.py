"""Where differences are written: standard output, or a file that goes on where the state says, whatever happened."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path

import orjson

from sigmac.migration.live.pairing import Pairing, Single
from sigmac.runtime.printable import escaped_json

_LENGTH = "written"  # what the state calls the bytes that it knows of


class DifferenceLog:
    """One JSON object a line. What a file holds beyond the state of `pairing` was not kept: it is cut off.

    Raises `OSError` as files do.
    """

    def __init__(self, path: Path | None, pairing: Pairing):
        self._pairing = pairing
        self._file = None if path is None else os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
        self._length = int(pairing.said(_LENGTH) or 0)
        if self._file is not None:
            # A file that somebody emptied or moved away begins anew.
            self._length = min(self._length, os.fstat(self._file).st_size)
            os.ftruncate(self._file, self._length)
            os.lseek(self._file, self._length, os.SEEK_SET)

    def write(self, found: Sequence[Single]) -> None:
        """Write and flush; the state takes the length."""
        if not found:
            return
        lines = b"".join(orjson.dumps(each.plain()) + b"\n" for each in found)
        if self._file is None:
            sys.stdout.buffer.write(escaped_json(lines) if sys.stdout.isatty() else lines)
            sys.stdout.buffer.flush()
            return
        data = memoryview(lines)
        while data:
            data = data[os.write(self._file, data) :]
        os.fsync(self._file)
        self._length += len(lines)
        self._pairing.say(_LENGTH, str(self._length))

    def close(self) -> None:
        if self._file is not None:
            os.close(self._file)
