"""The second stage of correlations in a worker's process: it says of itself what a worker says, and takes packs."""

from __future__ import annotations

import contextlib
import platform
import queue
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import structlog

from sigmac.runtime.correlation.correlator import Limits
from sigmac.runtime.correlation.spread.bounds import Bounds
from sigmac.runtime.correlation.spread.family_step import FamilySteps
from sigmac.runtime.errors import ConfigurationError, PackError, SigmacError
from sigmac.runtime.pack.finding import find_pack
from sigmac.runtime.pack.pack import load_pack
from sigmac.runtime.service.config.configuration import Settings
from sigmac.runtime.service.config.key_files import read_key
from sigmac.runtime.service.config.sections import Delivery
from sigmac.runtime.stream.counts import Counts
from sigmac.runtime.stream.supervisor_link import Command, Link

log = structlog.get_logger("sigmac.stream.correlations")

_REPORT = 1.0  # seconds between two reports to the supervisor
_FIRST_BACKOFF, _LAST_BACKOFF = 0.25, 15.0  # seconds
# What Quix Streams decides: it reads the partitions of hits and of their changelog together.
_OF_QUIX_STREAMS = (
    "bootstrap.servers",
    "group.id",
    "auto.offset.reset",
    "enable.auto.commit",
    "group.protocol",
    "group.remote.assignor",
    "partition.assignment.strategy",
)
_MEASURE = 5.0  # seconds between two looks at lag and state


def correlate(
    link: Link,
    settings: Settings,
    number: int,
    packs: Mapping[str, Any],
    leave: Callable[[str], None],
) -> None:
    """Run a process of the second stage to its end; `number` counts those of this service.

    `leave` ends the process at once, with the reason, so that it is started anew.

    Raises `SigmacError` where trying again cannot help, and whatever the client of the broker raises where it can.
    """
    try:
        import quixstreams  # noqa: F401 - asked for before anything else is done
    except ModuleNotFoundError:
        raise ConfigurationError(
            "the second stage of correlations needs Quix Streams: pip install 'sigmac[cluster]', in an environment of "
            "its own where the newest confluent-kafka is to stay"
        ) from None
    _Correlate(link, settings, number, packs, leave).run()


