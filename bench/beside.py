"""rsigma's correlations beside ours: the same rules, the same events, the same alerts, or no figures."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any

import orjson

from bench.corpus import Batch, batches_of
from bench.figures import Figure, best, note
from bench.logons import (
    GROUPED,
    SPAN,
    TOGETHER,
    WINDOW,
    correlation,
    lines,
    observe,
    write_correlations,
)
from bench.packs import Packs
from bench.peers import rsigma
from bench.peers.alerts import Counted, alerts_of, difference, group_of, raised
from bench.peers.result import PeerAlerts, PeerMissing
from sigmac import Pack, load_pack
from sigmac.runtime.correlation.observation import Observation

EVENTS = WINDOW + 100_000
PASSES = 3
CASES: Sequence[tuple[str, str, dict[str, Any]]] = (
    ("event_count", GROUPED, {}),
    ("event_count", TOGETHER, {"group-by": [], "condition": {"gte": WINDOW + 1_000}}),
    ("value_count", GROUPED, {}),
    ("temporal", GROUPED, {}),
)


def measure(packs: Packs) -> Iterator[Figure]:
    """Each engine's fastest pass, of correlations alone, and from lines to alerts with detections in them."""
    records = lines(EVENTS)
    events = packs.folder / "logons.ndjson"
    events.write_bytes(b"\n".join(records) + b"\n")
    for number, (kind, where, changes) in enumerate(CASES):
        document = correlation(kind, **changes)
        rules = write_correlations({kind: document}, packs.folder / f"beside-{number}-rules")
        try:
            theirs = rsigma.run_correlations(rules, events)
        except PeerMissing as reason:
            note(str(reason))
            break
        pack = load_pack(packs.build(f"beside-{number}", rules))
        yield from _beside(f"{kind}, {where}", pack, records, theirs)
    events.unlink()


def _beside(
    what: str, pack: Pack, records: Sequence[bytes], theirs: PeerAlerts
) -> Iterator[Figure]:
    observations = observe(pack, records)
    (definition,) = pack.correlations.values()
    counted = [_counted(line, number, definition.group_by) for number, line in enumerate(records)]
    correlator = pack.correlator()
    found = alerts_of(alert for each in observations for alert in correlator.take(each))
    if problem := difference(found, raised(theirs, definition.title, counted, SPAN)):
        note(f"left out: {problem}")
        return
    note(f"{what}: the same {len(found):,} alerts")
    alone = best(_seconds(partial(_correlate, pack, observations)) for _ in range(PASSES))
    batches = batches_of(records)
    whole = best(_seconds(partial(_evaluate, pack, batches)) for _ in range(PASSES))
    for way, here, there, reach in (
        ("correlations alone", alone, theirs.seconds, "≥ 1"),
        ("from lines to alerts", whole, theirs.whole, ""),
    ):
        count, title = theirs.records, f"{what}: {way}"
        peer = f"{theirs.name} {theirs.version}"
        yield Figure(f"{peer}, {title}", count / there, "events/s", ours=False)
        yield Figure(f"sigmac, {title}", count / here, "events/s")
        yield Figure(f"sigmac against {theirs.name}, {title}", there / here, "×", reach)


def _counted(line: bytes, number: int, group_by: Sequence[str]) -> Counted:
    event = orjson.loads(line)
    group = group_of((name, event[name]) for name in group_by)
    return Counted(group, number, event["@timestamp"] // 1000)


def _seconds(work: Callable[[], None]) -> float:
    """Of processor time, as the peer counts it."""
    gc.collect()
    gc.freeze()
    started = time.thread_time()
    work()
    spent = time.thread_time() - started
    gc.unfreeze()
    return spent


def _correlate(pack: Pack, observations: Sequence[Observation]) -> None:
    take = pack.correlator().correlator.take
    for each in observations:
        take(each)


def _evaluate(pack: Pack, batches: Sequence[Batch]) -> None:
    correlator = pack.correlator()
    for batch in batches:
        correlator.feed_batch(batch.data, pack.match_batch(batch.data))
