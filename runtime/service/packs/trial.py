"""Tries a pack in a process of its own: what its code does there, for however long, does nothing to the service.

All of the pack is compiled, each rule is asked about an empty event, and the batch engine evaluates records of every
text that the pack looks for, then records that the service has seen last. Those reach the process through a pipe alone,
and nothing that the pack says of them goes anywhere.
"""

from __future__ import annotations

import math
import os
import resource
import signal
import subprocess
import sys
import threading
import time
from base64 import b64decode, b64encode
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import IO, Any

import orjson

from sigmac.runtime.errors import PackError, SigmacError
from sigmac.runtime.pack.pack import Pack, load_pack
from sigmac.runtime.printable import escaped
from sigmac.runtime.scalar.event import Event
from sigmac.runtime.service.workers.supervisor_process import signal_name

Records = tuple[bytes, Mapping[str, str] | None]  # as NDJSON, of one logsource

_MEMORY = 4 << 30  # bytes that a pack may need while it is tried, beside its memory budget
_MAX_REASON = 500  # characters
_MAX_LINE = 200  # characters of what a pack says
_KEPT = 4096  # bytes of what it writes
_AT_ONCE = 4096  # records
_LOOK = 0.2  # seconds between two looks whether the trial is still wanted


def try_pack(
    folder: Path,
    timeout: float,
    environment: Mapping[str, str] | None = None,
    cancelled: Callable[[], bool] = lambda: False,
    *,
    loading: Mapping[str, Any],
    recent: Sequence[Records] = (),
) -> None:
    """Try a verified pack, for at most `timeout` seconds or until `cancelled` says so.

    `loading` says how `load_pack` loads it; `recent` are records that it has to evaluate.

    Raises `PackError` with one sentence where the pack fails, ends the process or is not done in time.
    """
    until = time.monotonic() + timeout
    told = _written(loading, recent)
    process = subprocess.Popen(
        [*interpreter(), "-m", "sigmac.runtime.service.packs.trial", str(folder), str(timeout)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment,
        start_new_session=True,
    )
    _give(process.stdin, told)
    answer, errors = _Tail(process.stdout), _Tail(process.stderr)
    try:
        while process.poll() is None:
            if cancelled():
                raise PackError("the service is stopping")
            if time.monotonic() > until:
                raise PackError(_too_slow(timeout) + errors.last_line())
            with suppress(subprocess.TimeoutExpired):
                process.wait(_LOOK)
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)  # and what the pack has started
        process.wait()
    reason = answer.text()
    if process.returncode == -signal.SIGALRM:
        raise PackError(_too_slow(timeout) + errors.last_line())
    if process.returncode < 0:
        name = signal_name(-process.returncode)
        raise PackError(f"the pack ended the process that tried it with {name}{errors.last_line()}")
    if reason != "good":
        raise PackError(reason or f"the pack ended the process that tried it{errors.last_line()}")


def _too_slow(timeout: float) -> str:
    return f"the pack is too slow: it could not be loaded and tried within {timeout:g} s"


class _Tail:
    """The end of what a process writes, however much that is; read in a thread."""

    def __init__(self, stream: IO[bytes] | None):
        assert stream is not None
        self._end = b""
        self._thread = threading.Thread(target=self._read, args=(stream,), daemon=True)
        self._thread.start()

    def _read(self, stream: IO[bytes]) -> None:
        with stream:
            while some := os.read(stream.fileno(), 1 << 16):
                self._end = (self._end + some)[-_KEPT:]

    def text(self) -> str:
        self._thread.join(1.0)
        return self._end.decode("utf-8", "replace")

    def last_line(self) -> str:
        """To be put behind a reason."""
        lines = [" ".join(line.split()) for line in self.text().splitlines() if line.strip()]
        return f"; it said last: {escaped(lines[-1][:_MAX_LINE])}" if lines else ""


