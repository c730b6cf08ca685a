"""Other engines beside ours, each on the rules that both count alike; see `bench/peers/`."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from bench.batch import matching
from bench.corpus import WINDOWS_SMALL, Batch, batches_of, read_lines
from bench.figures import Figure, best, note
from bench.packs import Packs
from bench.peers import Comparison, compare, go, rsigma, sqlite
from bench.timing import PER_PARSE, parse_each
from sigmac import load_pack

PASSES = 5
SQLITE_EVENTS = 2_000  # it takes minutes for more
REACH = {rsigma.NAME: "≥ 10", go.NAME: "≥ 100"}


def measure(packs: Packs) -> Iterator[Figure]:
    """Events a peer's fastest pass takes against our fastest and `orjson.loads`' over the same events."""
    lines = read_lines(WINDOWS_SMALL)
    for peers, some in (((rsigma, go), lines), ((sqlite,), lines[:: len(lines) // SQLITE_EVENTS])):
        events = packs.folder / f"events-{len(some)}.ndjson"
        events.write_bytes(b"\n".join(some) + b"\n")
        ours = _counts(packs.whole, some)
        for comparison in compare(packs.rules, events, ours, packs.folder / "agreed", peers):
            yield from _beside(packs, comparison, some)
        events.unlink()


def _counts(path: Path, lines: list[bytes]) -> dict[str, int]:
    """How many records each rule matches."""
    pack = load_pack(path)
    counts = np.zeros(len(pack), np.int64)
    for batch in batches_of(lines):
        counts += np.bincount(pack.match_batch(batch.data).rule, minlength=len(pack))
    return {str(rule.id): count for rule, count in zip(pack.rules, counts.tolist(), strict=True)}


def _beside(packs: Packs, comparison: Comparison, lines: list[bytes]) -> Iterator[Figure]:
    peer = comparison.timed
    name = f"agreed-{comparison.folder.name}"
    path = packs.build(name, comparison.folder)
    batches = batches_of(lines)
    work = matching(load_pack(path))
    note(f"timing ours on the {peer.rules:,} rules of {peer.name}")
    ours = best(_pass(batches, work) for _ in range(PASSES))
    parse = best(_pass(batches, parse_each) for _ in range(PASSES))
    what = f"{peer.rules:,} rules, {peer.records:,} events"
    theirs = f"{peer.name} {peer.version}"
    yield Figure(f"{theirs}, {what}: an event", peer.seconds / peer.records * 1e6, "µs", ours=False)
    yield Figure(f"sigmac, {what}: an event", ours / peer.records * 1e6, "µs")
    yield Figure(f"{theirs}, {what}", parse / peer.seconds, PER_PARSE, ours=False)
    yield Figure(f"sigmac, {what}", parse / ours, PER_PARSE)
    yield Figure(f"sigmac against {peer.name}", peer.seconds / ours, "×", REACH.get(peer.name, ""))


def _pass(batches: list[Batch], work: Callable[[Batch], object]) -> float:
    started = time.perf_counter()
    for batch in batches:
        work(batch)
    return time.perf_counter() - started
