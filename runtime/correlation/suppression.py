"""Of matches that are alike only the first goes out for a while; the next one tells how many were held back.

Times are those of the events, so that the same events give the same lines whenever they are read.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from sigmac.runtime.correlation.timestamps import SECOND
from sigmac.runtime.errors import SigmacError

MAX_KEYS = 100_000
VERSION = 1  # of the bytes of a state
RULE = (
    "rule"  # in `by`, what matched; anything else is a field of the event, or of an alert's group
)


@dataclass(frozen=True, slots=True)
class Suppression:
    """For so many `seconds` matches are held back that agree with an earlier one in `by`.

    It is for the rules and correlations of these `rules` (ids, names or titles) and `levels`; empty means all.
    """

    seconds: float
    by: Sequence[str] = (RULE,)
    rules: Sequence[str] = ()
    levels: Sequence[str] = ()

    def concerns(self, names: Sequence[str | None], level: str | None) -> bool:
        """Whether it is for a rule of these names."""
        named = not self.rules or not set(self.rules).isdisjoint(filter(None, names))
        return named and (not self.levels or level in self.levels)


class Suppressor:
    """What went out last of each key, and how many were held back since: a state that is kept."""

    def __init__(self, max_keys: int = MAX_KEYS) -> None:
        self._max_keys = max_keys
        self._last: OrderedDict[str, tuple[int, int]] = OrderedDict()  # time and number held back
        self.held = 0  # in all
        self.evicted = 0

    def take(self, key: str, time: int, span: int) -> int | None:
        """How many were held back before a match that goes out; None where it is held back itself.

        `time` and `span` are in microseconds. One that is older than the last by more than the span goes out, and
        changes nothing.
        """
        known = self._last.get(key)
        if known is not None:
            start, held = known
            if start - span < time < start + span:
                self._last[key] = start, held + 1
                self._last.move_to_end(key)
                self.held += 1
                return None
            if time < start:
                return 0
        elif len(self._last) >= self._max_keys:
            self._last.popitem(last=False)
            self.evicted += 1
        self._last[key] = time, 0
        self._last.move_to_end(key)
        return known[1] if known else 0

    def snapshot(self) -> bytes:
        """The state, which `restore` takes."""
        last = [[key, *each] for key, each in self._last.items()]
        return orjson.dumps({"version": VERSION, "held": self.held, "last": last})

    def restore(self, snapshot: bytes) -> None:
        """Raises `SigmacError` where the bytes are no such state."""
        try:
            found = orjson.loads(snapshot)
            if found["version"] != VERSION:
                raise ValueError(f"version {found['version']}")
            self._last = OrderedDict((key, (int(t), int(n))) for key, t, n in found["last"])
            self.held = int(found["held"])
        except (ValueError, TypeError, KeyError) as error:
            raise SigmacError(f"this is no state of what is held back: {error}") from None

    def redo(self, note: Any) -> None:
        """`take` again."""
        self.take(*note)


def span_of(suppression: Suppression) -> int:
    """Its time in microseconds."""
    return round(suppression.seconds * SECOND)
