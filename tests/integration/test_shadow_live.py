"""`sigmac shadow-live` beside two running programs that die and come back: it finds what `sigmac shadow` finds."""

from __future__ import annotations

import json
import subprocess
import sys
import time
import urllib.request
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner
from confluent_kafka import Consumer, Producer, TopicPartition

from sigmac.cli import app
from sigmac.compat.go.go_engine import build_engine
from sigmac.runtime.errors import ConfigurationError
from tests.integration.brokers import Broker, free_port, tied
from tests.integration.ledger import Service, Topics
from tests.integration.messages import QUIET, send
from tests.unit.packs import rule, write_text_pack

pytestmark = pytest.mark.slow

ID = "{}0000000-0000-4000-8000-000000000000"
RULES = {
    f"{number}.yml": rule(detection, title=title, **({"id": ID.format(number)} if number else {}))
    for number, (title, detection) in enumerate(
        {
            "The Same": "s: {C|contains: x}\ncondition: s",  # and no id
            "Letter Case": "s: {Image: cmd.exe}\ncondition: s",
            "Absent": "s: {A: a}\nf: {B: b}\ncondition: s and not f",
            "Cut Off": "s: {N: 5}\ncondition: s",
        }.items()
    )
}
PARTITIONS = 4
_SECONDS = 60.0


def event(number: int) -> dict[str, Any]:
    """Some agree, and each rule has events that one engine alone finds."""
    made: dict[str, Any] = {"n": number, "C": "axa" if number % 3 == 0 else "b"}
    if number % 4 == 0:
        made["Image"] = "CMD.exe" if number % 8 == 0 else "cmd.exe"
    if number % 5 == 0:
        made |= {"A": "a"} if number % 10 == 0 else {"A": "a", "B": "c"}
    if number % 7 == 0:
        made["N"] = 5.5 if number % 14 == 0 else 5
    return made


class Processes:
    """What runs beside the service: the Go program and the comparison."""

    def __init__(self, stack: ExitStack, folder: Path):
        self._stack, self._folder = stack, folder

    def start(self, name: str, *command: str) -> subprocess.Popen[bytes]:
        with (self._folder / f"{name}.log").open("ab") as log:
            made = subprocess.Popen(tied([sys.executable, *command]), stdout=log, stderr=log)
        self._stack.callback(self._end, made, name)
        return made

    def _end(self, process: subprocess.Popen[bytes], name: str) -> None:
        process.kill()
        process.wait()
        print(name, (self._folder / f"{name}.log").read_text("utf-8", "replace"))


