"""Processes: how many are worth it, what signals do, and how workers end with the one that started them."""

from __future__ import annotations

import contextlib
import gc
import os
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from types import FrameType
from typing import Any, TypeVar

from sigmac.runtime.errors import SigmacError

_Given = TypeVar("_Given")
_Answer = TypeVar("_Answer")


def cores() -> int:
    """Processors that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@contextlib.contextmanager
def held_interrupt() -> Iterator[None]:
    """Ctrl-C waits meanwhile, and for ever in the processes that are started here: it is their parent's."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


@contextlib.contextmanager
def signals_to(handle: Callable[[int], None]) -> Iterator[None]:
    """SIGTERM and SIGINT go to `handle`; only the main thread can do this, another goes without."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def handler(number: int, _: FrameType | None) -> None:
        handle(number)

    before = {number: signal.signal(number, handler) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield
    finally:
        for number, old in before.items():
            signal.signal(number, old)


@contextlib.contextmanager
def answers_of(
    ask: Callable[[_Given], _Answer],
    given: Sequence[_Given],
    jobs: int,
    start: Callable[..., None],
    arguments: tuple[Any, ...],
    what: str,
) -> Iterator[Iterator[_Answer]]:
    """What processes of a pool answer, in order; each begins with `start`. What is left goes undone at the end.

    Raises `SigmacError` where a process of `what` dies.
    """
    from concurrent.futures import ProcessPoolExecutor
    from concurrent.futures.process import BrokenProcessPool

    pool = ProcessPoolExecutor(jobs, initializer=start, initargs=arguments)
    try:
        with held_interrupt():
            answers = pool.map(ask, given)  # starts the processes
        yield answers
    except BrokenProcessPool:
        raise SigmacError(
            f"a process of {what} died, perhaps for want of memory; --jobs 1 needs the least"
        ) from None
    finally:
        pool.shutdown(cancel_futures=True)


def follow_parent() -> None:
    """In a process of `multiprocessing`: leave Ctrl-C to the parent, and end when it has ended, however it did."""
    import multiprocessing  # which who counts cores has no use for

    gc.freeze()  # what the parent had is the parent's to end: clients of brokers have threads that are not here
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=_end_after, args=(parent.sentinel,), daemon=True).start()


def _end_after(sentinel: int) -> None:
    from multiprocessing.connection import wait

    wait([sentinel])
    os._exit(1)
