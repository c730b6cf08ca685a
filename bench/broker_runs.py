"""A real Apache Kafka with a topic full of records, and runs of what reads it.

Rates are taken in the middle of each run, so that no start is in them. The broker works on the same cores: its share
is told.
"""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from itertools import cycle, islice
from pathlib import Path
from typing import Any

from confluent_kafka import Consumer, KafkaError, KafkaException, Producer, TopicPartition

from bench.used import processor_time
from tests.integration.brokers import ApacheKafka
from tests.integration.census import look
from tests.integration.ledger import Service, Topics

PARTITIONS = 4
EVENTS = "bench-events"
LOOK = 0.05  # seconds between two looks at what is committed
_FROM, _TO = 0.2, 0.9  # the part of a run that is measured
_PATIENCE = 600.0


class BenchKafka(ApacheKafka):
    """Compiled well rather than quickly; a group waits for its members."""

    def settings(self) -> dict[str, Any]:
        return {**super().settings(), "group.initial.rebalance.delay.ms": 2000}

    def command(self) -> list[str]:
        return [each for each in super().command() if each != "-XX:TieredStopAtLevel=1"]


@dataclass(frozen=True, slots=True)
class Run:
    """Records a second; microseconds of processor time a record, and MiB of one process, of the reading side."""

    rate: float
    own: float
    broker: float  # microseconds of the broker's processor time
    resident: float


def fill(broker: ApacheKafka, lines: list[bytes], records: int) -> None:
    producer = new_producer(broker)
    for number, line in enumerate(islice(cycle(lines), records)):
        while True:
            try:
                producer.produce(EVENTS, line, partition=number % PARTITIONS)
                break
            except BufferError:
                producer.poll(0.05)
    producer.flush()


def new_producer(broker: ApacheKafka) -> Producer:
    return Producer(
        {
            "bootstrap.servers": broker.address,
            "enable.idempotence": True,
            "compression.type": "lz4",
            "log_level": 0,
        }
    )


class Watch:
    """Takes the figures of a run from how far it has come."""

    def __init__(self, records: int, broker: BenchKafka, own: Callable[[], list[int]]):
        assert broker.process is not None
        self._broker = broker.process.pid
        self._own = own
        self._from, self._to = int(_FROM * records), int(_TO * records)
        self._first: tuple[float, int, float, float] | None = None
        self.run: Run | None = None

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
            self.run = Run(count / seconds, own / count * 1e6, broker / count * 1e6, resident)
            return True
        return False

    def _now(self, done: int) -> tuple[float, int, float, float]:
        own = sum(processor_time(each) for each in self._own())
        return time.perf_counter(), done, own, processor_time(self._broker)


def run_service(broker: BenchKafka, pack: Path, folder: Path, records: int, **changes: Any) -> Run:
    """The service over the topic of events, with changes of its configuration."""
    with running(broker, pack, folder, EVENTS, **changes) as service:
        watch = Watch(records, broker, service.workers)
        follow(service, watch.saw, EVENTS)
    assert watch.run is not None
    return watch.run


@contextmanager
def running(
    broker: BenchKafka, pack: Path, folder: Path, topic: str, **changes: Any
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


def follow(
    service: Service, saw: Callable[[int], bool], topic: str, group: str | None = None
) -> None:
    """Look at what the service, or a group of it, has committed of a topic until `saw` has seen enough."""
    reader = Consumer(
        {
            "bootstrap.servers": service.address,
            "group.id": group or service.topics.group,
            "enable.auto.commit": False,
            "log_level": 0,
        }
    )
    places = [TopicPartition(topic, each) for each in range(PARTITIONS)]
    until = time.monotonic() + _PATIENCE
    with closing(reader):
        while not saw(_committed(reader, places)):
            assert service.process is not None
            if service.process.poll() is not None or time.monotonic() > until:
                raise RuntimeError(f"the service does not go on: {service.log.read_text()[-2000:]}")
            time.sleep(LOOK)


def _committed(reader: Consumer, places: list[TopicPartition]) -> int:
    """Nothing yet while the group's coordinator moves into its place."""
    try:
        return sum(max(0, each.offset) for each in reader.committed(places, 30.0))
    except KafkaException as error:
        if error.args[0].code() != KafkaError.NOT_COORDINATOR:
            raise
        return 0


def await_ready(service: Service) -> None:
    from urllib.error import URLError
    from urllib.request import urlopen

    until = time.monotonic() + 60
    while time.monotonic() < until:
        try:
            with urlopen(f"http://127.0.0.1:{service.port}/ready", timeout=5):
                return
        except (URLError, ConnectionError):
            time.sleep(LOOK)
    raise RuntimeError(f"the service is not ready: {service.log.read_text()[-2000:]}")
