"""Reads records (one JSON object a line) from files and standard input, decompressing as it goes."""

from __future__ import annotations

import contextlib
import io
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import cast

import numpy as np
from numpy.typing import NDArray

from sigmac.runtime.errors import InputError
from sigmac.runtime.inputs.compressions import (
    MAGIC,
    MAX_EXPANSION,
    compression_of,
    decompressed,
    position,
)

CHUNK = 4 << 20  # bytes of decompressed text read at once
MAX_RECORD = 16 << 20  # bytes
STDIN = "-"
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
    """The lines of a file or of standard input (`-`), in blocks; what is compressed is decompressed.

    Raises `InputError` where it cannot be opened or read to its end, where a line is longer than `max_record`
    (with `keep` such a line is cut to so many bytes instead), or where more than 64 MiB came out of less than a
    `max_expansion`th of them; what came before has been yielded.
    """
    try:
        with contextlib.ExitStack() as stack:
            opened = sys.stdin.buffer if name == STDIN else stack.enter_context(open(name, "rb"))
            stream = raw = cast(io.BufferedReader, opened)
            if compression := compression_of(raw.peek(MAGIC), name):
                stream = decompressed(raw, compression, name, max_expansion)
            texts = iter(partial(stream.read1, chunk), b"")  # what is there: no pipe is waited for
            yield from blocks_of(name, lambda: position(raw), texts, max_record, keep)
    except OSError as error:
        raise InputError(f"{name}: {error.strerror or error}") from None


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
