"""Two running programs compared: their lines are read and paired, and decided where both are past.

One round, and what a crash in it means:

    1. lines of both sides are read, and taken into the pairs with the positions behind them
    2. the sides' groups and ends are asked for; what lies below both is decided
    3. differences are written and flushed, and the length of what is written is kept with the pairs
    4. the transaction of the pairs is committed

A crash before 4 leaves the state of the round before: its lines are read again, and what was written beyond the length
that the state knows is cut off (standard output keeps it, and gets it once more).
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from confluent_kafka import KafkaException

from sigmac.migration.live.group_progress import AskingClient
from sigmac.migration.live.live_causes import LiveCauses
from sigmac.migration.live.live_settings import LiveSettings
from sigmac.migration.live.match_lines import read_line
from sigmac.migration.live.pairing import Counted, Found, Pairing, Partition, Side, Single
from sigmac.migration.live.side_reader import SideReader
from sigmac.runtime.errors import InputError, StreamError

_WAIT = 0.1  # seconds for lines of a side
_PARTITIONS_AGAIN = 10.0  # seconds between two looks for new partitions
_Answer = TypeVar("_Answer")
_START = 30.0  # seconds that the brokers may take to answer at first


@dataclass(frozen=True, slots=True)
class Progress:
    """How a side does: the events that the other is past and it is not, and for how long it stands.

    `standing` are seconds since it last passed one, 0 where it is not behind; `trouble` is what the broker says.
    """

    behind: int
    standing: float
    trouble: str = ""


@dataclass(frozen=True, slots=True)
class Report:
    """What was found, and how the sides do."""

    counted: Counted
    progress: Mapping[Side, Progress]


class LiveComparison:
    """The comparison of the settings, which goes on where the `pairing` is.

    `tell` takes differences in the order in which they are decided, and is called before they are kept. `passed_over`
    takes what is wrong with a line that says no match, `causes` tells why there is a difference. Raises `StreamError`
    where the brokers cannot be used.
    """

    def __init__(
        self,
        settings: LiveSettings,
        pairing: Pairing,
        tell: Callable[[Sequence[Single]], None],
        passed_over: Callable[[Side, str], None],
        causes: LiveCauses,
    ):
        self.settings, self.pairing = settings, pairing
        self._tell, self._passed_over, self._causes = tell, passed_over, causes
        self._readers = {side: SideReader(side, settings, pairing.reading(side)) for side in Side}
        self._topics = dict.fromkeys(settings.files, 1)  # with their numbers of partitions
        self._look_at = 0.0
        self._until: dict[Partition, int] | None = None
        self._begin()

    def _begin(self) -> None:
        _insist(self._partitions)
        if self.pairing.said("begun") is None:
            if self.settings.topics and self.settings.start == "latest":
                both = _insist(self._committed)
                self.pairing.begin_at(
                    {place: max(each[place] for each in both) for place in self._places}
                )
            self.pairing.say("begun", "yes")
            self.pairing.commit()

    def _partitions(self) -> None:
        if not self._look_for_partitions():
            troubles = [each.connection.trouble for each in self._readers.values()]
            raise _NoAnswer(next(filter(None, troubles), "no broker answers"))

    def _committed(self) -> list[dict[Partition, int]]:
        return [each.committed_of(self._places) for each in self._asking]

    @property
    def _asking(self) -> list[AskingClient]:
        return [each.asking for each in self._readers.values() if each.asking is not None]

    @property
    def _places(self) -> list[Partition]:
        return [(topic, part) for topic, count in self._topics.items() for part in range(count)]

    def _look_for_partitions(self) -> bool:
        self._look_at = time.monotonic() + _PARTITIONS_AGAIN
        for asking in self._asking:
            found = asking.partitions(self.settings.topics)
            if found is None:
                return False
            self._topics.update(found)
        return all(reader.lines.look() for reader in self._readers.values())

    def until_the_end(self) -> None:
        """From now on `finished` asks for what the topics hold at this moment, or for all that the files hold."""
        self._until = {}
        if self._asking:
            self._until = _insist(lambda: self._asking[0].ends_of(self._places))

    def finished(self) -> bool:
        """Whether all is decided up to where `until_the_end` was called."""
        if self._until is None:
            return False
        if not self._asking:
            return self._finish_files()
        done = self.pairing.done()
        left = {place: end for place, end in self._until.items() if done.get(place, 0) < end}
        for place in left:
            at = done.get(place, 0)
            # The last records of a partition may be marks of transactions, which no group commits.
            standing = all(each.committed.get(place, 0) <= at for each in self._readers.values())
            if not standing or not self._asking[0].is_empty(place, at):
                return False
            self._until[place] = at
        return True

    def _finish_files(self) -> bool:
        """What the last lines say is decided as well, once all are read."""
        if not all(reader.lines.reached_end() for reader in self._readers.values()):
            return False
        self._decide(self.pairing.end_of_waiting())
        return True

    def round(self) -> None:
        """Read, pair, decide and keep."""
        if time.monotonic() > self._look_at:
            self._look_for_partitions()
        ahead = self._ahead() if self.pairing.waiting > self.settings.max_waiting else None
        for side, reader in self._readers.items():
            found, wrong = self._read(side, reader.lines.read(_WAIT, paused=side is ahead))
            if found or wrong:
                self.pairing.take(side, found, wrong, reader.lines.reading)
            reader.follow(self._places, found)
        go, ours = (self._readers[side].past for side in Side)
        self._decide({place: min(go[place], ours[place]) for place in go.keys() & ours.keys()})

    def _decide(self, positions: Mapping[Partition, int]) -> None:
        record_at = self._asking[0].record_at if self._asking else None
        self._tell([self._causes.told(each, record_at) for each in self.pairing.passed(positions)])
        self.pairing.commit()
        for reader in self._readers.values():
            reader.lines.kept()

    def _read(self, side: Side, lines: Sequence[bytes]) -> tuple[list[Found], int]:
        found: list[Found] = []
        wrong = 0
        for line in lines:
            try:
                found += self._found(side, line)
            except InputError as error:
                wrong += 1
                self._passed_over(side, str(error))
        return found, wrong

    def _found(self, side: Side, line: bytes) -> list[Found]:
        try:
            return read_line(line, self.settings.side(side), self._topics)
        except InputError:
            if time.monotonic() < self._look_at - _PARTITIONS_AGAIN + 1:
                raise
            self._look_for_partitions()  # a topic may have more of them by now
            return read_line(line, self.settings.side(side), self._topics)

    def _ahead(self) -> Side | None:
        """The side that is past all that the other is past, and more: not to be read while too much waits."""
        for side, other in ((Side.GO, Side.SIGMAC), (Side.SIGMAC, Side.GO)):
            mine, theirs = self._readers[side].past, self._readers[other].past
            if all(mine.get(each, 0) >= theirs[each] for each in theirs) and mine != theirs:
                return side
        return None

    def report(self) -> Report:
        """What was found so far, and how the sides do."""
        now, progress = time.monotonic(), {}
        for side, other in ((Side.GO, Side.SIGMAC), (Side.SIGMAC, Side.GO)):
            reader, theirs = self._readers[side], self._readers[other].past
            behind = sum(max(0, at - reader.past.get(place, 0)) for place, at in theirs.items())
            standing = now - reader.moved if behind else 0.0
            progress[side] = Progress(behind, standing, reader.connection.trouble)
        return Report(self.pairing.counted(), progress)

    def close(self) -> None:
        for reader in self._readers.values():
            reader.close()


class _NoAnswer(Exception):
    """No broker answers yet."""


def _insist(ask: Callable[[], _Answer]) -> _Answer:
    """What brokers answer; they have half a minute. Raises `StreamError`."""
    until = time.monotonic() + _START
    while True:
        try:
            return ask()
        except (KafkaException, _NoAnswer) as error:
            if time.monotonic() > until:
                raise StreamError(f"kafka: {error}") from None
        time.sleep(_WAIT)


def what_is_compared(settings: LiveSettings) -> str:
    """What a state is bound to."""
    sides = [
        (each.topic, [*map(str, each.files)], each.group) for each in (settings.go, settings.sigmac)
    ]
    return json.dumps([sorted([*settings.topics, *settings.files]), *sides])
