"""Matches and alerts that are held back, as the configuration says."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import orjson

from sigmac.runtime.correlation.alert import Alert
from sigmac.runtime.correlation.definition import Correlation
from sigmac.runtime.correlation.observation import texts_of
from sigmac.runtime.correlation.suppression import RULE, Suppression, Suppressor, span_of
from sigmac.runtime.correlation.timestamps import FIELDS, event_time
from sigmac.runtime.match import Rule
from sigmac.runtime.scalar.scalars import lookup
from sigmac.runtime.stream.kept.checkpointed import Checkpointed

_MILLISECOND = 1000  # microseconds


class Suppressing:
    """What is held back of one input's matches; `folder` is where that is kept, None for nowhere."""

    def __init__(
        self,
        name: str,
        suppressions: Sequence[Suppression],
        folder: Path | None,
        timestamp_fields: Sequence[str] = FIELDS,
    ) -> None:
        self._suppressions = suppressions
        self._fields = timestamp_fields
        self._suppressor = Suppressor()
        self.kept = Checkpointed(f"suppressed-{name}", folder, self._suppressor)

    @property
    def held(self) -> int:
        """How many matches were held back in all."""
        return self._suppressor.held

    def take(
        self,
        rule: Rule | Correlation,
        event: bytes,
        timestamp: int | None,
        alert: Alert | None = None,
    ) -> int | None:
        """How many were held back before a match that goes out; None where it is held back itself.

        `timestamp` is the record's own, in milliseconds since 1970: it counts where the event has none.
        """
        names = (rule.id, rule.name, rule.title)
        for number, each in enumerate(self._suppressions):
            if each.concerns(names, rule.level):
                return self._take(number, each, rule, event, timestamp, alert)
        return 0

    def _take(
        self,
        number: int,
        suppression: Suppression,
        rule: Rule | Correlation,
        event: bytes,
        timestamp: int | None,
        alert: Alert | None,
    ) -> int | None:
        fields = orjson.loads(event)
        time = event_time(fields, self._fields)
        if time is None and timestamp is not None:
            time = timestamp * _MILLISECOND
        if time is None:
            return 0  # nobody knows when it was
        group = alert.group if alert is not None else {}
        parts: list[Any] = [
            rule.id or rule.title if name == RULE else _texts(fields, group, name)
            for name in suppression.by
        ]
        note = (orjson.dumps([number, *parts]).decode(), time, span_of(suppression))
        self.kept.note(note)
        return self._suppressor.take(*note)


def _texts(event: Mapping[str, Any], group: Mapping[str, str], name: str) -> list[str]:
    values = {name: [v for v in lookup(event, name) or () if v is not None]}
    return sorted(texts_of(values, (name,), group))
