"""The ledger: numbered events in, and afterwards what became of each.

Every third event matches the rule, every fiftieth record is no JSON. A reader of committed records collects matches and
dead letters; `Account` says which are lost and which came twice.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
import urllib.request
import uuid
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson
import yaml
from confluent_kafka import Consumer, Message, Producer, TopicPartition

from tests.integration.brokers import Broker, free_port, tied
from tests.integration.messages import QUIET, committed_reads
from tests.unit.packs import rule

MATCHES_EVERY, MALFORMED_EVERY = 3, 50
MATCH_PARTITIONS = 2
RULES = rule(
    "sel: {Kind: wanted}\ncondition: sel",
    title="Wanted",
    id="3f0c7f0e-3f0b-4a53-9a55-0f6c5c1f0f11",
    level="high",
)


@dataclass(slots=True)
class Topics:
    """The topics of one test; their names are its own, as tests share a broker."""

    broker: Broker
    partitions: int = 4
    settings: Mapping[str, str] = field(default_factory=dict)  # of the topic of events
    match_settings: Mapping[str, str] = field(default_factory=dict)
    dead_settings: Mapping[str, str] = field(default_factory=dict)
    suffix: str = field(default_factory=lambda: uuid.uuid4().hex[:8])

    def __post_init__(self) -> None:
        self.broker.create(self.events, self.partitions, **self.settings)
        self.broker.create(self.matches, MATCH_PARTITIONS, **self.match_settings)
        self.broker.create(self.dead, 1, **self.dead_settings)

    @property
    def events(self) -> str:
        return f"events-{self.suffix}"

    @property
    def matches(self) -> str:
        return f"matches-{self.suffix}"

    @property
    def dead(self) -> str:
        return f"dead-{self.suffix}"

    @property
    def group(self) -> str:
        return f"group-{self.suffix}"


def record(number: int) -> bytes:
    """The record of a number."""
    if number % MALFORMED_EVERY == 1:
        return b'{"n": %d, broken' % number
    kind = b"wanted" if number % MATCHES_EVERY == 0 else b"other"
    return b'{"n": %d, "Kind": "%s"}' % (number, kind)


class Ledger:
    """What was produced, and what came out."""

    def __init__(self, topics: Topics):
        self.topics = topics
        self.produced = 0
        self._producer = Producer(
            {"bootstrap.servers": topics.broker.address, "enable.idempotence": True, **QUIET}
        )

    def produce(self, count: int) -> None:
        """The next `count` numbers, acknowledged by the broker."""
        for number in range(self.produced, self.produced + count):
            self._producer.produce(
                self.topics.events,
                record(number),
                key=b"%d" % number,
                partition=number % self.topics.partitions,
            )
            self._producer.poll(0)
        assert self._producer.flush(60) == 0
        self.produced += count

    def expected(self) -> tuple[set[int], set[int]]:
        """Numbers that match, and numbers that are dead letters."""
        dead = {n for n in range(self.produced) if n % MALFORMED_EVERY == 1}
        matches = set(range(0, self.produced, MATCHES_EVERY)) - dead
        return matches, dead


@dataclass(slots=True)
class Account:
    """What a reader of committed records found: the id of the match of each number, and how often each died.

    `made_by` has for each number the version of the pack and the title of the rule that its match names, `unidentified`
    the numbers whose doubled matches have different ids: a reader could not drop them. `disordered` counts messages
    that came after a later one of the same partition, within one partition of the output; what came before does not
    count again.
    """

    ledger: Ledger
    matches: dict[int, str] = field(default_factory=dict)
    dead: set[int] = field(default_factory=set)
    made_by: dict[int, tuple[str, str]] = field(default_factory=dict)
    doubled: int = 0  # messages that came once more than they should
    unidentified: set[int] = field(default_factory=set)
    disordered: int = 0
    _last: dict[tuple[str | None, int | None, int], int] = field(default_factory=dict)
    _makers: dict[tuple[str, str], tuple[str, str]] = field(default_factory=dict)

    def take(self, message: Message) -> None:
        number = int(message.key() or b"-1")
        if message.topic() == self.ledger.topics.matches:
            new = self._take_match(number, message.value() or b"")
        else:
            assert message.value() == record(number)
            new = number not in self.dead
            self.dead.add(number)
        if new:
            partition = number % self.ledger.topics.partitions
            way = (message.topic(), message.partition(), partition)
            self.disordered += number < self._last.get(way, -1)
            self._last[way] = number
        else:
            self.doubled += 1

    def _take_match(self, number: int, value: bytes) -> bool:
        match = orjson.loads(value)
        assert match["event"]["n"] == number
        assert match["source"]["partition"] == number % self.ledger.topics.partitions
        maker = (match["pack"]["version"], match["rule"]["title"])
        new = number not in self.matches
        if self.matches.setdefault(number, match["id"]) != match["id"]:
            self.unidentified.add(number)
        self.made_by[number] = self._makers.setdefault(maker, maker)
        return new

    def complete(self) -> bool:
        matches, dead = self.ledger.expected()
        return matches <= self.matches.keys() and dead <= self.dead

    @property
    def lost(self) -> set[int]:
        matches, dead = self.ledger.expected()
        return (matches - self.matches.keys()) | (dead - self.dead)

    @property
    def wrong(self) -> set[int]:
        """Numbers that should not have come at all."""
        matches, dead = self.ledger.expected()
        return (self.matches.keys() - matches) | (self.dead - dead)


class Reader(threading.Thread):
    """Reads matches and dead letters all the time, whatever happens to the broker, until it is stopped."""

    def __init__(self, ledger: Ledger):
        super().__init__(daemon=True)
        self.account = Account(ledger)
        self.seen = 0  # messages
        self._ends = threading.Event()
        self._failure: Exception | None = None

    def run(self) -> None:
        reader = reader_from_the_start(self.account.ledger.topics)
        try:
            while not self._ends.is_set():
                for message in reader.consume(1000, 0.1):
                    if message.error() is None:
                        self.account.take(message)
                        self.seen += 1
        except Exception as error:  # noqa: BLE001 - given to who stops it
            self._failure = error
        finally:
            reader.close()

    def stop(self) -> Account:
        """What it found. Raises what it failed with."""
        self._ends.set()
        self.join()
        if self._failure is not None:
            raise self._failure
        return self.account


def reader_from_the_start(topics: Topics) -> Consumer:
    """Reads what is committed of all matches and dead letters; in no group, so that none has to be joined."""
    reader = Consumer({**committed_reads(topics.broker), "group.id": "reader"})
    reader.assign(
        [TopicPartition(topics.matches, number, 0) for number in range(MATCH_PARTITIONS)]
        + [TopicPartition(topics.dead, 0, 0)]
    )
    return reader


def read_account(ledger: Ledger, timeout: float, settle: float = 1.5) -> Account:
    """Read until nothing is missing and nothing came for `settle` seconds, at most `timeout` seconds."""
    account = Account(ledger)
    reader = reader_from_the_start(ledger.topics)
    try:
        until, last = time.monotonic() + timeout, time.monotonic()
        while time.monotonic() < until:
            for message in reader.consume(1000, 0.25):
                if message.error() is None:
                    account.take(message)
                    last = time.monotonic()
            if account.complete() and time.monotonic() - last > settle:
                break
    finally:
        reader.close()
    return account


class Service:
    """`sigmac run --config` as a process, and its configuration."""

    def __init__(
        self,
        topics: Topics,
        pack: Path,
        folder: Path,
        python: str = sys.executable,
        **changes: Any,
    ):
        self.python = python
        self.topics = topics
        self.folder = folder
        self.port = free_port()
        self.address = topics.broker.address
        self.configuration: dict[str, Any] = {
            "name": f"service-{topics.suffix}",
            "workers": 2,
            "state": str(folder / "state"),
            "packs": {"test": {"path": str(pack)}},
            "source": {
                "kafka": {
                    "properties": {
                        "bootstrap.servers": self.address,
                        "group.id": topics.group,
                        **topics.broker.properties,
                    },
                    "inputs": [{"topics": [topics.events], "pack": "test"}],
                }
            },
            "matches": {"kafka": {"topic": topics.matches}},
            "dead_letters": {"kafka": {"topic": topics.dead}},
            "batch": {"max_records": 500, "max_wait": 0.05},
            "reload": {"watch": 0.5},
            "http": {"bind": f"127.0.0.1:{self.port}"},
            "shutdown": {"timeout": 15},
            "logs": {"format": "json"},
        }
        self.configuration.update(changes)
        self.process: subprocess.Popen[bytes] | None = None
        self.log = folder / "service.log"

    def start(self) -> None:
        file = self.folder / "sigmac.yml"
        file.write_text(yaml.safe_dump(self.configuration), encoding="utf-8")
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                tied([self.python, "-m", "sigmac", "run", "--config", str(file)]),
                stdout=log,
                stderr=log,
                env={**os.environ, "PYTHONFAULTHANDLER": "1"},
            )

    def workers(self) -> list[int]:
        """Process ids of the workers."""
        assert self.process is not None
        found = []
        for task in Path(f"/proc/{self.process.pid}/task").iterdir():
            try:
                children = (task / "children").read_text()
            except OSError:
                continue  # a thread that has just ended
            for pid in map(int, children.split()):
                command = Path(f"/proc/{pid}/cmdline")
                if command.exists() and b"worker_process" in command.read_bytes():
                    found.append(pid)
        return found

    def until_shared(self, timeout: float = 60) -> None:
        """Wait until every worker has as many partitions as every other."""
        share = self.topics.partitions / self.configuration["workers"]
        end = time.monotonic() + timeout
        while True:
            try:
                shares = self.metric("sigmac_worker_partitions")
            except OSError:
                shares = []  # nobody answers yet
            if shares == [share] * self.configuration["workers"]:
                return
            assert time.monotonic() < end, shares
            time.sleep(0.1)

    def stop(self, number: int = signal.SIGTERM, timeout: float = 40) -> int:
        assert self.process is not None
        if self.process.poll() is None:
            self.process.send_signal(number)
        return self.process.wait(timeout)

    def metric(self, name: str) -> list[float]:
        """The values of the series of a metric, of those with a label where `name` is `name{label="value"`."""
        name, _, label = name.partition("{")
        url = f"http://127.0.0.1:{self.port}/metrics"
        with urllib.request.urlopen(url, timeout=10) as answer:
            lines = answer.read().decode().splitlines()
        return [
            float(line.rpartition(" ")[2])
            for line in lines
            if line.startswith((name + "{", name + " ")) and label in line
        ]

    def kill(self) -> None:
        """The supervisor at once; its workers end with it."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()

    def lines(self) -> list[dict[str, Any]]:
        """What it logged; lines that are no JSON come as `{"text": …}`."""
        found = []
        for line in self.log.read_bytes().splitlines():
            try:
                found.append(orjson.loads(line))
            except orjson.JSONDecodeError:
                found.append({"text": line.decode("utf-8", "replace")})
        return found


@contextlib.contextmanager
def frozen(*services: Service) -> Iterator[None]:
    """None of their processes does anything meanwhile, and what they had asked a broker for is done."""
    found: list[int] = []

    def signal_all(processes: Iterable[int], number: int) -> None:
        for process in processes:
            with contextlib.suppress(ProcessLookupError):
                os.kill(process, number)

    for service in services:
        if service.process is not None and service.process.poll() is None:
            signal_all([service.process.pid], signal.SIGSTOP)  # it starts no more workers
            found += [service.process.pid, *service.workers()]
    signal_all(found, signal.SIGSTOP)
    time.sleep(0.5)
    try:
        yield
    finally:
        signal_all(found, signal.SIGCONT)


@contextlib.contextmanager
def running(service: Service) -> Iterator[Service]:
    service.start()
    try:
        yield service
    finally:
        service.kill()
        print(service.log.read_text("utf-8", "replace"))  # shown where the test fails
