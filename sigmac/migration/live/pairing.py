"""Matches of two programs, paired by the place of their event and by rule, and counted once both are past the place.

All that is known stands in one file of SQLite and changes in one transaction, with the positions up to which the lines
were read: a process that dies begins again where its last transaction ended, and counts nothing twice. What waits is on
disk, so that a side may be late for as long as the disk has room.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any

from sigmac.runtime.errors import ConfigurationError

_FORM = "1"  # of the file; another one is refused
_MOST_TOLD = 100_000  # differences that are remembered, to notice lines that come after all
_SCHEMA = """
    CREATE TABLE IF NOT EXISTS said (key TEXT PRIMARY KEY, value TEXT) WITHOUT ROWID;
    CREATE TABLE IF NOT EXISTS reading (
        side INTEGER, part INTEGER, next INTEGER, PRIMARY KEY (side, part)
    ) WITHOUT ROWID;
    CREATE TABLE IF NOT EXISTS done (
        topic TEXT, part INTEGER, next INTEGER, PRIMARY KEY (topic, part)
    ) WITHOUT ROWID;
    CREATE TABLE IF NOT EXISTS waiting (
        topic TEXT, part INTEGER, position INTEGER, event INTEGER, rule TEXT, title TEXT, sides INTEGER,
        PRIMARY KEY (topic, part, position, event, rule)
    ) WITHOUT ROWID;
    CREATE TABLE IF NOT EXISTS told (
        number INTEGER PRIMARY KEY, topic TEXT, part INTEGER, position INTEGER, event INTEGER, rule TEXT, sides INTEGER,
        UNIQUE (topic, part, position, event, rule)
    );
    CREATE TABLE IF NOT EXISTS counts (
        rule TEXT PRIMARY KEY, title TEXT, agreed INTEGER, only_go INTEGER, only_sigmac INTEGER
    ) WITHOUT ROWID;
    CREATE TABLE IF NOT EXISTS tallies (
        side INTEGER, what TEXT, number INTEGER, PRIMARY KEY (side, what)
    ) WITHOUT ROWID;
