"""Several topics in one service, each with its own pack, logsource and place of the events in a record."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson
import pytest
from confluent_kafka import Message

from tests.integration.brokers import Broker
from tests.integration.ledger import Service, Topics, running
from tests.integration.messages import received, send
from tests.unit.packs import rule, write_text_pack

pytestmark = pytest.mark.slow

SELECTION = "sel: {Image|endswith: whoami.exe}\ncondition: sel"
WINDOWS = rule(SELECTION, title="Whoami", level="high", logsource="product: windows")
LINUX = rule(SELECTION, title="Not on Linux", logsource="product: windows") + (
    "---\n"
    + rule("sel: {exe: /tmp/x}\ncondition: sel", title="From tmp", logsource="product: linux")
)
HIT, MISS = b'{"Image": "C:\\\\whoami.exe"}', b'{"Image": "C:\\\\cmd.exe"}'
TRACE = ("traceparent", b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")


@pytest.fixture(scope="module")
def pack_of(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    folder = tmp_path_factory.mktemp("packs")
    made = {
        name: write_text_pack(rules, folder / name, version=version)
        for name, rules, version in (("windows", WINDOWS, "1.4.0"), ("linux", LINUX, "0.9.0"))
    }
    return made.__getitem__


def events_topics(broker: Broker) -> dict[str, str]:
    suffix = uuid.uuid4().hex[:8]
    names = {kind: f"{kind}-{suffix}" for kind in ("plain", "array", "lines", "linux")}
    for name in names.values():
        broker.create(name, 1)
    return names


def inputs(names: dict[str, str]) -> list[dict[str, Any]]:
    suffix = names["linux"].removeprefix("linux-")
    windows = {"pack": "windows", "logsource": {"product": "windows"}}
    return [
        {"topics": [names["plain"]], **windows},
        {"topics": [names["array"]], "payload": "log.original", "format": "array", **windows},
        {"topics": [names["lines"]], "payload": "message", "format": "ndjson", **windows},
        {"topics": [f"^lin.x-{suffix}$"], "pack": "linux", "logsource": {"product": "linux"}},
    ]


BROKEN = b'{"Image": '


def fill(broker: Broker, names: dict[str, str]) -> None:
    """Records of every form, some of them broken."""
    send(broker, names["plain"], [HIT, MISS, None, b"", HIT], key=b"host-1", headers=[TRACE])
    send(
        broker,
        names["array"],
        [
            b'{"log": {"original": [%b, %b, 7, %b]}}' % (MISS, HIT, HIT),
            orjson.dumps({"log": {"original": f"[{HIT.decode()}]"}}),
            b'{"log": {}}',
        ],
    )
    lines = b"\n".join([MISS, b"", BROKEN, HIT]).decode()
    send(broker, names["lines"], [orjson.dumps({"message": lines})])
    send(broker, names["linux"], [HIT, b'{"exe": "/tmp/x"}'])


def by_topic(matches: list[Message]) -> dict[str, list[tuple[object, ...]]]:
    """Offset, index, rule and version of each match."""
    found: dict[str, list[tuple[object, ...]]] = {}
    for message in matches:
        match = orjson.loads(message.value() or b"")
        source = match["source"]
        told = (source["offset"], source.get("index"), match["rule"]["title"])
        found.setdefault(source["topic"], []).append((*told, match["pack"]["version"]))
    return found


def test_each_topic_has_its_pack_its_logsource_and_its_form(
    broker: Broker, pack_of: Callable[[str], Path], tmp_path: Path
) -> None:
    names = events_topics(broker)
    topics = Topics(broker)
    service = Service(topics, pack_of("windows"), tmp_path, workers=1)
    service.configuration["packs"] = {
        name: {"path": str(pack_of(name))} for name in ("windows", "linux")
    }
    service.configuration["source"]["kafka"]["inputs"] = inputs(names)
    fill(broker, names)
    with running(service):
        matches = received(broker, topics.matches, 7)
        letters = received(broker, topics.dead, 3)
        assert service.stop() == 0
    whoami = "Whoami", "1.4.0"
    assert by_topic(matches) == {
        names["plain"]: [(0, None, *whoami), (4, None, *whoami)],
        names["array"]: [(0, 1, *whoami), (0, 3, *whoami), (1, 0, *whoami)],
        names["lines"]: [(0, 3, *whoami)],
        names["linux"]: [(1, None, "From tmp", "0.9.0")],
    }
    check_match(next(each for each in matches if names["plain"].encode() in (each.value() or b"")))
    headers = [dict(each.headers() or ()) for each in letters]
    assert {
        (each["sigmac-dlq-topic"].decode(), each["sigmac-dlq-kind"], each.get("sigmac-dlq-index"))
        for each in headers
    } == {
        (names["array"], b"payload", b"2"),
        (names["array"], b"payload", None),
        (names["lines"], b"rejected", b"2"),
    }
    assert {each.value() for each in letters} == {b"7", b'{"log": {}}', BROKEN}


def check_match(message: Message) -> None:
    """Its key, its headers, and the event as it was."""
    value, headers = message.value() or b"", dict(message.headers() or ())
    assert message.key() == b"host-1"
    assert headers["sigmac-match-id"] == orjson.loads(value)["id"].encode()
    assert (headers["sigmac-level"], headers["sigmac-pack"]) == (b"high", b"test@1.4.0")
    assert headers["traceparent"] == TRACE[1]
    assert value.endswith(b'"event":' + HIT + b"}")
