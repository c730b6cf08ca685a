"""Which of the fields that rules ask have occurred in events, and which rules were tried on some."""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any

from sigmac.runtime.scalar.scalars import lookup


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
        self.tried = 0  # rules, as bits

    def note(self, fields: Mapping[str, Any], rules: int) -> None:
        """Take note of an event, and of the rules that were tried on it, as bits."""
        if rules & ~self.tried:
            with self._lock:
                self.tried |= rules
        self._unseen.difference_update(fields)
        for first in self._firsts.intersection(fields):
            for name in self._below[first]:
                if name in self._unseen and lookup(fields, name) is not None:
                    self._unseen.discard(name)

    def seen(self) -> frozenset[str]:
        """The names that some event had."""
        return self.asked - self._unseen
