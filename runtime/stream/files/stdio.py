"""Standard input as a source and standard output as a sink."""

from __future__ import annotations

import os
import select
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from sigmac.runtime.errors import StreamError
from sigmac.runtime.inputs.lines import MAX_RECORD
from sigmac.runtime.printable import escaped_json
from sigmac.runtime.stream.files.file_source import LineBatch
from sigmac.runtime.stream.record import LONG_LINE_KEPT, Batch, Beside, LongLine, SourceEnded
from sigmac.runtime.stream.sink import Message, Undeliverable

_READ = 1 << 20  # bytes at once
NAME = "-"


class StdinSource:
    """Lines of standard input. A pipe cannot be rewound: what was read is kept until it is committed."""

    def __init__(self, settings: Any, beside: Beside | None = None):
        self._beside = beside
        self._rest = b""
        self._position = 0  # of `_rest`, in bytes
        self._long: LongLine | None = None  # that comes in and has no end yet
        self._polled: list[bytes | LongLine] = []
        self._again: list[bytes | LongLine] = []
        self._number = 0  # of the first line that is not committed
        self._ended = False

    def poll(self, max_records: int, max_wait: float) -> list[Batch]:
        lines, self._again = self._again, []
        until = time.monotonic() + max_wait
        while not lines and not self._ended:
            left = until - time.monotonic()
            try:
                if left <= 0 or not select.select([0], [], [], left)[0]:
                    return []
                lines = self._read()
            except (OSError, ValueError) as error:  # closed when the service was started, say
                reason = getattr(error, "strerror", None) or str(error)
                raise StreamError(f"standard input cannot be read: {reason}") from None
        if not lines:
            raise SourceEnded
        self._again = lines[max_records:]
        self._polled = lines[:max_records]
        return [LineBatch(NAME, self._polled, self._number)]

    def _read(self) -> list[bytes | LongLine]:
        text = os.read(0, _READ)
        if not text:
            self._ended = True
            last, self._rest, self._long = self._long or self._rest, b"", None
            return [last] if last else []
        lines: list[bytes | LongLine] = []
        if self._long is not None:
            end, newline, text = text.partition(b"\n")
            self._long = replace(self._long, size=self._long.size + len(end))
            if not newline:
                return []
            self._position += self._long.size + 1
            lines, self._long = [self._long], None
        *whole, rest = (self._rest + text).split(b"\n")
        for line in whole:
            lines.append(_bounded(line, self._position))
            self._position += len(line) + 1
        self._rest = rest
        if len(rest) > MAX_RECORD:
            self._rest, self._long = b"", LongLine(rest[:LONG_LINE_KEPT], len(rest), self._position)
        return lines

    def more(self, max_records: int) -> list[Batch]:
        return []

    def commit(self) -> None:
        if self._beside is not None:
            self._beside.write()
        self._number += len(self._polled)
        self._polled = []

    def rewind(self) -> None:
        if self._beside is not None:
            self._beside.rewind()
        self._again = self._polled + self._again
        self._polled = []

    def keep_alive(self) -> None:
        time.sleep(0.01)  # nobody waits for us but the pipe, which is full by now

    def lag(self) -> dict[tuple[str, int], int]:
        return {}

    def close(self) -> None:
        self._polled = []


def _bounded(line: bytes, position: int) -> bytes | LongLine:
    return line if len(line) <= MAX_RECORD else LongLine(line[:LONG_LINE_KEPT], len(line), position)


class StdoutSink:
    """Lines to standard output, harmless on a terminal. Where its reader goes away, the service ends."""

    def __init__(self, settings: Any):
        self._pending = memoryview(b"")
        self._is_terminal = sys.stdout is not None and sys.stdout.isatty()

    def write(self, messages: Sequence[Message]) -> None:
        lines = b"".join(message.value + b"\n" for message in messages)
        if self._is_terminal:
            lines = escaped_json(lines)
        self._pending = memoryview(bytes(self._pending) + lines)

    def flush(self, timeout: float) -> bool:
        until = time.monotonic() + timeout
        out = sys.stdout.fileno()
        while self._pending:
            left = until - time.monotonic()
            if left <= 0 or not select.select([], [out], [], left)[1]:
                return False
            try:
                # A pipe takes so much without blocking once it can be written to at all.
                written = os.write(out, self._pending[: select.PIPE_BUF])
            except BrokenPipeError:
                raise StreamError("standard output: its reader went away") from None
            except OSError as error:
                raise StreamError(f"standard output: {error.strerror}") from None
            self._pending = self._pending[written:]
        return True

    def undeliverable(self) -> list[Undeliverable]:
        return []

    def close(self) -> None:
        self._pending = memoryview(b"")
