"""The packs that run, and how another comes in their place: in all workers or in none.

A new pack takes these steps; a crash after any of them leaves what the last column says:

    1. copied to the shelf, verified                        the old pack runs
    2. tried in a process of its own, bounded in time,
       also on records that the workers saw last            the old pack runs
    3. prepared in all workers, beside the one that runs    the old pack runs
    4. written down as the one that runs                    the new pack runs, in all workers
    5. swapped in each worker between two of its batches    the new pack runs, in all workers

A pack that is rolled back to is on the shelf; it takes the other steps.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import structlog

from sigmac.runtime.errors import PackError
from sigmac.runtime.pack.pack import Pack
from sigmac.runtime.service.config.configuration import Settings
from sigmac.runtime.service.observe.status import Outcome, PackStatus
from sigmac.runtime.service.packs.recent import RecentRecords
from sigmac.runtime.service.packs.shelf import PackShelf, PathWatch, digest_of
from sigmac.runtime.service.packs.trial import try_pack
from sigmac.runtime.service.workers.crew import Crew
from sigmac.runtime.service.workers.tally import RuleIndices, Tally
from sigmac.runtime.service.workers.worker_life import Life

log = structlog.get_logger("sigmac.service")

_SETTLE = 1.0  # seconds between two looks at a pack's path when something changed


@dataclass(slots=True)
class _InService:
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

    def status(self) -> PackStatus:
        decision = self.shelf.decision
        from_path = decision is not None and decision.taken == self.digest
        return PackStatus(
            name=self.shelf.name,
            pack=self.pack.name,
            version=self.pack.version,
            digest=self.digest,
            rules=len(self.pack.rules),
            loaded=self.loaded,
            path=str(self.shelf.path if from_path else self.shelf.folder(self.digest)),
            previous=self.previous,
            reloads=self.reloads,
            refused=self.refused,
            last_refusal=self.last_refusal,
        )


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


class PacksInService:
    """All packs of a service, by their names in the configuration. `changed` is the lock of the whole service."""

    def __init__(
        self,
        settings: Settings,
        crew: Crew,
        changed: threading.Condition,
        tally: Tally,
        environment: Mapping[str, str],
    ):
        self._settings = settings
        self._crew = crew
        self._changed = changed
        self._tally = tally
        self._environment = environment
        self.recent = RecentRecords(crew, changed)
        self._changing = threading.Lock()  # held for as long as a pack is being swapped in
        self._packs: dict[str, _InService] = {}
        self._vote: _Vote | None = None
        self._swaps: dict[int, _Swap] = {}  # those under way, by number
        self._number = 0

    @property
    def are_loaded(self) -> bool:
        return len(self._packs) == len(self._settings.packs)

    def running(self, pack: str) -> Pack:
        """Raises `KeyError` for an unknown name, or one that is not loaded yet."""
        with self._changed:
            return self._packs[pack].pack

    def statuses(self) -> list[PackStatus]:
        """Under the lock."""
        return [each.status() for each in self._packs.values()]

    def folders(self) -> dict[str, Any]:
        """What a worker is told at its start. Under the lock."""
        return {
            name: {"folder": str(each.shelf.folder(each.digest))}
            for name, each in self._packs.items()
        }

    def load(self) -> None:
        """Load what runs first. Raises `PackError` where a name has no good pack."""
        for name, settings in self._settings.packs.items():
            shelf = PackShelf(name, settings, self._settings.state)
            try:
                each = self._first(shelf)
            except PackError:
                if self._crew.stopping:
                    return  # a signal came while it was tried
                raise
            with self._changed:
                self._packs[name] = each
                self._tally.decide(name, each.indices)
            log.info(
                "a pack is loaded", pack=name, version=each.pack.version, rules=len(each.pack.rules)
            )

    def watch_paths(self) -> None:
        """Take what is written to the configured paths, until the service stops."""
        usual = self._settings.reload.watch
        pause = usual
        while usual:
            with self._changed:
                if self._changed.wait_for(lambda: self._crew.stopping, pause):
                    return
            pause = usual
            for each in self._packs.values():
                try:
                    self._look(each)
                except Exception:
                    # A bug, or a disk that fails: the next pack must be seen all the same.
                    log.exception("a pack's path could not be dealt with", pack=each.shelf.name)
                if each.watch.changing:
                    pause = min(usual, _SETTLE)

    def _look(self, each: _InService) -> None:
        with self._changing:
            folder = each.watch.look()
            if folder is not None:
                self._take(each, folder, from_path=True)

    def push(self, pack: str, folder: Path) -> Outcome:
        """Take the pack in a folder, which is copied. Raises `KeyError` for an unknown name."""
        each = self._in_service(pack)
        if each is None:
            return Outcome(False, "the packs are not loaded yet", "")
        control = self._settings.control
        if not each.shelf.keys and not (control and control.allow_unsigned_packs):
            return self._refuse(
                each,
                f"a pushed pack has to be signed by a key of `packs.{pack}.trusted_keys`, which is empty; "
                "`control.allow_unsigned_packs: true` takes any",
            )
        with self._changing:
            return self._take(each, folder, from_path=False)

    def rollback(self, pack: str) -> Outcome:
        """Bring back the pack that ran before. Raises `KeyError` for an unknown name."""
        each = self._in_service(pack)
        if each is None:
            return Outcome(False, "the packs are not loaded yet", "")
        with self._changing:
            now = each.shelf.decision
            previous = now.previous if now is not None else None
            if previous is None or each.shelf.version(previous) is None:
                return Outcome(False, "no pack ran before this one", each.pack.version)
            try:
                self._try(each.shelf, previous)
                return self._swap(each, previous, None)
            except PackError as error:
                return self._refuse(each, str(error))

    def prepared(self, life: Life, number: int, ok: bool, reason: str) -> None:
        """What a worker says of a pack that it was to prepare."""
        with self._changed:
            vote = self._vote
            if vote is None or vote.number != number:
                # Too late: it was decided without it.
                life.tell({"do": "drop", "id": number})
            elif ok:
                vote.ready.add(life)
            else:
                vote.refusal = vote.refusal or reason or f"worker {life.worker} refused it"
            self._changed.notify_all()

    def swapped(self, life: Life, number: int) -> None:
        """A worker runs the pack that it was told to swap in. Raises `KeyError` where it was not."""
        with self._changed:
            swap = self._swaps[number]
            self._tally.swap(life.worker, swap.pack, swap.indices)
            self._done(number, life)
            self._changed.notify_all()

    def ended(self, life: Life, how: str) -> None:
        """A worker's process is gone. Under the lock."""
        self.recent.ended(life)
        vote = self._vote
        if vote is not None and life in vote.asked and life not in vote.ready:
            said = f"worker {life.worker} {how} while it tried the pack"
            vote.refusal = vote.refusal or said
        for number in [*self._swaps]:
            self._done(number, life)

    def _done(self, number: int, life: Life) -> None:
        waiting = self._swaps[number].waiting
        waiting.discard(life)
        if not waiting:
            del self._swaps[number]

    def _in_service(self, pack: str) -> _InService | None:
        with self._changed:
            if pack in self._settings.packs and pack not in self._packs:
                return None
            return self._packs[pack]

    def _first(self, shelf: PackShelf) -> _InService:
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
        return _InService(
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
        # Of a service that only answers, nothing runs yet that a first pack could harm: it starts seconds earlier.
        harmless = last is None and self._settings.source.clients is not None
        try:
            if not harmless and (last is None or decision is None or digest != decision.running):
                self._try(shelf, digest)
        except PackError:
            shelf.discard(digest)
            raise
        shelf.decide(digest, taken=digest)

    def _try(self, shelf: PackShelf, digest: str) -> None:
        try_pack(
            shelf.folder(digest),
            self._settings.reload.timeout,
            self._environment,
            lambda: self._crew.stopping,
            loading=shelf.loading,
            recent=self.recent.ask(shelf.name),
        )

    def _take(self, each: _InService, source: Path, *, from_path: bool) -> Outcome:
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

    def _swap(self, each: _InService, digest: str, taken: str | None) -> Outcome:
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
                self._crew.tell_all({"do": "drop", "id": vote.number})
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
                lambda: not swap.waiting or self._crew.stopping, self._settings.reload.timeout
            )
        if not everywhere:
            log.warning("a worker swaps when its batch in work is delivered", pack=shelf.name)
        log.info("a new pack runs", pack=shelf.name, version=pack.version, digest=digest)
        return Outcome(True, "", pack.version)

    def _prepare(self, vote: _Vote, pack: str, folder: Path) -> None:
        """Ask all workers to prepare, also those that start meanwhile. Raises `PackError` with the first refusal."""
        command = {"do": "prepare", "id": vote.number, "pack": pack, "folder": str(folder)}
        until = time.monotonic() + self._settings.reload.timeout
        while True:
            if self._crew.stopping:
                raise PackError("the service is stopping")
            if vote.refusal:
                raise PackError(vote.refusal)
            lives = self._crew.lives()
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
        timeout = self._settings.reload.timeout
        return f"the pack is too slow: worker {names} was not ready within {timeout:g} s"

    def _refuse(self, each: _InService, reason: str) -> Outcome:
        with self._changed:
            each.refused += 1
            each.last_refusal = reason
        log.error("a pack was refused; the running one stays", pack=each.shelf.name, reason=reason)
        return Outcome(False, reason, each.pack.version)
