"""Correlations over Kafka give what they give over files."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import orjson
import pytest

from sigmac.runtime import load_pack
from tests.integration.brokers import ApacheKafka, Broker
from tests.integration.cluster import Cluster, cluster_python
from tests.integration.ledger import running
from tests.integration.messages import received, send
from tests.unit.packs import write_text_pack

pytestmark = [pytest.mark.slow, pytest.mark.java]

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


def events() -> list[dict[str, Any]]:
    """Accounts whose passwords are guessed, more or less; some events late, some long after the others."""
    made = []
    start = datetime(2026, 11, 28, 10, tzinfo=UTC)
    for number in range(600):
        turn, account = divmod(number, 7)
        failed = turn % 9 < 6 or account == 3
        late = 20 if number % 11 == 0 else 0
        time = start + timedelta(seconds=13 * turn + 400 * (turn // 9) - late)
        made.append(
            {
                "EventID": 4625 if failed else 4624,
                "TargetUserName": f"user{account}",
                "@timestamp": time.isoformat(),
                "n": number,
            }
        )
    return made


def alerts_of_files(pack: Path, topic: str, sent: list[dict[str, Any]]) -> list[str]:
    """The ids of the alerts of one process that sees everything, by where the events lie in the topic."""
    loaded = load_pack(pack)
    correlator = loaded.correlator()
    found = []
    for number, event in enumerate(sent):
        alerts = correlator.feed(event, loaded.match(event), (topic, 0, number, None))
        found += [alert.id for alert in alerts if not alert.correlation.silent]
    return found


@pytest.mark.parametrize("delivery", ["exactly-once", "at-least-once"])
def test_alerts_are_those_of_files(
    delivery: str, start_broker: Callable[[str], Broker], tmp_path: Path
) -> None:
    cluster_python()
    kafka = start_broker("kafka")
    assert isinstance(kafka, ApacheKafka)
    pack = write_text_pack(RULES, tmp_path / "pack")
    cluster = Cluster(kafka, pack, tmp_path, delivery)
    sent = events()
    topics = cluster.topics
    expected = alerts_of_files(pack, topics.events, sent)
    logons = [each["n"] for each in sent if each["EventID"] == 4624]
    assert len(expected) > 20
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
