"""Blocks of records through several threads, the results in the order of the blocks.

Threads, not processes: the kernels hold no lock, what Python does besides is small, and blocks that went through pipes
would cost as much as evaluating them (`make bench` measures both).
"""

from __future__ import annotations

import contextlib
import threading
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from queue import SimpleQueue
from typing import TYPE_CHECKING, TypeVar

from sigmac.runtime.errors import InputError
from sigmac.runtime.inputs.lines import Block

if TYPE_CHECKING:
    from concurrent.futures import Future

MIN_PARALLEL = 32 << 20  # bytes of input below which a second worker costs more than it gains
_AHEAD = 2  # blocks for each worker that wait or are in work

Outcome = TypeVar("Outcome")


def evaluate_all(
    blocks: Iterable[Block],
    evaluate: Callable[[Block], Outcome],
    workers: int,
    *,
    waits: bool = True,
) -> Iterator[tuple[Block, Outcome]]:
    """Each block with its outcome, in order; by `workers` threads where there are more than one.

    A block may be looked at until the next one is asked for. `waits` says that reading may wait for others, as it does
    of a pipe: then this thread reads, which a signal interrupts. Else each worker reads what it evaluates, and there
    are no more threads at work than cores.

    Raises what evaluating a block raises, and whatever reading a block raises once all blocks before it are done.
    """
    evaluated: Generator[tuple[Block, Outcome], None, None]
    if workers < 2:
        evaluated = ((block, evaluate(block)) for block in blocks)
    elif waits:
        evaluated = _read_here(blocks, evaluate, workers)
    else:
        evaluated = _read_by_workers(iter(blocks), evaluate, workers)
    with contextlib.closing(evaluated):
        for block, outcome in evaluated:
            yield block, outcome
            block.done()


def _read_here(
    blocks: Iterable[Block], evaluate: Callable[[Block], Outcome], workers: int
) -> Generator[tuple[Block, Outcome], None, None]:
    from concurrent.futures import ThreadPoolExecutor

    waiting: deque[tuple[Block, Future[Outcome]]] = deque()
    failure: InputError | None = None
    pool = ThreadPoolExecutor(workers)
    try:
        source = iter(blocks)
        while True:
            try:
                block = next(source)
            except StopIteration:
                break
            except InputError as error:
                failure = error
                break
            if len(waiting) == _AHEAD * workers:
                first, outcome = waiting.popleft()
                yield first, outcome.result()
            waiting.append((block, pool.submit(evaluate, block)))
        while waiting:
            first, outcome = waiting.popleft()
            yield first, outcome.result()
    finally:
        pool.shutdown(cancel_futures=True)
    if failure is not None:
        raise failure


def _read_by_workers(
    source: Iterator[Block], evaluate: Callable[[Block], Outcome], workers: int
) -> Generator[tuple[Block, Outcome], None, None]:
    from concurrent.futures import Future, ThreadPoolExecutor

    # In the order of the input; at its end None, or why it cannot be read on
    read: SimpleQueue[tuple[Block, Future[Outcome]] | BaseException | None] = SimpleQueue()
    room = threading.Semaphore(_AHEAD * workers)
    turn = threading.Lock()
    ended = threading.Event()

    def next_block() -> tuple[Block, Future[Outcome]] | None:
        with turn:
            if ended.is_set():
                return None
            try:
                block = next(source, None)
            except BaseException as error:  # noqa: BLE001 - it is raised where the blocks are asked for
                ended.set()
                read.put(error)
                return None
            if block is None:
                ended.set()
                read.put(None)
                return None
            given = block, Future[Outcome]()
            read.put(given)
            return given

    def work() -> None:
        while room.acquire() and (given := next_block()) is not None:
            block, outcome = given
            try:
                outcome.set_result(evaluate(block))
            except BaseException as error:  # noqa: BLE001 - as above
                outcome.set_exception(error)

    pool = ThreadPoolExecutor(workers)
    try:
        for _ in range(workers):
            pool.submit(work)
        while (given := read.get()) is not None:
            if isinstance(given, BaseException):
                raise given
            block, outcome = given
            yield block, outcome.result()
            room.release()
    finally:
        ended.set()
        room.release(workers)
        pool.shutdown()
