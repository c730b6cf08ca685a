"""The lines of files that a program appends to, through rotations."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from sigmac.runtime.stream.files.file_source import FileSource

_MOST = 5000  # lines taken at once


@dataclass(frozen=True, slots=True)
class _Settings:
    paths: Sequence[Path]
    follow: bool = True


class FileLines:
    """Follows files; positions are kept in the folder `state`.

    They are kept after the pairs are: a crash in between reads some lines again, which are known then.
    """

    reading: Mapping[int, int] = MappingProxyType({})  # positions are kept here

    def __init__(self, paths: Sequence[Path], state: Path):
        self._source = FileSource(_Settings(paths), state, 0)
        self._unkept = False

    def look(self) -> bool:
        """Files may come later."""
        return True

    def read(self, wait: float, *, paused: bool) -> list[bytes]:
        """What comes within `wait` seconds; a line that is too long counts as an empty one."""
        if paused:
            self._source.keep_alive()
            return []
        batches = self._source.poll(_MOST, wait)
        self._unkept |= bool(batches)
        return [value or b"" for each in batches for value in each.values]

    def mark_end(self) -> None:
        """The end is that of the moment in which `reached_end` is called."""

    def reached_end(self) -> bool:
        """Whether all that the files hold was read."""
        return self._source.caught_up()

    def kept(self) -> None:
        """What was read so far is kept."""
        if self._unkept:
            self._source.commit()
            self._unkept = False

    def close(self) -> None:
        self._source.close()
