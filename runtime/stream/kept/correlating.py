"""Correlations in a worker that reads all there is: files, standard input."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import structlog

from sigmac.runtime.correlation.alert import Alert
from sigmac.runtime.correlation.correlator import Counts, Limits
from sigmac.runtime.correlation.observation import Observation
from sigmac.runtime.match import BatchResult
from sigmac.runtime.pack.pack import Pack
from sigmac.runtime.pack.pack_correlator import PackCorrelator
from sigmac.runtime.stream.kept.checkpointed import Checkpointed
from sigmac.runtime.stream.kept.suppressing import Suppressing

log = structlog.get_logger("sigmac.stream.correlations")


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
        self._pack = pack
        self._correlator = self._made()
        self.kept = Checkpointed(f"correlations-{name}", folder, self)

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

    def observe(
        self, lines: Sequence[bytes], result: BatchResult
    ) -> list[tuple[int, Observation | None]]:
        """The events of a batch that correlations ask for, by their lines."""
        return [*self._correlator.observe(lines, result)]

    def take(self, observation: Observation | None) -> list[Alert]:
        """The alerts of an event of the batch in work; those that are output."""
        self.kept.note(None if observation is None else [*observation])
        return [a for a in self._correlator.take(observation) if not a.correlation.silent]

    def swap(self, pack: Pack) -> None:
        """Another pack runs from now on; correlations that it has unchanged go on, others begin anew."""
        state = self.snapshot()
        self._pack = pack
        self.restore(state)
        self.kept.replaced()

    def snapshot(self) -> bytes:
        return self._correlator.snapshot()

    def restore(self, snapshot: bytes) -> None:
        """Go on from a snapshot, of another pack too. Raises `SigmacError`."""
        self._correlator = self._made()
        for name in self._correlator.restore(snapshot):
            log.info("a correlation begins anew", pack=self.name, correlation=name)

    def redo(self, note: Any) -> None:
        """Take again an observation that was noted."""
        self._correlator.redo(None if note is None else Observation(*note))


class Slot(Protocol):
    """What has state of correlations, or may have it with its next pack, and of what is held back."""

    correlating: Correlating | None
    suppressing: Suppressing | None


class States:
    """All that is kept beside the positions of a source; a `record.Beside`."""

    def __init__(self, slots: Mapping[str, Slot]) -> None:
        self._slots = slots

    def _all(self) -> Iterator[Checkpointed]:
        for slot in self._slots.values():
            yield from (each.kept for each in (slot.correlating, slot.suppressing) if each)

    def restore(self, note: Any) -> None:
        """Go on from the note of `write`. Raises `StreamError` where what it names cannot be had."""
        for each in self._all():
            each.restore(note.get(each.name) if isinstance(note, dict) else None)

    def write(self) -> Any:
        """Make safe what was done, and say what counts. Raises `OSError`."""
        return {each.name: note for each in self._all() if (note := each.write())} or None

    def written(self) -> None:
        for each in self._all():
            each.written()

    def rewind(self) -> None:
        for each in self._all():
            each.rewind()
