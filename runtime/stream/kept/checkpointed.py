"""State that is a snapshot and what was added since: what is rewound or crashes is done again from there.

The order of the steps of a batch:

    1. what the batch adds is taken, and noted
    2. all that comes of it is delivered
    3. the notes are appended to the journal, and synced
    4. the positions are written with how far the journal counts: this is the commit

A crash before 4 leaves positions and state as they were before the batch; it is evaluated again and gives the same
matches and alerts with the same ids. A batch that cannot be delivered is rewound in the same way, without a crash.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Protocol

import orjson

from sigmac.runtime.errors import SigmacError, StreamError
from sigmac.runtime.stream.kept.state_journal import StateJournal

_MOST_KEPT = (
    16 << 20
)  # bytes of notes after which those that are not on disk are put together in a snapshot


class State(Protocol):
    """What is kept. The same notes after the same snapshot make the same state."""

    def snapshot(self) -> bytes: ...

    def restore(self, snapshot: bytes) -> None:
        """Raises `SigmacError` where that is none."""

    def redo(self, note: Any) -> None:
        """Take again what was noted, of JSON types."""


class Checkpointed:
    """A state with its journal in a folder; with None nobody keeps it beyond this process."""

    def __init__(self, name: str, folder: Path | None, state: State) -> None:
        self.name = name
        self._state = state
        self._journal = None if folder is None else StateJournal(folder, name)
        # What `rewind` goes back to: a snapshot, and what the batches that were committed since have noted
        self._snapshot = state.snapshot()
        self._committed: list[bytes] = []
        self._noted: list[Any] = []
        self._unwritten = 0  # committed batches that the journal has not
        self._stale = False  # the journal is of another state

    def note(self, note: Any) -> None:
        """The batch in work has added this to the state."""
        self._noted.append(note)

    def restore(self, note: Any) -> None:
        """Go on from what a note of `write` says. Raises `StreamError` where that cannot be had."""
        if self._journal is None:
            return
        frames = self._journal.read(note)
        if not frames:
            return
        self._snapshot, *self._committed = frames
        try:
            self._replay()
        except SigmacError as error:
            raise StreamError(f"{self.name}: {error}") from None

    def _replay(self) -> None:
        self._state.restore(self._snapshot)
        for batch in self._committed:
            for note in orjson.loads(batch):
                self._state.redo(note)

    def write(self) -> Any:
        """Step 3; what goes with the positions. Raises `OSError`, and can be called again."""
        if self._noted:
            self._committed.append(orjson.dumps(self._noted))
            self._noted = []
            self._unwritten += 1
        if self._journal is None:
            if sum(map(len, self._committed)) > _MOST_KEPT:
                self._begin_anew()
            return None
        if self._journal.is_long or self._stale:
            self._begin_anew()
            self._journal.begin(self._snapshot)
        elif self._unwritten:
            self._journal.append(self._committed[-self._unwritten :])
        self._unwritten, self._stale = 0, False
        return self._journal.note

    def _begin_anew(self) -> None:
        self._snapshot, self._committed = self._state.snapshot(), []

    def replaced(self) -> None:
        """The state has become another one by other ways than notes."""
        self._begin_anew()
        self._stale = True

    def written(self) -> None:
        """The positions are written: what they do not name may go."""
        if self._journal is not None:
            self._journal.sweep()

    def rewind(self) -> None:
        """The batch in work is done again."""
        if self._noted:
            self._noted = []
            self._replay()
