"""Blocks of records through several threads, the results in the order of the blocks.

Threads, not processes: the kernels hold no lock, what Python does besides is small, and blocks that went through pipes
would cost as much as evaluating them (`make bench` measures both).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, TypeVar

from sigmac.runtime.errors import InputError
from sigmac.runtime.inputs.lines import Block

if TYPE_CHECKING:
    from concurrent.futures import Future

MIN_PARALLEL = 32 << 20  # bytes of input below which a second worker costs more than it gains
_AHEAD = 2  # blocks for each worker that wait or are in work

Outcome = TypeVar("Outcome")


def evaluate_all(
    blocks: Iterable[Block], evaluate: Callable[[Block], Outcome], workers: int
) -> Iterator[tuple[Block, Outcome]]:
    """Each block with its outcome, in order; by `workers` threads where there are more than one.

    A block may be looked at until the next one is asked for.
    Raises what evaluating a block raises, and whatever reading a block raises once all blocks before it are done.
    """
    if workers < 2:
        for block in blocks:
            yield block, evaluate(block)
            block.done()
        return
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
                first.done()
            waiting.append((block, pool.submit(evaluate, block)))
        while waiting:
            first, outcome = waiting.popleft()
            yield first, outcome.result()
    finally:
        pool.shutdown(cancel_futures=True)
    if failure is not None:
        raise failure
