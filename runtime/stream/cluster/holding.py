"""What a worker does with matches that may be held back: the second stage decides, which sees all that are alike."""

from __future__ import annotations

from sigmac.runtime.correlation.suppression import Suppressions
from sigmac.runtime.match import Rule
from sigmac.runtime.stream.match_message import as_candidate
from sigmac.runtime.stream.sink import Message


class Holding:
    """Of one pack: `slot` is its name in the configuration, `event` says whether its matches carry events."""

    def __init__(self, slot: str, suppressions: Suppressions, *, event: bool) -> None:
        self._slot = slot
        self._suppressions = suppressions
        self._event = event

    def candidate(
        self, rule: Rule, match: Message, event: bytes, timestamp: int | None
    ) -> Message | None:
        """The match on its way to the second stage; None where it goes out in any case."""
        alike = self._suppressions.of_event(rule, event, timestamp)
        if alike is None:
            return None
        return as_candidate(self._slot, match, alike, event if self._event else None)
