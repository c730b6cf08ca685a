"""New packs under load: `python -m tests.integration.reload`.

A producer keeps records waiting at all times, so that the workers never do, while packs are pushed and the one before
is brought back. Each pack has its version in its rule's title: a match tells which pack made it.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass, fields
from itertools import groupby, pairwise
from pathlib import Path
from typing import Any

from confluent_kafka import Producer

from sigmac.runtime.errors import PackError
from sigmac.runtime.service.control.client import ControlClient, ControlError
from tests.integration.brokers import BROKERS, Broker, Unavailable, free_port
from tests.integration.ledger import Account, Ledger, Service, Topics, read_account, running
from tests.unit.packs import rule, write_text_pack
from tests.unit.runtime.service.packs.bad_packs import BAD

WAITING = 100_000  # records that always wait
OTHERS = 50  # records that neither match nor die, for each that is numbered
OTHER = b'{"Kind": "other", "Text": "%s"}' % (
    b"x" * 2000
)  # so that evaluating takes longer than producing
ID = "3f0c7f0e-3f0b-4a53-9a55-0f6c5c1f0f11"


@dataclass(slots=True)
class Report:
    """What came of packs under load.

    `idle` is the share of looks that found no record waiting, `versions` the changes of version among the
    matches of the partition that shows fewest, `misordered` the partitions in which versions do not come in the order
    of the swaps, `mislabelled` the matches whose version is not that of their rule.
    """

    swaps: int = 0
    refused: int = 0
    taken: int = 0  # of the bad packs
    seconds: float = 0.0  # while packs came
    records_per_second: float = 0.0
    idle: float = 0.0
    records: int = 0
    matches: int = 0
    versions: int = 0
    misordered: int = 0
    mislabelled: int = 0
    lost: int = 0
    doubled: int = 0
    wrong: int = 0
    disordered: int = 0
    restarts: int = 0


def pack_of(version: int, folder: Path) -> Path:
    """Its rule has the version in its title."""
    text = rule("s: {Kind: wanted}\ncondition: s", title=f"Version {version}", id=ID)
    return write_text_pack(text, folder / str(version), version=str(version))


class Flood(threading.Thread):
    """Produces whenever fewer than `WAITING` records wait in the service's topic."""

    def __init__(self, ledger: Ledger, service: Service):
        super().__init__(daemon=True)
        self.ledger = ledger
        self.looks = self.idle = 0
        self._service = service
        self._ends = threading.Event()
        self._failure: Exception | None = None
        self._producer = Producer(
            {"bootstrap.servers": ledger.topics.broker.address, "compression.type": "lz4"}
        )

    def run(self) -> None:
        try:
            while not self._ends.is_set():
                waiting = int(sum(self._service.metric("sigmac_lag_records")))
                self.looks += 1
                self.idle += not waiting
                if waiting < WAITING:
                    self.pour(1000)
                else:
                    self._ends.wait(0.05)
        except Exception as error:  # noqa: BLE001 - given to who stops it
            self._failure = error

    def pour(self, count: int) -> None:
        topics = self.ledger.topics
        for number in range(count * OTHERS):
            self._producer.produce(topics.events, OTHER, partition=number % topics.partitions)
            if number % 1000 == 0:
                self._producer.poll(0)
        self.ledger.produce(count)
        self._producer.flush()

    def stop(self) -> None:
        self._ends.set()
        self.join()
        if self._failure is not None:
            raise self._failure


@contextmanager
def _flooded(
    broker: Broker, pack: Path, folder: Path, report: Report, order: list[str], **changes: Any
) -> Iterator[ControlClient]:
    """A service that has always enough to do, and who steers it. At the end all is accounted for in the report.

    `order` has the versions that ran, one after the other.
    """
    topics = Topics(broker)
    ledger = Ledger(topics)
    port = free_port()
    control = {"bind": f"127.0.0.1:{port}", "allow_unsigned_packs": True}
    service = Service(topics, pack, folder, control=control, batch={}, **changes)
    with running(service), ControlClient(f"127.0.0.1:{port}") as client:
        _until_ready(client)
        flood = Flood(ledger, service)
        flood.pour(2000)
        while sum(service.metric("sigmac_records_total")) == 0:
            time.sleep(0.1)
        flood.start()
        done, began = sum(service.metric("sigmac_records_total")), time.monotonic()
        yield client
        report.seconds = time.monotonic() - began
        done = sum(service.metric("sigmac_records_total")) - done
        flood.stop()
        account = read_account(ledger, timeout=120)
        report.restarts = sum(worker.restarts for worker in client.status().workers)
        assert service.stop() == 0
    report.records_per_second = done / report.seconds
    report.idle = flood.idle / flood.looks
    report.records = ledger.produced * (OTHERS + 1)
    _account(account, order, report)


