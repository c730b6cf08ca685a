"""Readers that run in a process of their own, as the libraries that they need trust what they read.

A library that never returns, takes all memory or ends its process does so there, to the one part of a file that made
it do so. Such a process is kept for the next part, and the next file: it takes a while to start.
"""

from __future__ import annotations

import atexit
import contextlib
import fcntl
import importlib
import os
import resource
import select
import signal
import struct
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from typing import IO

from sigmac.runtime.errors import InputError
from sigmac.runtime.inputs.format import Event, Item, Unreadable

Answers = Callable[[bytes], Iterator[Item]]  # what a module's `answer` is

PATIENCE = 30.0  # seconds without an answer after which a process is taken to be lost
MEMORY = 1 << 30  # bytes that it may take, where its module has no MEMORY of its own
_HEAD = struct.Struct("<cQI")  # what follows, a position, the length of what follows
_EVENT, _UNREADABLE, _REFUSED, _DONE = b"E", b"U", b"R", b"D"
_AT_ONCE = 1 << 18  # bytes
_PIPE = 1 << 20  # bytes that may wait on the way, where the system lets them
_AHEAD = 8  # parts of 64 KiB that wait for each other in such a pipe without filling it
_PROGRAM = "import sys; from sigmac.runtime.inputs.apart import serve; serve(sys.argv[1])"


class Lost(Exception):
    """The process that read a part has ended, or did not answer; the message says how."""


class Apart:
    """Asks a module's `answer` about parts of a file, in a process that is started when it is needed."""

    def __init__(self, module: str):
        self._module = module
        self._process: subprocess.Popen[bytes] | None = None
        self._given = 0  # parts that are not answered
        self._left = b""  # of the answers, what belongs to the next part

    def __enter__(self) -> Apart:
        with _LOCK:
            waiting = _WAITING.get(self._module)
            self._process = waiting.pop() if waiting else None
        return self

    def __exit__(self, *_: object) -> None:
        if self._given:
            self._end()
        process, self._process = self._process, None
        if process is not None:
            with _LOCK:
                _WAITING.setdefault(self._module, []).append(process)

    @property
    def ahead(self) -> int:
        """How many parts of 64 KiB may be given at a time: with more, two sides would wait for each other."""
        stdin = None if self._process is None else self._process.stdin
        return 1 if stdin is None or _room(stdin) < _PIPE else _AHEAD

    def ask(self, part: bytes) -> Iterator[Item]:
        """What stands in a part.

        Raises `Lost` where it was not read to its end, and `InputError` as the module does.
        """
        self.give(part)
        return self.answers()

    def give(self, part: bytes) -> None:
        """Give a part, to be asked for its `answers` in turn; `ahead` says how many may wait."""
        if self._process is not None and self._process.poll() is not None and not self._given:
            self._end()
        if self._process is None:
            self._process = _start(self._module)
        assert self._process.stdin is not None
        self._given += 1
        with contextlib.suppress(OSError):  # it has ended, as its answers will say
            self._process.stdin.write(struct.pack("<Q", len(part)) + part)
            self._process.stdin.flush()

    def answers(self) -> Iterator[Item]:
        """What stands in the first part that was given of those that are not answered.

        Raises `Lost` where it was not read to its end: then all are forgotten. Raises `InputError` as the module does.
        """
        assert self._process is not None
        answered = False
        try:
            yield from self._read(self._process)
            answered = True
        except InputError:
            answered = True
            raise
        finally:
            if answered:
                self._given -= 1
            else:
                self._end()

    def _end(self) -> None:
        if self._process is not None:
            _end(self._process)
        self._process, self._given, self._left = None, 0, b""

    def _read(self, process: subprocess.Popen[bytes]) -> Iterator[Item]:
        assert process.stdout is not None
        answers = process.stdout.fileno()
        buffer, at = self._left, 0
        while True:
            while len(buffer) - at >= _HEAD.size:
                kind, position, length = _HEAD.unpack_from(buffer, at)
                end = at + _HEAD.size + length
                if end > len(buffer):
                    break
                held, at = buffer[at + _HEAD.size : end], end
                if kind == _EVENT:
                    yield Event(position, held)
                elif kind == _UNREADABLE:
                    yield Unreadable(position, held.decode("utf-8", "replace"))
                else:
                    self._left = buffer[at:]
                    if kind == _REFUSED:
                        raise InputError(held.decode("utf-8", "replace"))
                    return
            if not select.select([answers], [], [], PATIENCE)[0]:
                raise Lost(f"gave no answer for {PATIENCE:g} s")
            more = os.read(answers, max(_AT_ONCE, len(buffer) - at))
            if not more:
                raise Lost(_how(process))
            buffer, at = buffer[at:] + more, 0


