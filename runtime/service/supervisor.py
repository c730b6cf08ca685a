"""The supervisor: keeps the workers running, swaps packs in all of them or in none, knows how it goes."""

from __future__ import annotations

import contextlib
import os
import queue
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from types import FrameType
from typing import Any

import orjson
import structlog

from sigmac.runtime.errors import PackError, SigmacError, StreamError
from sigmac.runtime.match import Rule
from sigmac.runtime.pack import Pack
from sigmac.runtime.service.configuration import Settings
from sigmac.runtime.service.packs import PackShelf
from sigmac.runtime.service.status import (
    Counts,
    Outcome,
    PackStatus,
    ServiceStatus,
    WorkerStatus,
)

log = structlog.get_logger("sigmac.service")

_FIRST_BACKOFF, _LAST_BACKOFF = 0.5, 30.0  # seconds between two starts of a worker
_RAN_WELL = 60.0  # seconds after which a worker's next start is not delayed
_MAX_LINE = 64 << 20  # bytes of a line from a worker
_WATCHER_QUEUE = 1000  # matches that wait for one watcher
_SPARE = 5.0  # seconds after the workers' own time to stop
_READY_STATES = {"running", "waiting", "paused", "stalled"}


@dataclass(slots=True)
class _Member:
    """A worker, through all its lives."""

    index: int
    process: subprocess.Popen[bytes] | None = None
    connection: socket.socket | None = None
    said: dict[str, Any] = field(default_factory=dict)  # its last status
    farewell: dict[str, Any] | None = None
    folders: dict[str, str] = field(default_factory=dict)  # the packs that it was started with
    started: float = 0.0
    backoff: float = _FIRST_BACKOFF
    again_at: float | None = None
    restarts: int = 0
    done: bool = False  # its source came to an end


@dataclass(slots=True)
class _InService:
    """A pack in service."""

    shelf: PackShelf
    pack: Pack
    loaded: float
    reloads: int = 0
    refused: int = 0
    last_refusal: str | None = None
    seen: str = ""  # digest at the path in the look before


@dataclass(slots=True)
class _Vote:
    """The answers of the workers to a pack that is to be swapped in."""

    waiting: set[int]
    refusals: list[str] = field(default_factory=list)
    swapped: set[int] = field(default_factory=set)


