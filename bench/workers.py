"""Two workers against one: threads over one pack in memory, and `sigmac run --workers` over a file."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.batch import matching
from bench.corpus import WINDOWS, Batch, read_batches
from bench.figures import Figure, best, note
from bench.packs import Packs
from bench.timing import ROUNDS
from sigmac import Pack, load_pack

REPEATED = 10  # times that the recordings are in the file: 5.8 GB
_STATISTICS = Path("/proc/thread-self/schedstat")


@dataclass(frozen=True, slots=True)
class _Spent:
    """Seconds of some threads that did the same work together.

    `elapsed` is by the clock; `own` the sum of what each took on a processor and waiting for the others, without what
    it waited for a processor, which other programs make longer.
    """

    elapsed: float
    own: float


def measure(packs: Packs) -> Iterator[Figure]:
    """By the clock, for which the machine must have nothing else to do; and by what the threads themselves took."""
    if (os.cpu_count() or 1) < 2:
        note("two workers need two cores")
        return
    batches = list(read_batches(WINDOWS))
    records = sum(len(batch.lines) for batch in batches)
    events = packs.folder / "events.ndjson"
    with events.open("wb") as file:
        for _ in range(REPEATED):
            file.writelines(batch.data for batch in batches)
    size = events.stat().st_size / 1e9

    one, two = _threads(packs.windows, 1, batches), _threads(packs.windows, 2, batches)
    rounds = [(one(), two()) for _ in range(ROUNDS)]
    single, double = (best(each[i].elapsed for each in rounds) for i in (0, 1))
    what = "2 threads over one pack, warm"
    yield Figure(f"{what}: events", records / double, "/s")
    yield Figure(f"{what}, against 1", single / double, "×")
    single, double = (best(each[i].own for each in rounds) for i in (0, 1))
    yield Figure(
        f"{what}, against 1, by what they take and wait for each other",
        2 * single / double,
        "×",
        "≥ 1.9",
    )
    times = [
        (_run(packs.windows, events, 1), _run(packs.windows, events, 2)) for _ in range(ROUNDS)
    ]
    single, double = (best(each[i] for each in times) for i in (0, 1))
    what = f"`sigmac run --workers 2`, {size:.1f} GB, start included"
    yield Figure(f"{what}: events", REPEATED * records / double, "/s")
    yield Figure(f"{what}, against 1", single / double, "×", "≥ 1.8")
    events.unlink()


def _threads(path: Path, workers: int, batches: Sequence[Batch]) -> Callable[[], _Spent]:
    """All batches by so many threads, each with an engine that has seen them all."""
    pack = load_pack(path, workers=workers)
    _warm(pack, workers, batches)
    work = matching(pack)

    def run() -> _Spent:
        left, own = iter(batches), [0.0] * workers

        def thread(number: int) -> None:
            started = _own_time()
            for batch in left:
                work(batch)
            own[number] = _own_time() - started

        threads = [threading.Thread(target=thread, args=(number,)) for number in range(workers)]
        started = time.perf_counter()
        for each in threads:
            each.start()
        for each in threads:
            each.join()
        return _Spent(time.perf_counter() - started, sum(own))

    return run


def _warm(pack: Pack, workers: int, batches: Sequence[Batch]) -> None:
    engines = pack.engines()
    if engines is None:
        sys.exit("bench: there are no kernels for this machine")
    taken = [engines.take(wait=True) for _ in range(workers)]
    for engine in taken:
        assert engine is not None
        for batch in batches:
            engine.match_batch(batch.data, pack.tagged(None))
        engines.give_back(engine)


def _own_time() -> float:
    """Seconds by the clock but for those that this thread waited for a processor, where the system tells."""
    waited = 0.0
    if _STATISTICS.exists():
        waited = int(_STATISTICS.read_text().split()[1]) / 1e9
    return time.perf_counter() - waited


def _run(pack: Path, events: Path, workers: int) -> float:
    command = [sys.executable, "-m", "sigmac", "run", str(pack), str(events), "--no-event", "-q"]
    started = time.perf_counter()
    subprocess.run([*command, "--workers", str(workers), "-o", os.devnull], check=True)
    return time.perf_counter() - started
