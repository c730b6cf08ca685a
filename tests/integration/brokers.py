"""Two brokers that speak Kafka's protocol.

The embedded one, `sigmac.testing.EmbeddedBroker`, is quick and in this process. Apache Kafka (from Maven Central) is
the reference: all that matters is tested against it; Redpanda is configured the same.
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient, NewTopic

from sigmac.testing import EmbeddedBroker

CACHE = Path(__file__).resolve().parents[2] / ".cache" / "kafka"
POM = Path(__file__).with_name("kafka-pom.xml")
_START, _STOP = 60.0, 30.0  # seconds
# Linux ends the process when the thread that started it ends, however that comes about; it stays so over an exec.
_TIED = """\
import ctypes, os, sys
if sys.platform == "linux":
    ctypes.CDLL(None).prctl(1, 9)
    if os.getppid() != int(sys.argv[1]):
        sys.exit()  # it ended before it could be told
os.execvp(sys.argv[2], sys.argv[2:])
"""


class Unavailable(Exception):
    """This broker cannot be had here; the reason."""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def tied(command: Sequence[str]) -> list[str]:
    """The command whose process is killed when the thread that starts it ends, however it ends."""
    return [sys.executable, "-S", "-c", _TIED, str(os.getpid()), *command]


class Broker:
    """A broker with an address; `folder` is for its data and its log."""

    name = ""
    # What clients need to say to this broker
    properties: ClassVar[Mapping[str, str]] = {}
    replicas = 1  # of each topic

    def __init__(self, folder: Path):
        self.folder = folder

    @property
    def address(self) -> str:
        raise NotImplementedError

    def start(self) -> None:
        """Start and wait until it answers."""
        raise NotImplementedError

    def kill(self) -> None:
        raise NotImplementedError

    def pause(self) -> None:
        """Freeze: connections stay open, and nobody answers."""
        raise NotImplementedError

    def resume(self) -> None:
        raise NotImplementedError

    def admin(self) -> AdminClient:
        return AdminClient({"bootstrap.servers": self.address, "log_level": 0})

    def create(self, topic: str, partitions: int, **settings: str) -> None:
        """With further settings of the topic; their names have underscores for dots."""
        raise NotImplementedError

    def create_topic(self, topic: str, partitions: int, settings: Mapping[str, str]) -> None:
        """`create` where there are settings."""
        config = {name.replace("_", "."): value for name, value in settings.items()}
        new = NewTopic(topic, partitions, self.replicas, config=config)
        admin = self.admin()
        for future in admin.create_topics([new]).values():
            future.result(30)


class Embedded(Broker):
    """In this process and in memory. docs/testing.md says what only Apache Kafka does."""

    name = "embedded"
    # A group waits for a session less a second when members come and go; a fetch waits for its whole time.
    properties: ClassVar[Mapping[str, str]] = {
        "session.timeout.ms": "4000",
        "heartbeat.interval.ms": "500",
        "fetch.wait.max.ms": "50",
    }

    def start(self) -> None:
        # The workers of a service come one after the other.
        self._broker = EmbeddedBroker(rebalance_delay=1.5)

    @property
    def address(self) -> str:
        return self._broker.bootstrap_servers

    def kill(self) -> None:
        self._broker.close()

    def pause(self) -> None:
        self._broker.set_round_trip_time(3600)

    def resume(self) -> None:
        self._broker.set_round_trip_time(0)

    def create(self, topic: str, partitions: int, **settings: str) -> None:
        """It has no settings: messages may have any size, and are kept."""
        self._broker.create_topic(topic, partitions)


class BrokerProcess(Broker):
    """A broker that is a process, on a port of its own."""

    def __init__(self, folder: Path):
        super().__init__(folder)
        self.port = free_port()
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    @property
    def log(self) -> Path:
        return self.folder / f"{self.name}.log"

    def command(self) -> list[str]:
        raise NotImplementedError

    def start(self) -> None:
        """Start and wait until it answers."""
        self.launch()
        self.wait()

    def launch(self) -> None:
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                tied(self.command()), stdout=log, stderr=log, cwd=self.folder
            )

    def wait(self) -> None:
        """Wait until it answers. Raises `RuntimeError` where it does not."""
        assert self.process is not None
        until = time.monotonic() + _START
        while True:
            try:
                self.admin().list_topics(timeout=1)
                return
            except KafkaException:
                if self.process.poll() is not None or time.monotonic() > until:
                    self.kill()
                    last = self.log.read_text("utf-8", "replace")[-1000:]
                    raise RuntimeError(f"{self.name} does not start: {last}") from None

    def stop(self) -> None:
        """As an operator would: it may finish what it does."""
        if self.process is not None:
            self.process.terminate()
            try:
                self.process.wait(_STOP)
            except subprocess.TimeoutExpired:
                self.kill()

    def kill(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait()

    def restart(self) -> None:
        """Stopped and started again, on the same port with the same data."""
        self.stop()
        self.start()

    def pause(self) -> None:
        """Freeze: connections stay open, and nobody answers."""
        self._signal(signal.SIGSTOP)
        assert self.process is not None
        # A thread may still answer after the signal is sent: this returns when the last has stopped.
        os.waitid(os.P_PID, self.process.pid, os.WSTOPPED)

    def resume(self) -> None:
        self._signal(signal.SIGCONT)

    def _signal(self, number: int) -> None:
        assert self.process is not None
        self.process.send_signal(number)

    def create(self, topic: str, partitions: int, **settings: str) -> None:
        self.create_topic(topic, partitions, settings)


class ApacheKafka(BrokerProcess):
    """Apache Kafka in KRaft mode, one node.

    Clients that start at `proxied_port` are told to connect to that port again: put a proxy there that leads to
    `behind_proxy`, and all that they say goes through it.
    """

    name = "kafka"
    properties: ClassVar[Mapping[str, str]] = {
        "session.timeout.ms": "6000",
        "heartbeat.interval.ms": "1000",
    }
    standalone = True  # the only controller of its cluster

    def __init__(self, folder: Path):
        super().__init__(folder)
        self.controller = free_port()
        self.behind_proxy = free_port()
        self.proxied_port = free_port()
        self.java = shutil.which("java") or ""
        self.libraries = kafka_libraries()
        self.properties_file = self.folder / "server.properties"
        self._format()

    def listeners(self) -> dict[str, str]:
        """Where it listens, by the listener's name."""
        return {
            "PLAINTEXT": self.address,
            "PROXIED": f"127.0.0.1:{self.behind_proxy}",
            "CONTROLLER": f"127.0.0.1:{self.controller}",
        }

    def settings(self) -> dict[str, Any]:
        """What stands in server.properties."""
        listeners = self.listeners()
        advertised = {**listeners, "PROXIED": f"127.0.0.1:{self.proxied_port}"}
        del advertised["CONTROLLER"]
        return {
            "process.roles": "broker,controller",
            "node.id": 1,
            "controller.quorum.bootstrap.servers": listeners["CONTROLLER"],
            "listeners": _urls(listeners),
            "advertised.listeners": _urls(advertised),
            "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,PROXIED:PLAINTEXT,CONTROLLER:PLAINTEXT",
            "controller.listener.names": "CONTROLLER",
            "log.dirs": self.folder / "kafka",
            "offsets.topic.replication.factor": 1,
            "offsets.topic.num.partitions": 1,
            "transaction.state.log.replication.factor": 1,
            "transaction.state.log.num.partitions": 1,
            "transaction.state.log.min.isr": 1,
            # Transactions of workers that never come back end within a second of their time.
            "transaction.abort.timed.out.transaction.cleanup.interval.ms": 1000,
            "share.coordinator.state.topic.replication.factor": 1,
            "share.coordinator.state.topic.min.isr": 1,
            "group.initial.rebalance.delay.ms": 0,
            "group.min.session.timeout.ms": 1000,
            "auto.create.topics.enable": "false",
        }

    def _format(self) -> None:
        self.properties_file.write_text(
            "".join(f"{key}={value}\n" for key, value in self.settings().items())
        )
        tool = ["kafka.tools.StorageTool", "format", "-t", "MkU3OEVBNTcwNTJENDM2Qk"]
        tool += ["--standalone"] * self.standalone
        made = subprocess.run(
            [*self._java("128m"), *tool, "-c", str(self.properties_file), *self.format_options()],
            capture_output=True,
            text=True,
            check=False,
        )
        if made.returncode:
            raise RuntimeError(f"the folder of Apache Kafka cannot be made: {made.stderr[-1000:]}")

    def format_options(self) -> list[str]:
        """Further options for the tool that makes its folder."""
        return []

    def _java(self, heap: str) -> list[str]:
        # It runs for seconds and shares the cores with what is tested: compile quickly rather than well.
        quick = ["-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC"]
        return [self.java, f"-Xmx{heap}", *quick, "-cp", f"{self.libraries}/*"]

    def command(self) -> list[str]:
        return [*self._java("512m"), "kafka.Kafka", str(self.properties_file)]


