"""Pieces of bytes sorted by keys in bounded memory: what is too much waits in temporary files without a name."""

from __future__ import annotations

import heapq
import struct
import tempfile
from collections.abc import Iterator
from typing import IO

Key = tuple[int, int, int]

MEMORY = 64 << 20  # bytes
_OVERHEAD = 250  # bytes a piece takes besides its own
_HEAD = struct.Struct("<qqqI")


class SortedSpool:
    """Pieces with keys of three integers of 64 bits; those of one key stay in the order in which they were added."""

    def __init__(self, memory: int = MEMORY) -> None:
        self._memory = memory
        self._used = 0
        self._pieces: list[tuple[Key, bytes]] = []
        self._files: list[IO[bytes]] = []

    def add(self, key: Key, piece: bytes) -> None:
        """Keep a piece. Raises `OSError` where it has to wait on a disk that takes no more."""
        self._pieces.append((key, piece))
        self._used += len(piece) + _OVERHEAD
        if self._used > self._memory:
            self._spill()

    def _spill(self) -> None:
        file = tempfile.TemporaryFile(prefix="sigmac-")  # noqa: SIM115 - it lives as long as the spool
        self._files.append(file)
        for key, piece in self._in_memory():
            file.write(_HEAD.pack(*key, len(piece)))
            file.write(piece)
        file.flush()
        self._pieces.clear()
        self._used = 0

    def _in_memory(self) -> list[tuple[Key, bytes]]:
        return sorted(self._pieces, key=_key)

    def __iter__(self) -> Iterator[tuple[Key, bytes]]:
        """All pieces in the order of their keys."""
        return heapq.merge(*map(_read, self._files), self._in_memory(), key=_key)

    def close(self) -> None:
        """Give the disk back."""
        for file in self._files:
            file.close()
        self._pieces.clear()


def _key(item: tuple[Key, bytes]) -> Key:
    return item[0]


def _read(file: IO[bytes]) -> Iterator[tuple[Key, bytes]]:
    file.seek(0)
    while head := file.read(_HEAD.size):
        first, second, third, length = _HEAD.unpack(head)
        yield (first, second, third), file.read(length)
