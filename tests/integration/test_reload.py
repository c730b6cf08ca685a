"""New packs while records come in as fast as they can be evaluated: none is lost, doubled, or made by a bad pack."""

from __future__ import annotations

import shutil
import threading
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import groupby
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import Producer

from sigmac.runtime.errors import PackError
from sigmac.runtime.service.client import ControlClient, ControlError
from tests.integration.brokers import Broker, free_port
from tests.integration.ledger import Account, Ledger, Service, Topics, read_account, running
from tests.unit.packs import rule, write_text_pack
from tests.unit.runtime.service.bad_packs import BAD
from tests.unit.runtime.service.conftest import eventually

pytestmark = [pytest.mark.slow, pytest.mark.java]

SWAPS = 100
WAITING = 100_000  # records that always wait, so that the workers never do
OTHERS = 50  # records that neither match nor die, for each that is numbered
OTHER = b'{"Kind": "other", "Text": "%s"}' % (
    b"x" * 2000
)  # so that evaluating takes longer than producing
ID = "3f0c7f0e-3f0b-4a53-9a55-0f6c5c1f0f11"


def pack_of(version: int, folder: Path) -> Path:
    """Its rule has the version in its title."""
    text = rule("s: {Kind: wanted}\ncondition: s", title=f"Version {version}", id=ID)
    return write_text_pack(text, folder / str(version), version=str(version))


class Flood(threading.Thread):
    """Produces whenever fewer than `WAITING` records wait in the service's topic."""

    def __init__(self, ledger: Ledger, service: Service):
        super().__init__(daemon=True)
        self.ledger = ledger
        self._service = service
        self._ends = threading.Event()
        self._failure: Exception | None = None
        self.account = Account(ledger)
        self._producer = Producer(
            {"bootstrap.servers": ledger.topics.broker.address, "compression.type": "lz4"}
        )

    def run(self) -> None:
        try:
            while not self._ends.is_set():
                if lag(self._service) < WAITING:
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


def lag(service: Service) -> float:
    """Records that wait, as the metrics say."""
    with urllib.request.urlopen(f"http://127.0.0.1:{service.port}/metrics") as answer:
        lines = answer.read().decode().splitlines()
    return sum(
        float(line.rpartition(" ")[2]) for line in lines if line.startswith("sigmac_lag_records{")
    )


@contextmanager
def flooded(
    broker: Broker, pack: Path, folder: Path, **changes: Any
) -> Iterator[tuple[ControlClient, Flood]]:
    """A service that has always enough to do, and who steers it. At the end all is accounted for."""
    topics = Topics(broker)
    ledger = Ledger(topics)
    port = free_port()
    control = {"bind": f"127.0.0.1:{port}", "allow_unsigned_packs": True}
    service = Service(topics, pack, folder, control=control, batch={}, **changes)
    with running(service), ControlClient(f"127.0.0.1:{port}") as client:
        eventually(lambda: is_ready(client))
        flood = Flood(ledger, service)
        flood.pour(2000)
        flood.start()
        yield client, flood
        flood.stop()
        account = read_account(ledger, timeout=120)
        assert service.stop() == 0
    assert (account.lost, account.doubled, account.wrong) == (set(), 0, set())
    assert account.disordered == 0
    assert all(title == f"Version {version}" for version, title in account.made_by.values())
    flood.account = account
    print(f"{ledger.produced * (OTHERS + 1):,} records")


def is_ready(client: ControlClient) -> bool:
    try:
        return client.status().ready
    except ControlError:
        return False


def test_a_hundred_swaps_lose_nothing_and_each_match_names_its_version(
    start_broker: Callable[[str], Broker], tmp_path: Path
) -> None:
    packs = [pack_of(version, tmp_path / "packs") for version in range(SWAPS // 2 + 1)]
    with flooded(start_broker("kafka"), packs[0], tmp_path) as (client, flood):
        for version, pack in enumerate(packs[1:], 1):
            assert client.push(pack, "test").version == str(version)
            assert client.rollback("test").version == "0"
    swapped = ["0"]
    for version in range(1, len(packs)):
        swapped += [str(version), "0"]
    for partition in range(flood.ledger.topics.partitions):
        ran = versions(flood.account, partition)
        assert len(ran) > SWAPS // 2
        assert follows(ran, swapped)


def versions(account: Account, partition: int) -> list[str]:
    """The versions that evaluated a partition, one after the other."""
    partitions = account.ledger.topics.partitions
    mine = sorted(number for number in account.made_by if number % partitions == partition)
    return [version for version, _ in groupby(account.made_by[number][0] for number in mine)]


def follows(some: list[str], order: list[str]) -> bool:
    """Whether these come one after the other in an order that has more of them."""
    rest = iter(order)
    return all(each in rest for each in some)


def test_bad_packs_are_refused_and_disturb_nothing(
    start_broker: Callable[[str], Broker], tmp_path: Path
) -> None:
    good = pack_of(1, tmp_path / "packs")
    reload = {"watch": 0.5, "timeout": 5}
    with flooded(start_broker("kafka"), good, tmp_path, reload=reload) as (client, flood):
        for name, (spoil, _) in BAD.items():
            bad = Path(shutil.copytree(pack_of(2, tmp_path / "packs"), tmp_path / "bad" / name))
            spoil(bad)
            with pytest.raises((PackError, ControlError)):
                client.push(bad, "test", timeout=60)
        (pack,) = client.status().packs
        assert (pack.version, pack.reloads) == ("1", 0)
        assert all(worker.restarts == 0 for worker in client.status().workers)
    assert {version for version, _ in flood.account.made_by.values()} == {"1"}