def _account(account: Account, order: list[str], report: Report) -> None:
    report.matches = len(account.matches)
    report.lost, report.doubled = len(account.lost), account.doubled
    report.wrong, report.disordered = len(account.wrong), account.disordered
    made_by = account.made_by.values()
    report.mislabelled = sum(title != f"Version {version}" for version, title in made_by)
    partitions = account.ledger.topics.partitions
    ran = [versions(account, partition) for partition in range(partitions)]
    report.versions = min(map(len, ran)) - 1
    report.misordered = sum(not follows(each, order) for each in ran)


def versions(account: Account, partition: int) -> list[str]:
    """The versions that evaluated a partition, one after the other."""
    partitions = account.ledger.topics.partitions
    mine = sorted(number for number in account.made_by if number % partitions == partition)
    return [version for version, _ in groupby(account.made_by[number][0] for number in mine)]


def follows(some: list[str], order: list[str]) -> bool:
    """Whether these come one after the other in an order that has more of them."""
    rest = iter(order)
    return all(each in rest for each in some)


def _until_ready(client: ControlClient) -> None:
    until = time.monotonic() + 60
    while True:
        try:
            if client.status().ready:
                return
        except ControlError:
            pass  # nobody answers yet
        if time.monotonic() > until:
            raise TimeoutError
        time.sleep(0.1)


def run_swaps(broker: Broker, folder: Path, swaps: int) -> Report:
    """Push half as many packs, and after each one bring back the first."""
    packs = [pack_of(version, folder / "packs") for version in range(swaps // 2 + 1)]
    report = Report()
    order = ["0"]
    with _flooded(broker, packs[0], folder, report, order) as client:
        for version, pack in enumerate(packs[1:], 1):
            order += [client.push(pack, "test").version, client.rollback("test").version]
            assert order[-2:] == [str(version), "0"]
    report.swaps = sum(one != other for one, other in pairwise(order))
    return report


def run_bad_packs(broker: Broker, folder: Path) -> Report:
    """Push every bad pack there is."""
    good = pack_of(1, folder / "packs")
    report = Report()
    reload = {"watch": 0.5, "timeout": 5}
    with _flooded(broker, good, folder, report, ["1"], reload=reload) as client:
        for name, (spoil, _) in BAD.items():
            bad = Path(shutil.copytree(pack_of(2, folder / "packs"), folder / "bad" / name))
            spoil(bad)
            try:
                client.push(bad, "test", timeout=60)
                report.taken += 1
            except (PackError, ControlError):
                report.refused += 1
        (pack,) = client.status().packs
        report.swaps = pack.reloads
    return report


def main(arguments: Sequence[str] | None = None) -> int:
    """The exit status: 0 where nothing is lost or doubled and no bad pack was taken."""
    parser = argparse.ArgumentParser(prog="python -m tests.integration.reload", description=__doc__)
    parser.add_argument("--swaps", type=int, default=100)
    chosen = parser.parse_args(arguments)
    reports = {}
    with tempfile.TemporaryDirectory(prefix="sigmac-reload-") as made:
        folder = Path(made)
        try:
            broker = BROKERS["kafka"](folder)
        except Unavailable as error:
            print(error, file=sys.stderr)
            return 1
        broker.start()
        try:
            for name in ("swaps", "bad"):
                (folder / name).mkdir()
            with redirect_stdout(sys.stderr):  # of the service's log
                reports["good packs"] = run_swaps(broker, folder / "swaps", chosen.swaps)
                reports["bad packs"] = run_bad_packs(broker, folder / "bad")
        finally:
            broker.kill()
    for name, report in reports.items():
        print(f"{name}:")
        for each in fields(report):
            print(f"  {each.name}: {getattr(report, each.name):,.10g}")
    failed = any(each.lost or each.doubled or each.taken for each in reports.values())
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
