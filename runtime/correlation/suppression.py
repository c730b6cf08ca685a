"""Of matches that are alike only the first goes out for a while; the next one tells how many were held back.

Times are those of the events, so that the same events give the same lines whenever they are read.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import orjson

from sigmac.runtime.correlation.definition import Correlation
from sigmac.runtime.correlation.observation import Scalars, scalars_of, texts_of
from sigmac.runtime.correlation.timestamps import FIELDS, SECOND, event_time
from sigmac.runtime.errors import SigmacError
from sigmac.runtime.match import Rule

MAX_KEYS = 100_000
VERSION = 1  # of the bytes of a state
Last = tuple[int, int]  # of a key: when one went out, and how many were held back since
_MILLISECOND = 1000  # microseconds
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


class Alike(NamedTuple):
    """What a match is compared by: one of the same `key` is held back for `span` after `time`, in microseconds."""

    key: str
    time: int
    span: int


def judged(last: Last | None, time: int, span: int) -> tuple[Last, int | None]:
    """What is remembered of a key from now on, and how many were held back before a match that goes out.

    None where it is held back itself. One that is older than the last by more than the span goes out, and changes
    nothing.
    """
    if last is None:
        return (time, 0), 0
    start, held = last
    if start - span < time < start + span:
        return (start, held + 1), None
    return (last, 0) if time < start else ((time, 0), held)


class Suppressions:
    """What is held back, as a configuration says: of these the first that fits a rule decides."""

    def __init__(self, given: Sequence[Suppression], timestamp_fields: Sequence[str] = FIELDS):
        self._given = given
        self._timestamp_fields = timestamp_fields

    def fields(self, rules: Sequence[Rule | Correlation]) -> list[str]:
        """The fields that matches of some rules are compared by."""
        concerned = {self._of(each) for each in rules} - {None}
        found = (
            name for number in concerned if number is not None for name in self._given[number].by
        )
        return [name for name in dict.fromkeys(found) if name != RULE]

    def of_event(
        self,
        rule: Rule | Correlation,
        event: bytes,
        timestamp: int | None,
        group: Mapping[str, str] | None = None,
    ) -> Alike | None:
        """What a match is compared by; None where it goes out in any case.

        `timestamp` is the record's own, in milliseconds since 1970: it counts where the event has none. `group` is that
        of an alert.
        """
        number = self._of(rule)
        if number is None:
            return None
        fields = orjson.loads(event)
        time = event_time(fields, self._timestamp_fields)
        if time is None and timestamp is not None:
            time = timestamp * _MILLISECOND
        if time is None:
            return None  # nobody knows when it was
        values = {name: scalars_of(fields, name) for name in self._given[number].by if name != RULE}
        return self._alike(number, rule, values, time, group or {})

    def of_alert(
        self,
        correlation: Correlation,
        values: Mapping[str, Scalars],
        time: int,
        group: Mapping[str, str],
    ) -> Alike | None:
        """The same of an alert, from the values of the event's `fields`."""
        number = self._of(correlation)
        return None if number is None else self._alike(number, correlation, values, time, group)

    def _of(self, rule: Rule | Correlation) -> int | None:
        names = (rule.id, rule.name, rule.title)
        for number, each in enumerate(self._given):
            if each.concerns(names, rule.level):
                return number
        return None

    def _alike(
        self,
        number: int,
        rule: Rule | Correlation,
        values: Mapping[str, Scalars],
        time: int,
        group: Mapping[str, str],
    ) -> Alike:
        given = self._given[number]
        parts: list[Any] = [
            rule.id or rule.title if name == RULE else sorted(texts_of(values, (name,), group))
            for name in given.by
        ]
        return Alike(orjson.dumps([number, *parts]).decode(), time, round(given.seconds * SECOND))


class Suppressor:
    """What went out last of each key, and how many were held back since: a state that is kept."""

    def __init__(self, max_keys: int = MAX_KEYS) -> None:
        self._max_keys = max_keys
        self._last: OrderedDict[str, Last] = OrderedDict()
        self.held = 0  # in all
        self.evicted = 0

    def take(self, key: str, time: int, span: int) -> int | None:
        """How many were held back before a match that goes out; None where it is held back itself."""
        known = self._last.get(key)
        if known is None and len(self._last) >= self._max_keys:
            self._last.popitem(last=False)
            self.evicted += 1
        last, held = judged(known, time, span)
        if last is not known:
            self._last[key] = last
            self._last.move_to_end(key)
        self.held += held is None
        return held

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
