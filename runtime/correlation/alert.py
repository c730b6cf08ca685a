"""What a correlation writes when its condition becomes true."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from sigmac.runtime.correlation.definition import Correlation
from sigmac.runtime.correlation.exact import Number
from sigmac.runtime.correlation.timestamps import shown


@dataclass(frozen=True, slots=True)
class Alert:
    """The condition of `correlation` became true in a group, at the event that `source` names.

    `group` has the names of `group-by` and their values as texts, `value` what was compared; of the hits in the
    window `first` and `last` are the times in microseconds since 1970, `count` is their number, `events` are the
    sources of the newest hundred, oldest first.
    """

    correlation: Correlation
    source: Any
    group: Mapping[str, str]
    value: Number
    first: int
    last: int
    count: int
    events: Sequence[Any]

    def plain(self) -> dict[str, Any]:
        """JSON types, for output."""
        return {
            "rule": self.correlation.on_the_wire(),
            "source": self.source,
            "correlation": {
                "type": self.correlation.type,
                "timespan": self.correlation.timespan,
                "group": dict(self.group),
                "value": plain_number(self.value),
                "first": shown(self.first),
                "last": shown(self.last),
                "count": self.count,
                "events": list(self.events),
            },
        }

    @property
    def id(self) -> str:
        """32 hexadecimal digits: the same for the same correlation, group and source, however often it is made."""
        name = self.correlation.id or self.correlation.name or self.correlation.title
        parts = [name, sorted(self.group.items()), self.source]
        return hashlib.blake2b(orjson.dumps(parts), digest_size=16).hexdigest()


def plain_number(value: Number) -> Number:
    """A number as JSON shows it: without a fraction where it is a whole one below 2**53."""
    if isinstance(value, float) and value.is_integer() and abs(value) < 2**53:
        return int(value)
    return value
