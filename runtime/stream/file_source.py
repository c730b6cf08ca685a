"""Lines of files, followed through rotations, with positions that outlive a restart.

The position of a file is kept by its device, inode and first bytes, so that a file that was renamed by a rotation is
read to its end, and a new file of the same name from its start. Positions are written (aside, synced, renamed) when a
batch is committed.
"""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

import orjson
import structlog

from sigmac.runtime.errors import InputError, StreamError
from sigmac.runtime.records import MAX_RECORD, read_blocks
from sigmac.runtime.stream.record import Batch, Origin, SourceEnded

log = structlog.get_logger("sigmac.stream.file")

_READ = 1 << 20  # bytes at once
_LOOK = 0.1  # seconds between two looks at files that had nothing new
_FINGERPRINT = 256  # bytes at the start of a file that tell it from another of the same inode
_COMPRESSED = (".gz", ".zst")


class LineBatch:
    """Lines of one file; `first` is the number of the first of them, from 0."""

    stream = 0

    def __init__(self, name: str, values: Sequence[bytes], first: int):
        self.name = name
        self.values: Sequence[bytes | None] = values
        self.first = first

    def origin(self, record: int) -> Origin:
        return Origin(self.name, 0, self.first + record)

    def sizes(self) -> list[tuple[str, int, int]]:
        return [(self.name, len(self.values), sum(len(value or b"") for value in self.values))]


@dataclass(slots=True)
class _Place:
    """How far a file was read: `offset` in bytes, `line` in lines from 0."""

    offset: int = 0
    line: int = 0
    inode: int = 0
    device: int = 0
    fingerprint: str = ""
    covered: int = 0  # bytes that the fingerprint is of


@dataclass(slots=True)
class _Followed:
    """A path and the file that is read under it."""

    path: Path
    file: IO[bytes] | None = None
    done: _Place = field(default_factory=_Place)  # committed
    read: _Place = field(default_factory=_Place)  # polled
    lines: Any = None  # of a compressed file
    ended: bool = False


