"""`sigmac dlq` over a real broker: what was mended is sent again, to where it came from, once."""

from __future__ import annotations

import json
import subprocess
import sys
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from sigmac.runtime.stream.dead_letters import DeadLetter, as_message
from sigmac.runtime.stream.record import Origin
from tests.integration.brokers import Broker
from tests.integration.messages import received, send

pytestmark = pytest.mark.slow

Replay = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def topics(broker: Broker) -> dict[str, str]:
    """Two of events, one of matches, one of dead letters, and one that the service has nothing to do with."""
    kinds = ("events", "arrays", "matches", "dead", "other")
    names = {kind: f"{kind}-{uuid.uuid4().hex[:8]}" for kind in kinds}
    for name in names.values():
        broker.create(name, 2)
    return names


@pytest.fixture
def sigmac_dlq(broker: Broker, topics: dict[str, str], pack_folder: Path, tmp_path: Path) -> Replay:
    """`sigmac dlq COMMAND` of a service that reads `events` and `arrays`."""
    config = tmp_path / "sigmac.yml"
    configuration: dict[str, Any] = {
        "state": "state",
        "packs": {"p": {"path": str(pack_folder)}},
        "source": {
            "kafka": {
                "properties": {
                    "bootstrap.servers": broker.address,
                    "group.id": uuid.uuid4().hex,
                    **{name: str(value) for name, value in broker.properties.items()},
                },
                "inputs": [
                    {"topics": [topics["events"]], "pack": "p"},
                    {"topics": [topics["arrays"]], "pack": "p", "format": "array"},
                ],
            }
        },
        "matches": {"kafka": {"topic": topics["matches"]}},
        "dead_letters": {"kafka": {"topic": topics["dead"]}},
    }
    config.write_text(yaml.safe_dump(configuration))

    def run(command: str, *options: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "sigmac", "dlq", command, str(config), *options],
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )

    return run


@pytest.fixture
def bury(broker: Broker, topics: dict[str, str]) -> Callable[..., None]:
    """Put a dead letter into the topic."""

    def bury(value: bytes, topic: str, kind: str = "rejected", index: int | None = None) -> None:
        origin = Origin(topic, 1, 7, 1700000000000, b"k", (("trace", b"\xff"),))
        message = as_message(DeadLetter(value, origin, index, kind, "because", "p", "1", 1.7e9))
        sent = {"key": message.key, "headers": list(message.headers)}
        send(broker, topics["dead"], [message.value], **sent)

    return bury


def test_letters_are_listed_and_sent_again_once(
    broker: Broker, topics: dict[str, str], sigmac_dlq: Replay, bury: Callable[..., None]
) -> None:
    bury(b"{not json \xff", topics["events"])
    bury(b'{"n": 1}', topics["arrays"], kind="evaluation", index=3)
    bury(b'{"match": 1}', topics["events"], kind="undeliverable")
    bury(b"{}", topics["other"])

    listed = sigmac_dlq("list")
    assert listed.returncode == 0, listed.stderr
    assert listed.stdout.splitlines()[0] == (
        f"2023-11-14T22:13:20Z rejected {topics['events']}, partition 1, offset 7 (p 1): because"
    )
    assert len(listed.stdout.splitlines()) == 4
    (line,) = sigmac_dlq("list", "--kind", "evaluation", "--format", "json").stdout.splitlines()
    assert json.loads(line)["text"] == '{"n": 1}'

    dry = sigmac_dlq("replay", "--dry-run")
    said = "sent again: 1 evaluation, 1 rejected, 1 undeliverable\n"
    assert dry.stdout == f"3 dead letters would be {said}"

    done = sigmac_dlq("replay")
    assert done.returncode == 1
    assert done.stdout == f"3 dead letters {said}"
    refused = f"the service does not read the topic '{topics['other']}'"
    assert done.stderr == f"1 dead letter not sent: {refused}\n"
    (event,) = received(broker, topics["events"], 1)
    assert (event.value(), event.key(), event.headers()) == (
        b"{not json \xff",
        b"k",
        [("trace", b"\xff")],
    )
    (event,) = received(broker, topics["arrays"], 1)
    assert event.value() == b'[{"n": 1}]'
    (event,) = received(broker, topics["matches"], 1)
    assert event.value() == b'{"match": 1}'

    assert sigmac_dlq("replay").stdout == "0 dead letters sent again\n"
    bury(b"{}", topics["events"])
    assert sigmac_dlq("replay").stdout == "1 dead letter sent again: 1 rejected\n"
    assert sigmac_dlq("replay", "--kind", "evaluation").stdout.startswith("1 dead letter sent")
    assert sigmac_dlq("replay", "--all", "--dry-run").stdout.startswith("4 dead letters would be")
