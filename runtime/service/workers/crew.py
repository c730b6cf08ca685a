"""The workers of a service: started, heard, started again when they die, and stopped.

A worker is a process of its own. What it is told and what it says goes over a socket, secrets included, and the end
of that socket ends the worker: none outlives its supervisor. A worker that dies is started again, with a pause that
grows; one that says that trying again cannot help stops the service.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import structlog

from sigmac.runtime.service.config.configuration import Settings
from sigmac.runtime.service.observe.status import WorkerStatus
from sigmac.runtime.service.workers.supervisor_process import Bell, signal_name
from sigmac.runtime.service.workers.tally import Tally, counts_of
from sigmac.runtime.service.workers.worker_life import Farewell, Life, Message, Report

log = structlog.get_logger("sigmac.service")

_SILENT = 30.0  # seconds without a word after which a worker counts as failing
_HUNG = 300.0  # and after which it is killed; a broker gives up a member after as long
_SPARE = 5.0  # seconds after the workers' own time to stop


@dataclass(frozen=True, slots=True)
class Backoff:
    """Pauses before a worker starts again, in seconds: `first`, then twice as long each time up to `last`.

    A worker that ran for `ran_well` seconds begins with `first` again.
    """

    first: float = 0.5
    last: float = 30.0
    ran_well: float = 60.0


@dataclass(slots=True)
class _Worker:
    """A worker through all its lives."""

    index: int
    backoff: float  # before its next start but one
    life: Life | None = None
    start_at: float = 0.0  # of the monotonic clock
    trouble: str = ""  # why it does not run
    restarts: int = 0
    finished: bool = False  # its source came to its end


class Overseer(Protocol):
    """Who the crew works for."""

    def pack_folders(self) -> dict[str, Any]:
        """What a worker that starts is told of the packs. Called under the lock."""
        ...

    def heard(self, life: Life, message: Message) -> None:
        """What a worker says of packs and matches. Raises `ValueError` and the like for nonsense."""
        ...

    def ended(self, life: Life, how: str) -> None:
        """A worker's process is gone; `how` goes on "the worker …". Called under the lock."""
        ...

    def noticed(self) -> None:
        """A worker's state may have changed. Called under the lock."""
        ...


