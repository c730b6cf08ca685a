"""One program as what it writes shows it: its matches, and which events it is past.

Of topics its consumer group says so: a commit says that all matches of earlier events are written. So the end of what
it writes is looked for after the commit was seen, uncommitted transactions included, and the program is past the event
once all up to there was read: then nothing of it can still come, but from a program that commits before it writes.
`settle` waits for such. Of files its matches say so, which come in the order of the lines.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from typing import Protocol

from confluent_kafka import KafkaException

from sigmac.migration.live.file_lines import FileLines
from sigmac.migration.live.group_progress import AskingClient
from sigmac.migration.live.live_settings import LiveSettings, SideSettings
from sigmac.migration.live.pairing import Found, Partition, Side
from sigmac.migration.live.topic_lines import TopicLines
from sigmac.runtime.stream.kafka.connection import Connection, permanent

_AGAIN = 0.5  # seconds between two questions


class Lines(Protocol):
    """What a program writes: `TopicLines` or `FileLines`."""

    @property
    def reading(self) -> Mapping[int, int]: ...

    def look(self) -> bool: ...

    def read(self, wait: float, *, paused: bool) -> list[bytes]: ...

    def mark_end(self) -> None: ...

    def reached_end(self) -> bool: ...

    def kept(self) -> None: ...

    def close(self) -> None: ...


class SideReader:
    """Reads the lines of a side from `reading` on, and follows it over the events."""

    def __init__(self, side: Side, settings: LiveSettings, reading: Mapping[int, int]):
        mine = settings.side(side)
        self.settings = mine
        self.connection = Connection()
        self.asking: AskingClient | None = None
        if settings.topics:
            properties = settings.plain_properties()
            self.asking = AskingClient(mine.group, properties, self.connection)
        self.lines = self._lines(side, settings, mine, reading)
        self._settle = settings.settle
        self._seen: tuple[float, dict[Partition, int]] | None = None
        self._marked = False
        self._ask_at = 0.0
        self.committed: dict[Partition, int] = {}  # as the group said last
        self.past: dict[Partition, int] = {}  # events before these are done, and their matches read
        self.moved = time.monotonic()  # when `past` last grew

    def _lines(
        self, side: Side, settings: LiveSettings, mine: SideSettings, reading: Mapping[int, int]
    ) -> Lines:
        if mine.topic:
            assert self.asking is not None
            properties = settings.plain_properties()
            return TopicLines(
                mine.topic, mine.group, properties, self.asking, self.connection, reading
            )
        folder = settings.state.with_name(f"{settings.state.name}-{side}")
        return FileLines(mine.files, folder)

    def follow(self, places: Iterable[Partition], found: Sequence[Found]) -> None:
        """Look how far the side is; `found` are the matches that were read since."""
        now = time.monotonic()
        if self.asking is None:
            self._pass({(each.topic, each.partition): each.offset for each in found}, now)
            return
        if now >= self._ask_at and not self._marked:
            self._ask_at = now + _AGAIN
            try:
                self._ask(self.asking, list(places), now)
            except KafkaException as error:
                stop = permanent(error.args[0], f"the group {self.settings.group}")
                if stop is not None:
                    raise stop from None
                self.connection.trouble = error.args[0].str()
        if self._marked and self._seen is not None and self.lines.reached_end():
            self._pass(self._seen[1], now)
            self._seen, self._marked = None, False

    def _ask(self, asking: AskingClient, places: Sequence[Partition], now: float) -> None:
        if self._seen is None:
            self.committed = asking.committed_of(places)
            self._seen = now, self.committed
        if now >= self._seen[0] + self._settle:
            self.lines.mark_end()
            self._marked = True

    def _pass(self, positions: Mapping[Partition, int], now: float) -> None:
        for place, offset in positions.items():
            if offset > self.past.get(place, 0):
                self.past[place], self.moved = offset, now

    def close(self) -> None:
        self.lines.close()
        if self.asking is not None:
            self.asking.close()