def _urls(listeners: Mapping[str, str]) -> str:
    return ",".join(f"{name}://{address}" for name, address in listeners.items())


def kafka_libraries() -> Path:
    """The folder with Apache Kafka's jars; Maven fetches them once. Raises `Unavailable`."""
    folder = CACHE / "libs"
    done = CACHE / "complete"
    if shutil.which("java") is None:
        raise Unavailable("Apache Kafka needs Java 17 or newer: there is no java here")
    if done.is_file() and done.read_bytes() == POM.read_bytes():
        return folder
    if shutil.which("mvn") is None:
        raise Unavailable("Apache Kafka is fetched by Maven: there is no mvn here")
    CACHE.mkdir(parents=True, exist_ok=True)
    command = ["mvn", "-q", "-B", "-f", str(POM), "dependency:copy-dependencies"]
    made = subprocess.run(
        [*command, f"-DoutputDirectory={folder}", "-DincludeScope=runtime"],
        capture_output=True,
        text=True,
        check=False,
    )
    if made.returncode:
        raise Unavailable(f"Maven cannot fetch Apache Kafka: {made.stdout[-500:]}")
    shutil.copyfile(POM, done)
    return folder


BROKERS: dict[str, type[Broker]] = {each.name: each for each in (Embedded, ApacheKafka)}