class Crew:
    """All workers. `changed` is the lock of the whole service, and is notified of what happens.

    `command` starts a worker, with the number of its file descriptor as the last argument.
    """

    def __init__(
        self,
        settings: Settings,
        overseer: Overseer,
        changed: threading.Condition,
        tally: Tally,
        bell: Bell,
        *,
        command: Sequence[str],
        environment: Mapping[str, str],
        backoff: Backoff,
    ):
        self.stopping = self.paused = self.watched = False
        self.failure: str | None = None  # why the service cannot go on
        self._settings = settings
        self._overseer = overseer
        self._changed = changed
        self._tally = tally
        self._bell = bell
        self._command = command
        self._environment = environment
        self._backoff = backoff
        self._workers = [_Worker(index, backoff.first) for index in range(settings.process_count)]

    def __len__(self) -> int:
        return len(self._workers)

    @property
    def goes_on(self) -> bool:
        """Whether there is anything left to do."""
        # Without workers there are clients, and these never end.
        finished = self._workers and all(worker.finished for worker in self._workers)
        return not (self.stopping or self.failure is not None or finished)

    def tend(self) -> float:
        """Start and end workers as it is time; the seconds until there may be more to do."""
        now = time.monotonic()
        due = now + 1.0
        for worker in self._workers:
            life = worker.life
            if worker.finished:
                continue
            if life is not None:
                if now - life.heard > _HUNG:
                    log.error("a worker is silent; it is killed", worker=worker.index)
                    life.process.kill()
            elif worker.start_at <= now:
                self._start(worker)
            else:
                due = min(due, worker.start_at)
        with self._changed:
            self._overseer.noticed()  # silence is nothing that a worker reports
        return due - now

    def lives(self) -> list[Life]:
        """The workers that run."""
        return [worker.life for worker in self._workers if worker.life is not None]

    def tell_all(self, command: Message) -> None:
        for life in self.lives():
            life.tell(command)

    def pause(self, paused: bool) -> None:
        """For all workers, also those that start from now on. Under the lock."""
        self.paused = paused
        self.tell_all({"do": "pause" if paused else "resume"})

    def watch(self, watched: bool) -> None:
        """Whether workers show their matches, also those that start from now on. Under the lock."""
        self.watched = watched
        self.tell_all({"do": "watch", "on": watched})

    def stop(self) -> None:
        """Let all workers finish the batch in work; kill those that do not in time."""
        self.stopping = True
        with self._changed:
            self._overseer.noticed()
            self._changed.notify_all()
            self.tell_all({"do": "stop"})
            if not self._all_gone(self._settings.shutdown.timeout + _SPARE):
                for life in self.lives():
                    log.error(
                        "a worker does not stop in time; it is killed, and what it had in work will be evaluated again",
                        worker=life.worker,
                    )
                    life.process.kill()
                self._all_gone(math.inf)

    def kill(self) -> None:
        """At once; takes no lock, for it is called by the handler of a signal."""
        for worker in self._workers:
            life = worker.life
            if life is not None:
                life.process.kill()

    def statuses(self) -> list[WorkerStatus]:
        """How the workers are. Under the lock."""
        return [self._status(worker) for worker in self._workers]

    def unfinished(self) -> list[WorkerStatus]:
        """The same, without those whose source came to its end. Under the lock."""
        return [self._status(worker) for worker in self._workers if not worker.finished]

    def _start(self, worker: _Worker) -> None:
        source = self._settings.source
        with self._changed:
            # Under the lock: a pack is decided before or after, never in between.
            try:
                life = Life(
                    worker.index,
                    self._command,
                    self._environment,
                    reads_stdin=source.stdin is not None,
                )
            except OSError as error:
                self._start_later(worker, f"cannot be started: {error.strerror or error}")
                return
            worker.life, worker.trouble = life, ""
            self._tally.begin(worker.index)
            life.tell(
                {
                    "do": "configure",
                    "worker": worker.index,
                    "settings": self._settings.revealed(),
                    "packs": self._overseer.pack_folders(),
                }
            )
            if self.paused:
                life.tell({"do": "pause"})
            if self.watched:
                life.tell({"do": "watch", "on": True})
            life.listen(self._heard, self._ended)
            self._changed.notify_all()
        log.info("a worker starts", worker=worker.index, pid=life.process.pid)

    def _start_later(self, worker: _Worker, trouble: str) -> None:
        pause = worker.backoff
        worker.backoff = min(2 * pause, self._backoff.last)
        worker.start_at = time.monotonic() + pause
        worker.trouble = f"{trouble}; it starts again"
        worker.restarts += 1
        log.warning("a worker " + trouble, worker=worker.index, again_in=pause)

    def _heard(self, life: Life, message: Message) -> None:
        """What a worker says; in a thread of its own. Raises `ValueError` and the like for nonsense."""
        match message["say"]:
            case "status":
                self._take_report(life, Report.of(message))
            case "done":
                done = counts_of(message["counts"])
                with self._changed:
                    self._tally.add(life.worker, done)
            case "stopped":
                life.farewell = Farewell.of(message)
            case _:
                self._overseer.heard(life, message)

    def _take_report(self, life: Life, report: Report) -> None:
        with self._changed:
            before = life.report
            life.report = report
            self._tally.report(life.worker, report.counts)
            self._overseer.noticed()
            self._changed.notify_all()
        if before is None or (before.state, before.detail) != (report.state, report.detail):
            detail = {"detail": report.detail} if report.detail else {}
            log.info(f"a worker is {report.state}", worker=life.worker, **detail)
        if not report.connected and report.state != "failing" and (not before or before.connected):
            log.warning("a worker has no connection to the broker", worker=life.worker)

    def _ended(self, life: Life, status: int) -> None:
        """A worker's process is gone."""
        ending = _ending(status)
        with self._changed:
            worker = self._workers[life.worker]
            worker.life = None
            self._tally.end(life.worker)
            farewell = life.farewell
            if farewell is not None and not farewell.ok:
                self.failure = self.failure or farewell.reason
            elif self.stopping or self.failure is not None:
                pass
            elif farewell is not None and self._settings.source.kafka is None:
                worker.finished = True
                log.info("the source came to its end", worker=life.worker)
            else:
                if time.monotonic() - life.started >= self._backoff.ran_well:
                    worker.backoff = self._backoff.first
                self._start_later(worker, ending)
            self._overseer.ended(life, ending)
            self._overseer.noticed()
            self._bell.ring()  # before those who wait for the end of all workers can go on
            self._changed.notify_all()

    def _all_gone(self, within: float) -> bool:
        """Wait until no worker runs, for at most this many seconds; whether none does."""
        until = time.monotonic() + within
        while self.lives() and (left := until - time.monotonic()) > 0:
            # A signal that another thread takes does not wake this one, which has to handle it.
            self._changed.wait(min(left, 1.0))
        return not self.lives()

    def _status(self, worker: _Worker) -> WorkerStatus:
        life = worker.life
        report = life.report if life is not None else None
        state, detail = "starting", ""
        if life is None and (worker.finished or self.stopping):
            state = "stopped"
        elif worker.trouble:
            state, detail = "failing", worker.trouble
        elif life is not None and (silent := time.monotonic() - life.heard) > _SILENT:
            state, detail = "failing", f"it has said nothing for {silent:.0f} s"
        elif report is not None:
            state, detail = report.state, report.detail
        return WorkerStatus(
            index=worker.index,
            pid=life.process.pid if life is not None else 0,
            state=state,
            detail=detail,
            assigned=report.assigned if report is not None else {},
            lag=report.lag if report is not None else {},
            restarts=worker.restarts,
            connected=report is not None and report.connected,
        )


def _ending(status: int) -> str:
    if status < 0:
        return f"was killed by {signal_name(-status)}"
    return f"ended with status {status}"
