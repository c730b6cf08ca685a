"""The service between two topics of a real Apache Kafka, against a consumer that only reads.

The topic is filled before. Rates are taken in the middle of each run, so that no start is in them, and the runs of a
round follow each other directly, so that they share what the machine does meanwhile. The broker works on the same
cores: its share is told.
"""

from __future__ import annotations

import os
import time
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from itertools import cycle, islice
from pathlib import Path

import numpy as np
import orjson
from confluent_kafka import Consumer, TopicPartition

from bench.broker_runs import (
    EVENTS,
    PARTITIONS,
    BenchKafka,
    Run,
    Watch,
    await_ready,
    fill,
    new_producer,
    run_service,
    running,
)
from bench.corpus import WINDOWS, read_lines
from bench.figures import Figure, note
from bench.packs import Packs
from bench.timing import ROUNDS, median
from tests.integration.brokers import Unavailable

RECORDS = 1_000_000
_LATENCY_SECONDS = 20.0
_LATENCY_RATE = 100_000.0  # records a second, or half of a worker's rate where that is less


def measure(packs: Packs, records: int = RECORDS) -> Iterator[Figure]:
    """Needs Java and, once, Maven; without them it says so and measures nothing."""
    folder = packs.folder / "stream"
    folder.mkdir()
    try:
        broker = BenchKafka(folder)
    except Unavailable as error:
        note(str(error))
        return
    pack = packs.windows
    broker.start()
    try:
        lines = read_lines(WINDOWS)
        broker.create(EVENTS, PARTITIONS)
        note(f"producing {records:,} records")
        fill(broker, lines, records)
        yield from _rates(broker, pack, folder, records)
    finally:
        broker.kill()


def _rates(broker: BenchKafka, pack: Path, folder: Path, records: int) -> Iterator[Figure]:
    works: dict[str, Callable[[], Run]] = {
        "bare": lambda: _bare(broker, records),
        "one": lambda: run_service(broker, pack, folder, records, workers=1),
        "two": lambda: run_service(broker, pack, folder, records, workers=2),
        "exactly": lambda: run_service(broker, pack, folder, records, delivery="exactly-once"),
    }
    runs: dict[str, list[Run]] = {name: [] for name in works}
    order = list(works)
    for _ in range(ROUNDS):
        for name in order:
            run = works[name]()
            note(
                f"{name}: {run.rate:,.0f} records/s; processor time a record: "
                f"{run.own:.2f} µs, of the broker {run.broker:.2f} µs"
            )
            runs[name].append(run)
        order.append(order.pop(0))

    def rate(name: str) -> float:
        return median([run.rate for run in runs[name]])

    def own(name: str) -> float:
        return median([run.own for run in runs[name]])

    bare, one = rate("bare"), rate("one")
    yield Figure("a bare consumer, reading only", bare, "records/s")
    yield Figure("one worker, topic to committed matches", one, "records/s")
    yield Figure("one worker, against the bare consumer", one / bare, "×", "≥ 1.2")
    yield Figure("two workers", rate("two"), "records/s")
    yield Figure("two workers, against one", rate("two") / one, "×")
    yield Figure("exactly once, against at least once", rate("exactly") / one, "×", "≥ 0.95")
    # What two cores that the broker works on too cannot show.
    yield Figure("a bare consumer: its processor time", own("bare"), "µs a record")
    yield Figure("one worker: its processor time", own("one"), "µs a record")
    ratio = own("one") / own("bare")
    yield Figure("one worker, against the bare consumer, by processor time", ratio, "×", "≤ 0.7")
    yield Figure("two workers: their processor time", own("two"), "µs a record")
    twice = 2 * own("one") / own("two")
    yield Figure("two workers, against one, by processor time", twice, "×", "≥ 1.9")
    resident = median([each.resident for each in runs["one"]])
    yield Figure("one worker: resident memory at full speed", resident, "MiB", "≤ 200")
    broker_time = median([each.broker for each in runs["one"]])
    yield Figure("one worker: the broker's processor time", broker_time, "µs a record")
    for what, batch in (("", {}), (", batches of 20 ms", {"max_wait": 0.02})):
        load = min(one / 2, _LATENCY_RATE)
        latencies = _latencies(broker, pack, folder, load, batch)
        for percent in (50, 99):
            figure = float(np.percentile(latencies, percent)) * 1e3
            yield Figure(f"latency at {load:,.0f} records/s{what}, p{percent}", figure, "ms")


def _bare(broker: BenchKafka, records: int) -> Run:
    consumer = Consumer(
        {
            "bootstrap.servers": broker.address,
            "group.id": "bare",
            "enable.auto.commit": False,
            "fetch.queue.backoff.ms": 20,  # as the worker's
            "log_level": 0,
        }
    )
    watch, done = Watch(records, broker, lambda: [os.getpid()]), 0
    with closing(consumer):
        consumer.assign([TopicPartition(EVENTS, each, 0) for each in range(PARTITIONS)])
        while not watch.saw(done):
            done += len(consumer.consume(10_000, 1.0))
    assert watch.run is not None
    return watch.run


def _latencies(
    broker: BenchKafka, pack: Path, folder: Path, rate: float, batch: dict[str, float]
) -> list[float]:
    """Seconds from the call that produces a record to the arrival of its match, all on the way included."""
    live = f"bench-live-{uuid.uuid4().hex[:8]}"
    broker.create(live, PARTITIONS)
    lines = read_lines(WINDOWS)
    sent: list[list[float]] = [[] for _ in range(PARTITIONS)]

    def produce() -> None:
        producer = new_producer(broker)
        started = time.perf_counter()
        for number, line in enumerate(islice(cycle(lines), int(rate * _LATENCY_SECONDS))):
            partition = number % PARTITIONS
            if number % 32 == 0:
                producer.poll(0)
                wait = started + number / rate - time.perf_counter()
                if wait > 0:
                    time.sleep(wait)
            sent[partition].append(time.perf_counter())
            while True:
                try:
                    producer.produce(live, line, partition=partition)
                    break
                except BufferError:  # the broker is slower
                    producer.poll(0.01)
        producer.flush()

    found: list[tuple[float, int, int]] = []
    with running(broker, pack, folder, live, batch=batch) as service:
        reader = Consumer(
            {
                "bootstrap.servers": broker.address,
                "group.id": "reader",
                "isolation.level": "read_committed",
                "enable.auto.commit": False,
                "fetch.wait.max.ms": 10,
                "log_level": 0,
            }
        )
        with closing(reader), ThreadPoolExecutor(1) as pool:
            topic = service.topics.matches
            reader.assign([TopicPartition(topic, each, 0) for each in range(2)])
            # The workers have joined, and the kernels are loaded: the rest is warm in the second half.
            await_ready(service)
            writing = pool.submit(produce)
            last = time.perf_counter()
            while not writing.done() or time.perf_counter() - last < 3:
                for message in reader.consume(1000, 0.01):
                    last = time.perf_counter()
                    source = orjson.loads(message.value() or b"")["source"]
                    found.append((last, source["partition"], source["offset"]))
            writing.result()
    half = len(sent[0]) // 2
    return [at - sent[partition][offset] for at, partition, offset in found if offset >= half]
