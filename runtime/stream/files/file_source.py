"""Lines of files, followed through rotations, with positions that outlive a restart.

The position of a file is kept by its device, inode and first bytes, so that a file that was renamed by a rotation is
read to its end, also where that happened while nobody read, then what was rotated after it, and a new file of the same
name from its start. A file that was cut or written anew in its place is noticed by its first bytes and read from its
start. Positions are written (aside, synced, renamed) when a batch is committed.
"""

from __future__ import annotations

import errno
import hashlib
import os
import re
import stat
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

import orjson
import structlog

from sigmac.runtime.errors import InputError, StreamError
from sigmac.runtime.inputs.compressions import SUFFIXES
from sigmac.runtime.inputs.lines import MAX_RECORD, read_blocks
from sigmac.runtime.stream.record import (
    LONG_LINE_KEPT,
    Batch,
    Beside,
    LongLine,
    Origin,
    SourceEnded,
)

log = structlog.get_logger("sigmac.stream.file")

_READ = 1 << 20  # bytes at once
_LOOK = 0.1  # seconds between two looks at files that had nothing new
_LINGER = 5.0  # seconds without a new line after which nobody writes to a file any more that another has replaced
_FINGERPRINT = 256  # bytes at the start of a file that tell it from another of the same inode
_NOTE = ""  # among positions, which have the paths of files as names


class LineBatch:
    """Lines of one file; `first` is the number of the first of them, from 0."""

    stream = 0

    def __init__(self, name: str, lines: Sequence[bytes | LongLine], first: int):
        self.name = name
        self.long_lines: Mapping[int, LongLine] = {
            number: line for number, line in enumerate(lines) if isinstance(line, LongLine)
        }
        self.values: Sequence[bytes | None] = [
            None if isinstance(line, LongLine) else line for line in lines
        ]
        self.first = first

    def origin(self, record: int) -> Origin:
        return Origin(self.name, 0, self.first + record)

    def sizes(self) -> list[tuple[str, int, int]]:
        size = sum(len(value) for value in self.values if value is not None)
        size += sum(line.size for line in self.long_lines.values())
        return [(self.name, len(self.values), size)]


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
    long: int = 0  # up to here, in bytes, the line behind `read` has no end and is too long
    leave_at: float = (
        0.0  # when it is given up for the file that has its name now; 0: nothing is known of that
    )
    changed: int = (
        0  # when it was changed last, as far as is known: its first bytes were looked at since
    )
    past: set[int] = field(default_factory=set)  # inodes of files that were read to their end
    lines: Any = None  # of a compressed file
    ended: bool = False