class Supervisor:
    """A running service; implements `sigmac.runtime.service.status.Service`."""

    def __init__(self, settings: Settings, version: str):
        self.settings = settings
        self._version = version
        self._started = time.time()
        self._lock = threading.RLock()
        self._changed = threading.Condition(self._lock)
        self._swapping = threading.Lock()
        self._stop = threading.Event()
        self._stop_signals = 0
        self._paused = False
        self._failure: str | None = None
        self._past = _plain_counts()  # of the workers' earlier lives
        self._members = [_Member(index) for index in range(settings.worker_count)]
        self._watchers: list[queue.Queue[bytes]] = []
        self._votes: dict[int, _Vote] = {}
        self._number = 0
        self._packs: dict[str, _InService] = {}
        for name, pack in settings.packs.items():
            shelf = PackShelf(name, pack, settings.state, settings.reload.timeout)
            shelf.start()
            self._packs[name] = _InService(shelf, shelf.load(shelf.running), time.time())

    def run(self) -> None:
        """Run until a signal, the end of the source, or an error that trying again cannot mend (`StreamError`)."""
        with contextlib.ExitStack() as stack:
            self._serve(stack)
            self._handle_signals()
            threading.Thread(target=self._watch_paths, daemon=True).start()
            log.info("started", workers=len(self._members), delivery=str(self.settings.delivery))
            try:
                while not self._stop.is_set() and self._failure is None:
                    self._keep_running()
                    if all(member.done for member in self._members):
                        break
                    self._stop.wait(0.1)
            finally:
                self._stop_workers()
        if self._failure is not None:
            raise StreamError(self._failure)
        log.info("stopped")

    def _serve(self, stack: contextlib.ExitStack) -> None:
        if self.settings.http is not None:
            from sigmac.runtime.service.http import serve_http

            stack.callback(serve_http(self, self.settings.http))
        if self.settings.control is not None:
            from sigmac.runtime.service.control import serve_control

            stack.callback(serve_control(self, self.settings))

    def _handle_signals(self) -> None:
        def stop(number: int, _: FrameType | None) -> None:
            self._stop_signals += 1
            if self._stop_signals > 1:
                # Safe: what is not committed will be evaluated again.
                for member in self._members:
                    if member.process is not None:
                        member.process.kill()
                os._exit(128 + number)
            self._stop.set()

        signal.signal(signal.SIGTERM, stop)
        signal.signal(signal.SIGINT, stop)

    def stop(self) -> None:
        """Make `run` return, as a signal does."""
        self._stop.set()

    # Workers

    def _keep_running(self) -> None:
        now = time.monotonic()
        for member in self._members:
            if member.done:
                continue
            if member.process is None:
                if member.again_at is None or now >= member.again_at:
                    self._start(member)
            elif member.process.poll() is not None:
                self._buried(member, member.process.returncode)

    def _start(self, member: _Member) -> None:
        ours, theirs = socket.socketpair()
        with self._lock:
            # Under the lock: the packs are decided before or after, never in between.
            member.folders = {
                name: str(each.shelf.folder(each.shelf.running))
                for name, each in self._packs.items()
            }
            command = [sys.executable, "-m", "sigmac.runtime.stream.worker_process"]
            member.process = subprocess.Popen(
                [*command, str(theirs.fileno())],
                pass_fds=[theirs.fileno()],
                stdin=None if self.settings.source.stdin is not None else subprocess.DEVNULL,
            )
            theirs.close()
            member.connection = ours
            member.said, member.farewell = {}, None
            member.started = time.monotonic()
            first = {
                "do": "configure",
                "worker": member.index,
                "settings": self.settings.revealed(),
                "packs": {name: {"folder": folder} for name, folder in member.folders.items()},
            }
            self._tell(member, first)
            if self._paused:
                self._tell(member, {"do": "pause"})
            if self._watchers:
                self._tell(member, {"do": "watch", "on": True})
        threading.Thread(target=self._listen, args=(member, ours), daemon=True).start()

    def _tell(self, member: _Member, command: Mapping[str, Any]) -> None:
        if member.connection is not None:
            # A worker that is gone is noticed by its process.
            with contextlib.suppress(OSError):
                member.connection.sendall(orjson.dumps(command) + b"\n")

    def _listen(self, member: _Member, connection: socket.socket) -> None:
        with contextlib.suppress(OSError), connection.makefile("rb") as reader:
            while line := reader.readline(_MAX_LINE):
                try:
                    message = orjson.loads(line)
                    self._heard(member, connection, message)
                except (orjson.JSONDecodeError, KeyError, TypeError):
                    log.warning("a worker said what nobody understands", worker=member.index)

    def _heard(self, member: _Member, connection: socket.socket, message: dict[str, Any]) -> None:
        with self._changed:
            if member.connection is not connection:
                return  # from a life that is over
            match message["say"]:
                case "status":
                    if message["state"] != member.said.get("state"):
                        log.info(
                            "worker is " + message["state"],
                            worker=member.index,
                            **({"detail": message["detail"]} if message["detail"] else {}),
                        )
                    member.said = message
                case "prepared":
                    vote = self._votes.get(message["id"])
                    if vote is not None:
                        vote.waiting.discard(member.index)
                        if not message["ok"]:
                            vote.refusals.append(message["reason"])
                case "swapped":
                    vote = self._votes.get(message["id"])
                    if vote is not None:
                        vote.swapped.add(member.index)
                case "match":
                    self._show(message["line"].encode())
                case "missed":
                    self._show(orjson.dumps({"missed": message["count"]}))
                case "stopped":
                    member.farewell = message
            self._changed.notify_all()

    def _buried(self, member: _Member, status: int) -> None:
        """A worker's process has ended."""
        connection = member.connection
        if connection is not None:
            _drain(connection)
        time.sleep(0.05)  # its last words are read by another thread
        with self._changed:
            _add(self._past, member.said.get("counts", {}))
            farewell = member.farewell
            member.said = {}
            member.process = None
            if connection is not None:
                connection.close()
            member.connection = None
            for vote in self._votes.values():
                vote.waiting.discard(member.index)
            self._changed.notify_all()
        if self._stop.is_set():
            return
        if farewell is not None and farewell["ok"]:
            member.done = True
        elif farewell is not None:
            self._failure = farewell["reason"]
        else:
            if time.monotonic() - member.started > _RAN_WELL:
                member.backoff = _FIRST_BACKOFF
            log.warning(
                "a worker ended; it is started again",
                worker=member.index,
                status=status,
                again_in=member.backoff,
            )
            member.again_at = time.monotonic() + member.backoff
            member.backoff = min(2 * member.backoff, _LAST_BACKOFF)
            member.restarts += 1

    def _stop_workers(self) -> None:
        running = [member for member in self._members if member.process is not None]
        for member in running:
            self._tell(member, {"do": "stop"})
        until = time.monotonic() + self.settings.shutdown.timeout + _SPARE
        for member in running:
            assert member.process is not None
            try:
                member.process.wait(max(0.1, until - time.monotonic()))
            except subprocess.TimeoutExpired:
                log.warning("a worker did not stop in time; it is killed", worker=member.index)
                member.process.kill()
                member.process.wait()
            self._buried(member, member.process.returncode)
            farewell = member.farewell
            if farewell is not None and not farewell["ok"] and self._failure is None:
                self._failure = farewell["reason"]

    # What HTTP and gRPC ask

    def status(self) -> ServiceStatus:
        with self._lock:
            plain = _plain_counts()
            _add(plain, self._past)
            for member in self._members:
                _add(plain, member.said.get("counts", {}))
            workers = [self._worker_status(member) for member in self._members]
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
                packs=[self._pack_status(name, each) for name, each in self._packs.items()],
                counts=_counts(plain),
            )

    def _worker_status(self, member: _Member) -> WorkerStatus:
        said = member.said
        process = member.process
        state = said.get("state", "starting" if process is not None else "stopped")
        return WorkerStatus(
            index=member.index,
            pid=process.pid if process is not None else 0,
            state=state,
            detail=said.get("detail", ""),
            assigned=said.get("assigned", {}),
            lag={
                topic: {int(number): lag for number, lag in numbers.items()}
                for topic, numbers in said.get("lag", {}).items()
            },
            restarts=member.restarts,
            connected=bool(said.get("connected", False)),
        )

    def _not_ready(self, workers: Sequence[WorkerStatus]) -> str:
        if self._stop.is_set():
            return "stopping"
        for worker in workers:
            if worker.state not in _READY_STATES:
                return f"worker {worker.index} is {worker.state}" + (
                    f": {worker.detail}" if worker.detail else ""
                )
            if not worker.connected:
                return f"worker {worker.index} has no connection to the broker"
        return ""

    def _pack_status(self, name: str, each: _InService) -> PackStatus:
        shelf, pack = each.shelf, each.pack
        return PackStatus(
            name=name,
            pack=pack.name,
            version=pack.version,
            digest=shelf.running,
            rules=len(pack.rules),
            loaded=each.loaded,
            path=str(shelf.settings.path),
            previous=_version_of(shelf, shelf.previous),
            reloads=each.reloads,
            refused=each.refused,
            last_refusal=each.last_refusal,
        )

    def rules(self, pack: str) -> Sequence[Rule]:
        with self._lock:
            return self._packs[pack].pack.rules

    def evaluate(
        self, pack: str, records: bytes, logsource: Mapping[str, str] | None
    ) -> tuple[list[tuple[int, dict[str, Any]]], list[tuple[int, str]]]:
        with self._lock:
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
        with self._lock:
            self._paused = paused
            for member in self._members:
                self._tell(member, {"do": "pause" if paused else "resume"})
        log.info("paused" if paused else "resumed")

    @contextlib.contextmanager
    def matches(self) -> Iterator[Iterator[bytes]]:
        mine: queue.Queue[bytes] = queue.Queue(_WATCHER_QUEUE)
        with self._lock:
            self._watchers.append(mine)
            for member in self._members:
                self._tell(member, {"do": "watch", "on": True})
        try:
            yield self._watched(mine)
        finally:
            with self._lock:
                self._watchers.remove(mine)
                if not self._watchers:
                    for member in self._members:
                        self._tell(member, {"do": "watch", "on": False})

    def _watched(self, mine: queue.Queue[bytes]) -> Iterator[bytes]:
        while not self._stop.is_set():
            try:
                yield mine.get(timeout=1.0)
            except queue.Empty:
                yield b""

    def _show(self, line: bytes) -> None:
        for watcher in self._watchers:
            try:
                watcher.put_nowait(line)
            except queue.Full:
                # The oldest goes: what is told of it is that it is missing.
                with contextlib.suppress(queue.Empty):
                    watcher.get_nowait()
                    watcher.get_nowait()
                with contextlib.suppress(queue.Full):
                    watcher.put_nowait(b'{"missed":2}')
                    watcher.put_nowait(line)

    # Packs

    def push(self, pack: str, folder: Path) -> Outcome:
        each = self._packs[pack]
        with self._swapping:
            return self._take(each, folder, None)

    def rollback(self, pack: str) -> Outcome:
        each = self._packs[pack]
        with self._swapping:
            previous = each.shelf.previous
            if previous is None or not each.shelf.folder(previous).is_dir():
                return Outcome(False, "no pack ran before this one", each.pack.version)
            return self._swap(each, previous, None)

    def _take(self, each: _InService, folder: Path, taken: str | None) -> Outcome:
        try:
            digest = each.shelf.adopt(folder)
        except PackError as error:
            return self._refuse(each, str(error))
        if digest == each.shelf.running:
            each.shelf.decide(digest, taken=taken)
            return Outcome(True, "this pack runs already", each.pack.version)
        return self._swap(each, digest, taken)

    def _swap(self, each: _InService, digest: str, taken: str | None) -> Outcome:
        """Two phases: every worker tries the pack beside the running one; then all swap, or none."""
        shelf = each.shelf
        try:
            pack = shelf.load(digest)
        except PackError as error:
            return self._refuse(each, str(error))
        folder = str(shelf.folder(digest))
        with self._changed:
            self._number += 1
            number = self._number
            voters = [member for member in self._members if member.process is not None]
            vote = self._votes[number] = _Vote({member.index for member in voters})
            lives = {member.index: member.connection for member in voters}
            ask = {"do": "prepare", "id": number, "pack": shelf.name, "folder": folder}
            for member in voters:
                self._tell(member, ask)
            in_time = self._changed.wait_for(
                lambda: not vote.waiting or vote.refusals or self._stop.is_set(),
                self.settings.reload.timeout,
            )
            reason = vote.refusals[0] if vote.refusals else ""
            if not reason and (not in_time or vote.waiting):
                reason = f"a worker did not load the pack within {self.settings.reload.timeout:g} s"
            if not reason:
                try:
                    shelf.decide(digest, taken=taken)
                except PackError as error:
                    reason = str(error)
            if reason:
                for member in self._members:
                    self._tell(member, {"do": "drop", "id": number})
                del self._votes[number]
                return self._refuse(each, reason)
            each.pack, each.loaded = pack, time.time()
            each.reloads += 1
            same = [
                member
                for member in voters
                if member.connection is not None and member.connection is lives[member.index]
            ]
            for member in same:
                self._tell(member, {"do": "swap", "id": number})
            for member in self._members:
                # Started before the decision, but after the question: it has the old pack.
                if member not in same and member.process is not None:
                    self._tell(member, {"do": "stop"})
            wanted = {member.index for member in same}
            self._changed.wait_for(
                lambda: (
                    vote.swapped >= {i for i in wanted if self._members[i].process is not None}
                    or self._stop.is_set()
                ),
                self.settings.reload.timeout,
            )
            del self._votes[number]
        log.info("a new pack runs", pack=shelf.name, version=pack.version, digest=digest[:12])
        return Outcome(True, "", pack.version)

    def _refuse(self, each: _InService, reason: str) -> Outcome:
        with self._lock:
            each.refused += 1
            each.last_refusal = reason
        log.error("a pack was refused; the running one stays", pack=each.shelf.name, reason=reason)
        return Outcome(False, reason, each.pack.version)

    def _watch_paths(self) -> None:
        pause = self.settings.reload.watch
        while pause and not self._stop.wait(pause):
            for each in self._packs.values():
                shelf = each.shelf
                digest = shelf.configured()
                # The same in two looks: nobody is writing it any more.
                stable, each.seen = digest == each.seen, digest
                if not digest or digest in (shelf.taken, shelf.refused) or not stable:
                    continue
                from sigmac.runtime.pack import find_pack

                try:
                    with self._swapping:
                        outcome = self._take(each, find_pack(shelf.settings.path), digest)
                except SigmacError as error:
                    outcome = self._refuse(each, str(error))
                if not outcome.accepted:
                    shelf.refused = digest


