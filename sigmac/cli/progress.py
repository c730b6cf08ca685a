"""The progress bar of work that takes long."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sigmac.runtime.inputs.lines import Block
    from sigmac.runtime.reading.reading import Reading


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


def watched_events(name: str, reading: Reading, *, show: bool) -> Iterator[Block]:
    """The events of an input in blocks, with a progress bar on a terminal; as `read_events`."""
    from sigmac.runtime.inputs.opened import STDIN
    from sigmac.runtime.reading.reading import read_events

    blocks = read_events(name, reading)
    if not show or name == STDIN or not sys.stderr.isatty() or not Path(name).is_file():
        yield from blocks
        return
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        DownloadColumn,
        Progress,
        TimeRemainingColumn,
        TransferSpeedColumn,
    )

    columns = (
        "{task.description}",
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task(Path(name).name, total=Path(name).stat().st_size)
        for block in blocks:
            yield block
            progress.update(task, completed=block.read)
