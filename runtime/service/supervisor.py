"""The supervisor: keeps the workers running, has packs swapped in all of them or in none, knows how it goes."""

from __future__ import annotations

import contextlib
import os
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from types import MappingProxyType
from typing import Any

import structlog

from sigmac.runtime.errors import StreamError
from sigmac.runtime.match import Rejected, Rule
from sigmac.runtime.pack.pack import Pack
from sigmac.runtime.processes import signals_to
from sigmac.runtime.service.config.configuration import Settings
from sigmac.runtime.service.observe.status import LeftOut, Outcome, ServiceStatus
from sigmac.runtime.service.packs.kernels import prepare_kernels
from sigmac.runtime.service.packs.rule_chances import RuleChances
from sigmac.runtime.service.packs.swap import PacksInService
from sigmac.runtime.service.packs.trial import interpreter
from sigmac.runtime.service.watchers import Watchers
from sigmac.runtime.service.workers.crew import Backoff, Crew
from sigmac.runtime.service.workers.supervisor_process import (
    Bell,
    locked,
    without_secrets,
)
from sigmac.runtime.service.workers.tally import Tally
from sigmac.runtime.service.workers.worker_life import Life, Message

log = structlog.get_logger("sigmac.service")

_READY_STATES = ("running", "waiting", "paused", "stalled")


