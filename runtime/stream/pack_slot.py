"""One pack in service in a worker: the one that runs, those that may come next, and records to try them on."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Protocol

import structlog

from sigmac.runtime.correlation.observation import Observation
from sigmac.runtime.errors import PackError
from sigmac.runtime.match import BatchResult, Rule
from sigmac.runtime.pack.pack import Pack, load_pack
from sigmac.runtime.scalar.dispatch import MOST_VALUES
from sigmac.runtime.stream.counts import CorrelationCounts, counts_of_pack, described
from sigmac.runtime.stream.kept.correlating import Correlating
from sigmac.runtime.stream.kept.suppressing import Suppressing
from sigmac.runtime.stream.match_message import MatchWriter
from sigmac.runtime.stream.sink import Message

log = structlog.get_logger("sigmac.stream.correlations")

_MAX_SAMPLE = 4 << 20  # bytes of records that are kept to try a pack on
_NOTICEABLE = 0.25  # seconds for the whole sample below which a pack is never too slow
_ROUNDS = 3


class Forwards(Protocol):
    """Where the hits of correlations go that are evaluated elsewhere."""

    def observe(
        self, lines: Sequence[bytes], result: BatchResult
    ) -> list[tuple[int, Observation | None]]: ...

    def messages(
        self, observation: Observation | None, event: bytes, partition: int
    ) -> tuple[list[Message], str]: ...

    def counted(self) -> CorrelationCounts: ...


class Holds(Protocol):
    """What is held back elsewhere, if at all."""

    def candidate(
        self, rule: Rule, match: Message, event: bytes, timestamp: int | None
    ) -> Message | None: ...


# Makes what correlates the matches of a pack, or what forwards their hits, given the name of the configuration
Correlate = Callable[[str, Pack], Correlating]
Forward = Callable[[str, Pack], Forwards]


class PackSlot:
    """A name of the configuration and the pack that runs under it. Only `prepare` may run in another thread.

    Without `correlate` and `forward` the correlations of its packs are not evaluated, and all their rules' matches are
    output.
    """

    def __init__(
        self,
        name: str,
        folder: Path,
        *,
        trusted_keys: Sequence[bytes] = (),
        memory_budget: int = 64 << 20,
        max_values: int = MOST_VALUES,
        event: bool = True,
        sample: int = 200,
        max_slowdown: float = 5.0,
        correlate: Correlate | None = None,
        suppressing: Suppressing | None = None,
        forward: Forward | None = None,
        holding: Holds | None = None,
    ):
        self.name = name
        self._trusted_keys = trusted_keys
        self._budget = memory_budget
        self._max_values = max_values
        self._event = event
        self._max_slowdown = max_slowdown
        self._recent: deque[tuple[bytes, Mapping[str, str] | None]] = deque(maxlen=sample)
        self._recent_bytes = 0
        # Several while a sink is slow and none can be swapped in
        self._prepared: dict[int, Pack] = {}
        self._correlate = correlate
        self._forward = forward
        self.forwarding: Forwards | None = None
        self.correlating: Correlating | None = None
        self.suppressing = suppressing
        self.holding = holding
        self._counted: CorrelationCounts = {}
        self.run(self._load(folder))

    def run(self, pack: Pack) -> None:
        """From now on this pack."""
        self.pack = pack
        self.writer = MatchWriter(pack, event=self._event)
        self.forwarding = None
        if self.correlating is not None:
            self.correlating.swap(pack)
            self._counted = self._counts()
        elif not pack.correlations:
            return
        elif self._correlate is not None:
            self.correlating = self._correlate(self.name, pack)
        elif self._forward is not None:
            self.forwarding = self._forward(self.name, pack)
        else:
            log.warning(
                "correlations are not evaluated without `correlations.topic`; all matches of their rules are output",
                pack=self.name,
                correlations=len(pack.correlations),
            )

    def _counts(self) -> CorrelationCounts:
        """What the correlations counted that are evaluated here, in all that their state knows of."""
        found: CorrelationCounts = {}
        if self.correlating is not None:
            names = {name: described(each) for name, each in self.pack.correlations.items()}
            found = counts_of_pack(self.name, names, self.correlating.counts)
            found["no_time"] = {self.name: self.correlating.no_time}
        if self.suppressing is not None:
            found["held"] = {self.name: self.suppressing.held}
            found["held_forgotten"] = {self.name: self.suppressing.forgotten}
        return found

    def begin_to_count(self) -> None:
        """What the state brought with it was counted before."""
        self._counted = self._counts()

    def counted(self) -> CorrelationCounts:
        """What the correlations counted since it was asked last."""
        before, self._counted = self._counted, self._counts()
        return {
            count: {name: n - before.get(count, {}).get(name, 0) for name, n in by_name.items()}
            for count, by_name in self._counted.items()
        }

    def _load(self, folder: Path) -> Pack:
        return load_pack(
            folder,
            trusted_keys=self._trusted_keys or None,
            memory_budget=self._budget,
            max_values=self._max_values,
        )

    def remember(self, data: bytes | bytearray, logsource: Mapping[str, str] | None) -> None:
        """Keep some of a batch (NDJSON) to try the next pack on."""
        if not self._recent.maxlen:
            return
        wanted = max(1, self._recent.maxlen // 8)
        start = 0
        for _ in range(wanted):
            if start > len(data):
                break
            end = data.find(b"\n", start)
            line = bytes(data[start:end] if end >= 0 else data[start:])
            start += len(line) + 1
            if len(line) > _MAX_SAMPLE // 16:
                continue
            if len(self._recent) == self._recent.maxlen:
                self._recent_bytes -= len(self._recent.popleft()[0])
            self._recent.append((line, logsource))
            self._recent_bytes += len(line)
            while self._recent_bytes > _MAX_SAMPLE:
                self._recent_bytes -= len(self._recent.popleft()[0])

    def recent(self, most: int) -> list[tuple[bytes, Mapping[str, str] | None]]:
        """The newest of the records that are kept, at most so many bytes of them, as NDJSON by logsource."""
        newest, size = [], 0
        for record, logsource in reversed(self._recent):
            size += len(record) + 1
            if size > most:
                break
            newest.append((record, logsource))
        return _by_logsource(newest[::-1])

    def prepare(self, number: int, folder: Path) -> None:
        """Load a pack beside the one that runs and try it on recent records.

        Raises `PackError` with one sentence where it is not to be trusted with the stream: it does not verify, fails
        on a record, or takes more than `max_slowdown` times as long as the running one.
        """
        pack = self._load(folder)
        recent = list(self._recent)
        sample = _by_logsource(recent)
        try:
            pack.warm()
            needed = _seconds(pack, sample)
        except Exception as error:
            raise PackError(
                f"{folder}: the pack fails on a recent record: {type(error).__name__}"
            ) from error
        if needed > _NOTICEABLE:
            allowed = max(_NOTICEABLE, self._max_slowdown * _seconds(self.pack, sample))
            if needed > allowed:
                raise PackError(
                    f"{folder}: the pack is too slow: {needed:.2f} s for {len(recent)} recent records, "
                    f"{allowed:.2f} s allowed"
                )
        self._prepared[number] = pack

    def decide(self, number: int) -> None:
        """The prepared pack is to be swapped in: forget those that were prepared before it."""
        if number in self._prepared:
            for earlier in [*self._prepared]:
                if earlier < number:
                    self.drop(earlier)

    def swap(self, number: int) -> bool:
        """The prepared pack runs from now on; False where it is not here, or not any more."""
        pack = self._prepared.pop(number, None)
        if pack is None:
            return False
        self.run(pack)
        return True

    def drop(self, number: int) -> None:
        """Forget the prepared pack."""
        self._prepared.pop(number, None)


def _by_logsource(
    recent: Sequence[tuple[bytes, Mapping[str, str] | None]],
) -> list[tuple[bytes, Mapping[str, str] | None]]:
    """The records of each logsource as NDJSON."""
    found: dict[tuple[tuple[str, str], ...], list[bytes]] = {}
    for record, logsource in recent:
        found.setdefault(tuple((logsource or {}).items()), []).append(record)
    return [(b"\n".join(records), dict(key) or None) for key, records in found.items()]


def _seconds(pack: Pack, sample: Sequence[tuple[bytes, Mapping[str, str] | None]]) -> float:
    """What a pack needs for records that it has seen: the best of a few rounds, as the worker goes on meanwhile."""
    times = []
    for _ in range(_ROUNDS + 1):
        started = time.perf_counter()
        for records, logsource in sample:
            pack.match_batch(records, logsource=logsource)
        times.append(time.perf_counter() - started)
    return min(times[1:])
