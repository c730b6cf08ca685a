"""Correlations with a ledger: `python -m tests.integration.correlated --kills 200`.

Numbered logons go into a topic all the time, those of an account into one partition. Meanwhile workers, the second
stage and whole services are killed, the broker is restarted, and members of the second stage come and go. The right
alerts are those of one process that sees everything; a reader of committed records says which of them were lost,
doubled or invented.
"""

from __future__ import annotations

import argparse
import logging
import os
import random
import signal
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import orjson
from confluent_kafka import Consumer, Producer, TopicPartition

from sigmac.runtime import load_pack
from tests.integration.broker_trio import KafkaTrio
from tests.integration.brokers import ApacheKafka, Unavailable
from tests.integration.cluster import Cluster, cluster_python
from tests.integration.ledger import MATCH_PARTITIONS, Service, frozen
from tests.integration.messages import QUIET, committed_reads
from tests.unit.packs import write_text_pack

RULES = """
title: Failed Logon
id: c2f3a4a1-93d0-4d7e-8a58-0d5a1c9d6b10
name: failed_logon
logsource: {product: windows, service: security}
detection: {selection: {EventID: 4625}, condition: selection}
---
title: Logon
id: 3e9d5b7a-7c0e-4a4d-b6c4-2f6c0d8f9a13
name: logon
logsource: {product: windows, service: security}
detection: {selection: {EventID: 4624}, condition: selection}
---
title: Many Failed Logons
id: 1d0b7f6c-55b2-4d0f-8f0a-3a8f7a6a2e37
name: many_failed_logons
correlation:
    type: event_count
    rules: failed_logon
    group-by: TargetUserName
    timespan: 5m
    condition: {gte: 5}
level: medium
---
title: Guessed Password
id: 8b6e2c54-1a3f-4c0d-9e27-5d4b0c7a9f61
correlation:
    type: temporal_ordered
    rules: [many_failed_logons, logon]
    group-by: TargetUserName
    timespan: 5m
    generate: true
level: high
"""
Kafka = ApacheKafka | KafkaTrio
ACCOUNTS = 40
PARTITIONS = 4
_START = datetime(2026, 11, 28, 10, tzinfo=UTC)
# Held back for a year: of each account one goes out, and another one at the end, which tells how many were held back
HELD = ("Guessed Password", "Logon")
SUPPRESS = {"for": "365d", "by": ["rule", "TargetUserName"], "rules": [*HELD]}
_SETTLES = 90.0  # seconds within which a further alert comes, as long as there are some to come