class FileSource:
    """Files of the configuration; `state` is the folder for `files.json`."""

    def __init__(self, settings: Any, state: Path, index: int):
        self._follow = settings.follow
        self._checkpoint = state / f"files-{index}.json"
        self._files = [_Followed(Path(path)) for path in settings.paths]
        self._turn = 0
        known = self._remembered()
        for each in self._files:
            if str(each.path) in known:
                each.done = _Place(**known[str(each.path)])

    def _remembered(self) -> dict[str, Any]:
        try:
            self._checkpoint.parent.mkdir(parents=True, exist_ok=True)
            found = orjson.loads(self._checkpoint.read_bytes())
        except FileNotFoundError:
            return {}
        except OSError as error:
            raise StreamError(f"{self._checkpoint}: {error.strerror}") from None
        except orjson.JSONDecodeError:
            raise StreamError(
                f"{self._checkpoint}: not readable; remove it to read the files from their start"
            ) from None
        return dict(found)

    def poll(self, max_records: int, max_wait: float) -> list[Batch]:
        until = time.monotonic() + max_wait
        while True:
            for _ in self._files:
                each = self._files[self._turn]
                self._turn = (self._turn + 1) % len(self._files)
                lines = self._read(each, max_records)
                if lines:
                    first = each.read.line - len(lines)
                    return [LineBatch(str(each.path), lines, first)]
            if all(each.ended for each in self._files):
                raise SourceEnded
            if time.monotonic() >= until:
                return []
            time.sleep(_LOOK)

    def _read(self, each: _Followed, most: int) -> list[bytes]:
        if each.ended:
            return []
        if each.path.suffix in _COMPRESSED:
            return self._read_compressed(each)
        if each.file is None and not self._open(each):
            return []
        assert each.file is not None
        lines = self._lines(each, most)
        if not lines and not self._follow:
            each.file.seek(each.read.offset)
            last = each.file.read(MAX_RECORD + 1)
            self._close(each)
            each.ended = True
            if last.strip():
                each.read.offset += len(last)
                each.read.line += 1
                return [last]
        elif not lines and self._was_replaced(each):
            # Read to its end, and another file has its name: go on with that one.
            self._close(each)
            each.done = each.read = _Place()
            return self._read(each, most)
        return lines

    def _open(self, each: _Followed) -> bool:
        try:
            file = each.path.open("rb")
        except FileNotFoundError:
            if not self._follow:
                raise StreamError(f"{each.path}: no such file") from None
            return False  # it may come
        except OSError as error:
            raise StreamError(f"{each.path}: {error.strerror}") from None
        stat = os.fstat(file.fileno())
        place = each.done
        same = (
            (place.inode, place.device) == (stat.st_ino, stat.st_dev)
            and stat.st_size >= place.offset
            and _fingerprint(file, place.covered) == place.fingerprint
        )
        if not same:
            place = _Place(inode=stat.st_ino, device=stat.st_dev)
        each.done = place
        each.read = _copy(place)
        file.seek(place.offset)
        each.file = file
        return True

    def _lines(self, each: _Followed, most: int) -> list[bytes]:
        file = each.file
        assert file is not None
        if os.fstat(file.fileno()).st_size < each.read.offset:
            log.warning("a file was cut; it is read from its start", path=str(each.path))
            each.read = _copy(each.read)
            each.read.offset = each.read.line = each.read.covered = 0
            each.read.fingerprint = ""
        file.seek(each.read.offset)
        text = file.read(_READ)
        end = text.rfind(b"\n") + 1
        while text and not end:
            more = file.read(_READ)
            if not more:
                return []  # the line is not finished
            text += more
            end = text.rfind(b"\n") + 1
            if len(text) > MAX_RECORD and not end:
                raise StreamError(
                    f"{each.path}: line {each.read.line + 1} is longer than {MAX_RECORD:,} bytes"
                )
        lines = text[:end].split(b"\n")[:-1]
        if len(lines) > most:
            lines = lines[:most]
            end = sum(map(len, lines)) + len(lines)
        each.read = _copy(each.read)
        each.read.offset += end
        each.read.line += len(lines)
        if each.read.covered < _FINGERPRINT and lines:
            each.read.covered = min(_FINGERPRINT, each.read.offset)
            each.read.fingerprint = _fingerprint(file, each.read.covered)
        return lines

    def _read_compressed(self, each: _Followed) -> list[bytes]:
        if each.lines is None:
            each.read = _copy(each.done)
            each.lines = read_blocks(str(each.path))
        try:
            for block in each.lines:
                lines = block.data.removesuffix(b"\n").split(b"\n")
                fresh = lines[max(0, each.done.line - block.first) :]
                each.read.line = block.first + len(lines)
                if fresh:
                    return list(fresh)
        except InputError as error:
            raise StreamError(str(error)) from None
        each.ended = True
        return []

    def _was_replaced(self, each: _Followed) -> bool:
        try:
            stat = each.path.stat()
        except OSError:
            return False  # renamed, and nothing has come in its place yet
        return (stat.st_ino, stat.st_dev) != (each.read.inode, each.read.device)

    def commit(self) -> None:
        for each in self._files:
            each.done = _copy(each.read) if each.read.line or each.read.offset else each.done
        plain = {
            str(each.path): {name: getattr(each.done, name) for name in _Place.__slots__}
            for each in self._files
        }
        temporary = self._checkpoint.with_suffix(".new")
        try:
            with temporary.open("wb") as file:
                file.write(orjson.dumps(plain))
                file.flush()
                os.fsync(file.fileno())
            temporary.rename(self._checkpoint)
        except OSError as error:
            raise StreamError(f"{self._checkpoint}: {error.strerror}") from None

    def rewind(self) -> None:
        for each in self._files:
            if each.lines is not None:
                each.lines, each.ended = None, False
            each.read = _copy(each.done)

    def keep_alive(self) -> None:
        time.sleep(0.01)  # files wait

    def lag(self) -> dict[tuple[str, int], int]:
        return {}

    def _close(self, each: _Followed) -> None:
        if each.file is not None:
            each.file.close()
            each.file = None

    def close(self) -> None:
        for each in self._files:
            self._close(each)


def _copy(place: _Place) -> _Place:
    return _Place(**{name: getattr(place, name) for name in _Place.__slots__})


def _fingerprint(file: IO[bytes], covered: int) -> str:
    start = os.pread(file.fileno(), covered, 0)
    return hashlib.blake2b(start, digest_size=16).hexdigest() if start else ""
