"""State on disk: a snapshot, then what each committed batch added to it.

A file is a row of frames, each with its length, a checksum (CRC-32) and JSON: first a snapshot, then what was noted of
each batch. How far it counts is written with the positions of the input, which is the commit: what
stands behind that is of a batch that was not committed, and is cut off. When the frames outgrow the snapshot a new file
begins with a new one, and the old one goes when the positions name the new one.
"""

from __future__ import annotations

import os
import struct
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from sigmac.runtime.errors import StreamError

_HEAD = struct.Struct("<QI")
_LEAST = 4 << 20  # bytes of frames before a new file begins


class StateJournal:
    """One state in the files `NAME-NUMBER` of a folder; `note` says what of it counts.

    `note` is None where nothing does yet, else `[file, bytes]`.
    """

    def __init__(self, folder: Path, name: str) -> None:
        self._folder = folder
        self._prefix = f"{name}-"
        self.note: list[Any] | None = None
        self._snapshot = 0  # bytes of its frame

    def read(self, note: Any) -> list[bytes]:
        """The snapshot and what batches added, as they were written; nothing where `note` is None.

        Raises `StreamError` with one sentence where that cannot be read.
        """
        if note is None:
            return []
        try:
            name, length = note
            path = self._folder / self._checked(name)
            with path.open("r+b") as file:
                data = file.read(length)
                frames = [*_frames(data)]
                file.truncate(length)
        except (OSError, TypeError, ValueError) as error:
            reason = getattr(error, "strerror", None) or error
            raise StreamError(
                f"{self._folder}: the state {self._prefix}* does not restore ({reason}); remove it "
                "and the positions beside it to read the files from their start"
            ) from None
        self.note = [name, length]
        self._snapshot = _HEAD.size + len(frames[0])
        return frames

    def _checked(self, name: str) -> str:
        if not name.startswith(self._prefix) or "/" in name:
            raise ValueError(f"{name!r} is no file of it")
        return name

    @property
    def is_long(self) -> bool:
        """Whether it is time for a new snapshot."""
        if self.note is None:
            return True
        return bool(self.note[1] - self._snapshot > max(_LEAST, self._snapshot))

    def begin(self, snapshot: bytes) -> None:
        """A new file with a snapshot. Raises `OSError`."""
        number = int(self.note[0].removeprefix(self._prefix)) + 1 if self.note else 0
        name = f"{self._prefix}{number}"
        path = self._folder / name
        frame = _frame(snapshot)
        with path.open("wb") as file:
            file.write(frame)
            file.flush()
            os.fsync(file.fileno())
        self.note = [name, len(frame)]
        self._snapshot = len(frame)

    def append(self, pieces: Sequence[bytes]) -> None:
        """What a batch added. Raises `OSError`; the file then counts as far as before."""
        assert self.note is not None
        name, length = self.note
        frames = b"".join(map(_frame, pieces))
        with (self._folder / name).open("r+b") as file:
            file.truncate(length)
            file.seek(length)
            file.write(frames)
            file.flush()
            os.fsync(file.fileno())
        self.note = [name, length + len(frames)]

    def sweep(self) -> None:
        """Remove the files that do not count any more."""
        for path in self._folder.glob(f"{self._prefix}[0-9]*"):
            if self.note is not None and path.name != self.note[0]:
                path.unlink(missing_ok=True)


def _frame(payload: bytes) -> bytes:
    return _HEAD.pack(len(payload), zlib.crc32(payload)) + payload


def _frames(data: bytes) -> Iterator[bytes]:
    """Raises `ValueError` where the data is no row of whole frames."""
    at = 0
    while at < len(data):
        if len(data) - at < _HEAD.size:
            raise ValueError("it is cut off")
        length, checksum = _HEAD.unpack_from(data, at)
        payload = data[at + _HEAD.size : at + _HEAD.size + length]
        if len(payload) != length or zlib.crc32(payload) != checksum:
            raise ValueError("it is damaged")
        yield payload
        at += _HEAD.size + length
    if not data:
        raise ValueError("it is empty")
