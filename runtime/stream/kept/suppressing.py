"""Matches and alerts that are held back, as the configuration says."""

from __future__ import annotations

from pathlib import Path

from sigmac.runtime.correlation.alert import Alert
from sigmac.runtime.correlation.definition import Correlation
from sigmac.runtime.correlation.suppression import Suppressions, Suppressor
from sigmac.runtime.match import Rule
from sigmac.runtime.stream.kept.checkpointed import Checkpointed


class Suppressing:
    """What is held back of one input's matches; `folder` is where that is kept, None for nowhere."""

    def __init__(self, name: str, suppressions: Suppressions, folder: Path | None) -> None:
        self._suppressions = suppressions
        self._suppressor = Suppressor()
        self.kept = Checkpointed(f"suppressed-{name}", folder, self._suppressor)

    @property
    def held(self) -> int:
        """How many matches were held back in all."""
        return self._suppressor.held

    @property
    def forgotten(self) -> int:
        """How often it was forgotten that something went out, as there were too many others."""
        return self._suppressor.evicted

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
        group = alert.group if alert is not None else None
        alike = self._suppressions.of_event(rule, event, timestamp, group)
        if alike is None:
            return 0
        self.kept.note([*alike])
        return self._suppressor.take(*alike)
