"""What processes hold while they live: resident memory and file descriptors, looked at every few seconds."""

from __future__ import annotations

import os
import statistics
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from types import TracebackType

_PAGE = os.sysconf("SC_PAGE_SIZE")
_WARM = 120.0  # seconds until a process has what it needs
_WATCHED = 600.0  # seconds after which a life says something about growth


@dataclass(frozen=True, slots=True)
class Sample:
    """One look at one process; `second` of the census, memory in MiB."""

    second: float
    process: int
    role: str
    resident: float
    descriptors: int


@dataclass(frozen=True, slots=True)
class Growth:
    """How a process changed in its life: medians of the first and the last fifth after its start-up."""

    role: str
    minutes: float
    resident_first: float
    resident_last: float
    descriptors_first: float
    descriptors_last: float

    @property
    def is_flat(self) -> bool:
        """Whether it holds as much at the end as at the beginning, but for a tenth."""
        return (
            self.resident_last <= 1.1 * self.resident_first
            and self.descriptors_last <= 1.1 * self.descriptors_first
        )

    def rows(self, number: int) -> list[tuple[str, str]]:
        """Name and figure, for people."""
        what = f"{self.role} {number} ({self.minutes:.0f} min)"
        return [
            (
                f"{what}: MiB, first and last",
                f"{self.resident_first:.1f}, {self.resident_last:.1f}",
            ),
            (
                f"{what}: file descriptors",
                f"{self.descriptors_first:.0f}, {self.descriptors_last:.0f}",
            ),
        ]


class Census:
    """`processes` gives ids and roles; while it is entered a thread looks at them every `every` seconds (Linux)."""

    def __init__(self, processes: Callable[[], dict[int, str]], every: float = 5.0):
        self.seen: list[Sample] = []
        self._processes = processes
        self._every = every
        self._ends = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Census:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
        self._ends.set()
        self._thread.join()

    def _run(self) -> None:
        start = time.monotonic()
        while not self._ends.wait(self._every):
            try:
                processes = self._processes()
            except OSError:
                continue  # one ended while it was looked at
            for process, role in processes.items():
                try:
                    resident, descriptors = look(process)
                except OSError:
                    continue
                second = time.monotonic() - start
                self.seen.append(Sample(second, process, role, resident, descriptors))


def look(process: int) -> tuple[float, int]:
    """Resident memory in MiB and the number of file descriptors. Raises `OSError` where it is gone."""
    with open(f"/proc/{process}/statm", encoding="ascii") as file:
        resident = int(file.read().split()[1]) * _PAGE / (1 << 20)
    return resident, len(os.listdir(f"/proc/{process}/fd"))


def growth(samples: Sequence[Sample]) -> list[Growth]:
    """Of every process that lived long enough."""
    lives: dict[int, list[Sample]] = {}
    for sample in samples:
        lives.setdefault(sample.process, []).append(sample)
    found = []
    for life in lives.values():
        length = life[-1].second - life[0].second
        if length < _WATCHED:
            continue
        warm = [sample for sample in life if sample.second - life[0].second > _WARM]
        part = len(warm) // 5
        first, last = warm[:part], warm[-part:]
        found.append(
            Growth(
                life[0].role,
                round(length / 60, 1),
                round(statistics.median(each.resident for each in first), 1),
                round(statistics.median(each.resident for each in last), 1),
                statistics.median(each.descriptors for each in first),
                statistics.median(each.descriptors for each in last),
            )
        )
    return found
