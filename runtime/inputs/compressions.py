"""Compressed inputs, told by their first bytes: what they hold as a stream, in bounded memory and bounded time."""

from __future__ import annotations

import importlib
import io
import sys
from collections.abc import Callable
from typing import IO, Any

from sigmac.runtime.errors import InputError

MAX_EXPANSION = 500  # times: logs that are compressed well reach a tenth of it
_HARMLESS = 64 << 20  # bytes of text that no ratio is asked of: they take a moment
_AT_ONCE = (
    128 << 10
)  # bytes: what libraries make of more is new memory each time, which costs more than the text
NAMES = ("gzip", "zstd", "bzip2", "xz", "lz4")


# Each is imported when it is met: a run over plain text waits for none.
def _gzip(raw: IO[bytes]) -> Any:
    import gzip

    return gzip.GzipFile(fileobj=raw)


def _bzip2(raw: IO[bytes]) -> Any:
    import bz2

    return bz2.BZ2File(raw)


def _xz(raw: IO[bytes]) -> Any:
    import lzma

    return lzma.LZMAFile(raw)


def _zstandard(raw: IO[bytes]) -> Any:
    if sys.version_info >= (3, 14):
        from compression import zstd
    else:
        from backports import zstd
    return zstd.ZstdFile(raw)


def _lz4(raw: IO[bytes]) -> Any:
    try:
        lz4 = importlib.import_module("lz4.frame")
    except ImportError:
        raise InputError("lz4 needs a package: pip install 'sigmac[lz4]'") from None
    return lz4.open(raw)


_BY_MAGIC: tuple[tuple[bytes, str, Callable[[IO[bytes]], Any]], ...] = (
    (b"\x1f\x8b", "gzip", _gzip),
    (b"\x28\xb5\x2f\xfd", "zstd", _zstandard),
    (b"BZh", "bzip2", _bzip2),
    (b"\xfd7zXZ\x00", "xz", _xz),
    (b"\x04\x22\x4d\x18", "lz4", _lz4),
)
SUFFIXES = {".gz": "gzip", ".zst": "zstd", ".bz2": "bzip2", ".xz": "xz", ".lz4": "lz4"}
MAGIC = max(len(magic) for magic, _, _ in _BY_MAGIC)  # bytes that tell


def compression_of(start: bytes, name: str) -> str | None:
    """The name of a compression, by the first bytes, else by the ending of the file's name; None for none."""
    for magic, compression, _ in _BY_MAGIC:
        if start.startswith(magic):
            return compression
    suffix = name[name.rfind(".") :].lower() if "." in name else ""
    return SUFFIXES.get(suffix) if start else None


def decompressed(
    raw: IO[bytes], compression: str, name: str, max_expansion: int
) -> io.BufferedReader:
    """What a compressed stream holds. Reading raises `InputError` where it is damaged, cut off, or a bomb."""
    opened = next(make for _, known, make in _BY_MAGIC if known == compression)(raw)
    return checked(opened, raw, name, max_expansion)


def checked(opened: Any, raw: IO[bytes], name: str, max_expansion: int) -> io.BufferedReader:
    """A stream of a library that raises `InputError` alone: where it is damaged, cut off, or so many times as long.

    `raw` is the file that it comes from; with a `max_expansion` of 0 it may be as long as it is.
    """
    return io.BufferedReader(_Checked(opened, raw, name, max_expansion), 1 << 20)


class _Checked(io.RawIOBase):
    """Reads on as long as the text is not too many times as long as what it comes from: no log is."""

    def __init__(self, opened: Any, raw: IO[bytes], name: str, most: int) -> None:
        self._opened, self._raw = opened, raw
        self._name, self._most = name, most
        self._size = 0
        self._failure: InputError | None = None  # told once what came before it is read

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        if self._failure is not None:
            raise self._failure
        size = 0
        try:
            while size < len(buffer) and (
                read := self._opened.readinto1(buffer[size : size + _AT_ONCE])
            ):
                size += read
        except Exception as error:  # each library has its own, and is not imported here
            if isinstance(error, OSError) and error.errno is not None:
                raise  # of the file itself
            said = f" ({error})" if str(error) else ""
            self._failure = InputError(
                f"{self._name}: the compressed file is damaged or cut off{said}"
            )
            if not size:
                raise self._failure from None
        self._size += size
        if self._size > _HARMLESS and 0 < self._most * position(self._raw) < self._size:
            raise InputError(
                f"{self._name}: more than {self._most} times as long as the compressed file, which no"
                " log is; the rest is not read"
            )
        return size


def position(raw: IO[bytes]) -> int:
    """Bytes of a stream that were read; 0 of a pipe, which does not know."""
    try:
        return raw.tell()
    except (OSError, ValueError):
        return 0
