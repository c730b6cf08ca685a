"""What correlations cost on one core: hits a second, state, and rsigma's engine on the same hits."""

from __future__ import annotations

import gc
import random
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from bench import beside, groups
from bench.figures import Figure
from bench.logons import (
    CONDITIONS,
    GROUPED,
    TOGETHER,
    WINDOW,
    chain,
    correlation,
    lines,
    observe,
    source_of,
    write_correlations,
)
from bench.packs import Packs
from bench.timing import ROUNDS, median
from sigmac import Pack, load_pack
from sigmac.runtime.correlation.correlator import Correlator, Limits
from sigmac.runtime.correlation.definition import Correlation
from sigmac.runtime.correlation.observation import Observation
from sigmac.runtime.correlation.timestamps import SECOND

HITS = 100_000  # that are timed, once windows are full
SIZES = (10, 1_000, 100_000)
LATE = 0.1  # of the hits

Definitions = Mapping[str, Correlation]


def measure(packs: Packs, peers: bool = True) -> Iterator[Figure]:
    """All types, a chain, windows of several sizes, late hits, the state of many groups; then rsigma."""
    documents = {kind: correlation(kind) for kind in CONDITIONS} | chain()
    rules = write_correlations(documents, packs.folder / "correlations-rules")
    pack = load_pack(packs.build("correlations", rules))
    yield from _types(pack)
    yield from _sizes(pack.correlations["event_count"])
    yield from _late(pack.correlations["event_count"], pack.correlations["temporal_ordered"])
    yield from groups.measure()
    if peers:
        yield from beside.measure(packs)


def _types(pack: Pack) -> Iterator[Figure]:
    observations = observe(pack, lines(WINDOW + HITS))
    for kind in CONDITIONS:
        grouped = pack.correlations[kind]
        for where, definition in ((GROUPED, grouped), (TOGETHER, replace(grouped, group_by=()))):
            rate = _rate({kind: definition}, observations, WINDOW)
            reach = "≥ 300000" if kind == "event_count" else ""
            yield Figure(f"{kind}, {where}", rate, "hits/s", reach)
    linked = {name: pack.correlations[name] for name in chain()}
    rate = _rate(linked, observations, WINDOW)
    yield Figure(f"a chain of three event_count, all true, {GROUPED}", rate, "events/s")


def _rate(definitions: Definitions, observations: Sequence[Observation], full: int) -> float:
    """Observations a second behind the first ones, which fill the windows."""
    rules = {rule for each in definitions.values() for rule in each.rules} - definitions.keys()
    spent = []
    for _ in range(ROUNDS):
        correlator = Correlator(definitions, sorted(rules), limits=Limits(hits=2 * SIZES[-1]))
        _take(correlator, observations[:full])
        spent.append(_take(correlator, observations[full:]))
    return (len(observations) - full) / median(spent)


def _take(correlator: Correlator, observations: Sequence[Observation]) -> float:
    """Processor time. What is there before is not looked through again for garbage."""
    take = correlator.take
    gc.collect()
    gc.freeze()
    started = time.thread_time()
    for each in observations:
        take(each)
    spent = time.thread_time() - started
    gc.unfreeze()
    return spent


def _sizes(count: Correlation) -> Iterator[Figure]:
    rates = []
    for size in SIZES:
        step = count.timespan * SECOND // size
        times = [step * number for number in range(size + HITS)]
        rates.append(_rate_of_times(count, times, size))
        yield Figure(f"event_count, a window of {size:,}: a hit", 1e6 / rates[-1], "µs")
    what = f"event_count, a window of {SIZES[-1]:,} against {SIZES[0]}: a hit"
    yield Figure(what, rates[0] / rates[-1], "× the time")


def _late(*definitions: Correlation) -> Iterator[Figure]:
    """In the order of arrival; what is late is so by up to half of the span."""
    size, dice = SIZES[1], random.Random(1)
    for each in definitions:
        span = each.timespan * SECOND
        times = [
            span // size * number - (dice.random() < LATE) * dice.randrange(span // 2)
            for number in range(size + HITS)
        ]
        what = f"{each.type}, a window of {size:,}, a tenth of the hits late"
        yield Figure(what, _rate_of_times(each, times, size), "hits/s")


def _rate_of_times(definition: Correlation, times: Sequence[int], full: int) -> float:
    """One group, the rules in turn."""
    rules = [{rule: ()} for rule in definition.rules]
    observations = [
        Observation(when, source_of(number), rules[number % len(rules)], {})
        for number, when in enumerate(times)
    ]
    return _rate({"one": replace(definition, group_by=())}, observations, full)
