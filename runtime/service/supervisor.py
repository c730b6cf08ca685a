"""The supervisor: keeps the workers running, swaps packs in all of them or in none, knows how it goes.

A worker is a process of its own. What it is told and what it says goes over a socket, secrets included, and the end
of that socket ends the worker: none outlives its supervisor. A worker that dies is started again, with a pause that
grows; one that says that trying again cannot help stops the service.

A new pack takes these steps; a crash after any of them leaves what the last column says:

    1. copied to the shelf, verified                        the old pack runs
    2. tried in a process of its own, bounded in time       the old pack runs
    3. prepared in all workers, beside the one that runs    the old pack runs
    4. written down as the one that runs                    the new pack runs, in all workers
    5. swapped in each worker between two of its batches    the new pack runs, in all workers
"""

from __future__ import annotations

import contextlib
import fcntl
import math
import os
import select
import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Any

import structlog

from sigmac.runtime.errors import ConfigurationError, PackError, StreamError
from sigmac.runtime.match import Rule
from sigmac.runtime.pack import Pack
from sigmac.runtime.service.configuration import PREFIX, Settings
from sigmac.runtime.service.logs import secrets_of
from sigmac.runtime.service.packs import PackShelf, PathWatch, digest_of
from sigmac.runtime.service.status import Outcome, PackStatus, ServiceStatus, WorkerStatus
from sigmac.runtime.service.tally import RuleIndices, Tally
from sigmac.runtime.service.trial import interpreter, try_pack
from sigmac.runtime.service.watchers import Watchers
from sigmac.runtime.service.workers import Farewell, Life, Message, Report

log = structlog.get_logger("sigmac.service")

_READY_STATES = ("running", "waiting", "paused", "stalled")
_SILENT = 30.0  # seconds without a word after which a worker counts as failing
_HUNG = 300.0  # and after which it is killed; a broker gives up a member after as long
_SPARE = 5.0  # seconds after the workers' own time to stop
_SETTLE = 1.0  # seconds between two looks at a pack's path when something changed
_LONG = 6  # characters of a secret that is looked for inside other texts
_NO_SECRETS = ("SIGMAC_KERNELS", "SIGMAC_CACHE")  # variables of our prefix that workers need


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


@dataclass(slots=True)
class _Service:
    """A pack in service."""

    shelf: PackShelf
    watch: PathWatch
    pack: Pack
    digest: str
    loaded: float
    indices: RuleIndices
    previous: str | None = None  # version
    reloads: int = 0
    refused: int = 0
    last_refusal: str | None = None


@dataclass(slots=True)
class _Vote:
    """What the workers say of a pack that is to be swapped in."""

    number: int
    asked: set[Life] = field(default_factory=set)
    ready: set[Life] = field(default_factory=set)
    refusal: str = ""


@dataclass(slots=True)
class _Swap:
    """A pack that was decided on, and the workers that have not said yet that they run it."""

    pack: str
    indices: RuleIndices
    waiting: set[Life]


