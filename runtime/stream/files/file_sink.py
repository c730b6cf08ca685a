"""Messages to a file, one a line, rotated by size and age.

What `flush` has confirmed is on disk. A file that others rename or remove, as logrotate does, is made anew. After a
crash the file may end within a line: it is cut back to whole lines when it is opened again, and the rest is written
anew, as its records were not committed.
"""

from __future__ import annotations

import errno
import os
import stat
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import structlog

from sigmac.runtime.errors import StreamError
from sigmac.runtime.stream.sink import Message, Undeliverable

log = structlog.get_logger("sigmac.stream.file")

_LOOK_BACK = 1 << 20  # bytes read at once when the last whole line is looked for
_AGAIN = 1.0  # seconds between two tries while the disk is full


class FileSink:
    """One file of a worker; `settings` are `path`, `rotate_mib`, `rotate_hours` and `keep` of the configuration."""

    def __init__(self, settings: Any, index: int):
        path = Path(settings.path)
        # Each worker has a file of its own: lines of two never mix.
        self.path = path if index == 0 else path.with_name(f"{path.stem}.{index}{path.suffix}")
        self._max_bytes = int(settings.rotate_mib * (1 << 20))
        self._max_age = settings.rotate_hours * 3600
        self._keep = settings.keep
        self._pending = b""
        self._size = 0
        self._opened = 0.0
        self._again_at = 0.0
        self._in_work = False  # some of what is pending may be written
        self._file = self._open()

    def _open(self) -> int:
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            file = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o640)
        except OSError as error:
            raise StreamError(f"{self.path}: {error.strerror}") from None
        self._size = _cut_to_whole_lines(file)
        self._opened = time.time() if self._size == 0 else os.fstat(file).st_mtime
        return file

    def write(self, messages: Sequence[Message]) -> None:
        self._pending += b"".join(message.value + b"\n" for message in messages)

    def flush(self, timeout: float) -> bool:
        if not self._pending:
            return True
        if (left := self._again_at - time.monotonic()) > 0:
            time.sleep(min(left, timeout))
            return False
        if not self._in_work:  # else a line may be half written
            if self._is_gone():
                self._open_anew()
            self._rotate()
        self._in_work = True
        try:
            while self._pending:
                # What was written is never written again, even where the disk is full in the middle of a line.
                written = os.write(self._file, self._pending)
                self._size += written
                self._pending = self._pending[written:]
            os.fsync(self._file)
        except OSError as error:
            if error.errno not in (errno.ENOSPC, errno.EDQUOT):
                raise StreamError(f"{self.path}: {error.strerror}") from None
            # A full disk is a stall, not a loss: the worker waits, and says so.
            log.warning("the disk is full; waiting for room", path=str(self.path))
            self._again_at = time.monotonic() + _AGAIN
            return False
        self._in_work = False
        return True

    def _is_gone(self) -> bool:
        """Whether another file, or none, has the name of the one that is open."""
        try:
            found = os.stat(self.path)
        except OSError:
            return True  # opening it again says what is wrong
        ours = os.fstat(self._file)
        return (found.st_ino, found.st_dev) != (ours.st_ino, ours.st_dev)

    def _rotate(self) -> None:
        old = time.time() - self._opened > self._max_age
        if self._size == 0 or not (old or self._size >= self._max_bytes):
            return
        now = time.time_ns()
        stamp = time.strftime("%Y%m%dT%H%M%S", time.gmtime(now // 10**9))
        aside = self.path.with_name(f"{self.path.stem}-{stamp}.{now % 10**9:09}Z{self.path.suffix}")
        try:
            os.rename(self.path, aside)
            for each in self._all_rotated()[: -self._keep or None]:
                each.unlink(missing_ok=True)
        except OSError as error:
            raise StreamError(f"{self.path}: {error.strerror}") from None
        self._open_anew()

    def _open_anew(self) -> None:
        before, self._file = self._file, self._open()
        os.close(before)

    def _all_rotated(self) -> list[Path]:
        pattern = f"{self.path.stem}-[0-9]*T[0-9]*Z{self.path.suffix}"
        return sorted(self.path.parent.glob(pattern))

    def undeliverable(self) -> list[Undeliverable]:
        return []

    def close(self) -> None:
        os.close(self._file)


def _cut_to_whole_lines(file: int) -> int:
    """Cut off what follows the last newline; the size that is left."""
    found = os.fstat(file)
    if not stat.S_ISREG(found.st_mode):
        return 0  # a pipe or a device
    end = place = found.st_size
    while place > 0:
        first = max(0, place - _LOOK_BACK)
        newline = os.pread(file, place - first, first).rfind(b"\n")
        if newline >= 0:
            place = first + newline + 1
            break
        place = first
    if place < end:
        os.ftruncate(file, place)
    return place
