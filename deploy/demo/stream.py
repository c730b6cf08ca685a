"""The second half of `make demo`: the example pack over topics of a broker, as a service.

    python deploy/demo/stream.py

It starts a broker within its own process (`sigmac.testing`) and the service, sends recorded events, shows matches, dead
letters and metrics, builds a new version of the pack while all of it runs, and stops. What it makes lies in a temporary
folder. It ends with status 1 and the end of the service's log where a step fails.
"""

from __future__ import annotations

import contextlib
import itertools
import logging
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import orjson
from confluent_kafka import Consumer, Message, Producer, TopicPartition

import sigmac
from sigmac.testing import EmbeddedBroker

ROOT = Path(__file__).resolve().parents[2]
EVENTS = ROOT / "rules" / "events" / "demo.ndjson"
SIGMAC = [sys.executable, "-m", "sigmac"]
BUILD = [
    *(*SIGMAC, "build", str(ROOT / "rules" / "examples"), "--pipeline", "windows"),
    *("--pipeline", str(ROOT / "rules" / "pipelines" / "demo.yml")),
]
INPUT, MATCHES, DEAD_LETTERS = "events", "matches", "dead-letters"
PARTITIONS = 4
WORKERS = 2
REPEATS = 250  # times that the events are sent at first
NOT_JSON = b'{"EventID": 1, "Image": "C:\\\\Windows\\\\Sys'  # a record that was cut off
SHOWN = 5
METRICS = (
    "sigmac_ready",
    "sigmac_records_total",
    "sigmac_events_total",
    "sigmac_matches_total",
    "sigmac_dead_letters_total",
    "sigmac_worker_partitions",
    "sigmac_pack_info",
)
WITHIN = 60.0  # seconds for each step
# The defaults but for what makes a demonstration quick: this broker waits a session when members come and go.
CONFIGURATION = """\
name: demo
workers: {workers}
state: state
packs:
  examples: {{path: ./pack}}
source:
  kafka:
    properties: {{bootstrap.servers: "{broker}", group.id: demo, session.timeout.ms: 6000}}
    inputs:
      - {{topics: [{input}], pack: examples}}
matches:
  kafka: {{topic: {matches}}}
dead_letters:
  kafka: {{topic: {dead_letters}}}
http: {{bind: "{http}"}}
reload: {{watch: 1}}
logs: {{format: console}}
"""


class Failed(Exception):
    """A step that did not do what it should; one sentence."""


def main() -> None:
    """All steps. Raises `Failed`."""
    with contextlib.ExitStack() as stack:
        made = tempfile.TemporaryDirectory(prefix="sigmac-demo-", ignore_cleanup_errors=True)
        demo = Demo(stack, Path(stack.enter_context(made)))
        demo.start_broker()
        demo.start_service()
        demo.send_events()
        demo.show_metrics()
        demo.reload()
        demo.stop()


