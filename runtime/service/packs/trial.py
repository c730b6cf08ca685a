"""Tries a pack in a process of its own: what its code does there, for however long, does nothing to the service.

All of the pack is compiled, each rule is asked about an empty event, and the batch engine evaluates records of every
text that the pack looks for.
"""

from __future__ import annotations

import math
import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import TracebackType

import orjson

from sigmac.runtime.errors import PackError, SigmacError
from sigmac.runtime.pack.pack import Pack, load_pack
from sigmac.runtime.scalar.event import Event
from sigmac.runtime.service.workers.supervisor_process import signal_name

_MEMORY = 4 << 30  # bytes that a pack may need while it is tried
_MAX_REASON = 500  # characters
_AT_ONCE = 4096  # records
_LOOK = 0.2  # seconds between two looks whether the trial is still wanted


def try_pack(
    folder: Path,
    timeout: float,
    environment: Mapping[str, str] | None = None,
    cancelled: Callable[[], bool] = lambda: False,
) -> None:
    """Try a verified pack, for at most `timeout` seconds or until `cancelled` says so.

    Raises `PackError` with one sentence where the pack fails, ends the process or is not done in time.
    """
    until = time.monotonic() + timeout
    with subprocess.Popen(
        [*interpreter(), "-m", "sigmac.runtime.service.packs.trial", str(folder), str(timeout)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=environment,
    ) as process:
        try:
            while True:
                try:
                    said, _ = process.communicate(timeout=_LOOK)
                    break
                except subprocess.TimeoutExpired:
                    if cancelled():
                        raise PackError("the service is stopping") from None
                    if time.monotonic() > until:
                        raise PackError(_too_slow(timeout)) from None
        finally:
            process.kill()
    reason = said.decode("utf-8", "replace")
    if process.returncode == -signal.SIGALRM:
        raise PackError(_too_slow(timeout))
    if process.returncode < 0:
        name = signal_name(-process.returncode)
        raise PackError(f"the pack ended the process that tried it with {name}")
    if reason != "good":
        raise PackError(reason or "the pack ended the process that tried it")


def _too_slow(timeout: float) -> str:
    return f"the pack is too slow: it could not be loaded and tried within {timeout:g} s"


def interpreter() -> list[str]:
    """The command of Python for a process of the service.

    It looks for modules in the working folder only where this process does, too.
    """
    here = {"", os.getcwd()} & set(sys.path)
    return [sys.executable] if here else [sys.executable, "-P"]


def _try(folder: Path) -> None:
    pack = load_pack(folder)
    pack.warm()
    event: dict[str, object] = {}
    for rule in range(len(pack)):
        pack.conditions[rule](Event(event, pack.vocabulary))
    for records in _records(pack):
        pack.match_batch(records)


def _records(pack: Pack) -> Iterator[bytes]:
    """Batches of records that hold, one after the other, every text that rules compare a field with."""
    made = [
        orjson.dumps({field: text, "": [text, 1]}) for field, text in pack.vocabulary.examples()
    ]
    for field, numbers in pack.vocabulary.thresholds().items():
        made += [orjson.dumps({field: [number, str(number)]}) for number in numbers]
    for first in range(0, len(made) + 1, _AT_ONCE):
        yield b"\n".join([b"{}", *made[first : first + _AT_ONCE]])


def _limit_memory() -> None:
    if sys.platform == "linux":
        # What libraries have reserved before, some of them by the number of cores, is not the pack's.
        reserved = int(Path("/proc/self/statm").read_text("ascii").split()[0])
        limit = reserved * resource.getpagesize() + _MEMORY
        resource.setrlimit(resource.RLIMIT_AS, (limit, limit))


def _main(folder: str, timeout: str) -> None:
    # What the pack prints goes nowhere; the answer goes where the output went.
    answer = os.dup(1)
    nowhere = os.open(os.devnull, os.O_RDWR)
    os.dup2(nowhere, 1)
    os.dup2(nowhere, 2)

    def failed(_: type[BaseException], error: BaseException, __: TracebackType | None) -> None:
        text = str(error) if isinstance(error, SigmacError) else f"the pack fails: {error!r}"
        os.write(answer, " ".join(text.split())[:_MAX_REASON].encode("utf-8", "replace"))

    sys.excepthook = failed
    signal.alarm(math.ceil(float(timeout)) + 1)  # ends it even if nobody waits any more
    _limit_memory()
    _try(Path(folder))
    os.write(answer, b"good")


if __name__ == "__main__":
    _main(*sys.argv[1:])