def metrics(port: int) -> Mapping[str, float]:
    """The series over HTTP, none where nobody answers yet."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as answer:
            lines = answer.read().decode().splitlines()
    except OSError:
        return {}
    pairs = (line.rsplit(" ", 1) for line in lines if not line.startswith("#"))
    return {name: float(value) for name, value in pairs}


def wait_for(port: int, fits: Callable[[Mapping[str, float]], bool]) -> None:
    end = time.monotonic() + _SECONDS
    while not fits(found := metrics(port)):
        assert time.monotonic() < end, found
        time.sleep(0.2)


def compared(found: Mapping[str, float]) -> float:
    return sum(value for name, value in found.items() if name.startswith("sigmac_shadow_compared"))


@pytest.fixture
def rules(tmp_path: Path) -> Path:
    try:
        build_engine()
    except ConfigurationError as error:
        pytest.skip(str(error))
    folder = tmp_path / "rules"
    folder.mkdir()
    for name, text in RULES.items():
        (folder / name).write_text(text, "utf-8")
    return folder


@pytest.mark.java
def test_programs_that_die_and_come_back(
    start_broker: Callable[[str], Broker], rules: Path, tmp_path: Path
) -> None:
    kafka = start_broker("kafka")
    topics = Topics(kafka, PARTITIONS)
    go_matches, group, port = f"go-{topics.suffix}", f"shipper-{topics.suffix}", free_port()
    kafka.create(go_matches, 2)
    pack = write_text_pack("---\n".join(RULES.values()), tmp_path / "pack")
    service = Service(topics, pack, tmp_path, delivery="exactly-once", workers=1)
    description = {
        "properties": {"bootstrap.servers": kafka.address},
        "topics": [topics.events],
        "go": {"topic": go_matches, "group": group},
        "sigmac": {"topic": topics.matches, "group": topics.group},
        "rules": [str(rules)],
        "settle": 0,
        "start": "earliest",
        "http": {"bind": f"127.0.0.1:{port}"},
    }
    config, out = tmp_path / "shadow.yml", tmp_path / "differences.ndjson"
    config.write_text(yaml.safe_dump(description), "utf-8")
    shipping = (kafka.address, topics.events, go_matches, group, str(rules))
    shipper = ("-m", "tests.integration.go_shipper", *shipping)
    comparing = ("-m", "sigmac", "shadow-live", str(config), "-o", str(out))
    produced = 0

    def produce(count: int) -> None:
        nonlocal produced
        numbers = range(produced, produced + count)
        for partition in range(PARTITIONS):
            mine = [json.dumps(event(n)).encode() for n in numbers if n % PARTITIONS == partition]
            send(kafka, topics.events, mine, partition)
        produced += count

    with ExitStack() as stack:
        processes = Processes(stack, tmp_path)
        stack.callback(service.kill)
        service.start()
        go = processes.start("go", *shipper)
        live = processes.start("live", *comparing)
        produce(200)
        wait_for(port, lambda found: compared(found) > 0)
        go.kill()
        produce(200)
        behind = 'sigmac_shadow_behind_records{side="go"}'
        wait_for(
            port, lambda found: found.get(behind, 0) > 0 and found["sigmac_shadow_waiting"] > 0
        )
        live.kill()
        service.kill()
        produce(200)
        processes.start("go", *shipper)
        service.start()
        live.wait()
        ending = processes.start("live", *comparing, "--until-end", "--fail-on", "difference")
        assert ending.wait(_SECONDS) == 3
        assert service.stop() == 0
    events = tmp_path / "events.ndjson"
    events.write_text("".join(json.dumps(event(n)) + "\n" for n in range(produced)), "utf-8")
    done = CliRunner().invoke(app, ["shadow", str(rules), str(events), "--format", "json"])
    differences = json.loads(done.stdout)["differences"]
    expected: Counter[tuple[str, str]] = Counter()
    for each in differences:
        expected[each["rule"]["title"], each["only"]] += each["count"]
    lines = list(map(json.loads, out.read_text("utf-8").splitlines()))
    assert len({name for name, _ in expected}) == 3
    assert Counter((each["rule"]["title"], each["only"]) for each in lines) == expected
    places = {(each["rule"]["id"], *each["source"].values()) for each in lines}
    assert len(places) == len(lines)
    causes = {(each["rule"]["title"], *each["causes"]) for each in lines if "causes" in each}
    assert causes == {(each["rule"]["title"], *each["causes"]) for each in differences}


@pytest.mark.java
def test_marks_of_transactions_and_lines_that_are_gone(
    start_broker: Callable[[str], Broker], tmp_path: Path
) -> None:
    kafka = start_broker("kafka")
    topics = Topics(kafka, partitions=1)
    description = {
        "properties": {"bootstrap.servers": kafka.address},
        "topics": [topics.events],
        "go": {"topic": topics.dead, "group": f"shipper-{topics.suffix}"},
        "sigmac": {"topic": topics.matches, "group": topics.group},
        "settle": 0,
        "start": "earliest",
    }
    config = tmp_path / "shadow.yml"
    config.write_text(yaml.safe_dump(description), "utf-8")
    producer = Producer(
        {"bootstrap.servers": kafka.address, "transactional.id": topics.suffix, **QUIET}
    )
    producer.init_transactions(30)
    line = {"source": {"offset": 0}, "ID": "r"}
    for ends in (producer.commit_transaction, producer.abort_transaction):
        producer.begin_transaction()
        producer.produce(topics.events, b"{}", partition=0)
        producer.produce(topics.dead, json.dumps(line), partition=0)
        assert producer.flush(30) == 0
        ends()
        line["source"] = {"offset": 2}  # of an event that was given up
    for group in (description["go"]["group"], topics.group):
        consumer = Consumer({"bootstrap.servers": kafka.address, "group.id": group})
        consumer.commit(offsets=[TopicPartition(topics.events, 0, 1)], asynchronous=False)
        consumer.close()
    out = tmp_path / "out.ndjson"
    command = ["shadow-live", str(config), "-o", str(out)]
    done = CliRunner().invoke(app, [*command, "--until-end"], catch_exceptions=False)
    assert done.exit_code == 0
    (told,) = map(json.loads, out.read_text("utf-8").splitlines())
    assert (told["only"], told["source"]["offset"]) == ("go", 0)
    send(kafka, topics.dead, [b"{}"] * 5)
    admin = kafka.admin()
    gone = admin.delete_records([TopicPartition(topics.dead, 0, 6)])
    for future in gone.values():
        future.result(30)
    failed = CliRunner().invoke(app, [*command, "--for", "30"])
    assert "lines from offset" in str(failed.exception)
    assert "are gone unread" in str(failed.exception)