def _version_of(shelf: PackShelf, digest: str | None) -> str | None:
    if not digest:
        return None
    try:
        manifest = orjson.loads((shelf.folder(digest) / "manifest.json").read_bytes())
        return str(manifest["version"])
    except (OSError, orjson.JSONDecodeError, KeyError):
        return None


def _drain(connection: socket.socket) -> None:
    """Tell the reader that nothing more is coming."""
    with contextlib.suppress(OSError):
        connection.shutdown(socket.SHUT_WR)


def _plain_counts() -> dict[str, Any]:
    empty = Counts()
    return {each.name: getattr(empty, each.name) for each in fields(Counts)}


def _add(total: dict[str, Any], more: Mapping[str, Any]) -> None:
    """Add counts to counts: numbers by name, however deep, and lists element by element."""
    for name, value in more.items():
        if isinstance(value, Mapping):
            _add(total.setdefault(name, {}), value)
        elif isinstance(value, list):
            before = total.get(name) or [0] * len(value)
            total[name] = [a + b for a, b in zip(before, value, strict=True)]
        else:
            total[name] = total.get(name, 0) + value


def _counts(plain: Mapping[str, Any]) -> Counts:
    found = Counts(**plain)
    found.matches = {
        pack: {int(rule): count for rule, count in rules.items()}
        for pack, rules in found.matches.items()
    }
    return found
