"""Poison in the stream: `python -m tests.integration.poison --records 50000`.

One record of a hundred is made to do harm, each kind of `poisons.py` in its turn; the topic of matches demands keys and
takes smaller messages than the producer sends. All else has to be delivered, and of each poisonous record there has to
be what its kind says: a match, a dead letter, or nothing. docs/delivery-proof.md has the figures.
"""

from __future__ import annotations

import argparse
import logging
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import redirect_stdout
from dataclasses import dataclass, field
from pathlib import Path

import orjson
from confluent_kafka import Message

from sigmac.runtime.stream.dead_letters import DeadLetter, from_message
from sigmac.runtime.stream.kafka.message_batch import told_headers
from tests.integration.brokers import ApacheKafka, Broker, Unavailable
from tests.integration.ledger import RULES, Service, Topics, reader_from_the_start, running
from tests.integration.poisons import (
    DEAD,
    DEAD_LIMIT,
    EVENT_LIMIT,
    MATCH,
    MATCH_LIMIT,
    NOTHING,
    POISONS,
    UNDELIVERABLE,
    Poison,
)
from tests.integration.raw_messages import RawProducer
from tests.integration.verdict import DELIVERIES
from tests.unit.packs import write_text_pack

EVERY = 100  # one record of so many is poison
MATCHES_EVERY = 3
_CHUNK = 2000  # records between two waits for the broker


@dataclass(slots=True)
class Report:
    """What came of a run. `wrong` tells what became of a record that should have become something else."""

    delivery: str
    records: int = 0
    seconds: float = 0.0
    poison: int = 0
    kinds: int = 0
    matches: int = 0
    dead_letters: int = 0
    undeliverable: int = 0  # of the dead letters
    lost: int = 0
    doubled: int = 0
    wrong: list[str] = field(default_factory=list)
    restarts: int = 0
    uncommitted: int = 0
    delivered: int = 0  # as the service counts it
    failures: int = 0

    @property
    def kept(self) -> bool:
        """Whether the promise was kept."""
        bad = self.lost, self.doubled, len(self.wrong), self.restarts, self.uncommitted
        return not any(bad) and self.delivered == self.matches

    def rows(self) -> list[tuple[str, str]]:
        return [
            ("minutes", f"{self.seconds / 60:.1f}"),
            ("records", f"{self.records:,}"),
            ("of these poison, kinds of it", f"{self.poison:,}, {self.kinds}"),
            ("matches", f"{self.matches:,}"),
            ("dead letters", f"{self.dead_letters:,}"),
            ("of these matches that their topic refused", f"{self.undeliverable:,}"),
            ("**lost**", f"{self.lost:,}"),
            ("**doubled**", f"{self.doubled:,}"),
            ("became something else", f"{len(self.wrong):,}"),
            ("workers that died", f"{self.restarts:,}"),
            ("records left uncommitted", f"{self.uncommitted:,}"),
            ("matches delivered, as the service counts them", f"{self.delivered:,}"),
            ("batches done again", f"{self.failures:,}"),
        ]


