"""Inputs opened: decompressed, taken out of archives, as UTF-8, with a look at how they begin."""

from __future__ import annotations

import codecs
import contextlib
import io
import sys
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from sigmac.runtime.errors import InputError
from sigmac.runtime.inputs.compressions import (
    MAX_EXPANSION,
    checked,
    compression_of,
    decompressed,
    position,
)
from sigmac.runtime.inputs.format import LOOKED_AT

STDIN = "-"
_ZIP = b"PK\x03\x04"
_TAR_AT, _TAR = 257, b"ustar"
_CHUNK = 1 << 20  # bytes
_BOMS = ((codecs.BOM_UTF16_LE, "utf-16-le"), (codecs.BOM_UTF16_BE, "utf-16-be"))


@dataclass(frozen=True, slots=True)
class Opened:
    """One input: `stream` is its text from the start, `start` the first of it, `used` bytes of the file read so far."""

    name: str
    stream: IO[bytes]
    start: bytes
    used: Callable[[], int]


@contextlib.contextmanager
def _raw(name: str) -> Iterator[IO[bytes]]:
    if name == STDIN:
        yield sys.stdin.buffer
        return
    with Path(name).open("rb") as file:
        yield file


def open_inputs(name: str, max_expansion: int = MAX_EXPANSION) -> Generator[Opened, None, None]:
    """What a file holds, or standard input (`-`): itself, or the members of an archive, one after the other.

    Each is to be read before the next one is asked for. Raises `InputError` where it cannot be read.
    """
    try:
        with _raw(name) as raw:
            yield from _opened(name, raw, raw, max_expansion, archives=True)
    except IsADirectoryError:
        raise InputError(f"{name}: the folder holds no file") from None
    except OSError as error:
        raise InputError(f"{name}: {error.strerror or error}") from None


def _opened(
    name: str, raw: IO[bytes], file: IO[bytes], most: int, *, archives: bool
) -> Iterator[Opened]:
    start, stream = _peeked(raw, plain=raw is file)
    compression = compression_of(start, name)
    if compression is not None:
        # What is compressed again inside is not looked into: no log is.
        inner = decompressed(stream, compression, name, most)
        start, stream = _peeked(inner)
    if archives and start.startswith(_ZIP):
        yield from _members_of_zip(name, stream, file, most)
    elif archives and start[_TAR_AT : _TAR_AT + len(_TAR)] == _TAR:
        yield from _members_of_tar(name, stream, file, most)
    else:
        yield _as_utf8(name, start, stream, file)


def _members_of_zip(name: str, stream: IO[bytes], file: IO[bytes], most: int) -> Iterator[Opened]:
    import zipfile

    if not file.seekable():
        raise InputError(f"{name}: a zip archive is read from a file, not from a pipe")
    file.seek(0)
    try:
        with zipfile.ZipFile(file) as archive:
            for member in archive.infolist():
                if member.is_dir():
                    continue
                if member.file_size > max(64 << 20, most * member.compress_size):
                    raise InputError(
                        f"{name}: {member.filename} is more than {most} times as long as in the archive"
                    )
                inside = f"{name}:{member.filename}"
                with archive.open(member) as inner:
                    stream = checked(inner, file, inside, most)
                    yield from _opened(inside, stream, file, most, archives=False)
    except InputError:
        raise
    except Exception as error:  # noqa: BLE001 - what the library says of an archive that lies is of any kind
        raise InputError(f"{name}: the archive cannot be read: {error}") from None


def _members_of_tar(name: str, stream: IO[bytes], file: IO[bytes], most: int) -> Iterator[Opened]:
    import tarfile

    try:
        with tarfile.open(fileobj=stream, mode="r|") as archive:
            for member in archive:
                inner = archive.extractfile(member) if member.isfile() else None
                if inner is not None:
                    inside = f"{name}:{member.name}"
                    stream = checked(inner, file, inside, 0)
                    yield from _opened(inside, stream, file, most, archives=False)
    except InputError:
        raise
    except Exception as error:  # noqa: BLE001 - as above
        raise InputError(f"{name}: the archive cannot be read: {error}") from None


def _peeked(raw: IO[bytes], *, plain: bool = False) -> tuple[bytes, IO[bytes]]:
    """How a stream begins, as far as it is there, and the stream with that put back; `plain` is a file itself."""
    if plain and raw.seekable():
        at = raw.tell()
        start = raw.read(LOOKED_AT)
        raw.seek(at)
        return start, raw  # the way of a plain file, which costs nothing
    read = getattr(raw, "read1", raw.read)
    start = read(LOOKED_AT)
    # Of a file there is more; a pipe is not waited for once it has given something.
    while 0 < len(start) < 512 and raw is not sys.stdin.buffer and (more := read(LOOKED_AT)):
        start += more
    return start, io.BufferedReader(_PutBack(start, raw), _CHUNK)


class _PutBack(io.RawIOBase):
    """What was read, and then the rest: as much as there is, so that a pipe is not waited for."""

    def __init__(self, start: bytes, rest: Any) -> None:
        self._start = start
        self._read = rest.readinto1

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        if not self._start:
            return int(self._read(buffer) or 0)
        text, self._start = self._start[: len(buffer)], self._start[len(buffer) :]
        buffer[: len(text)] = text
        return len(text)


def _as_utf8(name: str, start: bytes, stream: IO[bytes], file: IO[bytes]) -> Opened:
    encoding = _encoding(start)
    if encoding is not None:
        stream = io.BufferedReader(_Decoded(stream, encoding), _CHUNK)
        start = stream.peek(LOOKED_AT)[:LOOKED_AT]
    return Opened(name, stream, start, lambda: position(file))


def _encoding(start: bytes) -> str | None:
    """UTF-16 by its byte order mark, or by every second byte being zero; None for what is taken as UTF-8."""
    for mark, encoding in _BOMS:
        if start.startswith(mark):
            return encoding
    head = start[:64]
    if len(head) >= 8 and b"\x00" in head:
        if not any(head[1::2]):
            return "utf-16-le"
        if not any(head[::2]):
            return "utf-16-be"
    return None


class _Decoded(io.RawIOBase):
    """A text of another encoding as UTF-8; what is none of its characters becomes U+FFFD."""

    def __init__(self, stream: IO[bytes], encoding: str) -> None:
        self._stream = stream
        self._decoder = codecs.getincrementaldecoder(encoding)("replace")
        self._text = b""
        self._first = True

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        while not self._text:
            data = self._stream.read1(_CHUNK)  # type: ignore[attr-defined]
            text = self._decoder.decode(data, final=not data)
            if self._first:
                text, self._first = text.removeprefix("\ufeff"), not text
            self._text = text.encode("utf-8", "replace")
            if not data:
                break
        given, self._text = self._text[: len(buffer)], self._text[len(buffer) :]
        buffer[: len(given)] = given
        return len(given)
