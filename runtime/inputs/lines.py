"""Reads records (one JSON object a line) from files and standard input, decompressing as it goes."""

from __future__ import annotations

import contextlib
import io
import sys
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
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


class Buffers:
    """Buffers that are read into, of which those that nobody needs any more are used again. For several threads.

    New memory costs more than what is read into it: the system hands it out page by page, each cleared.
    """

    def __init__(self) -> None:
        self._free: deque[bytearray] = deque()  # its methods need no lock

    def take(self, size: int) -> bytearray:
        """A buffer of a size, which holds anything."""
        try:
            buffer = self._free.pop()
        except IndexError:
            return bytearray(size)
        if len(buffer) > size:
            del buffer[size:]
        else:
            buffer.extend(bytes(size - len(buffer)))
        return buffer

    def give_back(self, data: object) -> None:
        """Let a buffer be used again; bytes are nobody's buffer."""
        if isinstance(data, bytearray):
            self._free.append(data)


@dataclass(frozen=True, slots=True)
class Block:
    """Whole lines of one input: `data` ends with a newline unless the input does not.

    `first` is the number of the first line, counted from 0; None where nobody counted, and it follows the last line of
    the block before. `read` are the bytes of the (compressed) input used so far. Where `size` is not 0, `data` is the
    beginning of one line that is too long, which has so many bytes. What comes of another format has the `positions` of
    its events instead, and what is `unreadable`, with the reasons. With `buffers` the data may be a bytearray that goes
    back to them, which does here what bytes do.
    """

    name: str
    data: bytes
    first: int | None
    read: int
    size: int = 0
    positions: Sequence[int] | None = None
    unreadable: Sequence[tuple[int, str]] = ()
    logsource: Mapping[str, str] | None = (
        None  # what all its events are, where their format says it
    )
    buffers: Buffers | None = field(default=None, compare=False, repr=False)

    def position(self, line: int) -> int:
        """Where the event on a line of `data` stands in the input; `first` must be known."""
        if self.positions is not None:
            return self.positions[line]
        assert self.first is not None
        return self.first + line

    def done(self) -> None:
        """Say that nobody looks at `data` any more: it will be overwritten where it is in a buffer."""
        if self.buffers is not None:
            self.buffers.give_back(self.data)


class LineTooLong(InputError):
    """A line is longer than a record may be. It follows the last line of the last block where nobody counted."""

    def __init__(self, name: str, line: int | None, most: int):
        self._name, self._line, self._most = name, line, most
        super().__init__(self.said(line or 0))

    def said(self, line: int) -> str:
        """The message; `line` is the number of the line that follows the last block, from 0."""
        line = line if self._line is None else self._line
        return f"{self._name}:{line + 1}: the line is longer than {self._most:,} bytes"


class LineNumbers:
    """Numbers the lines of blocks that were read without counting, by what their evaluation counted."""

    def __init__(self) -> None:
        self.next = 0  # the number of the line behind the last block

    def placed(self, block: Block, lines: int) -> Block:
        """The next block, which has so many lines, with the number of its first."""
        first = self.next if block.first is None else block.first
        self.next = first + lines
        return replace(block, first=first)


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
            yield from blocks_of(name, lambda: position(raw), stream, chunk, max_record, keep)
    except OSError as error:
        raise InputError(f"{name}: {error.strerror or error}") from None


def blocks_of(
    name: str,
    used: Callable[[], int],
    stream: io.BufferedReader,
    chunk: int,
    max_record: int,
    keep: int | None = None,
    buffers: Buffers | None = None,
) -> Iterator[Block]:
    """Whole lines of a stream; as `read_blocks`.

    With `buffers` the data is what was read into, lines are not counted, and none is cut.
    """
    pool = buffers or Buffers()
    rest = b""
    line: int | None = 0
    size = 0  # of the line that `rest` is only the beginning of
    while True:
        before = 0 if size else len(rest)
        buffer = pool.take(before + chunk)
        with memoryview(buffer) as view:
            view[:before] = rest[:before]
            # What is there: no pipe is waited for.
            read = stream.readinto1(view[before:]) or 0
        if not read:
            break
        stop = before + read
        begin = 0
        if size:
            begin = buffer.find(b"\n", 0, stop) + 1
            size += begin - 1 if begin else stop
            if not begin:
                pool.give_back(buffer)
                continue
            yield Block(name, rest, line, used(), size)
            size, line = 0, _after(line, 1)
        end = max(begin, buffer.rfind(b"\n", max(begin, before), stop) + 1)
        with memoryview(buffer) as view:
            rest = bytes(view[end:stop])
        if buffers is not None and 2 * end > len(buffer):
            del buffer[end:]
            yield Block(name, cast(bytes, buffer), line, used(), buffers=buffers)
            line = None
        else:
            with memoryview(buffer) as view:
                data = bytes(view[begin:end])
            pool.give_back(buffer)
            if data:
                yield Block(name, data, line, used())
                line = None if buffers is not None else _after(line, _count_lines(data))
        if len(rest) > max_record:
            if keep is None:
                raise LineTooLong(name, line, max_record)
            rest, size = rest[:keep], len(rest)
    if rest:
        yield Block(name, rest, line, used(), size)


def _after(line: int | None, count: int) -> int | None:
    return None if line is None else line + count


def lines_at(data: bytes, numbers: NDArray[np.int32]) -> dict[int, bytes]:
    """Some lines of a block, given by their numbers from 0."""
    ends = np.flatnonzero(np.frombuffer(data, np.uint8) == ord("\n"))
    found = {}
    with memoryview(data) as view:
        for number in sorted({*numbers.tolist()}):
            start = int(ends[number - 1]) + 1 if number else 0
            end = int(ends[number]) if number < len(ends) else len(data)
            found[number] = bytes(view[start:end])
    return found


def _count_lines(data: bytes) -> int:
    """How many lines end in some bytes: `bytes.count` takes five times as long."""
    bytes_ = np.frombuffer(data, np.uint8)
    parts = (bytes_[at : at + _AT_ONCE] for at in range(0, len(bytes_), _AT_ONCE))
    return sum(int(np.count_nonzero(part == ord("\n"))) for part in parts)