class Supervisor:
    """A running service; implements `sigmac.runtime.service.status.Service`.

    `command` starts a worker, with the number of its file descriptor as the last argument.
    """

    def __init__(
        self,
        settings: Settings,
        version: str,
        *,
        command: Sequence[str] = (),
        backoff: Backoff | None = None,
    ):
        self.settings = settings
        self._version = version
        self._command = command or (
            *interpreter(),
            "-m",
            "sigmac.runtime.stream.worker_process",
        )
        self._backoff = backoff or Backoff()
        self._environment = _without_secrets(os.environ, settings)
        self._started = time.time()
        self._changed = threading.Condition(threading.RLock())  # guards all that follows
        self._changing_packs = threading.Lock()  # held for as long as a pack is being swapped in
        self._bell = _Bell()
        self._stopping = self._paused = False
        self._ready = False
        self._failure: str | None = None
        self._tally = Tally()
        self._watchers = Watchers(self._tell_watch)
        self._workers = [
            _Worker(index, self._backoff.first) for index in range(settings.worker_count)
        ]
        self._packs: dict[str, _Service] = {}
        self._vote: _Vote | None = None
        self._swaps: dict[int, _Swap] = {}  # those under way, by number
        self._number = 0
        self._signals = 0

    def run(self) -> None:
        """Run until a signal, `stop`, the end of the source, or an error.

        Raises `SigmacError` where the service cannot start, and `StreamError` where a worker says that trying again
        cannot help.
        """
        with contextlib.ExitStack() as stack:
            stack.callback(self._bell.close)
            stack.enter_context(_signals(self._on_signal))
            stack.enter_context(_locked(self.settings.state))
            self._serve(stack)
            try:
                log.info("the service starts", version=self._version, workers=len(self._workers))
                self._load_packs()
                threading.Thread(target=self._watch_paths, name="packs", daemon=True).start()
                while self._goes_on():
                    self._bell.wait(self._tend())
            finally:
                self._stop_workers()
                self._watchers.close()
        if self._failure is not None:
            raise StreamError(self._failure)
        log.info("the service has stopped")

    def stop(self) -> None:
        """Make `run` return, as a first signal does."""
        self._stopping = True
        self._bell.ring()

    def _goes_on(self) -> bool:
        finished = all(worker.finished for worker in self._workers)
        return not self._stopping and self._failure is None and not finished

    def _serve(self, stack: contextlib.ExitStack) -> None:
        if self.settings.http is not None:
            from sigmac.runtime.service.http import serve_http

            stack.callback(serve_http(self, self.settings.http))
        if self.settings.control is not None:
            from sigmac.runtime.service.control import serve_control

            stack.callback(serve_control(self, self.settings))

    def _on_signal(self, number: int) -> None:
        # It runs between two steps of the main thread, whatever locks that thread holds: it takes none.
        self._signals += 1
        if self._signals > 1:
            # At once. Safe: what is not committed will be evaluated again.
            for worker in self._workers:
                life = worker.life
                if life is not None:
                    life.process.kill()
            os._exit(128 + number)
        self.stop()

    # Workers

    def _tend(self) -> float:
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
        return due - now

    def _start(self, worker: _Worker) -> None:
        source = self.settings.source
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
                    "settings": self.settings.revealed(),
                    "packs": {
                        name: {"folder": str(each.shelf.folder(each.digest))}
                        for name, each in self._packs.items()
                    },
                }
            )
            if self._paused:
                life.tell({"do": "pause"})
            if self._watchers:
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

    def _lives(self) -> list[Life]:
        return [worker.life for worker in self._workers if worker.life is not None]

    def _tell_all(self, command: Message) -> None:
        for life in self._lives():
            life.tell(command)

    def _heard(self, life: Life, message: Message) -> None:
        """What a worker says; in a thread of its own. Raises `ValueError` and the like for nonsense."""
        match message["say"]:
            case "match":
                self._watchers.show(message["line"].encode())
            case "missed":
                self._watchers.missed(int(message["count"]))
            case "status":
                self._take_report(life, Report.of(message))
            case "prepared":
                self._take_answer(life, int(message["id"]), bool(message["ok"]), message["reason"])
            case "swapped":
                self._take_swap(life, int(message["id"]))
            case "stopped":
                life.farewell = Farewell.of(message)
            case other:
                raise ValueError(f"a worker does not say {other!r:.40}")

    def _take_report(self, life: Life, report: Report) -> None:
        with self._changed:
            before = life.report
            life.report = report
            self._tally.report(life.worker, report.counts)
            self._note_readiness()
            self._changed.notify_all()
        if before is None or (before.state, before.detail) != (report.state, report.detail):
            detail = {"detail": report.detail} if report.detail else {}
            log.info(f"a worker is {report.state}", worker=life.worker, **detail)

    def _ended(self, life: Life, status: int) -> None:
        """A worker's process is gone."""
        ending = _ending(status)
        with self._changed:
            worker = self._workers[life.worker]
            worker.life = None
            self._tally.end(life.worker)
            vote = self._vote
            if vote is not None and life in vote.asked and life not in vote.ready:
                vote.refusal = (
                    vote.refusal or f"worker {life.worker} {ending} while it tried the pack"
                )
            farewell = life.farewell
            if farewell is not None and not farewell.ok:
                self._failure = self._failure or farewell.reason
            elif self._stopping or self._failure is not None:
                pass
            elif farewell is not None and self.settings.source.kafka is None:
                worker.finished = True
                log.info("the source came to its end", worker=life.worker)
            else:
                if time.monotonic() - life.started >= self._backoff.ran_well:
                    worker.backoff = self._backoff.first
                self._start_later(worker, ending)
            for number in [*self._swaps]:
                self._swapped(number, life)
            self._note_readiness()
            self._bell.ring()  # before those who wait for the end of all workers can go on
            self._changed.notify_all()

    def _stop_workers(self) -> None:
        self._stopping = True
        log.info("the service stops")
        with self._changed:
            self._note_readiness()
            self._changed.notify_all()
            self._tell_all({"do": "stop"})
            if not self._all_gone(self.settings.shutdown.timeout + _SPARE):
                for life in self._lives():
                    log.error(
                        "a worker does not stop in time; it is killed, and what it had in work will be evaluated again",
                        worker=life.worker,
                    )
                    life.process.kill()
                self._all_gone(math.inf)

    def _all_gone(self, within: float) -> bool:
        """Wait until no worker runs, for at most this many seconds; whether none does."""
        until = time.monotonic() + within
        while self._lives() and (left := until - time.monotonic()) > 0:
            # A signal that another thread takes does not wake this one, which has to handle it.
            self._changed.wait(min(left, 1.0))
        return not self._lives()

    # What HTTP and gRPC ask

    def status(self) -> ServiceStatus:
        with self._changed:
            workers = [self._worker_status(worker) for worker in self._workers]
            reason = self._not_ready(workers)
            return ServiceStatus(
                name=self.settings.name,
                version=self._version,
                started=self._started,
                ready=not reason,
                reason=reason,
                paused=self._paused,
                delivery=str(self.settings.delivery),
                workers=workers,
                packs=[_pack_status(name, each) for name, each in self._packs.items()],
                counts=self._tally.total(),
            )

    def _worker_status(self, worker: _Worker) -> WorkerStatus:
        life = worker.life
        report = life.report if life is not None else None
        state, detail = "starting", ""
        if life is None and (worker.finished or self._stopping):
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

    def _not_ready(self, workers: Sequence[WorkerStatus]) -> str:
        if not self._goes_on():
            return "the service is stopping"
        if len(self._packs) < len(self.settings.packs):
            return "the packs are not loaded yet"
        for worker, known in zip(workers, self._workers, strict=True):
            if known.finished:
                continue
            if worker.state not in _READY_STATES:
                detail = f": {worker.detail}" if worker.detail else ""
                return f"worker {worker.index} is {worker.state}{detail}"
            if not worker.connected:
                return f"worker {worker.index} has no connection to the broker"
        return ""

    def _note_readiness(self) -> None:
        reason = self._not_ready([self._worker_status(worker) for worker in self._workers])
        if self._ready == bool(reason) and self._goes_on():
            self._ready = not reason
            if reason:
                log.warning("the service is not ready", reason=reason)
            else:
                log.info("the service is ready")

    def rules(self, pack: str) -> Sequence[Rule]:
        with self._changed:
            return self._packs[pack].pack.rules

    def evaluate(
        self, pack: str, records: bytes, logsource: Mapping[str, str] | None
    ) -> tuple[list[tuple[int, dict[str, Any]]], list[tuple[int, str]]]:
        with self._changed:
            running = self._packs[pack].pack
        result = running.match_batch(records, logsource=logsource)
        described = {"name": running.name, "version": running.version}
        matches = [
            (record, {"rule": running.rules[rule].on_the_wire(), "pack": described})
            for record, rule in zip(result.record.tolist(), result.rule.tolist(), strict=True)
        ]
        return matches, [(each.record, each.reason) for each in result.rejected]

    def pause(self) -> None:
        self._set_paused(True)

    def resume(self) -> None:
        self._set_paused(False)

    def _set_paused(self, paused: bool) -> None:
        with self._changed:
            self._paused = paused
            self._tell_all({"do": "pause" if paused else "resume"})
        log.info("paused" if paused else "resumed")

    def matches(self) -> AbstractContextManager[Iterator[bytes]]:
        return self._watchers.watch()

    def _tell_watch(self) -> None:
        with self._changed:
            self._tell_all({"do": "watch", "on": bool(self._watchers)})

    # Packs

    def push(self, pack: str, folder: Path) -> Outcome:
        each = self._in_service(pack)
        if each is None:
            return Outcome(False, "the packs are not loaded yet", "")
        control = self.settings.control
        if not each.shelf.keys and not (control and control.allow_unsigned_packs):
            return self._refuse(
                each,
                f"a pushed pack has to be signed by a key of `packs.{pack}.trusted_keys`, which is empty; "
                "`control.allow_unsigned_packs: true` takes any",
            )
        with self._changing_packs:
            return self._take(each, folder, from_path=False)

    def rollback(self, pack: str) -> Outcome:
        each = self._in_service(pack)
        if each is None:
            return Outcome(False, "the packs are not loaded yet", "")
        with self._changing_packs:
            now = each.shelf.decision
            previous = now.previous if now is not None else None
            if previous is None or each.shelf.version(previous) is None:
                return Outcome(False, "no pack ran before this one", each.pack.version)
            try:
                return self._swap(each, previous, None)
            except PackError as error:
                return self._refuse(each, str(error))

    def _in_service(self, pack: str) -> _Service | None:
        with self._changed:
            if pack in self.settings.packs and pack not in self._packs:
                return None
            return self._packs[pack]

    def _load_packs(self) -> None:
        for name, pack in self.settings.packs.items():
            shelf = PackShelf(name, pack, self.settings.state)
            try:
                each = self._first(shelf)
            except PackError:
                if self._stopping:
                    return  # a signal came while it was tried
                raise
            with self._changed:
                self._packs[name] = each
                self._tally.decide(name, each.indices)
            log.info(
                "a pack is loaded", pack=name, version=each.pack.version, rules=len(each.pack.rules)
            )

    def _first(self, shelf: PackShelf) -> _Service:
        """What runs first: what ran last, unless the configured path holds something new since then.

        Raises `PackError` where there is neither.
        """
        last, refusal = self._last(shelf), None
        try:
            self._take_configured(shelf, last)
        except PackError as error:
            if last is None:
                raise
            refusal = str(error)
            log.error("a pack was refused; the last one stays", pack=shelf.name, reason=refusal)
        decision = shelf.decision
        assert decision is not None
        same = last is not None and last.path == shelf.folder(decision.running)
        pack = last if same and last is not None else shelf.load(decision.running)
        return _Service(
            shelf=shelf,
            watch=PathWatch(shelf),
            pack=pack,
            indices=RuleIndices(pack.rules),
            digest=decision.running,
            loaded=time.time(),
            previous=shelf.version(decision.previous),
            refused=int(refusal is not None),
            last_refusal=refusal,
        )

    def _last(self, shelf: PackShelf) -> Pack | None:
        """The pack that ran last; None on the first start, and where it is lost."""
        if shelf.decision is None:
            return None
        try:
            return shelf.load(shelf.decision.running)
        except PackError as error:
            log.error("the pack that ran last is lost", pack=shelf.name, reason=str(error))
            return None

    def _take_configured(self, shelf: PackShelf, last: Pack | None) -> None:
        """Take what the configured path holds, unless it was taken before and something else was decided since."""
        folder, decision = shelf.configured(), shelf.decision
        if last is not None and decision is not None and digest_of(folder) == decision.taken:
            return
        digest = shelf.adopt(folder)
        try:
            if last is None or decision is None or digest != decision.running:
                self._try(shelf, digest)
        except PackError:
            shelf.discard(digest)
            raise
        shelf.decide(digest, taken=digest)

    def _try(self, shelf: PackShelf, digest: str) -> None:
        try_pack(
            shelf.folder(digest),
            self.settings.reload.timeout,
            self._environment,
            lambda: self._stopping,
        )

    def _take(self, each: _Service, source: Path, *, from_path: bool) -> Outcome:
        """Take a pack into service, or refuse it and say why."""
        shelf, digest = each.shelf, None
        try:
            digest = shelf.adopt(source)
            taken = digest if from_path else None
            if digest == each.digest:
                shelf.decide(digest, taken=taken)
                return Outcome(True, "this pack runs already", each.pack.version)
            self._try(shelf, digest)
            return self._swap(each, digest, taken)
        except PackError as error:
            if digest is not None:
                shelf.discard(digest)
            return self._refuse(each, str(error))

    def _swap(self, each: _Service, digest: str, taken: str | None) -> Outcome:
        """Steps 3 to 5. Raises `PackError` where the pack is not to run; then none runs it."""
        shelf = each.shelf
        pack = shelf.load(digest)
        indices = RuleIndices(pack.rules)
        indices.prepare()  # not under the lock
        with self._changed:
            self._number += 1
            vote = self._vote = _Vote(self._number)
            try:
                self._prepare(vote, shelf.name, shelf.folder(digest))
                shelf.decide(digest, taken=taken)
            except PackError:
                self._tell_all({"do": "drop", "id": vote.number})
                raise
            finally:
                self._vote = None
            each.pack, each.digest, each.loaded = pack, digest, time.time()
            each.indices = indices
            each.reloads += 1
            each.previous = shelf.version(shelf.decision.previous) if shelf.decision else None
            self._tally.decide(shelf.name, indices)
            swap = _Swap(shelf.name, indices, vote.ready)
            if swap.waiting:
                self._swaps[vote.number] = swap
            for life in vote.ready:
                life.tell({"do": "swap", "id": vote.number})
            everywhere = self._changed.wait_for(
                lambda: not swap.waiting or self._stopping, self.settings.reload.timeout
            )
        if not everywhere:
            log.warning("a worker swaps when its batch in work is delivered", pack=shelf.name)
        log.info("a new pack runs", pack=shelf.name, version=pack.version, digest=digest)
        return Outcome(True, "", pack.version)

    def _prepare(self, vote: _Vote, pack: str, folder: Path) -> None:
        """Ask all workers to prepare, also those that start meanwhile. Raises `PackError` with the first refusal."""
        command = {"do": "prepare", "id": vote.number, "pack": pack, "folder": str(folder)}
        until = time.monotonic() + self.settings.reload.timeout
        while True:
            if self._stopping:
                raise PackError("the service is stopping")
            if vote.refusal:
                raise PackError(vote.refusal)
            lives = self._lives()
            for life in lives:
                if life not in vote.asked:
                    vote.asked.add(life)
                    life.tell(command)
            if vote.ready.issuperset(lives):
                vote.ready.intersection_update(lives)
                return
            if not self._changed.wait(until - time.monotonic()):
                raise PackError(self._end_late(set(lives) - vote.ready))

    def _end_late(self, lives: set[Life]) -> str:
        """Kill the workers in which the code of a new pack runs on and on; why the pack is refused."""
        for life in lives:
            log.error("a worker hangs in a new pack; it is killed", worker=life.worker)
            life.process.kill()
        names = ", ".join(str(index) for index in sorted(life.worker for life in lives))
        timeout = self.settings.reload.timeout
        return f"the pack is too slow: worker {names} was not ready within {timeout:g} s"

    def _take_answer(self, life: Life, number: int, ok: bool, reason: str) -> None:
        with self._changed:
            vote = self._vote
            if vote is None or vote.number != number:
                # Too late: it was decided without it.
                life.tell({"do": "drop", "id": number})
            elif ok:
                vote.ready.add(life)
            else:
                vote.refusal = vote.refusal or str(reason) or f"worker {life.worker} refused it"
            self._changed.notify_all()

    def _take_swap(self, life: Life, number: int) -> None:
        with self._changed:
            swap = self._swaps[number]
            self._tally.swap(life.worker, swap.pack, swap.indices)
            self._swapped(number, life)
            self._changed.notify_all()

    def _swapped(self, number: int, life: Life) -> None:
        waiting = self._swaps[number].waiting
        waiting.discard(life)
        if not waiting:
            del self._swaps[number]

    def _refuse(self, each: _Service, reason: str) -> Outcome:
        with self._changed:
            each.refused += 1
            each.last_refusal = reason
        log.error("a pack was refused; the running one stays", pack=each.shelf.name, reason=reason)
        return Outcome(False, reason, each.pack.version)

    def _watch_paths(self) -> None:
        usual = self.settings.reload.watch
        pause = usual
        while usual:
            with self._changed:
                if self._changed.wait_for(lambda: self._stopping, pause):
                    return
            pause = usual
            for each in self._packs.values():
                with self._changing_packs:
                    folder = each.watch.look()
                    if folder is not None:
                        self._take(each, folder, from_path=True)
                if each.watch.changing:
                    pause = min(usual, _SETTLE)


