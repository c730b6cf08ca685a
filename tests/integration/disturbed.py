"""A service in trouble: what can happen to it, and what is watched meanwhile."""

from __future__ import annotations

import contextlib
import logging
import os
import random
import signal
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition

from tests.integration.brokers import ApacheKafka
from tests.integration.ledger import MATCH_PARTITIONS, Ledger, Reader, Service, Topics, frozen
from tests.integration.messages import committed_reads
from tests.integration.proxy import Proxy
from tests.integration.verdict import Circumstances, Report

log = logging.getLogger("tests.chaos")

# How often each fault is drawn. The kills are the first three.
WEIGHTS = {
    "kill a worker": 50,
    "kill the supervisor": 12,
    "kill all processes": 12,
    "stop the service": 4,
    "freeze a worker": 6,
    "a second service joins or leaves": 8,
    "cut from the broker": 6,
    "freeze the broker": 4,
    "restart the broker": 3,
}
_RECOVERS = 60.0  # seconds; a service that delivers nothing for as long is stuck
_BURST = 50  # records


class Feeder(threading.Thread):
    """Produces numbered events at a rate until it is stopped."""

    def __init__(self, ledger: Ledger, rate: int):
        super().__init__(daemon=True)
        self._ledger = ledger
        self._rate = rate
        self._ends = threading.Event()
        self._failure: AssertionError | None = None

    def run(self) -> None:
        due = time.monotonic()
        while not self._ends.wait(max(0.0, due - time.monotonic())):
            try:
                self._ledger.produce(_BURST)
            except AssertionError as error:
                self._failure = error
                return
            # What could not be produced while the broker was away is made up for, but for a backlog without end.
            due = max(due + _BURST / self._rate, time.monotonic() - 5)

    def stop(self) -> None:
        """Raises what it failed with."""
        self._ends.set()
        self.join()
        if self._failure is not None:
            raise self._failure


