"""Times work so that the answer holds on a machine whose speed changes while it runs."""

from __future__ import annotations

import gc
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar

import orjson

from bench.corpus import Batch

Input = TypeVar("Input")

ROUNDS = 3
PARSE = "orjson.loads"
PER_PARSE = f"× {PARSE}"  # the unit of a speed, as a multiple of orjson's over the same records


def parse_each(batch: Batch) -> None:
    """What `orjson.loads` alone costs."""
    loads = orjson.loads
    for line in batch.lines:
        loads(line)


def alternate(
    inputs: Sequence[Input], works: Mapping[str, Callable[[Input], object]], turn: int = 8
) -> dict[str, float]:
    """Processor time of each of some works over the same inputs, in seconds.

    Some inputs (`turn`) are given to all of them before the next ones, so that they share what the machine does
    meanwhile. They are many enough that nobody works on caches which the others have just filled. Who goes first
    changes. What is there before is not looked through again for garbage: orjson makes so many objects that it would
    pay for what the others keep.
    """
    gc.collect()
    gc.freeze()
    spent = dict.fromkeys(works, 0.0)
    order = list(works)
    for first in range(0, len(inputs), turn):
        for name in order:
            work = works[name]
            started = time.thread_time()
            for each in inputs[first : first + turn]:
                work(each)
            spent[name] += time.thread_time() - started
        order.append(order.pop(0))
    gc.unfreeze()
    return spent


def speed(spent: Mapping[str, float], name: str) -> float:
    """How many times as fast as `orjson.loads`."""
    return spent[PARSE] / spent[name]


def median(values: Sequence[float]) -> float:
    return statistics.median(values)
