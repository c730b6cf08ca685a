"""Correlations over Kafka give what they give over files."""

from __future__ import annotations

import contextlib
import importlib.util
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson
import pytest
from click.testing import CliRunner

from sigmac.cli import app
from sigmac.runtime import load_pack
from sigmac.runtime.correlation.correlator import Limits
from sigmac.runtime.errors import ConfigurationError
from tests.integration.brokers import ApacheKafka, Broker
from tests.integration.cluster import ROOT, Cluster, cluster_python
from tests.integration.correlated import ACCOUNTS, PARTITIONS, RULES, Disturbed, event, run
from tests.integration.ledger import Service, running
from tests.integration.messages import received, send
from tests.unit.packs import write_text_pack

KILLS = 10
pytestmark = [pytest.mark.slow, pytest.mark.java]


def alerts_of_files(
    pack: Path, topic: str, sent: list[dict[str, Any]], limits: Limits | None = None
) -> list[str]:
    """The ids of the alerts of one process that sees everything, by where the events lie in the topic."""
    loaded = load_pack(pack)
    correlator = loaded.correlator(limits=limits)
    found = []
    for number, each in enumerate(sent):
        alerts = correlator.feed(each, loaded.match(each), (topic, 0, number, None))
        found += [alert.id for alert in alerts if not alert.correlation.silent]
    return found


def test_alerts_are_those_of_files(start_broker: Callable[[str], Broker], tmp_path: Path) -> None:
    cluster_python()
    kafka = start_broker("kafka")
    assert isinstance(kafka, ApacheKafka)
    pack = write_text_pack(RULES, tmp_path / "pack")
    cluster = Cluster(kafka, pack, tmp_path)
    sent = [event(number) for number in range(2000)]
    topics = cluster.topics
    expected = alerts_of_files(pack, topics.events, sent)
    logons = [each["n"] for each in sent if each["EventID"] == 4624]
    assert len(expected) > 200
    send(kafka, topics.events, [orjson.dumps(each) for each in sent])
    with running(cluster.service(["detect", "correlate"])):
        wanted = len(expected) + len(logons)
        found = received(kafka, topics.matches, wanted, timeout=60, settle=1.5)
    told = [orjson.loads(each.value() or b"") for each in found]
    assert [each["event"]["n"] for each in told if "correlation" not in each] == logons
    told = [each for each in told if "correlation" in each]
    assert sorted(each["id"] for each in told) == sorted(expected)
    assert {each["rule"]["title"] for each in told} == {"Many Failed Logons", "Guessed Password"}
    assert all(each["event"]["n"] == each["source"]["offset"] for each in told)


