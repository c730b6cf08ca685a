"""Reads records (one JSON object a line) from files and standard input, decompressing as it goes."""

from __future__ import annotations

import contextlib
import gzip
import sys
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import IO

import numpy as np
from numpy.typing import NDArray

from sigmac.runtime.errors import InputError

CHUNK = 4 << 20  # bytes of decompressed text read at once
MAX_RECORD = 16 << 20  # bytes
MAX_EXPANSION = 500  # times: logs that are compressed well reach a tenth of it
STDIN = "-"
_HARMLESS = 64 << 20  # bytes of text that no ratio is asked of: they take a moment
_AT_ONCE = 1 << 16  # bytes that stay in the processor's cache


@dataclass(frozen=True, slots=True)
class Block:
    """Whole lines of one input: `data` ends with a newline unless the input does not.

    `first` is the number of the first line, counted from 0; `read` the bytes of the (compressed) input used so far.
    Where `size` is not 0, `data` is the beginning of one line that is too long, which has so many bytes. What comes of
    another format has the `positions` of its events instead, and what is `unreadable`, with the reasons.
    """

    name: str
    data: bytes
    first: int
    read: int
    size: int = 0
    positions: Sequence[int] | None = None
    unreadable: Sequence[tuple[int, str]] = ()
    logsource: Mapping[str, str] | None = (
        None  # what all its events are, where their format says it
    )

    def position(self, line: int) -> int:
        """Where the event on a line of `data` stands in the input."""
        return self.first + line if self.positions is None else self.positions[line]


def read_blocks(
    name: str,
    chunk: int = CHUNK,
    max_record: int = MAX_RECORD,
    keep: int | None = None,
    max_expansion: int = MAX_EXPANSION,
) -> Iterator[Block]:
    """The lines of a file (`.gz` and `.zst` are decompressed) or of standard input (`-`), in blocks.

    Raises `InputError` where it cannot be opened or read to its end, where a line is longer than `max_record`
    (with `keep` such a line is cut to so many bytes instead), or where more than 64 MiB came out of less than a
    `max_expansion`th of them; what came before has been yielded.
    """
    try:
        with contextlib.ExitStack() as stack:
            raw = sys.stdin.buffer if name == STDIN else stack.enter_context(Path(name).open("rb"))
            texts = _texts(name, raw, chunk, max_expansion)
            yield from blocks_of(name, lambda: _position(raw), texts, max_record, keep)
    except OSError as error:
        if isinstance(error, gzip.BadGzipFile):
            raise InputError(f"{name}: not a gzip file, or a damaged one") from None
        raise InputError(f"{name}: {error.strerror or error}") from None
    except (EOFError, zlib.error):
        raise InputError(f"{name}: the compressed file is damaged or cut off") from None


def blocks_of(
    name: str,
    used: Callable[[], int],
    texts: Iterator[bytes],
    max_record: int,
    keep: int | None = None,
) -> Iterator[Block]:
    """Whole lines of texts that follow each other; as `read_blocks`."""
    rest, line = b"", 0
    size = 0  # of the line that `rest` is only the beginning of
    for text in texts:
        if size:
            more, newline, text = text.partition(b"\n")
            size += len(more)
            if not newline:
                continue
            yield Block(name, rest, line, used(), size)
            rest, size, line = b"", 0, line + 1
        end = text.rfind(b"\n") + 1
        # One copy of the text, not two
        data = b"".join((rest, memoryview(text)[:end])) if end else b""
        rest = text[end:] if end else rest + text
        if len(rest) > max_record and keep is None:
            number = line + _count_lines(data) + 1
            raise InputError(f"{name}:{number}: the line is longer than {max_record:,} bytes")
        if data:
            yield Block(name, data, line, used())
            line += _count_lines(data)
        if len(rest) > max_record:
            rest, size = rest[:keep], len(rest)
    if rest:
        yield Block(name, rest, line, used(), size)


def lines_at(data: bytes, numbers: NDArray[np.int32]) -> dict[int, bytes]:
    """Some lines of a block, given by their numbers from 0."""
    ends = np.flatnonzero(np.frombuffer(data, np.uint8) == ord("\n"))
    found = {}
    for number in sorted({*numbers.tolist()}):
        start = int(ends[number - 1]) + 1 if number else 0
        end = int(ends[number]) if number < len(ends) else len(data)
        found[number] = data[start:end]
    return found


def _count_lines(data: bytes) -> int:
    """How many lines end in some bytes: `bytes.count` takes five times as long."""
    bytes_ = np.frombuffer(data, np.uint8)
    parts = (bytes_[at : at + _AT_ONCE] for at in range(0, len(bytes_), _AT_ONCE))
    return sum(int(np.count_nonzero(part == ord("\n"))) for part in parts)


def _position(raw: IO[bytes]) -> int:
    try:
        return raw.tell()
    except OSError:
        return 0  # a pipe


def _texts(name: str, raw: IO[bytes], chunk: int, max_expansion: int) -> Iterator[bytes]:
    """What stands in an input; of a compressed one as long as it is no bomb: memory is bounded anyway, time is not."""
    if name.endswith(".zst"):
        texts = _zstandard(name, raw, chunk)
    elif name.endswith(".gz"):
        texts = iter(partial(gzip.GzipFile(fileobj=raw).read, chunk), b"")
    else:
        read = getattr(raw, "read1", raw.read)  # what is there, so that a pipe is not waited for
        while text := read(chunk):
            yield text
        return
    size = 0
    for text in texts:
        size += len(text)
        if size > _HARMLESS and 0 < max_expansion * _position(raw) < size:
            raise InputError(
                f"{name}: more than {max_expansion} times as long as the compressed file, which no"
                " log is; the rest is not read"
            )
        yield text


def _zstandard(name: str, raw: IO[bytes], chunk: int) -> Iterator[bytes]:
    if sys.version_info >= (3, 14):
        from compression import zstd
    else:
        from backports import zstd
    try:
        with zstd.ZstdFile(raw) as stream:
            while text := stream.read(chunk):
                yield text
    except zstd.ZstdError as error:
        raise InputError(f"{name}: the compressed file is damaged or cut off ({error})") from None