class Poisoned:
    """What was produced, by partition and offset, and what came of it."""

    def __init__(self, topics: Topics):
        self.topics = topics
        self.expected: dict[tuple[int, int], tuple[str, Poison]] = {}
        self.found: dict[tuple[int, int], str] = {}
        self.report = Report("", kinds=len(POISONS))
        self._names = list(POISONS)

    def produce(self, records: int) -> None:
        producer = RawProducer(
            self.topics.broker.address,
            message_max_bytes=str(EVENT_LIMIT),
            enable_idempotence="true",
        )
        for number in range(records):
            kind, record = self._record(number)
            place = number % self.topics.partitions, number // self.topics.partitions
            if record.fate != NOTHING:
                self.expected[place] = kind, record
            producer.produce(self.topics.events, record.value, place[0], record.key, record.headers)
            if number % _CHUNK == _CHUNK - 1:
                producer.flush()
        producer.flush()
        producer.close()
        self.report.records = records
        self.report.poison = records // EVERY

    def _record(self, number: int) -> tuple[str, Poison]:
        turn, rest = divmod(number, EVERY)
        if rest == EVERY - 1:
            kind = self._names[turn % len(self._names)]
            return kind, POISONS[kind](number)
        key = b"%d" % number
        if number % MATCHES_EVERY == 0:
            return "", Poison(b'{"n": %d, "Kind": "wanted"}' % number, MATCH, key)
        return "", Poison(b'{"n": %d, "Kind": "other"}' % number, NOTHING, key)

    def take(self, message: Message) -> None:
        """A match or a dead letter, in the order of nothing."""
        value = message.value() or b""
        if message.topic() == self.topics.matches:
            source = orjson.loads(value)["source"]
            place, fate, problem = (source["partition"], source["offset"]), MATCH, ""
        else:
            letter = from_message(value, message.key(), told_headers(message) or ())
            place = letter.origin.partition, letter.origin.offset
            fate = UNDELIVERABLE if letter.kind == UNDELIVERABLE else DEAD
            problem = self._compared(letter, place)
        if place in self.found:
            self.report.doubled += 1
            return
        self.found[place] = fate
        kind, record = self.expected.get(place, ("an other record", None))
        if record is None or record.fate != fate or problem:
            self.report.wrong.append(f"{kind or 'a good record'}: {fate} {problem}")

    def _compared(self, letter: DeadLetter, place: tuple[int, int]) -> str:
        """What a dead letter has that it should not have, or has not."""
        _, record = self.expected.get(place, ("", None))
        if record is None:
            return "not expected"
        value = b"" if "value" in record.without else record.value
        if letter.kind == UNDELIVERABLE:
            same = record.value is not None and record.value in letter.value
        else:
            same = letter.value == value
        key = None if "key" in record.without else record.key
        lost = "headers" in record.without
        checks = {
            "value": same,
            "key": letter.origin.key == key,
            "headers": letter.origin.headers_lost == lost,
        }
        return ", ".join(name for name, good in checks.items() if not good)

    def read(self, timeout: float, settle: float = 2.0) -> None:
        """Until nothing is missing and nothing more comes."""
        reader = reader_from_the_start(self.topics)
        until, last = time.monotonic() + timeout, time.monotonic()
        try:
            while time.monotonic() < until:
                for message in reader.consume(1000, 0.25):
                    if message.error() is None:
                        self.take(message)
                        last = time.monotonic()
                if len(self.found) >= len(self.expected) and time.monotonic() - last > settle:
                    return
        finally:
            reader.close()


def run_poison(
    broker: Broker, pack: Path, folder: Path, delivery: str, records: int, timeout: float = 600
) -> Report:
    """Produce, evaluate, compare."""
    topics = Topics(
        broker,
        settings={"max_message_bytes": str(EVENT_LIMIT)},
        match_settings={"max_message_bytes": str(MATCH_LIMIT), "cleanup_policy": "compact"},
        dead_settings={"max_message_bytes": str(DEAD_LIMIT)},
    )
    poisoned = Poisoned(topics)
    report = poisoned.report
    report.delivery = delivery
    service = Service(topics, pack, folder, delivery=delivery)
    service.configuration["source"]["kafka"]["producer"] = {"message.max.bytes": str(EVENT_LIMIT)}
    with running(service):
        began = time.monotonic()
        poisoned.produce(records)
        poisoned.read(timeout)
        report.seconds = time.monotonic() - began
        report.restarts = int(sum(service.metric("sigmac_worker_restarts_total")))
        report.uncommitted = int(sum(service.metric("sigmac_lag_records")))
        report.delivered = int(sum(service.metric('sigmac_delivered_total{sink="kafka"')))
        report.failures = int(sum(service.metric("sigmac_delivery_failures_total")))
        if service.stop() != 0:
            report.wrong.append("the service did not end well")
    fates = Counter(poisoned.found.values())
    report.matches = fates[MATCH]
    report.dead_letters = fates[DEAD] + fates[UNDELIVERABLE]
    report.undeliverable = fates[UNDELIVERABLE]
    report.lost = len(poisoned.expected.keys() - poisoned.found.keys())
    return report


def main(arguments: Sequence[str] | None = None) -> int:
    """The exit status: 0 where every promise was kept."""
    logging.getLogger("rdkafka").setLevel(logging.CRITICAL)
    parser = argparse.ArgumentParser(prog="python -m tests.integration.poison", description=__doc__)
    parser.add_argument("--records", type=int, default=50_000, help="with each kind of delivery")
    chosen = parser.parse_args(arguments)
    reports = []
    with tempfile.TemporaryDirectory(prefix="sigmac-poison-") as made:
        folder = Path(made)
        try:
            broker = ApacheKafka(folder)
        except Unavailable as error:
            print(error, file=sys.stderr)
            return 1
        broker.start()
        try:
            pack = write_text_pack(RULES, folder / "pack")
            for delivery in DELIVERIES:
                (folder / delivery).mkdir()
                with redirect_stdout(sys.stderr):  # of the service's log
                    reports.append(
                        run_poison(broker, pack, folder / delivery, delivery, chosen.records)
                    )
        finally:
            broker.kill()
    for report in reports:
        print(
            f"{report.delivery}:",
            *(f"  {name}: {figure}" for name, figure in report.rows()),
            sep="\n",
        )
        print(*sorted(set(report.wrong)), sep="\n")
    return 0 if all(report.kept for report in reports) else 1


if __name__ == "__main__":
    sys.exit(main())
