"""A service that says what a test wants it to say: the input of HTTP and of metrics."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from sigmac.runtime.match import LogSource, Rejected, Rule
from sigmac.runtime.pack.pack import Pack
from sigmac.runtime.service.observe.status import (
    LeftOut,
    Outcome,
    PackStatus,
    ServiceStatus,
    WorkerStatus,
)
from sigmac.runtime.stream.counts import BATCH_BUCKETS, Counts

RULES = (
    Rule("Whoami", id="5b1f6a8e-43d0-4d8a-9d0c-6a9b6a3f2c11", level="high", tags=("attack.t1033",)),
    Rule("Net use", name="net_use", level="low", logsource=LogSource(product="windows")),
    Rule('Odd "title"\nof two \x9blines'),
    Rule("Never matched", id="never", level="critical"),
)
ENGINE = {
    "records": 1000,
    "fallbacks": 7,
    "undecided": 3,
    "kinds": 5,
    "asked": 40,
    "looked": 9000,
    "found": 8500,
    "flushes": 2,
    "bytes": 1 << 20,
}


def counts() -> Counts:
    """What two workers may have counted."""
    return Counts(
        records={"windows-events": 990, "linux-events": 10},
        bytes={"windows-events": 99_000, "linux-events": 1000},
        lost={"windows-events": 7},
        events=1000,
        rejected=4,
        matches={"windows": {0: 20, 1: 5, 2: 1}},
        dead_letters={"rejected": 3, "payload": 1},
        delivered={"kafka": 26, "dead_letters": 4},
        delivery_failures=2,
        batches=6,
        batch_seconds=[1, 0, 2, *[0] * (len(BATCH_BUCKETS) - 3), 3],
        batch_seconds_sum=61.5,
        stalled_seconds=12.5,
        rebalances=3,
        engine={"windows": dict(ENGINE)},
        correlations={
            **{
                name: {"windows/guessed_password": number}
                for number, name in enumerate(
                    [
                        "alerts",
                        "no_group",
                        "no_value",
                        "late",
                        "restarts",
                        "evicted_groups",
                        "evicted_hits",
                    ],
                    1,
                )
            },
            "no_time": {"windows": 8},
            "unknown": {"/": 9},
            "held": {"windows": 10},
            "held_forgotten": {"windows": 11},
        },
        state_bytes=4096,
        restored=12,
        restore_seconds=13.5,
    )


def worker(index: int, state: str, **others: Any) -> WorkerStatus:
    made = WorkerStatus(
        index=index,
        pid=100 + index,
        state=state,
        detail="",
        assigned={"windows-events": [index]},
        lag={"windows-events": {index: 10 * index}},
        restarts=0,
        connected=True,
    )
    return replace(made, **others)


WINDOWS = PackStatus(
    name="windows",
    pack="windows-rules",
    version="1.4.0",
    digest="ab" * 32,
    rules=len(RULES),
    loaded=1.7e9,
    path="packs/windows",
    previous=None,
    reloads=2,
    refused=1,
    last_refusal="the pack is too slow",
)
STATUS = ServiceStatus(
    name="edge",
    version="0.1.0",
    started=1.6e9,
    ready=True,
    reason="",
    paused=False,
    delivery="at-least-once",
    workers=[worker(0, "running"), worker(1, "stalled", restarts=4)],
    packs=[WINDOWS],
    counts=counts(),
)


@dataclass
class FixedService:
    """Implements `Service` for those who ask: `state` is its status, `packs` the rules of its packs."""

    state: ServiceStatus = STATUS
    packs: Mapping[str, Sequence[Rule]] = field(default_factory=lambda: {"windows": RULES})
    hopeless: Mapping[str, Mapping[int, Sequence[str]]] = field(
        default_factory=lambda: {"windows": {1: (), 2: (), 3: ("Imgae",)}}
    )

    def status(self) -> ServiceStatus:
        return self.state

    def rules(self, pack: str) -> Sequence[Rule]:
        return self.packs[pack]

    def running(self, pack: str) -> Pack:
        raise KeyError(pack)

    def left_out(self, digest: str) -> Sequence[LeftOut]:
        return []

    def without_chance(self, pack: str) -> Mapping[int, Sequence[str]] | None:
        return self.hopeless.get(pack)

    def evaluate(
        self, pack: str, records: bytes, logsource: Mapping[str, str] | None
    ) -> tuple[list[tuple[int, dict[str, Any]]], Sequence[Rejected]]:
        return [], []

    def folder(self, pack: str) -> Path:
        return Path("/nowhere")

    def push(self, pack: str, folder: Path) -> Outcome:
        return Outcome(False, "this service is fixed", "1.4.0")

    def rollback(self, pack: str) -> Outcome:
        return Outcome(False, "this service is fixed", "1.4.0")

    def pause(self) -> None:
        self.state = replace(self.state, paused=True)

    def resume(self) -> None:
        self.state = replace(self.state, paused=False)

    def matches(self) -> AbstractContextManager[Iterator[bytes]]:
        return nullcontext(iter(()))
