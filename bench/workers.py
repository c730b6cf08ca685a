"""Two workers against one: threads over one pack in memory, and `sigmac run --workers` over a file."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from bench.batch import matching
from bench.corpus import WINDOWS, read_batches
from bench.figures import Figure, best, note
from bench.packs import Packs
from bench.timing import ROUNDS
from sigmac import load_pack

REPEATED = 5  # times that the recordings are in the file


def measure(packs: Packs) -> Iterator[Figure]:
    """Elapsed time of the whole input; the machine must have nothing else to do."""
    if (os.cpu_count() or 1) < 2:
        note("two workers need two cores")
        return
    batches = list(read_batches(WINDOWS))
    records = sum(len(batch.lines) for batch in batches)
    events = packs.folder / "events.ndjson"
    with events.open("wb") as file:
        for _ in range(REPEATED):
            file.writelines(batch.data for batch in batches)

    def threads(workers: int) -> Callable[[], float]:
        work = matching(load_pack(packs.windows, workers=workers))
        with ThreadPoolExecutor(workers) as pool:
            list(pool.map(work, batches))

        def run() -> float:
            started = time.perf_counter()
            with ThreadPoolExecutor(workers) as pool:
                list(pool.map(work, batches))
            return time.perf_counter() - started

        return run

    def command(workers: int) -> Callable[[], float]:
        return lambda: _run(packs.windows, events, workers)

    for what, make, count in (
        ("2 threads over one pack, warm", threads, records),
        ("`sigmac run --workers 2`, start included", command, REPEATED * records),
    ):
        one, two = make(1), make(2)
        times = [(one(), two()) for _ in range(ROUNDS)]
        single, double = best(time for time, _ in times), best(time for _, time in times)
        yield Figure(f"{what}: events", count / double, "/s")
        yield Figure(f"{what}, against 1", single / double, "×", "≥ 1.9")
    events.unlink()


def _run(pack: Path, events: Path, workers: int) -> float:
    command = [sys.executable, "-m", "sigmac", "run", str(pack), str(events), "--no-event", "-q"]
    started = time.perf_counter()
    subprocess.run([*command, "--workers", str(workers), "-o", os.devnull], check=True)
    return time.perf_counter() - started
