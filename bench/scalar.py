"""What one event costs through `pack.match`, beside `orjson.loads` of the same bytes in the same run."""

from __future__ import annotations

import gc
import random
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import orjson

from bench.corpus import read_lines, unpack_rules
from bench.figures import Figure, best
from sigmac import load_pack

_START = """
import time; started = time.perf_counter()
import sigmac
pack = sigmac.load_pack({path!r})
loaded = time.perf_counter() - started
pack.match({{"EventID": 1, "Channel": "Microsoft-Windows-Sysmon/Operational", "Image": r"C:\\whoami.exe"}})
print(loaded, time.perf_counter() - started)
"""


def measure(folder: Path) -> Iterator[Figure]:
    """Latency of SigmaHQ's Windows rules over recorded events, warm; load time; memory."""
    rules = unpack_rules(folder)
    path = folder / "windows"
    command = [sys.executable, "-m", "sigmac", "build", *map(str, rules), "--skip-errors"]
    command += ["--pipeline", "windows", "--logsource", "product=windows", "-o", str(path)]
    subprocess.run([*command, "--no-cache"], check=True, capture_output=True)
    starts = [_start(path) for _ in range(5)]
    yield Figure("import and load_pack", best(each[0] for each in starts), "s", "≤ 0.5")
    yield Figure("import, load_pack and first match", best(each[1] for each in starts), "s")
    pack = load_pack(path)
    started = time.process_time()
    pack.warm()
    yield Figure("warm", time.process_time() - started, "s")
    for name in ("otrf/windows-20k", "evtx-attack/events"):
        lines = read_lines(name)
        random.Random(1).shuffle(lines)
        events = [orjson.loads(line) for line in lines]
        half = len(events) // 2
        for event in events[:half]:
            pack.match(event)
        gc.freeze()
        parse = _microseconds(orjson.loads, lines[half:])
        unseen = _microseconds(pack.match, events[half:])
        seen = _microseconds(pack.match, events[half:])
        yield Figure(f"{name}: orjson.loads, mean", float(parse.mean()), "µs")
        yield Figure(f"{name}: match, unseen events, p50", float(np.percentile(unseen, 50)), "µs")
        yield Figure(
            f"{name}: match, unseen events, p99", float(np.percentile(unseen, 99)), "µs", "< 100"
        )
        yield Figure(
            f"{name}: match, seen events, p99", float(np.percentile(seen, 99)), "µs", "< 100"
        )
        yield Figure(
            f"{name}: match, mean, of orjson.loads", float(unseen.mean() / parse.mean()), "×"
        )


def _start(path: Path) -> tuple[float, float]:
    script = _START.format(path=str(path))
    done = subprocess.run(
        [sys.executable, "-c", script], check=True, capture_output=True, text=True
    )
    loaded, matched = map(float, done.stdout.split())
    return loaded, matched


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
