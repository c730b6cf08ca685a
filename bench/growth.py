"""How the time for an event grows with the number of rules, and with the size of events."""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterator, Sequence

from bench.batch import matching
from bench.corpus import ATTACKS, WINDOWS, Batch, batches_of, read_batches, read_lines
from bench.figures import Figure
from bench.packs import Packs
from bench.timing import PARSE, PER_PARSE, ROUNDS, alternate, median, parse_each, speed
from sigmac import load_pack

COUNTS = (100, 1_000, 3_000, 10_000)
# Least and largest bytes of an event, and what is to be reached, by the size that stands for them in kilobytes
SIZES = {
    "0.3": (200, 400, "≥ 1.5"),
    "1": (800, 1_200, ""),
    "3": (2_500, 3_500, ""),
    "10": (8_000, 12_500, "≥ 1.0"),
    "30": (25_000, 40_000, "≥ 1.0"),
}
EVENTS = 4_000  # of each size
CALL = 100  # events of a small call
SETTLED = 40  # batches after which nothing is learnt for the plans of searches any more


def measure(packs: Packs) -> Iterator[Figure]:
    """Recorded events: unseen by packs of 100 to 10,000 rules; seen, as large ones are few, by size of the event."""
    yield from _rules(packs)
    yield from _sizes(packs)


def _rules(packs: Packs) -> Iterator[Figure]:
    batches = list(read_batches(WINDOWS))
    warming, measured = batches[::2], batches[1::2]
    records = sum(len(batch.lines) for batch in measured)
    loaded = {count: packs.many(count) for count in COUNTS}
    rounds = []
    for _ in range(ROUNDS):
        works = {str(count): matching(load_pack(path)) for count, path in loaded.items()}
        for batch in warming:
            for work in works.values():
                work(batch)
        rounds.append(alternate(measured, {PARSE: parse_each, **works}))
    for count in COUNTS:
        each = median([spent[str(count)] for spent in rounds]) / records
        yield Figure(f"{count:,} rules, an event", each * 1e6, "µs")
    ratios = [spent["10000"] / spent["1000"] for spent in rounds]
    yield Figure("10,000 rules against 1,000", median(ratios), "× the time", "≤ 1.3")


def _sizes(packs: Packs) -> Iterator[Figure]:
    before = list(read_batches(WINDOWS))[:SETTLED]
    lines = [*read_lines(WINDOWS), *read_lines(ATTACKS)]
    random.Random(1).shuffle(lines)
    for size, (least, most, reach) in SIZES.items():
        recorded = [line for line in lines if least <= len(line) <= most]
        # Where fewer were recorded, these again and again: a batch has the usual size.
        chosen = list(itertools.islice(itertools.cycle(recorded), EVENTS))
        what = f"events of about {size} kB, seen ({min(EVENTS, len(recorded)):,} different)"
        yield from _seen(what, packs, before, batches_of(chosen), reach)
        if size == "0.3":
            calls = [
                batch
                for at in range(0, EVENTS, CALL)
                for batch in batches_of(chosen[at : at + CALL])
            ]
            yield from _seen(f"{what}, {CALL} in a call", packs, before, calls, "")


def _seen(
    what: str, packs: Packs, before: Sequence[Batch], measured: Sequence[Batch], reach: str
) -> Iterator[Figure]:
    rounds = []
    for _ in range(ROUNDS):
        work = matching(load_pack(packs.windows))
        for batch in (*before, *measured):
            work(batch)
        rounds.append(alternate(measured, {PARSE: parse_each, "": work}))
    each = median([spent[""] for spent in rounds]) / EVENTS
    yield Figure(f"{what}: an event", each * 1e6, "µs")
    yield Figure(what, median([speed(spent, "") for spent in rounds]), PER_PARSE, reach)
