"""Correlations in a worker that reads all there is: files, standard input. State and positions are one checkpoint.

The order of the steps of a batch:

    1. its matches are evaluated, its hits taken: alerts are among what is delivered
    2. all is delivered
    3. what the hits were is appended to the journal, and synced
    4. the positions are written with how far the journal counts: this is the commit

A crash before 4 leaves positions and state as they were before the batch; it is evaluated again and gives the same
alerts with the same ids. A batch that cannot be delivered is rewound in the same way, without a crash.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import orjson
import structlog

from sigmac.runtime.correlation.alert import Alert
from sigmac.runtime.correlation.correlator import Counts, Limits
from sigmac.runtime.correlation.observation import Observation
from sigmac.runtime.errors import SigmacError, StreamError
from sigmac.runtime.match import BatchResult
from sigmac.runtime.pack.pack import Pack
from sigmac.runtime.pack.pack_correlator import PackCorrelator
from sigmac.runtime.stream.state_journal import StateJournal

log = structlog.get_logger("sigmac.stream.correlations")

_MOST_KEPT = (
    16 << 20
)  # bytes of observations after which one that nobody keeps is put together in a snapshot


class Correlating:
    """The correlations of one pack in service; `folder` is where its state lives, None for one that nobody keeps."""

    def __init__(
        self,
        name: str,
        pack: Pack,
        folder: Path | None,
        *,
        limits: Limits | None = None,
        timestamp_fields: Sequence[str] | None = None,
    ) -> None:
        self.name = name
        self._limits = limits
        self._fields = timestamp_fields
        self._journal = None if folder is None else StateJournal(folder, name)
        self._pack = pack
        self._correlator = self._made()
        # What `rewind` goes back to: a snapshot, and the observations of the batches that were committed since
        self._snapshot = self._correlator.snapshot()
        self._committed: list[bytes] = []
        self._taken: list[Observation | None] = []
        self._unwritten = 0  # committed batches that the journal has not
        self._stale = False  # the journal is of another pack

    def _made(self) -> PackCorrelator:
        return self._pack.correlator(limits=self._limits, timestamp_fields=self._fields)

    @property
    def counts(self) -> Mapping[str, Counts]:
        """What each correlation did, by its name in the pack."""
        return self._correlator.counts

    @property
    def no_time(self) -> int:
        return self._correlator.no_time

    @property
    def groups(self) -> Mapping[str, int]:
        return self._correlator.correlator.groups

    def restore(self, note: Any) -> None:
        """Go on from what a note of `write` says. Raises `StreamError` where that cannot be had."""
        if self._journal is None:
            return
        frames = self._journal.read(note)
        if not frames:
            return
        self._snapshot, *self._committed = frames
        try:
            changed = self._replay()
        except SigmacError as error:
            raise StreamError(f"{self.name}: {error}") from None
        for name in changed:
            log.info("a correlation begins anew", pack=self.name, correlation=name)

    def _replay(self) -> list[str]:
        self._correlator = self._made()
        changed = self._correlator.restore(self._snapshot)
        for batch in self._committed:
            for plain in orjson.loads(batch):
                self._correlator.take(_observation(plain))
        return changed

    def observe(self, records: bytes, result: BatchResult) -> list[tuple[int, Observation | None]]:
        """The events of a batch that correlations ask for, by their lines."""
        return [*self._correlator.observe(records, result)]

    def take(self, observation: Observation | None) -> list[Alert]:
        """The alerts of an event of the batch in work; those that are output."""
        self._taken.append(observation)
        return [a for a in self._correlator.take(observation) if not a.correlation.silent]

    def write(self) -> Any:
        """Step 3; the note that goes with the positions. Raises `OSError`, and can be called again."""
        if self._taken:
            self._committed.append(
                orjson.dumps([None if each is None else [*each] for each in self._taken])
            )
            self._taken = []
            self._unwritten += 1
        if self._journal is None:
            if sum(map(len, self._committed)) > _MOST_KEPT:
                self._snapshot, self._committed = self._correlator.snapshot(), []
            return None
        if self._journal.is_long or self._stale:
            self._snapshot, self._committed = self._correlator.snapshot(), []
            self._journal.begin(self._snapshot)
        elif self._unwritten:
            self._journal.append(self._committed[-self._unwritten :])
        self._unwritten, self._stale = 0, False
        return self._journal.note

    def written(self) -> None:
        """The positions are written: what they do not name may go."""
        if self._journal is not None:
            self._journal.sweep()

    def rewind(self) -> None:
        """The batch in work is done again."""
        if self._taken:
            self._taken = []
            self._replay()

    def swap(self, pack: Pack) -> None:
        """Another pack runs from now on; correlations that it has unchanged go on, others begin anew."""
        state = self._correlator.snapshot()
        self._pack = pack
        self._correlator = self._made()
        for name in self._correlator.restore(state):
            log.info("a correlation begins anew", pack=self.name, correlation=name)
        self._snapshot, self._committed = self._correlator.snapshot(), []
        self._stale = True


class Correlated(Protocol):
    """What has correlations, or may have them with its next pack."""

    correlating: Correlating | None


class States:
    """The state of all packs' correlations, beside the positions of a source; a `record.Beside`."""

    def __init__(self, slots: Mapping[str, Correlated]) -> None:
        self._slots = slots

    def _all(self) -> Iterator[tuple[str, Correlating]]:
        for name, slot in self._slots.items():
            if slot.correlating is not None:
                yield name, slot.correlating

    def restore(self, note: Any) -> None:
        """Go on from the note of `write`. Raises `StreamError` where what it names cannot be had."""
        for name, each in self._all():
            each.restore(note.get(name) if isinstance(note, dict) else None)

    def write(self) -> Any:
        """Make safe what was done, and say what counts. Raises `OSError`."""
        return {name: note for name, each in self._all() if (note := each.write())} or None

    def written(self) -> None:
        for _, each in self._all():
            each.written()

    def rewind(self) -> None:
        for _, each in self._all():
            each.rewind()


def _observation(plain: list[Any] | None) -> Observation | None:
    return None if plain is None else Observation(*plain)
