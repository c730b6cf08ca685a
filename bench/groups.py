"""What the state of many groups takes: a snapshot, going on from it, and memory.

`python -m bench.groups HITS` prints the kilobytes of a process that has so many hits in each of a million groups.
"""

from __future__ import annotations

import re
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from bench.figures import Figure
from sigmac.runtime.correlation.correlator import Correlator, Limits
from sigmac.runtime.correlation.definition import Correlation
from sigmac.runtime.correlation.observation import Observation
from sigmac.runtime.correlation.timestamps import SECOND

LIVE = 1_000_000
KEPT = 100_000  # groups of a snapshot
FEW, SOME = 1, 5  # hits of a group
COUNT = Correlation(
    title="Many Failed Logons",
    type="event_count",
    rules=["failed"],
    timespan=3600,
    group_by=["User"],
    condition={"gte": 10},
)


def measure() -> Iterator[Figure]:
    """A state of `KEPT` groups there and back, and the memory of `LIVE` groups."""
    correlator = fill(KEPT, SOME)
    started = time.thread_time()
    state = correlator.snapshot()
    taken = time.thread_time()
    other = Correlator({"count": COUNT}, COUNT.rules)
    other.restore(state)
    restored = time.thread_time()
    assert other.groups == {"count": KEPT}
    what = f"event_count, {KEPT:,} groups with {SOME} hits each"
    yield Figure(f"{what}: snapshot", taken - started, "s")
    yield Figure(f"{what}: restore", restored - taken, "s")
    yield Figure(f"{what}: bytes of a snapshot", len(state) / 1e6, "MB")
    for hits, reach in ((FEW, "≤ 1024"), (SOME, "")):
        command = [sys.executable, "-m", "bench.groups", str(hits)]
        done = subprocess.run(command, check=True, stdout=subprocess.PIPE)
        what = f"event_count, {LIVE:,} groups with {hits} hit{'s' * (hits > 1)} each"
        yield Figure(f"{what}: resident memory", int(done.stdout) / 1024, "MiB", reach)


def fill(groups: int, hits: int) -> Correlator:
    """So many hits in each of so many groups, all within the span, sources as a file's events have them."""
    correlator = Correlator({"count": COUNT}, COUNT.rules, limits=Limits(groups=groups))
    matched = {"failed": ()}
    for number in range(groups * hits):
        when = COUNT.timespan * SECOND * number // (groups * hits)
        source = {"name": "events.ndjson", "position": number}
        user = f"user-{number % groups}"
        correlator.take(Observation(when, source, matched, {"User": [user]}))
    return correlator


def _print_memory(hits: int) -> None:
    correlator = fill(LIVE, hits)
    assert correlator.groups == {"count": LIVE}
    found = re.search(r"VmRSS:\s+(\d+) kB", Path("/proc/self/status").read_text("ascii"))
    assert found is not None
    print(found[1])


if __name__ == "__main__":
    _print_memory(int(sys.argv[1]))
