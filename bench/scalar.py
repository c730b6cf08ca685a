"""What one event costs through `pack.match`, beside `orjson.loads` of the same bytes in the same run."""

from __future__ import annotations

import gc
import random
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import orjson

from bench.corpus import ATTACKS, WINDOWS_SMALL, read_lines
from bench.figures import Figure
from bench.packs import Packs
from bench.timing import PER_PARSE
from sigmac import load_pack

FIRST = 1_000  # events, after which latencies count
REACH = {50: "≤ 15", 99: "≤ 50", 99.9: "≤ 150"}  # µs


def measure(packs: Packs) -> Iterator[Figure]:
    """Latency of SigmaHQ's Windows rules over recorded events, warm, from the first thousand of each corpus on."""
    pack = load_pack(packs.windows)
    started = time.process_time()
    pack.warm()
    yield Figure("warm", time.process_time() - started, "s")
    for name in (WINDOWS_SMALL, ATTACKS):
        lines = read_lines(name)
        random.Random(1).shuffle(lines)
        events = [orjson.loads(line) for line in lines]
        for event in events[:FIRST]:
            pack.match(event)
        gc.freeze()
        parse = _microseconds(orjson.loads, lines[FIRST:])
        unseen = _microseconds(pack.match, events[FIRST:])
        seen = _microseconds(pack.match, events[FIRST:])
        for what, times in (("unseen", unseen), ("seen", seen)):
            for share, reach in REACH.items():
                yield Figure(
                    f"{name}: {what} events, p{share:g}",
                    float(np.percentile(times, share)),
                    "µs",
                    reach,
                )
        yield Figure(f"{name}: unseen events", float(parse.mean() / unseen.mean()), PER_PARSE)


def _microseconds(
    work: Callable[[Any], object], arguments: Sequence[Any]
) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Processor time of each call: other processes of the machine do not count."""
    times = np.empty(len(arguments))
    clock = time.thread_time_ns
    for i, argument in enumerate(arguments):
        started = clock()
        work(argument)
        times[i] = clock() - started
    return times / 1000
