"""The progress bar of work that takes long."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any


class Progress:
    """A progress bar on a terminal, nothing elsewhere."""

    def __init__(self, what: str):
        self.what = what
        self.bar: Any = None

    def __enter__(self) -> Callable[[int, int], None] | None:
        if not sys.stderr.isatty():
            return None
        from rich import progress
        from rich.console import Console

        columns = (
            "{task.description}",
            progress.BarColumn(),
            progress.MofNCompleteColumn(),
            progress.TimeRemainingColumn(),
        )
        # No thread draws the bar: it could hold a lock while worker processes are forked.
        self.bar = progress.Progress(
            *columns, console=Console(stderr=True), transient=True, auto_refresh=False
        )
        self.bar.start()
        task = self.bar.add_task(self.what, total=None)
        return lambda done, total: self.bar.update(task, completed=done, total=total, refresh=True)

    def __exit__(self, *failure: object) -> None:
        if self.bar is not None:
            self.bar.stop()
