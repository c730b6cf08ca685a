"""What the workers have evaluated last, for the trial of a pack: bounded, and awaited for a moment only."""

from __future__ import annotations

import base64
import threading
from dataclasses import dataclass, field

from sigmac.runtime.service.packs.trial import Records
from sigmac.runtime.service.workers.crew import Crew
from sigmac.runtime.service.workers.worker_life import Life, Message

_MOST = 4 << 20  # bytes of all workers together
_WITHIN = 2.0  # seconds in which a worker has to answer


@dataclass(slots=True)
class _Question:
    """What was asked, those who have not answered, and what the others said."""

    number: int
    share: int  # bytes of one worker
    waiting: set[Life]
    found: list[Records] = field(default_factory=list)


class RecentRecords:
    """The records that workers keep. `changed` is the lock of the whole service; one thread at a time asks."""

    def __init__(self, crew: Crew, changed: threading.Condition):
        self._crew = crew
        self._changed = changed
        self._number = 0
        self._asked: _Question | None = None

    def ask(self, pack: str) -> list[Records]:
        """The newest records that the workers have evaluated with a pack, by its name.

        A worker that is busy, stuck or gone gives none.
        """
        with self._changed:
            lives = self._crew.lives()
            self._number += 1
            asked = _Question(self._number, _MOST // max(1, len(lives)), set(lives))
            self._asked = asked
            for life in lives:
                life.tell({"do": "recent", "id": asked.number, "pack": pack, "bytes": asked.share})
            self._changed.wait_for(lambda: not asked.waiting or self._crew.stopping, _WITHIN)
            self._asked = None
            return asked.found

    def heard(self, life: Life, message: Message) -> None:
        """What a worker answers. Raises `ValueError` and the like for nonsense."""
        number = int(message["id"])
        found: list[Records] = [
            (
                base64.b64decode(text, validate=True),
                {str(key): str(value) for key, value in logsource.items()} or None,
            )
            for text, logsource in message["records"]
        ]
        with self._changed:
            asked = self._asked
            if asked is None or asked.number != number or life not in asked.waiting:
                return  # too late
            if sum(len(records) for records, _ in found) > asked.share:
                raise ValueError("these are more records than were asked for")
            asked.waiting.discard(life)
            asked.found += found
            self._changed.notify_all()

    def ended(self, life: Life) -> None:
        """A worker's process is gone. Under the lock."""
        if self._asked is not None:
            self._asked.waiting.discard(life)
