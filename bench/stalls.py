"""The longest batch: what a stream waits for when the engine has to plan a search, or meets a new kind of event."""

from __future__ import annotations

import time
from collections.abc import Iterator

from bench.batch import matching
from bench.corpus import WINDOWS, batches_of, read_lines
from bench.figures import Figure
from bench.packs import Packs
from bench.timing import ROUNDS, median
from sigmac import load_pack

EVENTS = 20_000  # recorded ones, in their order
SIZE = 200  # events of a batch, as a stream of some thousand a second has


def measure(packs: Packs) -> Iterator[Figure]:
    """Unseen events in small batches: the first, the longest after it, and the usual one."""
    lines = read_lines(WINDOWS)[:EVENTS]
    batches = [
        batch for at in range(0, len(lines), SIZE) for batch in batches_of(lines[at : at + SIZE])
    ]
    for title, path in (("Windows rules", packs.windows), ("all rules", packs.whole)):
        rounds = []
        for _ in range(ROUNDS):
            work = matching(load_pack(path))
            spent = []
            for batch in batches:
                started = time.thread_time()
                work(batch)
                spent.append(time.thread_time() - started)
            rounds.append((spent[0], max(spent[1:]), median(spent)))
        rules = f"{len(load_pack(path)):,} {title}, a batch of {SIZE} events"
        for at, what in enumerate(("the first", "the longest after it", "the usual one")):
            yield Figure(f"{rules}: {what}", median([each[at] for each in rounds]) * 1e3, "ms")
