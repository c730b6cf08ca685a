"""The service between two topics of a real Apache Kafka, against a consumer that only reads.

The topic is filled before. Rates are taken in the middle of each run, so that no start is in them, and the runs of a
round follow each other directly, so that they share what the machine does meanwhile. The broker works on the same
cores: its share is told.
"""

from __future__ import annotations

import os
import signal
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from itertools import cycle, islice
from pathlib import Path
from typing import Any

import numpy as np
import orjson
from confluent_kafka import Consumer, Producer, TopicPartition

from bench.corpus import WINDOWS, read_lines
from bench.figures import Figure, note
from bench.gather import compare
from bench.packs import Packs
from bench.timing import ROUNDS, median
from tests.integration.brokers import ApacheKafka, Unavailable
from tests.integration.census import look
from tests.integration.ledger import Service, Topics

RECORDS = 1_000_000
PARTITIONS = 4
_FROM, _TO = 0.2, 0.9  # the part of a run that is measured
_LOOK = 0.05  # seconds between two looks at what is committed
_LATENCY_SECONDS = 20.0
_PATIENCE = 600.0
_EVENTS = "bench-events"


class _Kafka(ApacheKafka):
    """Compiled well rather than quickly; a group waits for its members."""

    def settings(self) -> dict[str, Any]:
        return {**super().settings(), "group.initial.rebalance.delay.ms": 2000}

    def command(self) -> list[str]:
        return [each for each in super().command() if each != "-XX:TieredStopAtLevel=1"]


@dataclass(frozen=True, slots=True)
class _Run:
    """Records a second; microseconds of processor time a record, and MiB of one process, of the reading side."""

    rate: float
    own: float
    broker: float  # microseconds of the broker's processor time
    resident: float


def measure(packs: Packs, records: int = RECORDS) -> Iterator[Figure]:
    """Needs Java and, once, Maven; without them it says so and measures nothing."""
    folder = packs.folder / "stream"
    folder.mkdir()
    try:
        broker = _Kafka(folder)
    except Unavailable as error:
        note(str(error))
        return
    pack = packs.windows
    broker.start()
    try:
        lines = read_lines(WINDOWS)
        broker.create(_EVENTS, PARTITIONS)
        note(f"producing {records:,} records")
        _fill(broker, lines, records)
        yield from _rates(broker, pack, folder, records)
        yield from compare(broker.address, _EVENTS, PARTITIONS, records)
    finally:
        broker.kill()


def _fill(broker: ApacheKafka, lines: list[bytes], records: int) -> None:
    producer = _producer(broker)
    for number, line in enumerate(islice(cycle(lines), records)):
        while True:
            try:
                producer.produce(_EVENTS, line, partition=number % PARTITIONS)
                break
            except BufferError:
                producer.poll(0.05)
    producer.flush()


def _producer(broker: ApacheKafka) -> Producer:
    return Producer(
        {
            "bootstrap.servers": broker.address,
            "enable.idempotence": True,
            "compression.type": "lz4",
            "log_level": 0,
        }
    )


def _rates(broker: _Kafka, pack: Path, folder: Path, records: int) -> Iterator[Figure]:
    works: dict[str, Callable[[], _Run]] = {
        "bare": lambda: _bare(broker, records),
        "one": lambda: _service(broker, pack, folder, records, workers=1),
        "two": lambda: _service(broker, pack, folder, records, workers=2),
        "exactly": lambda: _service(broker, pack, folder, records, delivery="exactly-once"),
    }
    runs: dict[str, list[_Run]] = {name: [] for name in works}
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
    yield Figure("one worker, against the bare consumer", one / bare, "×", "≥ 0.8")
    yield Figure("two workers", rate("two"), "records/s")
    yield Figure("two workers, against one", rate("two") / one, "×", "≥ 1.8")
    yield Figure("exactly once, against at least once", rate("exactly") / one, "×")
    # What two cores that the broker works on too cannot show.
    yield Figure("a bare consumer: its processor time", own("bare"), "µs a record")
    yield Figure("one worker: its processor time", own("one"), "µs a record")
    yield Figure("two workers: their processor time", own("two"), "µs a record")
    yield Figure("two workers, against one, by processor time", 2 * own("one") / own("two"), "×")
    resident = median([each.resident for each in runs["one"]])
    yield Figure("one worker: resident memory at full speed", resident, "MiB")
    broker_time = median([each.broker for each in runs["one"]])
    yield Figure("one worker: the broker's processor time", broker_time, "µs a record")
    for what, batch in (("", {}), (", batches of 20 ms", {"max_wait": 0.02})):
        latencies = _latencies(broker, pack, folder, one / 2, batch)
        for percent in (50, 99):
            figure = float(np.percentile(latencies, percent)) * 1e3
            yield Figure(f"latency at half of one worker's rate{what}, p{percent}", figure, "ms")


class _Watch:
    """Takes the figures of a run from how far it has come."""

    def __init__(self, records: int, broker: _Kafka, own: Callable[[], list[int]]):
        assert broker.process is not None
        self._broker = broker.process.pid
        self._own = own
        self._from, self._to = int(_FROM * records), int(_TO * records)
        self._first: tuple[float, int, float, float] | None = None
        self.run: _Run | None = None

    def saw(self, done: int) -> bool:
        """Whether enough was seen."""
        if done < self._from:
            return False
        if self._first is None:
            self._first = self._now(done)
        elif done >= self._to:
            now = self._now(done)
            seconds, count, own, broker = (
                new - old for new, old in zip(now, self._first, strict=True)
            )
            resident = max(look(each)[0] for each in self._own())
            self.run = _Run(count / seconds, own / count * 1e6, broker / count * 1e6, resident)
            return True
        return False

    def _now(self, done: int) -> tuple[float, int, float, float]:
        own = sum(_processor_time(each) for each in self._own())
        return time.perf_counter(), done, own, _processor_time(self._broker)


