"""Matches and dead letters arrive, once, where nothing fails; `test_chaos.py` is for the rest."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.integration.brokers import Broker
from tests.integration.ledger import Ledger, Service, Topics, read_account, running

pytestmark = pytest.mark.slow


def test_every_record_is_evaluated_once_when_nothing_fails(
    broker: Broker, pack_folder: Path, tmp_path: Path
) -> None:
    topics = Topics(broker)
    ledger = Ledger(topics)
    ledger.produce(2000)
    with running(Service(topics, pack_folder, tmp_path)) as service:
        account = read_account(ledger, timeout=60)
        assert service.stop() == 0
    assert (account.lost, account.doubled, account.wrong) == (set(), 0, set())


@pytest.mark.java  # the embedded broker does not tell who is in a group
def test_a_stopped_service_goes_on_where_it_was(
    start_broker: Callable[[str], Broker], pack_folder: Path, tmp_path: Path
) -> None:
    kafka = start_broker("kafka")
    topics = Topics(kafka)
    ledger = Ledger(topics)
    for _ in range(2):
        ledger.produce(500)
        with running(Service(topics, pack_folder, tmp_path)) as service:
            account = read_account(ledger, timeout=60)
            assert service.stop() == 0
        # Its members have left: the group does not wait for them.
        admin = kafka.admin()
        group = admin.describe_consumer_groups([topics.group])[topics.group].result(30)
        assert len(group.members) == 0
    assert (account.lost, account.doubled, account.wrong) == (set(), 0, set())


def test_exactly_once_when_nothing_fails(broker: Broker, pack_folder: Path, tmp_path: Path) -> None:
    topics = Topics(broker)
    ledger = Ledger(topics)
    with running(Service(topics, pack_folder, tmp_path, delivery="exactly-once")) as service:
        # The embedded broker forgets positions of transactions: a member that came later would begin anew.
        service.until_shared()
        ledger.produce(1000)
        account = read_account(ledger, timeout=60)
        assert service.stop() == 0
    assert (account.lost, account.doubled, account.wrong) == (set(), 0, set())


@pytest.mark.java
def test_exactly_once_with_records_that_wait(
    start_broker: Callable[[str], Broker], pack_folder: Path, tmp_path: Path
) -> None:
    topics = Topics(start_broker("kafka"))
    ledger = Ledger(topics)
    for _ in range(2):  # the second service goes on where the first one was
        ledger.produce(500)
        with running(Service(topics, pack_folder, tmp_path, delivery="exactly-once")) as service:
            account = read_account(ledger, timeout=60)
            assert service.stop() == 0
    assert (account.lost, account.doubled, account.wrong) == (set(), 0, set())


@pytest.mark.java
@pytest.mark.parametrize("delivery", ["at-least-once", "exactly-once"])
def test_a_group_whose_partitions_the_broker_assigns(
    delivery: str, start_broker: Callable[[str], Broker], pack_folder: Path, tmp_path: Path
) -> None:
    kafka = start_broker("kafka")
    topics = Topics(kafka)
    ledger = Ledger(topics)
    service = Service(topics, pack_folder, tmp_path, delivery=delivery)
    source = service.configuration["source"]["kafka"]
    for name in kafka.properties:  # the times of a session are the broker's now
        del source["properties"][name]
    source["properties"]["group.protocol"] = "consumer"
    source["inputs"][0]["topics"] = [f"^events-{topics.suffix}"]
    for _ in range(2):
        ledger.produce(500)
        with running(service):
            account = read_account(ledger, timeout=60)
            assert service.stop() == 0
    assert (account.lost, account.doubled, account.wrong) == (set(), 0, set())
