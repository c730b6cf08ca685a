"""Which of the fields that rules ask have occurred in events, and which rules were tried on some."""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from sigmac.runtime.scalar.scalars import lookup


class Seen(NamedTuple):
    """What was seen: fields that some event had of those that rules ask; rules, as bits, that were tried on some.

    `meant` are the rules that the logsource of some event left, whether it then met the condition of theirs or not.
    """

    fields: frozenset[str] = frozenset()
    tried: int = 0
    meant: int = 0

    def with_more(self, other: Seen) -> Seen:
        """What was seen here or there."""
        fields = self.fields | other.fields
        return Seen(fields, self.tried | other.tried, self.meant | other.meant)


class Sightings:
    """What the scalar path has seen since this was made. For several threads.

    `asked` are the names of fields. Only what has not been seen yet is looked for, so that it costs next to nothing.
    """

    def __init__(self, asked: Iterable[str]):
        self.asked = frozenset(asked)
        self._unseen = set(self.asked)
        self._below: dict[str, list[str]] = defaultdict(list)  # first part of a dotted name → names
        for name in self.asked:
            if "." in name:
                self._below[name.partition(".")[0]].append(name)
        self._firsts = frozenset(self._below)
        self._lock = threading.Lock()
        self._tried = self._meant = 0

    def note(self, fields: Mapping[str, Any], tried: int, meant: int) -> None:
        """Take note of an event, and of the rules that were tried on it and that were meant, as bits."""
        if tried & ~self._tried or meant & ~self._meant:
            with self._lock:
                self._tried |= tried
                self._meant |= meant
        self._unseen.difference_update(fields)
        for first in self._firsts.intersection(fields):
            for name in self._below[first]:
                if name in self._unseen and lookup(fields, name) is not None:
                    self._unseen.discard(name)

    def seen(self) -> Seen:
        """What was seen so far."""
        return Seen(self.asked - self._unseen, self._tried, self._meant)