class FileSource:
    """Files of the configuration; `state` is the folder for positions, `beside` what counts with them."""

    def __init__(self, settings: Any, state: Path, index: int, beside: Beside | None = None):
        self._follow = settings.follow
        self._checkpoint = state / f"files-{index}.json"
        self._files = [_Followed(Path(path)) for path in settings.paths]
        self._turn = 0
        self._behind = False  # positions that could not be written
        self._beside = beside
        known = self._remembered()
        if beside is not None:
            beside.restore(known.get(_NOTE))
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

    def _read(self, each: _Followed, most: int) -> Sequence[bytes | LongLine]:
        if each.ended:
            return []
        if each.path.suffix in SUFFIXES:
            return self._read_compressed(each)
        if each.file is None and not self._open(each):
            return []
        assert each.file is not None
        if lines := self._lines(each, most):
            each.leave_at = 0.0
            return lines
        if self._follow and not self._is_left(each):
            return []
        if last := self._last_line(each):
            return last
        following = self._rotated_after(each) if self._follow else None
        each.past.add(each.read.inode)
        self._close(each)
        if not self._follow:
            each.ended = True
            return []
        # Read to its end, and another file has its name: go on with that one, but for those that had it meanwhile.
        each.done = each.read = _Place()
        if following is not None:
            self._begin(each, following)
        return self._read(each, most)

    def caught_up(self) -> bool:
        """Whether all whole lines that the files hold at this moment were polled."""
        return all(each.ended or self._is_at_the_end(each) for each in self._files)

    def _is_at_the_end(self, each: _Followed) -> bool:
        if each.file is None:
            return not each.path.exists()
        left = os.pread(each.file.fileno(), _READ, each.read.offset)
        return b"\n" not in left and len(left) < _READ and not self._was_replaced(each)

    def _is_left(self, each: _Followed) -> bool:
        """Whether another file has its name, and whoever had it open has had time to notice."""
        if not self._was_replaced(each):
            return False
        now = time.monotonic()
        each.leave_at = each.leave_at or now + _LINGER
        return now >= each.leave_at

    def _last_line(self, each: _Followed) -> Sequence[bytes | LongLine]:
        """What stands behind the last end of a line; nothing where that is blank."""
        assert each.file is not None
        position = each.read.offset
        size = os.fstat(each.file.fileno()).st_size - position
        last: bytes | LongLine = LongLine(_start(each.file, position), size, position)
        if size <= MAX_RECORD:
            last = os.pread(each.file.fileno(), MAX_RECORD, position)
        if not isinstance(last, LongLine) and not last.strip():
            return []
        each.long = 0
        self._go_on(each, each.file, size, 1)
        return [last]

    def _open(self, each: _Followed) -> bool:
        file = self._renamed(each)
        try:
            file = file or _open_regular(each.path)
        except FileNotFoundError:
            if not self._follow:
                raise StreamError(f"{each.path}: no such file") from None
            return False  # it may come
        except OSError as error:
            raise StreamError(f"{each.path}: {error.strerror}") from None
        self._begin(each, file)
        return True

    def _begin(self, each: _Followed, file: IO[bytes]) -> None:
        """Read a file from where it was left, or from its start where it is another."""
        place = each.done
        if not _is_of(file, place):
            found = os.fstat(file.fileno())
            place = _Place(inode=found.st_ino, device=found.st_dev)
        each.done = place
        each.read = _copy(place)
        file.seek(place.offset)
        each.file, each.changed = file, 0

    def _renamed(self, each: _Followed) -> IO[bytes] | None:
        """The file that was read last, where it lies beside its path under another name now."""
        if not self._follow or not each.done.covered:
            return None
        try:
            with os.scandir(each.path.parent) as entries:
                found = [entry.path for entry in entries if entry.inode() == each.done.inode]
            for path in found:
                file = _open_regular(Path(path))
                if Path(path) != each.path and _is_of(file, each.done):
                    log.info("a file was renamed; it is read to its end first", path=path)
                    return file
                file.close()
        except OSError:
            pass  # gone, or not to be read: then what has its name now is all there is
        return None

    def _rotated_after(self, each: _Followed) -> IO[bytes] | None:
        """The first file that had the path's name after the one at hand, and has been renamed since.

        It lies beside it, has a name of the same shape (`events.log.2` and `events.log.1`, say), and was written later.
        """
        assert each.file is not None
        read = os.fstat(each.file.fileno())
        try:
            with os.scandir(each.path.parent) as entries:
                files = {entry.name: entry.stat() for entry in entries if entry.is_file()}
            (name,) = [n for n, s in files.items() if s.st_ino == read.st_ino] or [each.path.name]
            shape = re.compile(re.sub(r"\d+", r"\\d+", re.escape(name)))
            later = sorted(
                (found.st_mtime_ns, other)
                for other, found in files.items()
                if shape.fullmatch(other)
                and other not in (name, each.path.name)
                and found.st_mtime_ns >= read.st_mtime_ns
                and found.st_ino not in each.past
            )
            if name == each.path.name or not later:
                return None
            path = each.path.parent / later[0][1]
            file = _open_regular(path)
        except OSError:
            return None  # gone meanwhile, or not to be read
        log.info("a file was rotated before it could be read; it is read now", path=str(path))
        return file

    def _was_written_anew(self, each: _Followed, file: IO[bytes]) -> bool:
        """Whether the file has become shorter, or begins otherwise, since it was looked at last."""
        found = os.fstat(file.fileno())
        if found.st_size < each.read.offset:
            return True
        if found.st_mtime_ns == each.changed:
            return False
        each.changed = found.st_mtime_ns
        return _fingerprint(file, each.read.covered) != each.read.fingerprint

    def _lines(self, each: _Followed, most: int) -> Sequence[bytes | LongLine]:
        file = each.file
        assert file is not None
        if self._was_written_anew(each, file):
            log.warning(
                "a file was cut or written anew; it is read from its start", path=str(each.path)
            )
            each.read = _copy(each.read)
            each.read.offset = each.read.line = each.read.covered = 0
            each.read.fingerprint = ""
            each.long = 0
        if each.long:
            return self._long_line(each, file)
        file.seek(each.read.offset)
        text = file.read(_READ)
        end = text.rfind(b"\n") + 1
        while text and not end:
            more = file.read(_READ)
            if not more:
                return []  # the line is not finished
            end = more.rfind(b"\n") + 1
            end += len(text) if end else 0
            text += more
            if text.find(b"\n", 0, MAX_RECORD + 1) < 0 and len(text) > MAX_RECORD:
                each.long = each.read.offset + MAX_RECORD
                return self._long_line(each, file)
        lines = text[:end].split(b"\n")[:-1]
        if len(lines) > most:
            lines = lines[:most]
            end = sum(map(len, lines)) + len(lines)
        self._go_on(each, file, end, len(lines))
        return lines

    def _long_line(self, each: _Followed, file: IO[bytes]) -> list[LongLine]:
        """The line that is read, once it has its end; looked for from where it was not found."""
        file.seek(each.long)
        while text := file.read(_READ):
            end = text.find(b"\n")
            each.long += len(text) if end < 0 else end
            if end >= 0:
                position = each.read.offset
                line = LongLine(_start(file, position), each.long - position, position)
                each.long = 0
                self._go_on(each, file, line.size + 1, 1)
                return [line]
        return []

    def _go_on(self, each: _Followed, file: IO[bytes], size: int, lines: int) -> None:
        each.read = _copy(each.read)
        each.read.offset += size
        each.read.line += lines
        if each.read.covered < _FINGERPRINT and lines:
            each.read.covered = min(_FINGERPRINT, each.read.offset)
            each.read.fingerprint = _fingerprint(file, each.read.covered)

    def _read_compressed(self, each: _Followed) -> Sequence[bytes | LongLine]:
        if each.lines is None:
            each.read = _copy(each.done)
            each.read.offset = 0
            try:
                _open_regular(each.path).close()
            except OSError as error:
                raise StreamError(f"{each.path}: {error.strerror}") from None
            each.lines = read_blocks(str(each.path), keep=LONG_LINE_KEPT)
        try:
            for block in each.lines:
                whole = block.data.removesuffix(b"\n").split(b"\n")
                lines: list[bytes | LongLine] = [*whole]
                position = each.read.offset
                each.read.offset += block.size + 1 if block.size else len(block.data)
                size = block.size or len(whole[0])
                if size > MAX_RECORD:
                    lines[0] = LongLine(block.data[:LONG_LINE_KEPT], size, position)
                fresh = lines[max(0, each.done.line - block.first) :]
                each.read.line = block.first + len(lines)
                if fresh:
                    return fresh
        except InputError as error:
            raise StreamError(str(error)) from None
        each.ended = True
        return []

    def _was_replaced(self, each: _Followed) -> bool:
        try:
            found = each.path.stat()
        except OSError:
            return False  # renamed, and nothing has come in its place yet
        return (found.st_ino, found.st_dev) != (each.read.inode, each.read.device)

    def more(self, max_records: int) -> list[Batch]:
        return []

    def commit(self) -> None:
        for each in self._files:
            each.done = _copy(each.read) if each.read.line or each.read.offset else each.done
        self._write_positions()

    def _write_positions(self) -> None:
        note = None
        try:
            note = self._beside.write() if self._beside is not None else None
        except OSError as error:
            self._cannot_write(error)
            return
        plain: dict[str, Any] = {
            str(each.path): {name: getattr(each.done, name) for name in _Place.__slots__}
            for each in self._files
        }
        if note is not None:
            plain[_NOTE] = note
        temporary = self._checkpoint.with_suffix(".new")
        try:
            with temporary.open("wb") as file:
                file.write(orjson.dumps(plain))
                file.flush()
                os.fsync(file.fileno())
            temporary.rename(self._checkpoint)
            self._behind = False
        except OSError as error:
            self._cannot_write(error)
            return
        if self._beside is not None:
            self._beside.written()

    def _cannot_write(self, error: OSError) -> None:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise StreamError(f"{self._checkpoint}: {error.strerror}") from None
        # The next commit may find room. A restart before that reads some lines again, with the same match ids.
        log.warning("the disk is full; positions are not kept", path=str(self._checkpoint))
        self._behind = True

    def rewind(self) -> None:
        if self._beside is not None:
            self._beside.rewind()
        for each in self._files:
            each.long = 0
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
            each.file, each.long, each.leave_at = None, 0, 0.0

    def close(self) -> None:
        if self._behind:  # there may be room again
            self._write_positions()
        for each in self._files:
            self._close(each)


def _copy(place: _Place) -> _Place:
    return _Place(**{name: getattr(place, name) for name in _Place.__slots__})


def _is_of(file: IO[bytes], place: _Place) -> bool:
    """Whether a place is one of this file."""
    found = os.fstat(file.fileno())
    return (
        (place.inode, place.device) == (found.st_ino, found.st_dev)
        and found.st_size >= place.offset
        and _fingerprint(file, place.covered) == place.fingerprint
    )


def _open_regular(path: Path) -> IO[bytes]:
    """A file to read; a FIFO or a device, which may never end or never begin, is refused. Raises `OSError`."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        is_folder = stat.S_ISDIR(os.fstat(descriptor).st_mode)
        os.close(descriptor)
        what = os.strerror(errno.EISDIR) if is_folder else "no regular file: it cannot be followed"
        raise OSError(errno.EINVAL, what, str(path))
    return os.fdopen(descriptor, "rb")


def _start(file: IO[bytes], position: int) -> bytes:
    return os.pread(file.fileno(), LONG_LINE_KEPT, position)


def _fingerprint(file: IO[bytes], covered: int) -> str:
    start = os.pread(file.fileno(), covered, 0)
    return hashlib.blake2b(start, digest_size=16).hexdigest() if start else ""
