"""What 100,000 rules cost: the build, its memory, loading the pack, what is resident, an event."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from bench.batch import matching
from bench.compiler import run_alone
from bench.corpus import ROOT, WINDOWS, read_batches
from bench.figures import Figure, note
from bench.packs import MANY, WINDOWS_OPTIONS, Packs
from bench.timing import PARSE, PER_PARSE, alternate, parse_each, speed
from sigmac import load_pack

COUNT = 100_000
_CONSUMER = r"""
import re, sys, time
from pathlib import Path
import sigmac
from sigmac.runtime.inputs.lines import read_blocks
blocks = [block.data for block in read_blocks(sys.argv[2])]
def resident():
    return int(re.search(r"VmRSS:\s+(\d+) kB", Path("/proc/self/status").read_text())[1])
before = resident()
started = time.perf_counter()
pack = sigmac.load_pack(sys.argv[1])
pack.match_batch(b'{"EventID": 1}\n')
print(time.perf_counter() - started)
for data in blocks:
    pack.match_batch(data)
print(resident() - before)
"""


def measure(packs: Packs) -> Iterator[Figure]:
    """A build of 100,000 rules for Windows, SigmaHQ's and copies with other values, and how its pack runs."""
    rules, pack = packs.write(COUNT), packs.folder / f"pack-{COUNT}"
    command = [sys.executable, "-m", "sigmac", "build", str(rules), "--skip-errors", "--no-cache"]
    note(f"building {COUNT:,} rules")
    seconds, megabytes = run_alone([*command, *WINDOWS_OPTIONS, "-o", str(pack)])
    what = f"{COUNT:,} rules"
    yield Figure(f"{what}: build, cold", seconds, "s", "≤ 600")
    yield Figure(f"{what}: build, largest process", megabytes, "MB")
    loading, resident = _consumer(pack)
    yield Figure(f"{what}: load to first answer", loading, "s")
    yield Figure(f"{what}: resident memory of the pack after recorded events", resident, "MB")
    batches = list(read_batches(WINDOWS))
    warming, measured = batches[::2], batches[1::2]
    works = {
        str(count): matching(load_pack(path))
        for count, path in ((MANY, packs.many(MANY)), (COUNT, pack))
    }
    for batch in warming:
        for work in works.values():
            work(batch)
    spent = alternate(measured, {PARSE: parse_each, **works})
    each = spent[str(COUNT)] / sum(len(batch.lines) for batch in measured)
    yield Figure(f"{what}: an event", each * 1e6, "µs")
    yield Figure(f"{what}: unseen events", speed(spent, str(COUNT)), PER_PARSE)
    yield Figure(f"{what} against {MANY:,}", spent[str(COUNT)] / spent[str(MANY)], "× the time")


def _consumer(pack: Path) -> tuple[float, float]:
    """Seconds until a pack has answered, and megabytes that it has added to its process after all events."""
    events = ROOT / f"{WINDOWS}.ndjson.zst"
    command = [sys.executable, "-c", _CONSUMER, str(pack), str(events)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    seconds, kilobytes = map(float, done.stdout.split())
    return seconds, kilobytes * 1024 / 1e6
