"""Blocks of records through several processes, the results in the order of the blocks.

Processes, not threads: what Python does between two kernels is a fifth of the work, and threads would do it one after
another. They are forked once the pack is loaded, so its tables are in memory once. Blocks and results go through pipes
as plain bytes and JSON.
"""

from __future__ import annotations

import multiprocessing
import queue
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from multiprocessing.connection import Connection
from typing import Any

import orjson

from sigmac.runtime.errors import InputError
from sigmac.runtime.processes import follow_parent, held_interrupt
from sigmac.runtime.records import Block

MIN_PARALLEL = 32 << 20  # bytes of input below which starting processes costs more than it gains
_AHEAD = 2  # blocks that wait at each worker, the one in work included

# A block's lines of matches, and what was counted
Outcome = tuple[bytes, dict[str, Any]]
Evaluate = Callable[[Block], Outcome]


def can_fork() -> bool:
    return "fork" in multiprocessing.get_all_start_methods()


def evaluate_all(
    blocks: Iterable[Block], evaluate: Evaluate, workers: int
) -> Iterator[tuple[Block, Outcome]]:
    """Each block with its outcome, in order; by `workers` processes where there are more than one.

    Raises `InputError` where a worker died, and whatever reading a block raises once all blocks before it are done.
    """
    if workers < 2:
        for block in blocks:
            yield block, evaluate(block)
        return
    context = multiprocessing.get_context("fork")
    connections: list[Connection] = []
    processes = []
    try:
        for _ in range(workers):
            ours, theirs = context.Pipe()
            connections.append(ours)
            # What a worker inherits of the others' pipes it closes: a pipe ends when its one worker does.
            process = context.Process(
                target=_work, args=(theirs, list(connections), evaluate), daemon=True
            )
            with held_interrupt():
                process.start()
            processes.append(process)
            theirs.close()
        yield from _in_turn(blocks, connections)
    finally:
        for ours in connections:
            ours.close()
        for process in processes:
            process.join(1)
            if process.is_alive():
                process.terminate()


def _in_turn(blocks: Iterable[Block], workers: list[Connection]) -> Iterator[tuple[Block, Outcome]]:
    waiting: deque[tuple[Block, Connection]] = deque()
    failure: BaseException | None = None
    source = iter(blocks)
    number = 0
    while True:
        try:
            block = next(source)
        except StopIteration:
            break
        except InputError as error:
            failure = error
            break
        if len(waiting) == _AHEAD * len(workers):
            yield _next_outcome(waiting)
        worker = workers[number % len(workers)]
        number += 1
        try:
            worker.send_bytes(orjson.dumps([block.name, block.first, block.read]))
            worker.send_bytes(block.data)
        except OSError:
            raise InputError("a worker process died") from None
        waiting.append((block, worker))
    while waiting:
        yield _next_outcome(waiting)
    if failure is not None:
        raise failure


def _next_outcome(waiting: deque[tuple[Block, Connection]]) -> tuple[Block, Outcome]:
    block, worker = waiting.popleft()
    try:
        counted = orjson.loads(worker.recv_bytes())
        return block, (worker.recv_bytes(), counted)
    except (EOFError, OSError):
        raise InputError(f"{block.name}: a worker process died") from None


def _work(connection: Connection, inherited: Iterable[Connection], evaluate: Evaluate) -> None:
    """What a worker does: blocks in, outcomes out, until the other end is closed."""
    follow_parent()
    for each in inherited:
        each.close()
    # Blocks are taken off the pipe while one is in work, so that neither side ever waits for the other to read.
    blocks: queue.Queue[Block | None] = queue.Queue(_AHEAD)

    def receive() -> None:
        try:
            while True:
                name, first, read = orjson.loads(connection.recv_bytes())
                blocks.put(Block(name, connection.recv_bytes(), first, read))
        except (EOFError, OSError):
            blocks.put(None)

    threading.Thread(target=receive, daemon=True).start()
    while (block := blocks.get()) is not None:
        lines, counted = evaluate(block)
        try:
            connection.send_bytes(orjson.dumps(counted, option=orjson.OPT_NON_STR_KEYS))
            connection.send_bytes(lines)
        except OSError:
            return