def _how(process: subprocess.Popen[bytes]) -> str:
    with contextlib.suppress(subprocess.TimeoutExpired):
        code = process.wait(1.0)
        if code < 0:
            return f"ended with {signal.Signals(-code).name}"
    return "ended"


_LOCK = threading.Lock()
_WAITING: dict[str, list[subprocess.Popen[bytes]]] = {}


def _start(module: str) -> subprocess.Popen[bytes]:
    # It finds modules where this process does, but for a working folder that anybody may have filled.
    path = os.pathsep.join(each for each in sys.path if each)
    process = subprocess.Popen(
        [sys.executable, "-P", "-c", _PROGRAM, module],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env={**os.environ, "PYTHONPATH": path},
    )
    for pipe in (process.stdin, process.stdout):
        assert pipe is not None
        with contextlib.suppress(OSError):  # the user may have no more room for pipes
            if sys.platform == "linux":
                fcntl.fcntl(pipe, fcntl.F_SETPIPE_SZ, _PIPE)
    return process


def _room(pipe: IO[bytes]) -> int:
    return fcntl.fcntl(pipe, fcntl.F_GETPIPE_SZ) if sys.platform == "linux" else 0


def _end(process: subprocess.Popen[bytes]) -> None:
    process.kill()
    for stream in (process.stdin, process.stdout):
        assert stream is not None
        with contextlib.suppress(OSError):
            stream.close()
    process.wait()


@atexit.register
def _end_all() -> None:
    with _LOCK:
        for process in [each for waiting in _WAITING.values() for each in waiting]:
            _end(process)
        _WAITING.clear()


if hasattr(os, "register_at_fork"):
    # A child has no part in these: their answers would go to either.
    os.register_at_fork(after_in_child=_WAITING.clear)


def serve(module: str) -> None:
    """Answer from standard input to standard output until that ends: the other side of `Apart`."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # it is the parent's
    loaded = importlib.import_module(module)
    answer: Answers = loaded.answer
    memory = getattr(loaded, "MEMORY", MEMORY)
    for bound, most in ((resource.RLIMIT_DATA, memory), (resource.RLIMIT_CORE, 0)):
        with contextlib.suppress(ValueError, OSError):
            resource.setrlimit(bound, (most, resource.getrlimit(bound)[1]))
    parts, answers = sys.stdin.buffer, sys.stdout.buffer
    while head := parts.read(8):
        part = parts.read(struct.unpack("<Q", head)[0])
        try:
            for item in answer(part):
                _tell(answers, item)
        except InputError as error:
            _write(answers, _REFUSED, 0, str(error).encode())
        else:
            _write(answers, _DONE, 0, b"")
        answers.flush()


def _tell(answers: IO[bytes], item: Item) -> None:
    if isinstance(item, Event):
        _write(answers, _EVENT, item.position, item.data)
    else:
        _write(answers, _UNREADABLE, item.position, item.reason.encode("utf-8", "replace"))


def _write(answers: IO[bytes], kind: bytes, position: int, held: bytes) -> None:
    answers.write(_HEAD.pack(kind, position, len(held)))
    answers.write(held)
