"""A process of its own that does one thing after the other: functions are called there, and give what they gave here.

It is started anew where it died. It ends with the server: by its standard input, which nobody else holds.
"""

from __future__ import annotations

import asyncio
import os
import pickle
import signal
import struct
import sys
from collections.abc import Callable
from typing import BinaryIO, TypeVar

_LENGTH = struct.Struct(">Q")  # in front of each message
_PROGRAM = "from sigmac.lsp.work_process import work; work()"
_NICENESS = 5  # the processor is the editor's, where both want it

_Made = TypeVar("_Made")


class ProcessDied(Exception):
    """Raised where the process ended before it answered; what it said of that is in the editor's log."""


class WorkProcess:
    """The process, from the first thing on that it is asked for."""

    def __init__(self) -> None:
        self._process: asyncio.subprocess.Process | None = None
        self._is_free = asyncio.Lock()

    async def run(self, work: Callable[..., _Made], *given: object) -> _Made:
        """What a function of a module makes of something. Raises `ProcessDied`.

        Who is cancelled gets no answer; what has begun is finished all the same before the next begins.
        """
        await self._is_free.acquire()
        exchange = asyncio.create_task(self._exchange(work, given))
        exchange.add_done_callback(self._release)
        return await asyncio.shield(exchange)

    async def end(self) -> None:
        """Kill the process: it holds nothing that would be lost."""
        process, self._process = self._process, None
        if process is not None and process.returncode is None:
            process.kill()
            await process.wait()

    def _release(self, exchange: asyncio.Task[_Made]) -> None:
        self._is_free.release()
        if not exchange.cancelled():
            exchange.exception()  # told to who waits for it, if anybody still does

    async def _exchange(self, work: Callable[..., _Made], given: tuple[object, ...]) -> _Made:
        process = self._process
        if process is None or process.returncode is not None:
            pipe = asyncio.subprocess.PIPE
            # -P: modules are no files of the folder that the server was started in, which may be a stranger's.
            self._process = process = await asyncio.create_subprocess_exec(
                sys.executable, "-P", "-c", _PROGRAM, stdin=pipe, stdout=pipe
            )
        assert process.stdin is not None and process.stdout is not None
        asked = pickle.dumps((work, given), pickle.HIGHEST_PROTOCOL)
        try:
            process.stdin.write(_LENGTH.pack(len(asked)) + asked)
            await process.stdin.drain()
            (length,) = _LENGTH.unpack(await process.stdout.readexactly(_LENGTH.size))
            made: _Made = pickle.loads(await process.stdout.readexactly(length))
        except (asyncio.IncompleteReadError, OSError):
            await process.wait()
            raise ProcessDied from None
        return made


def work() -> None:
    """The process: answers until nobody asks any more."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # which is the server's
    os.nice(_NICENESS)
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what anything else may print is no answer
    while (asked := _message(sys.stdin.buffer)) is not None:
        function, given = pickle.loads(asked)
        made = pickle.dumps(function(*given), pickle.HIGHEST_PROTOCOL)
        answers.write(_LENGTH.pack(len(made)) + made)
        answers.flush()


def _message(stream: BinaryIO) -> bytes | None:
    """The next message; None at the end of the stream."""
    head = stream.read(_LENGTH.size)
    if len(head) < _LENGTH.size:
        return None
    (length,) = _LENGTH.unpack(head)
    return stream.read(length)