class Demo:
    """The steps, in their order. What they start ends with `stack`."""

    def __init__(self, stack: contextlib.ExitStack, folder: Path):
        self.stack = stack
        self.folder = folder
        self.log = folder / "service.log"
        self.http = free_address()
        self.events = EVENTS.read_bytes().splitlines()
        self.expected = 0  # matches

    def waiting(self, what: str, done: Callable[[], bool]) -> None:
        wait(what, done, self.service, self.log)

    def start_broker(self) -> None:
        step("A pack, version 1.0.0, and a broker that speaks Kafka's protocol")
        build(self.folder / "pack", "1.0.0")
        self.expected = matches_of(self.folder / "pack", self.events) * REPEATS
        partitions = {INPUT: PARTITIONS, MATCHES: PARTITIONS, DEAD_LETTERS: 1}
        # Both workers are there before the partitions are shared.
        broker = self.stack.enter_context(EmbeddedBroker(partitions, rebalance_delay=2))
        self.broker = broker.bootstrap_servers
        topics = f"{INPUT} ({PARTITIONS} partitions), {MATCHES}, {DEAD_LETTERS}"
        say(f"{self.broker} has the topics {topics}")

    def start_service(self) -> None:
        step("The service: sigmac run --config sigmac.yml")
        configuration = CONFIGURATION.format(
            workers=WORKERS,
            broker=self.broker,
            http=self.http,
            input=INPUT,
            matches=MATCHES,
            dead_letters=DEAD_LETTERS,
        )
        file = self.folder / "sigmac.yml"
        file.write_text(configuration, encoding="utf-8")
        show(configuration.splitlines())
        self.service = self.stack.enter_context(running_service(file, self.log))
        self.waiting(
            "the service to be ready", lambda: ask(self.http, "/ready").startswith("ready")
        )
        shares = [PARTITIONS / WORKERS] * WORKERS
        self.waiting(
            "the workers' partitions", lambda: self.values("sigmac_worker_partitions") == shares
        )
        say(f"ready: {WORKERS} workers have joined the group and share the partitions")

    def send_events(self) -> None:
        step(f"{REPEATS * len(self.events):,} events go in, and one record that is none")
        self.matches = Reader(self.broker, MATCHES)
        self.letters = Reader(self.broker, DEAD_LETTERS)
        self.stack.callback(self.matches.close)
        self.stack.callback(self.letters.close)
        send(self.broker, self.events * REPEATS + [NOT_JSON])
        self.waiting("all matches", lambda: len(self.matches.read()) >= self.expected)
        self.waiting("the dead letter", lambda: len(self.letters.read()) >= 1)
        show_matches(self.matches.messages)
        headers = dict(self.letters.messages[0].headers() or ())
        say(f"one dead letter: {headers['sigmac-dlq-reason'].decode()}")
        exactly(self.matches, self.expected)

    def show_metrics(self) -> None:
        step("What Prometheus would read: /metrics")
        total = len(self.events) * REPEATS
        self.waiting("the metrics", lambda: self.values("sigmac_events_total") == [total])
        lines = ask(self.http, "/metrics").splitlines()
        show(line for line in lines if line.startswith(METRICS))

    def reload(self) -> None:
        step("A new version of the pack, while events come in")
        build(self.folder / "pack", "2.0.0")
        versions: Counter[str] = Counter()
        first, sent = len(self.matches.messages), 0
        until = time.monotonic() + WITHIN
        while "2.0.0" not in versions and time.monotonic() < until:
            send(self.broker, self.events)
            sent += 1
            versions = versions_of(self.matches.read()[first:])
        self.expected += sent * self.expected // REPEATS
        self.waiting("all matches", lambda: len(self.matches.read()) >= self.expected)
        messages = self.matches.messages
        new = [each for each in messages if match_of(each)["pack"]["version"] == "2.0.0"]
        if not new:
            raise Failed(f"the service does not take the new pack:\n{end_of(self.log)}")
        show_matches(new)
        show(lines_of(self.http, "sigmac_pack_info"))
        say(f"matches by version of the pack: {dict(versions_of(messages))}")
        exactly(self.matches, self.expected)

    def stop(self) -> None:
        step("SIGTERM: the batch in work is finished, committed, and the workers leave the group")
        self.service.send_signal(signal.SIGTERM)
        status = self.service.wait(WITHIN)
        if status:
            raise Failed(f"the service ended with status {status}:\n{end_of(self.log)}")
        say("the service has stopped with status 0")

    def values(self, metric: str) -> list[float]:
        """Of all series of a metric."""
        return [*map(value_of, lines_of(self.http, metric))]


def step(title: str, numbers: Iterator[int] = itertools.count(1)) -> None:  # noqa: B008 - counts on
    """The heading of the next step."""
    bold, plain = ("\033[1m", "\033[0m") if sys.stdout.isatty() else ("", "")
    print(f"\n{bold}[{next(numbers)}/6] {title}{plain}", flush=True)


def say(text: str) -> None:
    print(f"  {text}", flush=True)


def show(lines: Iterator[str] | list[str]) -> None:
    for line in lines:
        say(f"  {line}")


def versions_of(messages: list[Message]) -> Counter[str]:
    return Counter(match_of(each)["pack"]["version"] for each in messages)


def match_of(message: Message) -> dict[str, Any]:
    match: dict[str, Any] = orjson.loads(message.value())
    return match


def show_matches(messages: list[Message]) -> None:
    for message in messages[:SHOWN]:
        match = match_of(message)
        source, pack = match["source"], match["pack"]
        say(
            f"  {match['rule']['level']:<13} {match['rule']['title']}"
            f"  ({source['topic']}[{source['partition']}]@{source['offset']}, pack {pack['version']})"
        )
    if len(messages) > SHOWN:
        say(f"  and {len(messages) - SHOWN:,} more")