def _pack_status(name: str, each: _Service) -> PackStatus:
    shelf, pack, decision = each.shelf, each.pack, each.shelf.decision
    from_path = decision is not None and decision.taken == each.digest
    return PackStatus(
        name=name,
        pack=pack.name,
        version=pack.version,
        digest=each.digest,
        rules=len(pack.rules),
        loaded=each.loaded,
        path=str(shelf.path if from_path else shelf.folder(each.digest)),
        previous=each.previous,
        reloads=each.reloads,
        refused=each.refused,
        last_refusal=each.last_refusal,
    )


def _ending(status: int) -> str:
    if status < 0:
        return f"was killed by {signal.Signals(-status).name}"
    return f"ended with status {status}"


def _without_secrets(environment: Mapping[str, str], settings: Settings) -> dict[str, str]:
    """The environment for other processes: no secret of the configuration, no override of it."""
    secrets = secrets_of(settings)
    return {
        name: value
        for name, value in environment.items()
        if (not name.startswith(PREFIX) or name in _NO_SECRETS)
        and not any(_holds(value, secret) for secret in secrets)
    }


def _holds(value: str, secret: str) -> bool:
    # The letters of a short one occur by chance.
    return value == secret or (len(secret) >= _LONG and secret in value)


@contextlib.contextmanager
def _signals(handle: Callable[[int], None]) -> Iterator[None]:
    """SIGTERM and SIGINT go to `handle`; only the main thread can do this, another goes without."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def handler(number: int, _: FrameType | None) -> None:
        handle(number)

    before = {number: signal.signal(number, handler) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield
    finally:
        for number, old in before.items():
            signal.signal(number, old)


@contextlib.contextmanager
def _locked(state: Path) -> Iterator[None]:
    """The state folder, for this process alone. Raises `ConfigurationError`."""
    try:
        state.mkdir(parents=True, exist_ok=True)
        file = (state / "lock").open("wb")
    except OSError as error:
        raise ConfigurationError(
            f"state: {state} cannot be written: {error.strerror or error}"
        ) from None
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ConfigurationError(
                f"state: {state} is in use by another service; give each its own folder"
            ) from None
        except OSError as error:
            # A file system without locks: nothing more can be known.
            log.warning("the state folder cannot be locked", reason=str(error))
        yield


class _Bell:
    """Wakes the main thread, also from a signal's handler, which may take no locks."""

    def __init__(self) -> None:
        self._reader, self._writer = os.pipe()
        os.set_blocking(self._reader, False)
        os.set_blocking(self._writer, False)
        self._open = True

    def ring(self) -> None:
        if self._open:
            with contextlib.suppress(BlockingIOError):  # full: it rings already
                os.write(self._writer, b"\0")

    def wait(self, seconds: float) -> None:
        """Until somebody rings, for at most this long."""
        if select.select([self._reader], [], [], max(0.0, seconds))[0]:
            os.read(self._reader, 4096)

    def close(self) -> None:
        self._open = False
        os.close(self._reader)
        os.close(self._writer)