def event(number: int) -> dict[str, Any]:
    """The event of a number: each account fails some times, then logs on, then is silent for longer than the span."""
    turn, account = divmod(number, ACCOUNTS)
    failed = turn % 9 < 6 or account == 3
    late = 20 if number % 11 == 0 else 0
    time = _START + timedelta(seconds=13 * turn + 400 * (turn // 9) - late)
    return {
        "EventID": 4625 if failed else 4624,
        "TargetUserName": f"user{account}",
        "@timestamp": time.isoformat(),
        "n": number,
    }


def last_events() -> list[dict[str, Any]]:
    """What each account does two years later: it fails, and logs on."""
    start = _START + timedelta(days=730)
    return [
        {
            "EventID": 4625 if step < 6 else 4624,
            "TargetUserName": f"user{account}",
            "@timestamp": (start + timedelta(seconds=step)).isoformat(),
            "n": account,
        }
        for step in range(7)
        for account in range(ACCOUNTS)
    ]


class Alerts(threading.Thread):
    """Reads the alerts and matches that are committed, until it is stopped.

    `seen` are the ids of alerts of which none is held back, `told` how many there were of each that is in `HELD`, by
    title and account.
    """

    def __init__(self, cluster: Cluster):
        super().__init__(daemon=True)
        self.seen: Counter[str] = Counter()
        self.told: Counter[tuple[str, str]] = Counter()
        self.topic = cluster.topics.matches
        self._reader = Consumer({**committed_reads(cluster.broker), "group.id": "alerts"})
        self._ends = threading.Event()

    def run(self) -> None:
        self._reader.assign(
            [TopicPartition(self.topic, each, 0) for each in range(MATCH_PARTITIONS)]
        )
        while not self._ends.is_set():
            for message in self._reader.consume(1000, 0.1):
                if message.error() is None:
                    self._take(orjson.loads(message.value() or b""))
        self._reader.close()

    def _take(self, told: dict[str, Any]) -> None:
        title = told["rule"]["title"]
        if title in HELD:
            held = told.get("suppressed", 0)
            self.told[title, told["event"]["TargetUserName"]] += 1 + held
        else:
            self.seen[told["id"]] += 1

    def stop(self) -> None:
        self._ends.set()
        self.join()


@dataclass(slots=True)
class Account:
    """What came of a run."""

    delivery: str
    events: int = 0
    expected: int = 0
    lost: int = 0
    doubled: int = 0
    invented: int = 0
    kills: Counter[str] = field(default_factory=Counter)
    seconds: float = 0.0

    @property
    def kept(self) -> bool:
        """Whether the promise was kept."""
        exactly = self.delivery == "exactly-once"
        return not self.lost and not self.invented and not (exactly and self.doubled)


class Disturbed:
    """A service of workers, one of the second stage, and another one of it that comes and goes."""

    def __init__(self, broker: Kafka, folder: Path, delivery: str, seed: int, rate: int):
        pack = write_text_pack(RULES, folder / "pack")
        self.cluster = Cluster(broker, pack, folder, delivery, PARTITIONS)
        self.account = Account(delivery)
        self.alerts = Alerts(self.cluster)
        self._broker = broker
        self._pack = pack
        self._rate = rate
        self._chance = random.Random(seed)
        self._ends = threading.Event()
        self._feeder = threading.Thread(target=self._feed, daemon=True)
        self.detecting = self._service("detect", 2)
        self.correlating = self._service("correlate", 2)
        self.further = self._service("correlate", 1)

    def _service(self, stage: str, workers: int) -> Service:
        service = self.cluster.service(
            [stage], workers, batch={"max_records": 200, "max_wait": 0.05}, suppress=SUPPRESS
        )
        kafka = service.configuration["source"]["kafka"]
        kafka["properties"] |= {"session.timeout.ms": "3000", "heartbeat.interval.ms": "500"}
        if self.account.delivery == "exactly-once":
            kafka["producer"] = {"transaction.timeout.ms": "30000"}
        return service

    def _feed(self) -> None:
        producer = Producer(
            {"bootstrap.servers": self._broker.address, "enable.idempotence": True, **QUIET}
        )
        due = time.monotonic()
        while not self._ends.wait(max(0.0, due - time.monotonic())):
            begin = self.account.events
            self._send(producer, [event(begin + number) for number in range(ACCOUNTS)])
            due = max(due + ACCOUNTS / self._rate, time.monotonic() - 5)
        self._send(producer, last_events())

    def _send(self, producer: Producer, events: Sequence[dict[str, Any]]) -> None:
        for each in events:
            partition = each["n"] % ACCOUNTS % PARTITIONS
            producer.produce(self.cluster.topics.events, orjson.dumps(each), partition=partition)
        assert producer.flush(60) == 0
        self.account.events += len(events)

    def expected(self) -> tuple[set[str], Counter[tuple[str, str]]]:
        """What is right: as `Alerts` has it."""
        pack = load_pack(self._pack)
        correlator = pack.correlator()
        offsets: Counter[int] = Counter()
        found: set[str] = set()
        told: Counter[tuple[str, str]] = Counter()
        last = last_events()
        for made in [*map(event, range(self.account.events - len(last))), *last]:
            partition = made["n"] % ACCOUNTS % PARTITIONS
            source = (self.cluster.topics.events, partition, offsets[partition], None)
            offsets[partition] += 1
            matches = pack.match(made)
            alerts = correlator.feed(made, matches, source)
            found |= {each.id for each in alerts if each.correlation.title not in HELD}
            titles = [each.rule.title for each in matches]
            titles += [each.correlation.title for each in alerts]
            told.update((each, made["TargetUserName"]) for each in titles if each in HELD)
        return found, told

    def __enter__(self) -> Disturbed:
        for service in (self.detecting, self.correlating):
            service.start()
        self.alerts.start()
        self._feeder.start()
        self.recover()
        return self

    def __exit__(self, *_: object) -> None:
        self._ends.set()
        for service in (self.detecting, self.correlating, self.further):
            service.kill()

    def recover(self) -> None:
        """Wait until alerts come."""
        before, until = self.alerts.seen.total(), time.monotonic() + _SETTLES
        while self.alerts.seen.total() == before:
            assert time.monotonic() < until, "no alert comes any more"
            time.sleep(0.1)

    # What can happen

    def kill_one(self, service: Service) -> None:
        workers = service.workers()
        if workers:
            os.kill(self._chance.choice(workers), signal.SIGKILL)

    def kill_all(self, service: Service) -> None:
        service.kill()
        service.start()

    def join_or_leave(self) -> None:
        process = self.further.process
        if process is None or process.poll() is not None:
            self.further.start()
        elif self._chance.random() < 0.5:
            self.further.kill()
        else:
            self.further.stop()

    def restart_the_broker(self) -> None:
        # One that is alone and is killed forgets to end some of the transactions that were open, for good, and those
        # that end while it stops. Of three one is killed.
        if self._broker.replicas > 1:
            self._broker.restart()
            return
        with frozen(self.detecting, self.correlating, self.further):
            self._broker.stop()
        self._broker.start()

    def disturb(self) -> None:
        """Something happens."""
        faults: dict[str, tuple[int, Callable[[], None]]] = {
            "a worker": (4, lambda: self.kill_one(self.detecting)),
            "a process of the second stage": (8, lambda: self.kill_one(self.correlating)),
            "all workers": (1, lambda: self.kill_all(self.detecting)),
            "the second stage": (2, lambda: self.kill_all(self.correlating)),
            "a member comes or goes": (2, self.join_or_leave),
            "a broker": (3 if self._broker.replicas > 1 else 1, self.restart_the_broker),
        }
        weights = [weight for weight, _ in faults.values()]
        (name,) = self._chance.choices([*faults], weights)
        faults[name][1]()
        self.account.kills[name] += 1
        if self._chance.random() < 0.3:
            self.recover()
        else:
            time.sleep(self._chance.uniform(0.1, 2.0))

    def settle(self) -> Account:
        """Let everything come to its end, and compare."""
        self._ends.set()
        self._feeder.join()
        account, (wanted, told) = self.account, self.expected()
        seen = self.alerts.seen
        came, until = 0, 0.0
        while not (wanted <= seen.keys() and told <= self.alerts.told):
            if came < (now := seen.total() + self.alerts.told.total()) or not until:
                came, until = now, time.monotonic() + _SETTLES
            if time.monotonic() > until:
                break
            time.sleep(0.2)
        time.sleep(2.0)
        self.alerts.stop()
        account.expected = len(wanted) + told.total()
        account.lost = len(wanted - seen.keys()) + (told - self.alerts.told).total()
        account.invented = len(seen.keys() - wanted)
        account.doubled = sum(count - 1 for count in seen.values())
        account.doubled += (self.alerts.told - told).total()
        return account


def run(
    broker: Kafka, folder: Path, delivery: str, kills: int, *, seed: int = 1, rate: int = 800
) -> Account:
    """Disturb until so much was killed."""
    started = time.monotonic()
    with Disturbed(broker, folder, delivery, seed, rate) as disturbed:
        while disturbed.account.kills.total() < kills:
            disturbed.disturb()
        account = disturbed.settle()
    account.seconds = time.monotonic() - started
    return account


def main(arguments: Sequence[str] | None = None) -> int:
    """The exit status: 0 where every promise was kept."""
    logging.getLogger("rdkafka").setLevel(logging.CRITICAL)
    parser = argparse.ArgumentParser(prog="python -m tests.integration.correlated")
    parser.add_argument("--kills", type=int, default=200, help="with each kind of delivery")
    parser.add_argument(
        "--delivery", choices=["exactly-once", "at-least-once", "both"], default="both"
    )
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--rate", type=int, default=800, help="events a second")
    parser.add_argument(
        "--kill-brokers",
        action="store_true",
        help="three of them with three replicas, of which one is killed at a time, in place of one that is restarted",
    )
    parser.add_argument("--folder", type=Path, help="keep logs and data here")
    chosen = parser.parse_args(arguments)
    cluster_python()
    with tempfile.TemporaryDirectory(prefix="sigmac-correlated-") as name:
        folder = chosen.folder or Path(name)
        folder.mkdir(parents=True, exist_ok=True)
        try:
            broker: Kafka = KafkaTrio(folder) if chosen.kill_brokers else ApacheKafka(folder)
        except Unavailable as error:
            print(error, file=sys.stderr)
            return 1
        broker.start()
        kept = True
        try:
            both = ["exactly-once", "at-least-once"]
            for delivery in both if chosen.delivery == "both" else [chosen.delivery]:
                place = folder / delivery
                place.mkdir()
                account = run(
                    broker, place, delivery, chosen.kills, seed=chosen.seed, rate=chosen.rate
                )
                print(account, flush=True)
                kept &= account.kept
        finally:
            broker.kill()
    return 0 if kept else 1


if __name__ == "__main__":
    sys.exit(main())