class Supervisor:
    """A running service; implements `sigmac.runtime.service.observe.status.Service`, and oversees its crew.

    `command` starts a worker, with the number of its file descriptor as the last argument. `left_out` tells by the
    digest of a pack what it lacks; whoever makes packs of rules beside this service adds to it.
    """

    def __init__(
        self,
        settings: Settings,
        version: str,
        *,
        command: Sequence[str] = (),
        backoff: Backoff | None = None,
        left_out: Mapping[str, Sequence[LeftOut]] = MappingProxyType({}),
    ):
        self.settings = settings
        self._left_out = left_out
        self._version = version
        self._started = time.time()
        self._changed = threading.Condition(threading.RLock())  # guards crew, packs and tally
        self._bell = Bell()
        self._ready = False
        self._signals = 0
        self._tally = Tally()
        self._chances = RuleChances()
        self._watchers = Watchers(self._tell_watch)
        environment = self._environment = without_secrets(os.environ, settings)
        self._trial_environment = dict(environment)
        self._kernels_ready = False
        self._crew = Crew(
            settings,
            self,
            self._changed,
            self._tally,
            self._bell,
            command=command
            or (*interpreter(), "-m", "sigmac.runtime.service.workers.worker_process"),
            environment=environment,
            backoff=backoff or Backoff(),
        )
        self._packs = PacksInService(
            settings, self._crew, self._changed, self._tally, self._trial_environment
        )

    def run(self) -> None:
        """Run until a signal, `stop`, the end of the source, or an error.

        Raises `SigmacError` where the service cannot start, and `StreamError` where a worker says that trying again
        cannot help.
        """
        with contextlib.ExitStack() as stack:
            stack.callback(self._bell.close)
            stack.enter_context(signals_to(self._on_signal))
            stack.enter_context(locked(self.settings.state))
            self._serve(stack)
            try:
                log.info("the service starts", version=self._version, workers=len(self._crew))
                self._prepare_kernels()
                self._packs.load()
                threading.Thread(target=self._packs.watch_paths, name="packs", daemon=True).start()
                while self._crew.goes_on:
                    self._bell.wait(self._crew.tend())
            finally:
                log.info("the service stops")
                self._crew.stop()
                self._watchers.close()
        if self._crew.failure is not None:
            raise StreamError(self._crew.failure)
        log.info("the service has stopped")

    def _prepare_kernels(self) -> None:
        found = prepare_kernels(self._environment, self.settings.state, lambda: self._crew.stopping)
        for environment in (self._environment, self._trial_environment):
            environment.update(found.everywhere)
        self._trial_environment.update(found.trials)
        # This process evaluates for clients.
        os.environ.update(found.everywhere)
        self._kernels_ready = True

    def stop(self) -> None:
        """Make `run` return, as a first signal does."""
        self._crew.stopping = True
        self._bell.ring()

    def _serve(self, stack: contextlib.ExitStack) -> None:
        if self.settings.http is not None:
            from sigmac.runtime.service.observe.http import serve_http

            stack.callback(serve_http(self, self.settings.http))
        if self.settings.control is not None:
            from sigmac.runtime.service.control.server import serve_control

            stack.callback(serve_control(self, self.settings))

    def _on_signal(self, number: int) -> None:
        # It runs between two steps of the main thread, whatever locks that thread holds: it takes none.
        self._signals += 1
        if self._signals > 1:
            # At once. Safe: what is not committed will be evaluated again.
            self._crew.kill()
            os._exit(128 + number)
        self.stop()

    # What the crew asks and says

    def pack_folders(self) -> dict[str, Any]:
        return self._packs.folders()

    def heard(self, life: Life, message: Message) -> None:
        match message["say"]:
            case "match":
                self._watchers.show(message["line"].encode())
            case "missed":
                self._watchers.missed(int(message["count"]))
            case "prepared":
                number, ok, reason = message["id"], message["ok"], message["reason"]
                self._packs.prepared(life, int(number), bool(ok), str(reason))
            case "sightings":
                self._chances.heard(life.process.pid, message)
            case "recent":
                self._packs.recent.heard(life, message)
            case "swapped":
                self._packs.swapped(life, int(message["id"]))
            case other:
                raise ValueError(f"a worker does not say {other!r:.40}")

    def ended(self, life: Life, how: str) -> None:
        self._packs.ended(life, how)

    def noticed(self) -> None:
        reason = self._not_ready()
        if self._ready == bool(reason) and self._crew.goes_on:
            self._ready = not reason
            if reason:
                log.warning("the service is not ready", reason=reason)
            else:
                log.info("the service is ready")

    def _not_ready(self) -> str:
        if not self._crew.goes_on:
            return "the service is stopping"
        if not self._kernels_ready:
            return "the kernels of the batch engine are not there yet"
        if not self._packs.are_loaded:
            return "the packs are not loaded yet"
        for worker in self._crew.unfinished():
            if worker.state not in _READY_STATES:
                detail = f": {worker.detail}" if worker.detail else ""
                return f"worker {worker.index} is {worker.state}{detail}"
            if not worker.connected:
                return f"worker {worker.index} has no connection to the broker"
        return ""

    # What HTTP and gRPC ask

    def status(self) -> ServiceStatus:
        with self._changed:
            reason = self._not_ready()
            return ServiceStatus(
                name=self.settings.name,
                version=self._version,
                started=self._started,
                ready=not reason,
                reason=reason,
                paused=self._crew.paused,
                delivery=str(self.settings.delivery),
                workers=self._crew.statuses(),
                packs=self._packs.statuses(),
                counts=self._tally.total(),
            )

    def rules(self, pack: str) -> Sequence[Rule]:
        return self._packs.running(pack).rules

    def running(self, pack: str) -> Pack:
        return self._packs.running(pack)

    def left_out(self, digest: str) -> Sequence[LeftOut]:
        return self._left_out.get(digest, ())

    def without_chance(self, pack: str) -> Mapping[int, Sequence[str]] | None:
        return self._chances.of(pack, self._packs.running(pack))

    def evaluate(
        self, pack: str, records: bytes, logsource: Mapping[str, str] | None
    ) -> tuple[list[tuple[int, dict[str, Any]]], Sequence[Rejected]]:
        running = self._packs.running(pack)
        result = running.match_batch(records, logsource=logsource)
        described = {"name": running.name, "version": running.version}
        matches = [
            (record, {"rule": running.rules[rule].on_the_wire(), "pack": described})
            for record, rule in zip(result.record.tolist(), result.rule.tolist(), strict=True)
        ]
        return matches, result.rejected

    def folder(self, pack: str) -> Path:
        return self._packs.running(pack).path

    def push(self, pack: str, folder: Path) -> Outcome:
        return self._packs.push(pack, folder)

    def rollback(self, pack: str) -> Outcome:
        return self._packs.rollback(pack)

    def pause(self) -> None:
        with self._changed:
            self._crew.pause(True)
        log.info("paused")

    def resume(self) -> None:
        with self._changed:
            self._crew.pause(False)
        log.info("resumed")

    def matches(self) -> AbstractContextManager[Iterator[bytes]]:
        return self._watchers.watch()

    def _tell_watch(self) -> None:
        with self._changed:
            self._crew.watch(bool(self._watchers))