def interpreter() -> list[str]:
    """The command of Python for a process of the service.

    It looks for modules in the working folder only where this process does, too.
    """
    here = {"", os.getcwd()} & set(sys.path)
    return [sys.executable] if here else [sys.executable, "-P"]


def _give(stream: IO[bytes] | None, data: bytes) -> None:
    """Write all of it, in a thread, as nobody knows whether the process reads."""
    assert stream is not None

    def write() -> None:
        with suppress(BrokenPipeError), stream:
            stream.write(data)

    threading.Thread(target=write, daemon=True).start()


def _written(loading: Mapping[str, Any], recent: Sequence[Records]) -> bytes:
    """What a trial needs to know, as JSON; keys and records may be any bytes."""
    keys = loading["trusted_keys"]
    plain = {**loading, "trusted_keys": keys and [b64encode(key).decode() for key in keys]}
    records = [(b64encode(some).decode(), logsource) for some, logsource in recent]
    return orjson.dumps({"loading": plain, "recent": records})


def _read(data: bytes) -> tuple[dict[str, Any], list[Records]]:
    """What `_written` wrote."""
    told = orjson.loads(data)
    keys = told["loading"]["trusted_keys"]
    loading = {**told["loading"], "trusted_keys": keys and [b64decode(key) for key in keys]}
    return loading, [(b64decode(some), logsource) for some, logsource in told["recent"]]


def _try(folder: Path, loading: Mapping[str, Any], recent: Sequence[Records]) -> None:
    pack = load_pack(folder, **loading)
    pack.warm()
    event: dict[str, object] = {}
    for rule in range(len(pack)):
        pack.conditions[rule](Event(event, pack.vocabulary))
    for made in _records(pack):
        pack.match_batch(made)
    # From here on a pack could tell what stands in a record.
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
    try:
        for records, logsource in recent:
            pack.match_batch(records, logsource=logsource)
    except BaseException as error:  # noqa: BLE001 - an exit, too, may say what stands there
        name = type(error).__name__
        raise PackError(f"the pack fails on a recent record: {name}") from None


def _records(pack: Pack) -> Iterator[bytes]:
    """Batches of records that hold, one after the other, every text that rules compare a field with."""
    made = [
        orjson.dumps({field: text, "": [text, 1]}) for field, text in pack.vocabulary.examples()
    ]
    for field, numbers in pack.vocabulary.thresholds().items():
        made += [orjson.dumps({field: [number, str(number)]}) for number in numbers]
    for first in range(0, len(made) + 1, _AT_ONCE):
        yield b"\n".join([b"{}", *made[first : first + _AT_ONCE]])


def _limit_memory(budget: int) -> None:
    if sys.platform == "linux":
        # What libraries have reserved before, some of them by the number of cores, is not the pack's.
        reserved = int(Path("/proc/self/statm").read_text("ascii").split()[0])
        limit = reserved * resource.getpagesize() + _MEMORY + budget
        resource.setrlimit(resource.RLIMIT_AS, (limit, limit))


def _main(folder: str, timeout: str) -> None:
    # What the pack prints goes nowhere; the answer goes where the output went. What it says on standard error is kept.
    answer = os.dup(1)
    nowhere = os.open(os.devnull, os.O_RDWR)
    os.dup2(nowhere, 1)

    def failed(_: type[BaseException], error: BaseException, __: TracebackType | None) -> None:
        text = str(error) if isinstance(error, SigmacError) else f"the pack fails: {error!r}"
        os.write(answer, " ".join(text.split())[:_MAX_REASON].encode("utf-8", "replace"))

    sys.excepthook = failed
    signal.alarm(math.ceil(float(timeout)) + 1)  # ends it even if nobody waits any more
    loading, recent = _read(sys.stdin.buffer.read())
    os.dup2(nowhere, 0)
    _limit_memory(loading["memory_budget"])
    _try(Path(folder), loading, recent)
    os.write(answer, b"good")


if __name__ == "__main__":
    _main(*sys.argv[1:])