def test_groups_that_were_used_longest_ago_make_room(
    start_broker: Callable[[str], Broker], tmp_path: Path
) -> None:
    cluster_python()
    kafka = start_broker("kafka")
    assert isinstance(kafka, ApacheKafka)
    pack = write_text_pack(RULES, tmp_path / "pack")
    cluster = Cluster(kafka, pack, tmp_path, hit_partitions=1)
    # Eight accounts after the other eight, and each of them again later, in the middle of its failures.
    sent = [
        event(ACCOUNTS * turn + 8 * block + account)
        for turns in (range(21), range(21, 50))
        for block in range(ACCOUNTS // 8)
        for turn in turns
        for account in range(8)
    ]
    limits = Limits(groups=10)
    expected = alerts_of_files(pack, cluster.topics.events, sent, limits)
    assert set(alerts_of_files(pack, cluster.topics.events, sent)) != set(expected)
    send(kafka, cluster.topics.events, [orjson.dumps(each) for each in sent])
    service = cluster.service(["detect", "correlate"])
    service.configuration["correlations"]["max_groups"] = limits.groups
    with running(service):
        logons = sum(each["EventID"] == 4624 for each in sent)
        found = received(kafka, cluster.topics.matches, len(expected) + logons, settle=1.5)
        until = time.monotonic() + 30
        while not (gone := sum(service.metric("sigmac_correlation_evicted_groups_total"))):
            assert time.monotonic() < until
            time.sleep(0.1)
    told = [orjson.loads(each.value() or b"") for each in found]
    assert sorted(e["id"] for e in told if "correlation" in e) == sorted(expected)
    assert gone > ACCOUNTS


def test_the_guides_example_gives_the_alerts_that_it_gives_from_files(
    start_broker: Callable[[str], Broker], tmp_path: Path
) -> None:
    cluster_python()
    kafka = start_broker("kafka")
    assert isinstance(kafka, ApacheKafka)
    pack, out = tmp_path / "pack", tmp_path / "alerts.ndjson"
    events = ROOT / "rules" / "events" / "logons.ndjson"
    fields = ["TimeCreated_SystemTime", "received"]
    build = ["build", str(ROOT / "rules" / "logons"), "-o", str(pack), "--pipeline", "windows"]
    run = ["run", str(pack), str(events), "-o", str(out), "--correlation-order", "arrival"]
    run += [word for name in fields for word in ("--timestamp-field", name)]
    for arguments in (build, run):
        made = CliRunner().invoke(app, arguments)
        assert made.exit_code == 0, made.output
    expected = [orjson.loads(line) for line in out.read_bytes().splitlines()]
    assert {each["rule"]["title"] for each in expected} == {"Guessed Password"}
    cluster = Cluster(kafka, pack, tmp_path)
    send(kafka, cluster.topics.events, events.read_bytes().splitlines())
    service = cluster.service(["detect", "correlate"])
    service.configuration["correlations"]["timestamp_fields"] = fields
    with running(service):
        found = received(kafka, cluster.topics.matches, len(expected), settle=1.5)
    told = [orjson.loads(each.value() or b"") for each in found]
    places = [told_by_place(each, "offset") for each in told]
    wanted = [told_by_place(each, "position") for each in expected]
    assert sorted(places, key=repr) == sorted(wanted, key=repr)


def told_by_place(alert: dict[str, Any], place: str) -> dict[str, Any]:
    """An alert with the numbers of its events instead of their sources."""
    correlation = alert["correlation"]
    numbers = [each[place] for each in correlation["events"]]
    return {
        "rule": alert["rule"],
        "event": alert["event"],
        "source": alert["source"][place],
        "correlation": {**correlation, "events": numbers},
    }


@pytest.mark.parametrize(
    ("partitions", "settings", "said"),
    [
        (1, {}, "has 1 partitions, and `correlations.workers` is 2"),
        (4, {"cleanup_policy": "compact"}, "has `cleanup.policy` compact"),
    ],
)
def test_a_topic_of_hits_that_does_not_fit_is_told(
    partitions: int,
    settings: dict[str, str],
    said: str,
    start_broker: Callable[[str], Broker],
    tmp_path: Path,
) -> None:
    kafka = start_broker("kafka")
    assert isinstance(kafka, ApacheKafka)
    cluster = Cluster(kafka, write_text_pack(RULES, tmp_path / "pack"), tmp_path)
    kafka.create(cluster.hits, partitions, **settings)
    service = cluster.service(["detect"], 2, python=sys.executable)
    with running(service):
        assert service.process is not None
        assert service.process.wait(60) == 1
    assert any(said in str(line) for line in service.lines())


def test_a_second_stage_without_quix_streams_is_told(tmp_path: Path) -> None:
    if importlib.util.find_spec("quixstreams") is not None:
        pytest.skip("Quix Streams is installed here")
    file = tmp_path / "sigmac.yml"
    kafka = "{properties: {bootstrap.servers: b, group.id: g}, inputs: [{topics: [e], pack: p}]}"
    file.write_text(
        f"packs: {{p: {{path: p}}}}\nsource: {{kafka: {kafka}}}\nmatches: {{kafka: {{topic: m}}}}\n"
        "dead_letters: drop\ncorrelations: {topic: hits}\n",
        encoding="utf-8",
    )
    made = CliRunner().invoke(app, ["serve", str(file)])
    assert isinstance(made.exception, ConfigurationError)
    assert "needs the package quixstreams, which is not installed: pip" in str(made.exception)


def test_nothing_is_lost_doubled_or_invented(
    start_broker: Callable[[str], Broker], tmp_path: Path
) -> None:
    cluster_python()
    kafka = start_broker("kafka")
    assert isinstance(kafka, ApacheKafka)
    account = run(kafka, tmp_path, "exactly-once", KILLS, seed=2, rate=400)
    print(account)  # shown where the test fails
    assert account.expected > 500
    assert (account.lost, account.doubled, account.invented) == (0, 0, 0)


def test_members_come_and_go_while_windows_are_open(
    start_broker: Callable[[str], Broker], tmp_path: Path
) -> None:
    cluster_python()
    kafka = start_broker("kafka")
    assert isinstance(kafka, ApacheKafka)
    with Disturbed(kafka, tmp_path, "exactly-once", seed=1, rate=400) as disturbed:
        disturbed.further.start()
        until_shared(disturbed.further, (1, 2))
        disturbed.recover()
        disturbed.correlating.stop()
        until_shared(disturbed.further, (PARTITIONS,))
        disturbed.recover()
        # It restored what the others had on their disks.
        assert sum(disturbed.further.metric("sigmac_correlation_restored_total")) > ACCOUNTS
        assert sum(disturbed.further.metric("sigmac_correlation_restore_seconds_total")) > 0
        account = disturbed.settle()
    assert account.expected > 200
    assert (account.lost, account.doubled, account.invented) == (0, 0, 0)


def until_shared(service: Service, partitions: tuple[int, ...]) -> None:
    """Wait until a service with one process of the second stage has one of these numbers of partitions."""
    until = time.monotonic() + 60
    while True:
        with contextlib.suppress(OSError, ValueError):
            (share,) = service.metric("sigmac_worker_partitions")
            if share in partitions:
                return
        assert time.monotonic() < until
        time.sleep(0.1)