"""


class Side(StrEnum):
    """Whose match it is."""

    GO = "go"
    SIGMAC = "sigmac"


_BITS = {Side.GO: 1, Side.SIGMAC: 2}
_BOTH = 3
_ONLY = {1: Side.GO, 2: Side.SIGMAC}
# What is counted of a side's lines: all matches; those that were there before, or lie before the start; those that came
# when the other side had been told to be alone with them; lines that hold no match.
TALLIES = ("matches", "repeated", "late", "passed_over")

Partition = tuple[str, int]  # topic and number


@dataclass(frozen=True, slots=True)
class Found:
    """A match as a side tells it: where its event lies (`event` is its number in the record), and which rule it is."""

    topic: str
    partition: int
    offset: int
    event: int
    rule: str  # id, or title where there is none
    title: str


@dataclass(frozen=True, slots=True)
class Single:
    """A match of one side alone, and why, where that was looked for."""

    found: Found
    only: Side
    causes: tuple[str, ...] = ()

    def plain(self) -> dict[str, Any]:
        """JSON types."""
        found = self.found
        source = {"topic": found.topic, "partition": found.partition, "offset": found.offset}
        if found.event:
            source["index"] = found.event
        told = {
            "only": self.only.value,
            "rule": {"id": found.rule, "title": found.title},
            "source": source,
        }
        return {**told, "causes": list(self.causes)} if self.causes else told


@dataclass(frozen=True, slots=True)
class RuleCounts:
    """What was counted of a rule."""

    rule: str
    title: str
    agreed: int
    only_go: int
    only_sigmac: int


@dataclass(frozen=True, slots=True)
class Counted:
    """What was counted so far; `lines` has the `TALLIES` of each side, `waiting` the matches that are not decided."""

    rules: Sequence[RuleCounts] = ()
    lines: Mapping[Side, Mapping[str, int]] = field(default_factory=dict)
    waiting: int = 0

    @property
    def agreed(self) -> int:
        return sum(each.agreed for each in self.rules)

    @property
    def only_go(self) -> int:
        return sum(each.only_go for each in self.rules)

    @property
    def only_sigmac(self) -> int:
        return sum(each.only_sigmac for each in self.rules)


class Pairing:
    """The pairs in a file, or in memory where the path is `:memory:`; `what` says what is compared.

    Raises `ConfigurationError` where the file is none of ours, is of another comparison, or in use.
    """

    def __init__(self, file: Path | str, what: str):
        try:
            self._base = sqlite3.connect(file, isolation_level=None, timeout=1)
            self._base.execute("PRAGMA locking_mode = EXCLUSIVE")
            self._base.execute("PRAGMA journal_mode = WAL")
            self._base.execute("PRAGMA synchronous = NORMAL")
            self._base.executescript(_SCHEMA)
            self._base.execute("BEGIN IMMEDIATE")
        except sqlite3.OperationalError as error:
            hint = "; another process uses it" if "locked" in str(error) else ""
            raise ConfigurationError(f"{file}: {error}{hint}") from None
        except sqlite3.DatabaseError as error:
            raise ConfigurationError(f"{file}: {error}: name another file for the state") from None
        for key, value in (("form", _FORM), ("what", what)):
            known = self.said(key)
            if known is None:
                self.say(key, value)
            elif known != value:
                said = "the state is of another comparison; name another file for this one"
                raise ConfigurationError(f"{file}: {said}")
        self.waiting = self._one("SELECT count(*) FROM waiting")

    def said(self, key: str) -> str | None:
        """What was kept under a name."""
        row = self._base.execute("SELECT value FROM said WHERE key = ?", (key,)).fetchone()
        return None if row is None else str(row[0])

    def say(self, key: str, value: str) -> None:
        """Keep a text under a name."""
        self._base.execute("INSERT OR REPLACE INTO said VALUES (?, ?)", (key, value))

    def commit(self) -> None:
        """Keep all that was taken and decided; a process that dies before has done nothing of it."""
        self._base.execute("COMMIT")
        self._base.execute("BEGIN IMMEDIATE")

    def close(self) -> None:
        """Without keeping what came after the last `commit`."""
        self._base.close()

    def reading(self, side: Side) -> dict[int, int]:
        """From where the lines of a side are read on, by partition of its topic."""
        rows = self._base.execute("SELECT part, next FROM reading WHERE side = ?", (_BITS[side],))
        return dict(rows.fetchall())

    def done(self) -> dict[Partition, int]:
        """Up to where events are decided."""
        rows = self._base.execute("SELECT topic, part, next FROM done")
        return {(topic, part): position for topic, part, position in rows}

    def take(
        self, side: Side, found: Iterable[Found], passed_over: int, reading: Mapping[int, int]
    ) -> None:
        """Take what lines of a side say, in any order, and from where the next lines are read."""
        bit, done = _BITS[side], self.done()
        tallies = dict.fromkeys(TALLIES, 0) | {"passed_over": passed_over}
        for each in found:
            tallies["matches"] += 1
            if each.offset < done.get((each.topic, each.partition), 0):
                tallies["late" if self._was_missed(bit, each) else "repeated"] += 1
            else:
                tallies["repeated"] += self._wait(bit, each)
        for what, number in tallies.items():
            self._base.execute(
                "INSERT INTO tallies VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET number = number + excluded.number",
                (bit, what, number),
            )
        self._base.executemany(
            "INSERT OR REPLACE INTO reading VALUES (?, ?, ?)",
            [(bit, part, position) for part, position in reading.items()],
        )

    def _wait(self, bit: int, each: Found) -> bool:
        """Whether this side had it already."""
        key = (each.topic, each.partition, each.offset, each.event, each.rule)
        where = "topic = ? AND part = ? AND position = ? AND event = ? AND rule = ?"
        row = self._base.execute(f"SELECT sides FROM waiting WHERE {where}", key).fetchone()
        if row is None:
            self._base.execute(
                "INSERT INTO waiting VALUES (?, ?, ?, ?, ?, ?, ?)", (*key, each.title, bit)
            )
            self.waiting += 1
        elif not row[0] & bit:
            self._base.execute(f"UPDATE waiting SET sides = {_BOTH} WHERE {where}", key)
        else:
            return True
        return False

    def _was_missed(self, bit: int, each: Found) -> bool:
        """Whether the other side was told to be alone with it: a difference that is none after all."""
        key = (each.topic, each.partition, each.offset, each.event, each.rule)
        where = "topic = ? AND part = ? AND position = ? AND event = ? AND rule = ?"
        gone = self._base.execute(f"DELETE FROM told WHERE {where} AND sides <> ?", (*key, bit))
        return gone.rowcount > 0

    def passed(self, positions: Mapping[Partition, int]) -> Iterator[Single]:
        """Both sides are past these positions, and their lines up to there are taken: decide what waits below them.

        Gives what one side has alone, in the order of its places. To be read to the end.
        """
        done = self.done()
        for (topic, part), position in sorted(positions.items()):
            if position > done.get((topic, part), 0):
                yield from self._decide(topic, part, position)

    def _decide(self, topic: str, part: int, position: int) -> list[Single]:
        below, where = (topic, part, position), "topic = ? AND part = ? AND position < ?"
        rows = self._base.execute(
            f"SELECT topic, part, position, event, rule, title, sides FROM waiting WHERE {where} AND sides <> {_BOTH} "
            "ORDER BY position, event, rule",
            below,
        ).fetchall()
        self._base.executemany(
            "INSERT OR IGNORE INTO told (topic, part, position, event, rule, sides) VALUES (?, ?, ?, ?, ?, ?)",
            [(*row[:5], row[6]) for row in rows],
        )
        if rows:
            last = self._one("SELECT max(number) FROM told")
            self._base.execute("DELETE FROM told WHERE number <= ?", (last - _MOST_TOLD,))
        self._base.execute(
            "INSERT INTO counts SELECT rule, max(title), sum(sides = 3), sum(sides = 1), sum(sides = 2) FROM waiting "
            f"WHERE {where} GROUP BY rule ON CONFLICT DO UPDATE SET agreed = agreed + excluded.agreed, "
            "only_go = only_go + excluded.only_go, only_sigmac = only_sigmac + excluded.only_sigmac",
            below,
        )
        gone = self._base.execute(f"DELETE FROM waiting WHERE {where}", below)
        self.waiting -= gone.rowcount
        self._base.execute("INSERT OR REPLACE INTO done VALUES (?, ?, ?)", below)
        return [Single(Found(*row[:6]), _ONLY[row[6]]) for row in rows]

    def end_of_waiting(self) -> dict[Partition, int]:
        """The positions behind all that waits."""
        rows = self._base.execute(
            "SELECT topic, part, max(position) + 1 FROM waiting GROUP BY topic, part"
        )
        return {(topic, part): position for topic, part, position in rows}

    def begin_at(self, positions: Mapping[Partition, int]) -> None:
        """Compare from these positions on; lines of earlier ones count as repeated."""
        self._base.executemany(
            "INSERT OR REPLACE INTO done VALUES (?, ?, ?)",
            [(*place, position) for place, position in positions.items()],
        )

    def counted(self) -> Counted:
        """What was counted so far, the rules that differ most first."""
        rows = self._base.execute(
            "SELECT rule, title, agreed, only_go, only_sigmac FROM counts ORDER BY only_go + only_sigmac DESC, rule"
        )
        rules = [RuleCounts(*row) for row in rows]
        lines = {side: dict.fromkeys(TALLIES, 0) for side in Side}
        for bit, what, number in self._base.execute("SELECT side, what, number FROM tallies"):
            lines[_ONLY[bit]][what] = number
        return Counted(rules, lines, self.waiting)

    def _one(self, query: str) -> int:
        return int(self._base.execute(query).fetchone()[0])
