"""How long the state of a second stage took to be restored from its changelog, and how many entries that were."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any


class Restoring:
    """Watches the state of an application of Quix Streams; others may ask meanwhile how it goes."""

    def __init__(self) -> None:
        self.entries = 0
        self._seconds = 0.0  # of those that are over
        self._since: float | None = None

    @property
    def running(self) -> bool:
        return self._since is not None

    @property
    def seconds(self) -> float:
        """In all, with the one that goes on."""
        since = self._since
        return self._seconds + (0.0 if since is None else time.monotonic() - since)

    def watch(self, states: Any) -> None:
        """Time what a manager of states restores."""
        restore: Callable[[], None] = states.do_recovery

        def timed() -> None:
            began = self._since = time.monotonic()
            try:
                restore()
            finally:
                self._since = None
                self._seconds += time.monotonic() - began

        states.do_recovery = timed

    def count(self, partitions: Any) -> None:
        """Count the entries of partitions that are to be restored; those that it knows already stay as they are."""
        for each in (one for by_name in partitions.values() for one in by_name.values()):
            if "recover_from_changelog_message" not in vars(each):
                each.recover_from_changelog_message = self._counted(
                    each.recover_from_changelog_message
                )

    def _counted(self, take: Callable[..., None]) -> Callable[..., None]:
        def counted(**entry: Any) -> None:
            take(**entry)
            self.entries += 1

        return counted
