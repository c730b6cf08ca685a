"""A sink that stalls: `python -m tests.integration.stall --seconds 300`.

Matches go to a webhook that takes requests and answers none, while records keep waiting in the topic. The workers have
to stay in their group with the memory that they have, and deliver everything when the endpoint goes on.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass, fields
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import orjson
from confluent_kafka import Producer

from tests.integration.brokers import BROKERS, Broker, Unavailable
from tests.integration.census import look
from tests.integration.ledger import RULES, Ledger, Service, Topics, running
from tests.integration.messages import QUIET
from tests.unit.packs import write_text_pack

_OTHER = b'{"Kind": "other", "Text": "%s"}' % (b"x" * 2000)  # what would fill the memory
_OTHERS = 50_000  # records a partition
_NUMBERED = 2_000
_MAX_MIB = 2.0  # of a batch
_WARM = 5.0  # seconds of the stall until the queues are full
_AFTER = 120.0  # seconds to deliver everything


@dataclass(slots=True)
class Report:
    """What came of a stall; memory in MiB, of the worker in which it differed most."""

    seconds: float
    poll_interval: float
    records: int
    matches: int
    resident_first: float = 0.0
    resident_least: float = 0.0
    resident_most: float = 0.0
    delivered_meanwhile: int = 0
    stalled: bool = False
    ready: bool = False
    rebalances: int = 0
    restarts: int = 0
    lost: int = 0
    doubled: int = 0

    @property
    def spread(self) -> float:
        """By which part of what it had at first a worker's memory differed, at most."""
        first = self.resident_first
        return max(self.resident_most - first, first - self.resident_least) / first


class Endpoint(ThreadingHTTPServer):
    """Takes matches; while `flows` is not set it answers nobody. What is sent again under the same key counts once."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Answer)
        self.flows = threading.Event()
        self.flows.set()
        self.batches: dict[str, bytes] = {}

    def numbers(self) -> Counter[int]:
        """How often each number came."""
        lines = [line for body in list(self.batches.values()) for line in body.splitlines()]
        return Counter(orjson.loads(line)["event"]["n"] for line in lines)


class _Answer(BaseHTTPRequestHandler):
    server: Endpoint
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.flows.wait()
        self.server.batches[self.headers["Idempotency-Key"]] = body
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: Any) -> None:
        pass


@contextmanager
def _serving() -> Iterator[Endpoint]:
    endpoint = Endpoint()
    threading.Thread(target=endpoint.serve_forever, daemon=True).start()
    try:
        yield endpoint
    finally:
        endpoint.flows.set()
        endpoint.shutdown()
        endpoint.server_close()


def run_stall(
    broker: Broker, pack: Path, folder: Path, seconds: float, poll_interval: float
) -> Report:
    """`poll_interval` is `max.poll.interval.ms` in seconds: a member that is silent for longer loses its place."""
    topics = Topics(broker, partitions=2)
    ledger = Ledger(topics)
    with _serving() as endpoint:
        url = f"http://127.0.0.1:{endpoint.server_port}/matches"
        service = Service(topics, pack, folder)
        service.configuration |= {
            "matches": {"webhook": {"url": url, "timeout": 10, "retry_for": 7200}},
            "batch": {"max_mib": _MAX_MIB, "max_records": 500},
        }
        properties = service.configuration["source"]["kafka"]["properties"]
        properties["max.poll.interval.ms"] = str(round(poll_interval * 1000))
        with running(service):
            return _watch(service, endpoint, ledger, seconds, poll_interval)


def _watch(
    service: Service, endpoint: Endpoint, ledger: Ledger, seconds: float, poll_interval: float
) -> Report:
    _until(lambda: service.metric("sigmac_worker_partitions") == [1, 1])
    endpoint.flows.clear()
    ledger.produce(_NUMBERED)
    for partition in range(2):
        _send_others(ledger.topics, partition)
    matches, _ = ledger.expected()
    report = Report(seconds, poll_interval, _NUMBERED + 2 * _OTHERS, len(matches))
    _until(lambda: sum(service.metric('sigmac_worker_state{state="stalled"')) == 2)
    before = sum(service.metric("sigmac_rebalances_total"))
    time.sleep(min(_WARM, seconds / 4))
    taken = len(endpoint.batches)
    first = {worker: look(worker)[0] for worker in service.workers()}
    seen: dict[int, list[float]] = {worker: [memory] for worker, memory in first.items()}
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        time.sleep(0.5)
        for worker, memories in seen.items():
            memories.append(look(worker)[0])
    worst = max(seen.values(), key=lambda each: max(abs(one - each[0]) / each[0] for one in each))
    report.resident_first, report.resident_least = worst[0], min(worst)
    report.resident_most = max(worst)
    report.delivered_meanwhile = len(endpoint.batches) - taken
    report.stalled = sum(service.metric('sigmac_worker_state{state="stalled"')) == 2
    report.ready = sum(service.metric("sigmac_ready")) == 1
    report.rebalances = int(sum(service.metric("sigmac_rebalances_total")) - before)
    report.restarts = int(sum(service.metric("sigmac_worker_restarts_total")))
    endpoint.flows.set()
    end = time.monotonic() + _AFTER
    while matches - endpoint.numbers().keys() and time.monotonic() < end:
        time.sleep(0.2)
    assert service.stop() == 0
    numbers = endpoint.numbers()
    report.lost = len(matches - numbers.keys())
    report.doubled = sum(numbers.values()) - len(numbers)
    return report


def _send_others(topics: Topics, partition: int) -> None:
    """Compressed: the embedded broker keeps 5 MiB of a partition."""
    producer = Producer(
        {"bootstrap.servers": topics.broker.address, "compression.type": "zstd", **QUIET}
    )
    for _ in range(_OTHERS):
        producer.produce(topics.events, _OTHER, partition=partition)
    assert producer.flush(60) == 0


def _until(happened: Callable[[], bool], timeout: float = 60) -> None:
    end = time.monotonic() + timeout
    while True:
        try:
            if happened():
                return
        except OSError:
            pass  # nobody answers yet
        if time.monotonic() > end:
            raise TimeoutError
        time.sleep(0.1)


def main(arguments: Sequence[str] | None = None) -> int:
    """The exit status: 0 where nothing is lost."""
    parser = argparse.ArgumentParser(prog="python -m tests.integration.stall", description=__doc__)
    parser.add_argument("--seconds", type=float, default=300)
    parser.add_argument("--poll-interval", type=float, default=60, help="in seconds")
    parser.add_argument("--broker", choices=[*BROKERS], default="kafka")
    chosen = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="sigmac-stall-") as made:
        folder = Path(made)
        pack = write_text_pack(RULES, folder / "pack")
        try:
            broker = BROKERS[chosen.broker](folder)
        except Unavailable as error:
            print(error, file=sys.stderr)
            return 1
        broker.start()
        try:
            with redirect_stdout(sys.stderr):  # of the service's log
                report = run_stall(broker, pack, folder, chosen.seconds, chosen.poll_interval)
        finally:
            broker.kill()
    for each in fields(report):
        print(f"{each.name}: {getattr(report, each.name)}")
    print(f"memory differed by {report.spread:.1%}")
    return 1 if report.lost else 0


if __name__ == "__main__":
    sys.exit(main())
