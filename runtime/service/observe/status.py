"""What the service knows of itself: the one shape that HTTP, gRPC, metrics and the command line show.

Workers send their part to the supervisor as JSON; counters grow from the start of the service on and survive the
restart of a worker.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from sigmac.runtime.match import Rejected, Rule
from sigmac.runtime.pack.pack import Pack
from sigmac.runtime.stream.counts import Counts


@dataclass(frozen=True, slots=True)
class WorkerStatus:
    """One worker process. `state` is starting, waiting (no partitions), running, paused, stalled, failing, stopped."""

    index: int
    pid: int
    state: str
    detail: str  # one sentence where the state needs one: what fails, and what is done
    assigned: Mapping[str, Sequence[int]]  # partitions by topic
    lag: Mapping[str, Mapping[int, int]]  # records by topic and partition, -1 not known yet
    restarts: int
    connected: bool  # the broker answers; True for files


@dataclass(frozen=True, slots=True)
class PackStatus:
    """One pack in service."""

    name: str  # in the configuration
    pack: str  # the pack's own name
    version: str
    digest: str  # sha256 of its manifest, hexadecimal
    rules: int
    loaded: float  # seconds since 1970
    path: str
    previous: str | None  # version that `rollback` would bring back
    reloads: int
    refused: int
    last_refusal: str | None  # why the last pack was refused


@dataclass(frozen=True, slots=True)
class ServiceStatus:
    """The whole service. `ready` is what `/ready` says, `reason` why not."""

    name: str
    version: str
    started: float  # seconds since 1970
    ready: bool
    reason: str
    paused: bool
    delivery: str
    workers: Sequence[WorkerStatus]
    packs: Sequence[PackStatus]
    counts: Counts


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A document that is in no pack, as it has an error: where, the code of the diagnostic, and what it says."""

    source: str
    code: str
    message: str


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a push or a rollback: `accepted`, or `reason` says why the running pack stays."""

    accepted: bool
    reason: str
    version: str  # of the pack that runs now


class Shown(Protocol):
    """What HTTP shows of a program. Every method is thread-safe."""

    def status(self) -> ServiceStatus:
        """A consistent view, at most a second or two old."""
        ...

    def rules(self, pack: str) -> Sequence[Rule]:
        """Rules of a pack in service, by its name in the configuration. Raises `KeyError` for an unknown name."""
        ...

    def without_chance(self, pack: str) -> Mapping[int, Sequence[str]] | None:
        """The rules of a pack in service, by index, that could match no event of the last hour.

        Each with the fields that it misses; without any there was no event that it is for. None where no event was
        evaluated. Raises `KeyError` for an unknown name.
        """
        ...


class Service(Shown, Protocol):
    """What HTTP and gRPC may ask of the supervisor. Every method is thread-safe."""

    def running(self, pack: str) -> Pack:
        """The pack that runs under a name of the configuration. Raises `KeyError` where none is loaded yet."""
        ...

    def left_out(self, digest: str) -> Sequence[LeftOut]:
        """What was left out of a pack that the service made of rules itself, by the digest of the pack."""
        ...

    def evaluate(
        self, pack: str, records: bytes, logsource: Mapping[str, str] | None
    ) -> tuple[list[tuple[int, dict[str, Any]]], Sequence[Rejected]]:
        """Evaluate NDJSON with a pack in service: matches as (line, match on the wire) and rejects as (line, reason).

        Raises `KeyError` for an unknown pack.
        """
        ...

    def folder(self, pack: str) -> Path:
        """Where the pack in service lies, as it was verified. Raises `KeyError` for an unknown name."""
        ...

    def push(self, pack: str, folder: Path) -> Outcome:
        """Check the pack in a folder, and swap it in, in all workers or in none. The folder is copied."""
        ...

    def rollback(self, pack: str) -> Outcome:
        """Bring back the pack that ran before."""
        ...

    def pause(self) -> None:
        """Finish the batch in work, commit it, and fetch nothing more; stay in the group."""
        ...

    def resume(self) -> None:
        """Go on."""
        ...

    def matches(self) -> AbstractContextManager[Iterator[bytes]]:
        """Matches from now on, as lines of JSON, for one watcher.

        A slow watcher misses some; it never slows the service.
        Each item is a line or, where some were missed, `{"missed": n}`. The iterator also gives b"" every second or so
        when nothing matched, so that a watcher can see that its client is gone.
        """
        ...