class Disturbed:
    """One service in trouble, and a second one that comes and goes."""

    def __init__(self, broker: ApacheKafka, pack: Path, folder: Path, circumstances: Circumstances):
        self.broker = broker
        self.circumstances = circumstances
        self.report = Report(circumstances)
        self.chance = random.Random(circumstances.seed)
        self.topics = Topics(broker, circumstances.partitions)
        self.ledger = Ledger(self.topics)
        self.reader = Reader(self.ledger)
        self.feeder = Feeder(self.ledger, circumstances.rate)
        self.faults: dict[str, Callable[[], None]] = {
            "kill a worker": self.kill_a_worker,
            "freeze a worker": self.freeze_a_worker,
            "a second service joins or leaves": self.second_joins_or_leaves,
            "cut from the broker": self.cut_from_the_broker,
            "freeze the broker": self.freeze_the_broker,
            "restart the broker": self.restart_the_broker,
        }
        if not circumstances.spare:
            self.faults |= {
                "kill the supervisor": self.kill_the_supervisor,
                "kill all processes": self.kill_all_processes,
                "stop the service": self.stop_the_service,
            }
        self.proxy = Proxy(broker.proxied_port, broker.behind_proxy)
        self._started = time.monotonic()
        self.service = self._service(pack, folder, "first", circumstances.workers)
        self.second = self._service(pack, folder, "second", 1)

    def _service(self, pack: Path, folder: Path, name: str, workers: int) -> Service:
        place = folder / name
        place.mkdir()
        service = Service(
            self.topics,
            pack,
            place,
            name=name,
            delivery=self.circumstances.delivery,
            workers=workers,
            batch={"max_records": 200, "max_wait": 0.02},
        )
        kafka = service.configuration["source"]["kafka"]
        kafka["properties"] |= {
            "bootstrap.servers": f"127.0.0.1:{self.broker.proxied_port}",
            "session.timeout.ms": str(round(self.circumstances.session * 1000)),
            "heartbeat.interval.ms": str(round(self.circumstances.session * 250)),
            "reconnect.backoff.max.ms": "1000",
        }
        if self.circumstances.delivery == "exactly-once":
            # A worker that never comes back keeps its partitions' readers waiting for as long. The broker must not be
            # away for longer: see `restart_the_broker`.
            kafka["producer"] = {"transaction.timeout.ms": "30000"}
        return service

    @contextlib.contextmanager
    def running(self) -> Iterator[None]:
        """Events flow, and are read; at the end everything is compared."""
        self.service.start()
        self.reader.start()
        self.feeder.start()
        try:
            self._recover()
            yield
            self._settle()
        finally:
            for service in (self.service, self.second):
                service.kill()
            self.proxy.close()
            self.report.seconds = time.monotonic() - self._started

    def strike(self) -> str:
        """One fault, drawn by chance; its name."""
        names = [*self.faults]
        name = self.chance.choices(names, [WEIGHTS[each] for each in names])[0]
        self.report.faults[name] = self.report.faults.get(name, 0) + 1
        log.info(
            "%5.0f s  %4d kills  %s", time.monotonic() - self._started, self.report.kills, name
        )
        self.faults[name]()
        return name

    def until_killed(self, kills: int) -> None:
        """Fault after fault, most of them as soon as the service has recovered, some before it has."""
        while self.report.kills < kills:
            name = self.strike()
            if self.chance.random() < self.circumstances.calm:
                self._recover(name)
            time.sleep(self.chance.uniform(0, 0.5))

    def for_minutes(self, minutes: float) -> None:
        """A fault every minute."""
        until = time.monotonic() + minutes * 60
        while (left := until - time.monotonic()) > 0:
            time.sleep(min(60, left))
            if left > 60:
                self._recover(self.strike())

    # Faults

    def kill_a_worker(self) -> None:
        workers = self.service.workers()
        if self.circumstances.spare:
            workers = workers[1:]
        if workers:
            self._kill(self.chance.choice(workers))

    def kill_the_supervisor(self) -> None:
        """Its workers have to end by themselves."""
        assert self.service.process is not None
        self._kill(self.service.process.pid)
        self.service.process.wait()
        self.service.start()

    def kill_all_processes(self) -> None:
        """As when the machine fails."""
        assert self.service.process is not None
        workers = self.service.workers()
        self._kill(self.service.process.pid)
        for worker in workers:
            _signal(worker, signal.SIGKILL)
        self.service.process.wait()
        self.service.start()

    def _kill(self, process: int) -> None:
        self.report.kills += _signal(process, signal.SIGKILL)

    def stop_the_service(self) -> None:
        """As an operator does."""
        self._stop(self.service)
        self.service.start()

    def freeze_a_worker(self) -> None:
        """For longer than the group waits: others take its partitions, and it does not know."""
        workers = self.service.workers()
        if workers:
            worker = self.chance.choice(workers)
            _signal(worker, signal.SIGSTOP)
            time.sleep(self.circumstances.session + self.chance.uniform(0.5, 3))
            _signal(worker, signal.SIGCONT)

    def second_joins_or_leaves(self) -> None:
        process = self.second.process
        if process is None or process.poll() is not None:
            self.second.start()
        elif self.chance.random() < 0.5:
            self._stop(self.second)
        else:
            self._kill(process.pid)
            process.wait()

    def cut_from_the_broker(self) -> None:
        self.chance.choice([self.proxy.cut, self.proxy.silence])()
        time.sleep(self.chance.uniform(0.2, 2 * self.circumstances.session))
        self.proxy.restore()

    def freeze_the_broker(self) -> None:
        self.broker.pause()
        time.sleep(self.chance.uniform(0.2, 2 * self.circumstances.session))
        self.broker.resume()

    def restart_the_broker(self) -> None:
        """As an operator does, within the time of a transaction, and while none ends.

        Killed or away for longer while it is the only one, Apache Kafka may forget to abort transactions: it ends those
        whose time is over before its partitions have a leader again, and leaves their markers out. The next commit of
        the same producer makes them visible. Those that end while it shuts down it calls committed without their
        markers (4.3.1 logs "Couldn't find leader endpoint"): their matches and positions are never seen, or are
        aborted with the next. With replicas another broker leads meanwhile.
        """
        exactly_once = self.circumstances.delivery == "exactly-once"
        with frozen(self.service, self.second) if exactly_once else contextlib.nullcontext():
            self.broker.stop()
        self.broker.start()

    # What is watched

    def processes(self) -> dict[int, str]:
        """Ids and roles of those that are to stay flat."""
        found = {}
        if self.service.process is not None and self.service.process.poll() is None:
            found[self.service.process.pid] = "supervisor"
            found |= dict.fromkeys(self.service.workers(), "worker")
        return found

    def _stop(self, service: Service) -> None:
        status = service.stop()
        if status not in (0, -signal.SIGTERM):  # the second where it had not begun yet
            self._problem(f"{service.folder.name}: exit status {status} when stopped", service)

    def _problem(self, text: str, service: Service) -> None:
        log.error("%s", text)
        last = service.log.read_text("utf-8", "replace").splitlines()[-40:]
        self.report.problems.append(text + "\n    " + "\n    ".join(last))

    def _recover(self, after: str = "the start") -> None:
        """Wait until the service is ready and something new was delivered."""
        begin, seen = time.monotonic(), self.reader.seen
        ready = False
        while time.monotonic() - begin < _RECOVERS:
            self._check_alive()
            ready = ready or is_ready(self.service)
            if ready and self.reader.seen > seen:
                took = time.monotonic() - begin
                self.report.longest_recovery = max(self.report.longest_recovery, took)
                log.debug("%5.1f s until it delivered again", took)
                return
            time.sleep(0.05)
        what = "delivers nothing" if ready else "is not ready"
        self._end_showing_stacks()
        self._problem(f"the service {what} for {_RECOVERS:.0f} s after: {after}", self.service)

    def _end_showing_stacks(self) -> None:
        """Of workers that may hang: they write to the log where they are."""
        for service in (self.service, self.second):
            if service.process is not None and service.process.poll() is None:
                for worker in service.workers():
                    _signal(worker, signal.SIGABRT)
        time.sleep(1)

    def _check_alive(self) -> None:
        for service in (self.service, self.second):
            process = service.process
            expected = [None, 0, -signal.SIGKILL]
            if service is self.second:
                expected.append(-signal.SIGTERM)  # it was stopped where it had not begun yet
            if process is not None and process.poll() not in expected:
                status = process.returncode
                self._problem(f"{service.folder.name} ended by itself, status {status}", service)
                service.start()

    def _settle(self) -> None:
        self.feeder.stop()
        if self.second.process is not None and self.second.process.poll() is None:
            self._stop(self.second)
        seen, until = -1, 0.0
        # A match is read before its records are committed, and a rebalance refuses a commit: stopped in between, the
        # service would leave records that it evaluates again, as at least once allows.
        while not (self.reader.account.complete() and self._all_committed()):
            self._check_alive()
            if self.reader.seen != seen:
                seen, until = self.reader.seen, time.monotonic() + _RECOVERS
            elif time.monotonic() > until:
                break
            time.sleep(0.2)
        self._stop(self.service)
        for service in (self.service, self.second):
            for line in service.lines() if service.log.exists() else ():
                if "Traceback" in str(line):
                    self.report.problems.append(f"{service.folder.name}: {line}")
        until = time.monotonic() + _RECOVERS
        while not self.reader.account.complete() and time.monotonic() < until:
            time.sleep(0.2)  # what is late is not lost
        seen = -1
        while seen != self.reader.seen:
            seen = self.reader.seen
            time.sleep(2)
        account = self.reader.stop()
        report = self.report
        report.records = self.ledger.produced
        report.matches, report.dead_letters = len(account.matches), len(account.dead)
        report.lost, report.wrong = len(account.lost), len(account.wrong)
        report.doubled, report.unidentified = account.doubled, len(account.unidentified)
        report.disordered = account.disordered
        report.uncommitted = self._uncommitted()
        report.hidden = self._written() - seen

    def _all_committed(self) -> bool:
        # The broker does not tell while a transaction that has positions is open, as that of a worker that was killed.
        try:
            return self._uncommitted() == 0
        except KafkaException:
            return False

    def _uncommitted(self) -> int:
        """Records that the group would evaluate again."""
        asks = Consumer({**committed_reads(self.broker), "group.id": self.topics.group})
        try:
            left = 0
            places = [
                TopicPartition(self.topics.events, number)
                for number in range(self.topics.partitions)
            ]
            for place in asks.committed(places, 30):
                _, high = asks.get_watermark_offsets(place, 30)
                left += high - max(0, place.offset)
            return left
        finally:
            asks.close()

    def _written(self) -> int:
        """Messages of matches and dead letters, those of aborted transactions included."""
        reads = {
            **committed_reads(self.broker),
            "group.id": "counter",
            "isolation.level": "read_uncommitted",
            "enable.partition.eof": True,
        }
        counter = Consumer(reads)
        try:
            places = [
                *(TopicPartition(self.topics.matches, n, 0) for n in range(MATCH_PARTITIONS)),
                TopicPartition(self.topics.dead, 0, 0),
            ]
            counter.assign(places)
            written, ends = 0, 0
            while ends < len(places):
                for message in counter.consume(10000, 1):
                    error = message.error()
                    written += error is None
                    ends += error is not None and error.code() == KafkaError._PARTITION_EOF
            return written
        finally:
            counter.close()


def _signal(process: int, number: int) -> bool:
    """Whether the process was there."""
    try:
        os.kill(process, number)
    except ProcessLookupError:
        return False
    return True


def is_ready(service: Service) -> bool:
    """What `/ready` says."""
    url = f"http://127.0.0.1:{service.port}/ready"
    try:
        with urllib.request.urlopen(url, timeout=2) as answer:
            ready: bool = answer.status == 200
            return ready
    except (urllib.error.URLError, OSError):
        return False
