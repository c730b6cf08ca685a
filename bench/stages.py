"""Twenty correlations over SigmaHQ's rules for Windows: what they cost the workers, and what the second stage takes.

Workers put a hit into the topic of hits for every match of the rules that match most. The second stage is measured
alone, on the hits that the workers have left. Needs what `bench.stream` needs, and Quix Streams.
"""

from __future__ import annotations

import uuid
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml
from confluent_kafka import Consumer, TopicPartition

from bench.broker_runs import (
    EVENTS,
    PARTITIONS,
    BenchKafka,
    Run,
    Watch,
    fill,
    follow,
    run_service,
    running,
)
from bench.corpus import WINDOWS, read_batches, read_lines
from bench.figures import Figure, note
from bench.packs import WINDOWS_OPTIONS, Packs
from bench.timing import ROUNDS, median
from sigmac import load_pack
from tests.integration.brokers import Unavailable
from tests.integration.cluster import PYTHON

RECORDS = 1_000_000
CORRELATIONS = 20
_TYPES: tuple[dict[str, Any], ...] = (
    {"type": "event_count", "condition": {"gte": 100}},
    {"type": "value_count", "condition": {"gte": 20, "field": "ProcessId"}},
)


def measure(packs: Packs, records: int = RECORDS) -> Iterator[Figure]:
    """Without Java, Maven or Quix Streams it says so and measures nothing."""
    if not PYTHON.exists():
        note("Quix Streams is not installed: `make cluster-tools` does that")
        return
    folder = packs.folder / "stages"
    folder.mkdir()
    try:
        broker = BenchKafka(folder)
    except Unavailable as error:
        note(str(error))
        return
    correlated, share = _with_correlations(packs)
    broker.start()
    try:
        broker.create(EVENTS, PARTITIONS)
        note(f"producing {records:,} records")
        fill(broker, read_lines(WINDOWS), records)
        yield Figure("hits among the records", share * 100, "%")
        yield from _workers(broker, packs.windows, correlated, folder, records)
    finally:
        broker.kill()


def _with_correlations(packs: Packs) -> tuple[Path, float]:
    """The pack with correlations over the rules that match most, and hits a record."""
    pack = load_pack(packs.windows)
    counted: Counter[int] = Counter()
    records = 0
    for batch in read_batches(WINDOWS):
        result = pack.match_batch(batch.data)
        counted.update(result.rule.tolist())
        records += len(batch.lines)
    most = counted.most_common(CORRELATIONS)
    documents = [
        {
            "title": f"Many: {pack.rules[rule].title}",
            "correlation": {
                "rules": [pack.rules[rule].id],
                "group-by": ["Hostname"],
                "timespan": "5m",
                **_TYPES[number % len(_TYPES)],
            },
        }
        for number, (rule, _) in enumerate(most)
    ]
    file = packs.rules / "correlations.yml"
    file.write_text(yaml.safe_dump_all(documents, sort_keys=False), "utf-8")
    made = packs.build("correlated", packs.rules, WINDOWS_OPTIONS)
    file.unlink()
    assert len(load_pack(made).correlations) == CORRELATIONS
    return made, sum(count for _, count in most) / records


def _workers(
    broker: BenchKafka, pack: Path, correlated: Path, folder: Path, records: int
) -> Iterator[Figure]:
    """One worker without and with correlations, by turns; then one process of the second stage over its hits."""
    for delivery in ("at-least-once", "exactly-once"):
        runs: dict[Path, list[Run]] = {pack: [], correlated: []}
        order = list(runs)
        for _ in range(ROUNDS):
            hits = f"hits-{uuid.uuid4().hex[:8]}"
            sections = {pack: {}, correlated: {"correlations": _section(hits, "detect")}}
            for each in order:
                made = run_service(
                    broker, each, folder, records, delivery=delivery, **sections[each]
                )
                note(f"{each.name}: {made.rate:,.0f} records/s, {made.own:.2f} µs a record")
                runs[each].append(made)
            order.reverse()
        rate = {each: median([run.rate for run in found]) for each, found in runs.items()}
        own = {each: median([run.own for run in found]) for each, found in runs.items()}
        name = f"{CORRELATIONS} correlations against none, {delivery}"
        yield Figure(f"one worker, {name}", rate[correlated] / rate[pack], "×", "≥ 0.9")
        yield Figure(
            f"one worker, {name}, by processor time", own[pack] / own[correlated], "×", "≥ 0.9"
        )
        taken = _second_stage(broker, correlated, folder, hits, delivery)
        yield Figure(f"the second stage, one process, {delivery}", taken.rate, "hits/s")
        yield Figure(
            f"the second stage, one process, {delivery}: its processor time", taken.own, "µs a hit"
        )


def _section(hits: str, stage: str) -> dict[str, Any]:
    return {
        "topic": hits,
        "stages": [stage],
        "workers": 1,
        "partitions": PARTITIONS,
        "replication": 1,
    }


def _second_stage(broker: BenchKafka, pack: Path, folder: Path, hits: str, delivery: str) -> Run:
    """One process over all hits that lie in a topic."""
    count = _messages(broker, hits)
    note(f"{count:,} hits")
    changes = {"correlations": _section(hits, "correlate"), "python": str(PYTHON)}
    with running(broker, pack, folder, EVENTS, delivery=delivery, **changes) as service:
        watch = Watch(count, broker, service.workers)
        follow(service, watch.saw, hits, f"{service.topics.group}-correlate")
    assert watch.run is not None
    return watch.run


def _messages(broker: BenchKafka, topic: str) -> int:
    """Offsets in use, markers of transactions with them, as commits count."""
    reader = Consumer({"bootstrap.servers": broker.address, "group.id": "count", "log_level": 0})
    try:
        return sum(
            reader.get_watermark_offsets(TopicPartition(topic, each), 30.0)[1]
            for each in range(PARTITIONS)
        )
    finally:
        reader.close()