class _Correlate:
    def __init__(
        self,
        link: Link,
        settings: Settings,
        number: int,
        packs: Mapping[str, Any],
        leave: Callable[[str], None],
    ) -> None:
        from sigmac.runtime.stream.cluster.hits_topic import HitsTopic
        from sigmac.runtime.stream.cluster.second_stage import SecondStage
        from sigmac.runtime.stream.kafka.connection import Connection

        self._link = link
        self._settings = settings
        given = settings.correlations
        self._limits = Limits(given.max_groups, given.max_hits)
        self._bounds = Bounds()
        self._prepared: dict[int, tuple[str, FamilySteps]] = {}
        self._state, self._detail = "starting", ""
        self._stopping = False
        self.connection = Connection()
        slots = {
            name: self._steps(name, packs[name]["folder"] if name in packs else None)
            for name in settings.packs
        }
        plan = self._plan(number)
        assert given.topic is not None
        self._topic = HitsTopic(
            given.topic,
            settings.kafka_properties()[0],
            self.connection,
            workers=given.workers,
            partitions=given.partitions,
            replication=given.replication,
        )
        self._plan_of_stage = plan
        self._stage = SecondStage(
            plan, self._topic, slots, leave, self._bounds, settings.suppressions()
        )
        self._lag: dict[int, int] = {}
        self._state_bytes = 0

    def _steps(self, name: str, folder: str | None) -> FamilySteps:
        """The correlations of a pack. Raises `PackError`."""
        given = self._settings.packs[name]
        pack = load_pack(
            find_pack(str(given.path)) if folder is None else Path(folder),
            trusted_keys=[read_key(Path(key)) for key in given.trusted_keys or ()] or None,
        )
        rules = pack.manifest["rules"]
        return FamilySteps(name, pack.correlations, rules, self._limits, self._bounds)

    def _plan(self, number: int) -> Any:
        from sigmac.runtime.stream.cluster.second_stage import SUFFIX, StageSettings
        from sigmac.runtime.stream.kafka.connection import consumer_properties, producer_properties

        settings = self._settings
        common, consumer, producer = settings.kafka_properties()
        common = {"client.id": f"{settings.name}-correlate-{number}"} | common
        group = {**common, **consumer}["group.id"] + SUFFIX
        exactly_once = settings.delivery is Delivery.EXACTLY_ONCE
        identity = None
        if exactly_once:
            # The same for every life of this process, so that a new one fences what the last left open.
            identity = ".".join((group, settings.name, platform.node(), str(number)))
        reads = consumer_properties(common, consumer, settings.batch.max_mib, number)
        writes = producer_properties(common, producer, identity)
        # As workers do: what is alike is of one partition, whoever writes it.
        writes.setdefault("partitioner", "consistent_random")
        for given in (reads, writes):
            for name in _OF_QUIX_STREAMS:
                given.pop(name, None)
        assert settings.correlations.topic is not None
        assert settings.matches.kafka is not None
        return StageSettings(
            hits=settings.correlations.topic,
            alerts=settings.matches.kafka.topic,
            group=group,
            servers=common["bootstrap.servers"],
            consumer=reads,
            producer=writes,
            folder=Path(settings.state) / f"correlate-{number}",
            exactly_once=exactly_once,
            max_wait=settings.batch.max_wait,
        )

    def run(self) -> None:
        threading.Thread(target=self._tell, daemon=True).start()
        backoff = _FIRST_BACKOFF
        while not self._stopping and not self._topic.start():
            trouble = self.connection.trouble or "the topic of hits is not there yet"
            self._set_state("failing", trouble)
            self._sleep(backoff)
            backoff = min(2 * backoff, _LAST_BACKOFF)
        alerts = self._plan_of_stage.alerts
        self._topic.check_alerts(alerts, matches=bool(self._settings.suppress))
        self.connection.answered()
        if not self._stopping:
            self._stage.run()
        self._set_state("stopped")
        self._report()

    def _sleep(self, seconds: float) -> None:
        until = time.monotonic() + seconds
        while time.monotonic() < until and not self._stopping:
            time.sleep(0.05)

    # What is heard and said, in a thread of its own

    def _tell(self) -> None:
        reported = measured = 0.0
        while True:
            with contextlib.suppress(queue.Empty):
                self._do(self._link.commands.get(timeout=0.25))
            if self._stopping:
                self._stage.stop()  # again, as one that has not begun would not hear it
            if time.monotonic() - reported >= _REPORT:
                reported = time.monotonic()
                self._look()
                if reported - measured >= _MEASURE and self._state == "running":
                    measured = reported
                    self._measure()
                self._report()

    def _do(self, command: Command) -> None:
        match command["do"]:
            case "stop":
                self._stopping = True
            case "recent":
                self._link.say({"say": "recent", "id": command["id"], "records": []})
            case "prepare":
                self._prepare(command)
            case "swap":
                if (prepared := self._prepared.pop(command["id"], None)) is not None:
                    self._stage.add(*prepared)
                self._link.say({"say": "swapped", "id": command["id"]})
            case "drop":
                self._prepared.pop(command["id"], None)
            case _:
                pass  # a pause is for those who evaluate

    def _prepare(self, command: Command) -> None:
        name, reason = command["pack"], ""
        try:
            self._prepared[command["id"]] = name, self._steps(name, command["folder"])
        except (PackError, SigmacError) as error:
            reason = str(error)
        self._link.say({"say": "prepared", "id": command["id"], "ok": not reason, "reason": reason})

    def _look(self) -> None:
        if self._state != "stopped" and self.connection.connected:
            if self._stage.restoring.running:
                self._set_state("starting", "restoring the state of correlations")
            elif self._stage.assigned():
                self._set_state("running")
            elif self._state == "running":
                self._set_state("waiting", "other members of the group have all partitions")

    def _measure(self) -> None:
        """What takes a moment to find out."""
        plan, found = self._plan_of_stage, 0
        for path in plan.folder.rglob("*"):
            with contextlib.suppress(OSError):  # RocksDB removes files
                found += path.stat().st_size
        self._state_bytes = found
        self._lag = self._topic.lag(plan.group, self._stage.assigned().get(plan.hits, ()))

    def _set_state(self, state: str, detail: str = "") -> None:
        self._state, self._detail = state, detail

    def _report(self) -> None:
        told, plan = self._stage.told, self._plan_of_stage
        counts = Counts(
            records={plan.hits: told.hits},
            bytes={plan.hits: told.bytes},
            delivered={"kafka": told.alerts, "hits": told.around},
            rebalances=told.rebalances,
            correlations=self._stage.counts(),
            state_bytes=self._state_bytes,
            restored=self._stage.restoring.entries,
            restore_seconds=self._stage.restoring.seconds,
        )
        for name, number in (("malformed", told.malformed), ("unknown", told.unknown)):
            if number:
                counts.correlations[name] = {"/": number}
        self._link.say(
            {
                "say": "status",
                "state": self._state,
                "detail": self._detail,
                "connected": self.connection.connected,
                "assigned": self._stage.assigned(),
                "lag": {plan.hits: self._lag} if self._lag else {},
                "counts": asdict(counts),
            }
        )