def exactly(matches: Reader, expected: int) -> None:
    """Raise `Failed` unless there are as many matches as there should be, each with an id of its own."""
    ids = {match_of(each)["id"] for each in matches.read()}
    if not len(matches.messages) == len(ids) == expected:
        raise Failed(
            f"there are {len(matches.messages):,} matches with {len(ids):,} ids and not {expected:,}"
        )
    say(
        f"{expected:,} matches are what `sigmac run` finds in these events: none lost, none doubled"
    )


def build(folder: Path, version: str) -> None:
    command = [*BUILD, "-o", str(folder), "--name", "examples", "--pack-version", version]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        raise Failed(f"the pack cannot be built:\n{done.stderr}")
    (built,) = (line for line in done.stderr.splitlines() if line.startswith("built "))
    say(built.replace(str(folder), folder.name))


def matches_of(pack: Path, events: list[bytes]) -> int:
    return len(sigmac.load_pack(pack).match_batch(b"\n".join(events)).rule)


def free_address() -> str:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"127.0.0.1:{probe.getsockname()[1]}"


@contextlib.contextmanager
def running_service(configuration: Path, log: Path) -> Iterator[subprocess.Popen[bytes]]:
    command = [*SIGMAC, "run", "--config", str(configuration)]
    with log.open("wb") as file, ending(command, file, ROOT) as service:
        yield service


@contextlib.contextmanager
def ending(command: list[str], log: object, folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A process that does not outlive this one, unless this one is killed."""
    process = subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=log,
        stderr=log,
        cwd=folder,  # type: ignore[call-overload]
    )
    try:
        yield process
    finally:
        if process.poll() is None:
            process.terminate()
            try:
                process.wait(40)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def wait(what: str, done: Callable[[], bool], process: subprocess.Popen[bytes], log: Path) -> None:
    """Raise `Failed` where it is not done in time or the process ends."""
    until = time.monotonic() + WITHIN
    while not done():
        if process.poll() is not None:
            raise Failed(f"it ended while waiting for {what}:\n{end_of(log)}")
        if time.monotonic() > until:
            raise Failed(f"waited {WITHIN:.0f} s for {what} in vain:\n{end_of(log)}")
        time.sleep(0.1)


def end_of(log: Path) -> str:
    return "\n".join(log.read_text("utf-8", "replace").splitlines()[-20:])


def ask(address: str, path: str) -> str:
    """The answer over HTTP; empty where nobody listens yet."""
    connection = HTTPConnection(address, timeout=5)
    try:
        connection.request("GET", path)
        return connection.getresponse().read().decode()
    except ConnectionError:
        return ""
    finally:
        connection.close()


def lines_of(address: str, metric: str) -> list[str]:
    return [line for line in ask(address, "/metrics").splitlines() if line.startswith(metric)]


def value_of(line: str) -> float:
    return float(line.rpartition(" ")[2])


def send(broker: str, records: list[bytes]) -> None:
    producer = Producer(
        {"bootstrap.servers": broker, "linger.ms": 5, "compression.type": "lz4"}, logger=SILENT
    )
    for number, record in enumerate(records):
        producer.produce(INPUT, record, partition=number % PARTITIONS)
    if producer.flush(WITHIN):
        raise Failed("the broker did not take all records")


class Reader:
    """A topic's messages, from its start on."""

    def __init__(self, broker: str, topic: str):
        self.messages: list[Message] = []
        properties = {
            "bootstrap.servers": broker,
            "group.id": "reader",
            "enable.auto.commit": False,
        }
        self._consumer = Consumer(properties, logger=SILENT)
        partitions = self._consumer.list_topics(topic, WITHIN).topics[topic].partitions
        self._consumer.assign([TopicPartition(topic, each, 0) for each in partitions])

    def read(self) -> list[Message]:
        """All that has come so far."""
        while new := self._consumer.consume(1000, 0.2):
            for message in new:
                if message.error() is not None:
                    raise Failed(f"the broker says: {message.error().str()}")
                self.messages.append(message)
        return self.messages

    def close(self) -> None:
        self._consumer.close()


SILENT = logging.getLogger("broker")
SILENT.setLevel(logging.CRITICAL)

if __name__ == "__main__":
    try:
        main()
    except Failed as error:
        sys.exit(f"make demo: {error}")