def _processor_time(process: int) -> float:
    """Seconds that a process has used, all its threads."""
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _bare(broker: _Kafka, records: int) -> _Run:
    consumer = Consumer(
        {
            "bootstrap.servers": broker.address,
            "group.id": "bare",
            "enable.auto.commit": False,
            "fetch.queue.backoff.ms": 20,  # as the worker's
            "log_level": 0,
        }
    )
    watch, done = _Watch(records, broker, lambda: [os.getpid()]), 0
    with closing(consumer):
        consumer.assign([TopicPartition(_EVENTS, each, 0) for each in range(PARTITIONS)])
        while not watch.saw(done):
            done += len(consumer.consume(10_000, 1.0))
    assert watch.run is not None
    return watch.run


def _service(
    broker: _Kafka,
    pack: Path,
    folder: Path,
    records: int,
    workers: int = 1,
    delivery: str = "at-least-once",
) -> _Run:
    with _running(broker, pack, folder, _EVENTS, workers=workers, delivery=delivery) as service:
        watch = _Watch(records, broker, service.workers)
        _follow(service, watch.saw, _EVENTS)
    assert watch.run is not None
    return watch.run


@contextmanager
def _running(
    broker: _Kafka, pack: Path, folder: Path, topic: str, **changes: Any
) -> Iterator[Service]:
    """The service with its own defaults between a topic and a new topic of matches."""
    topics = Topics(broker, 1)
    service = Service(topics, pack, folder, **{"workers": 1, "batch": {}, **changes})
    kafka = service.configuration["source"]["kafka"]
    kafka["properties"]["auto.offset.reset"] = "earliest"
    kafka["inputs"] = [{"topics": [topic], "pack": "test", "logsource": {"product": "windows"}}]
    service.start()
    try:
        yield service
        service.stop(signal.SIGTERM)
    finally:
        service.kill()


def _follow(service: Service, saw: Callable[[int], bool], topic: str) -> None:
    """Look at what the service has committed until `saw` has seen enough."""
    reader = Consumer(
        {
            "bootstrap.servers": service.address,
            "group.id": service.topics.group,
            "enable.auto.commit": False,
            "log_level": 0,
        }
    )
    places = [TopicPartition(topic, each) for each in range(PARTITIONS)]
    until = time.monotonic() + _PATIENCE
    with closing(reader):
        while not saw(sum(max(0, each.offset) for each in reader.committed(places, 30.0))):
            assert service.process is not None
            if service.process.poll() is not None or time.monotonic() > until:
                raise RuntimeError(f"the service does not go on: {service.log.read_text()[-2000:]}")
            time.sleep(_LOOK)


def _latencies(
    broker: _Kafka, pack: Path, folder: Path, rate: float, batch: dict[str, float]
) -> list[float]:
    """Seconds from the call that produces a record to the arrival of its match, all on the way included."""
    live = f"bench-live-{uuid.uuid4().hex[:8]}"
    broker.create(live, PARTITIONS)
    lines = read_lines(WINDOWS)
    sent: list[list[float]] = [[] for _ in range(PARTITIONS)]
    ended = threading.Event()

    def produce() -> None:
        producer = _producer(broker)
        started = time.perf_counter()
        for number, line in enumerate(islice(cycle(lines), int(rate * _LATENCY_SECONDS))):
            partition = number % PARTITIONS
            if number % 32 == 0:
                producer.poll(0)
                wait = started + number / rate - time.perf_counter()
                if wait > 0:
                    time.sleep(wait)
            sent[partition].append(time.perf_counter())
            producer.produce(live, line, partition=partition)
        producer.flush()
        ended.set()

    found: list[tuple[float, int, int]] = []
    with _running(broker, pack, folder, live, batch=batch) as service:
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
        with closing(reader):
            topic = service.topics.matches
            reader.assign([TopicPartition(topic, each, 0) for each in range(2)])
            writer = threading.Thread(target=produce)
            # The workers have joined, and the kernels are loaded: the rest is warm in the second half.
            _await_ready(service)
            writer.start()
            last = time.perf_counter()
            while not ended.is_set() or time.perf_counter() - last < 3:
                for message in reader.consume(1000, 0.01):
                    last = time.perf_counter()
                    source = orjson.loads(message.value() or b"")["source"]
                    found.append((last, source["partition"], source["offset"]))
            writer.join()
    half = len(sent[0]) // 2
    return [at - sent[partition][offset] for at, partition, offset in found if offset >= half]


def _await_ready(service: Service) -> None:
    from urllib.error import URLError
    from urllib.request import urlopen

    until = time.monotonic() + 60
    while time.monotonic() < until:
        try:
            with urlopen(f"http://127.0.0.1:{service.port}/ready", timeout=5):
                return
        except (URLError, ConnectionError):
            time.sleep(_LOOK)
    raise RuntimeError(f"the service is not ready: {service.log.read_text()[-2000:]}")
