"""What a report holds: results in bounded number and size, as columns and events in compressed blocks."""

from __future__ import annotations

import base64
import gzip
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson

from sigmac.attack.attack_table import shipped
from sigmac.attack.tags import NO_TACTIC, TACTICS, tactics
from sigmac.results.cells import fields_text
from sigmac.results.details import Details, correlation_of, event_of, matched_fields
from sigmac.results.result import Result, key_of, packed, unpacked
from sigmac.results.severity import LEVELS, NO_LEVEL, rank
from sigmac.runtime.correlation.sorted_spool import SortedSpool
from sigmac.runtime.match import Explanation
from sigmac.runtime.scalar.json_record import json_bytes

MOST_RESULTS = 100_000
MOST_EVENT = 16 << 10  # bytes of an event
MOST_EVENTS = 128 << 20  # bytes of all events
MOST_WAITING = (
    2 << 30
)  # bytes of results that wait for the report; further ones wait without their events
MOST_EXPLAINED = 2_000  # results
MOST_EXPLAINED_OF_A_RULE = 50
_MOST_QUESTIONS = 40
_MOST_HELD = 5
_MOST_TEXT = 300  # characters
_IN_A_BLOCK = 5_000
_EVENTS_IN_A_BLOCK = 1 << 20  # bytes


class Kept:
    """Results that wait for the report, those of the highest levels first; on disk where they are many."""

    def __init__(self, details: Details, most: int = MOST_RESULTS) -> None:
        self._details = details
        self._most = most
        self._spool = SortedSpool()
        self._ranks: dict[int, int] = {}
        self._kept: Counter[int] = Counter()
        self._size = 0
        self.count = 0

    def add(self, pieces: Iterable[bytes]) -> None:
        """Keep some packed results, as long as they may be among those that are shown."""
        for piece in pieces:
            self.count += 1
            key = key_of(piece)
            order = self._ranks.get(key)
            if order is None:
                order = self._ranks[key] = -rank(self._details.rule_of(key).level)
            if self._kept[order] < self._most:
                self._kept[order] += 1
                self._size += len(piece)
                if self._size > MOST_WAITING:
                    piece = packed(*unpacked(piece)[:-1], b"")
                self._spool.add((order, self.count, 0), piece)

    def results(self) -> Iterator[Result]:
        """Those that are shown."""
        for number, (_, piece) in enumerate(self._spool):
            if number == self._most:
                break
            yield unpacked(piece)
        self._spool.close()


@dataclass(slots=True)
class _Names:
    """Texts by numbers."""

    known: dict[str, int] = field(default_factory=dict)

    def number(self, text: str | None) -> int:
        return -1 if text is None else self.known.setdefault(text, len(self.known))


class ReportData:
    """Builds the data of a report of the results that are `kept`. Its time is bounded by their number."""

    def __init__(self, details: Details, kept: Kept) -> None:
        self._details = details
        self._rules = _Names()  # by their keys as texts
        self._hosts = _Names()
        self._users = _Names()
        self._files = _Names()
        self._explained: Counter[int] = Counter()
        self._events_size = 0
        self._left_out = self._cut = 0
        self._index: list[str] = []
        self._events: list[str] = []
        self._shown = 0
        self._read(kept.results())
        self._found = kept.count

    def plain(self, said: str) -> dict[str, Any]:
        """JSON types; `said` is a sentence on the run."""
        return {
            "said": said,
            "notes": list(self._notes()),
            "shown": self._shown,
            "unexplained": f"Not explained: that is done for the first {MOST_EXPLAINED_OF_A_RULE} matches of a rule, "
            f"{MOST_EXPLAINED:,} in all. `sigmac run --explain` explains each.",
            "tactics": [*TACTICS, NO_TACTIC],
            "rules": [self._rule(int(key)) for key in self._rules.known],
            "hosts": list(self._hosts.known),
            "users": list(self._users.known),
            "files": list(self._files.known),
            "index": self._index,
            "events": self._events,
        }

    def _notes(self) -> Iterator[str]:
        if self._found > self._shown:
            yield (
                f"{self._shown:,} of {self._found:,} results are in this page: those of the highest levels, and of one "
                "level the first ones. Choose fewer with --min-level, --rule or --tag."
            )
        if self._left_out:
            yield (
                f"The events of {self._left_out:,} of the results are left out, as all events together would be "
                f"more than {MOST_EVENTS >> 20} MiB."
            )
        if self._cut:
            yield f"Of the events, {self._cut:,} are cut after {MOST_EVENT:,} bytes."

    def _read(self, results: Iterator[Result]) -> None:
        columns = _columns()
        lines: list[bytes] = []
        size = 0
        for result in results:
            self._add(result, columns)
            line = self._event(result)
            lines.append(line)
            size += len(line)
            self._shown += 1
            if len(columns["rule"]) == _IN_A_BLOCK:
                self._index.append(_packed(orjson.dumps(columns)))
                columns = _columns()
            if size > _EVENTS_IN_A_BLOCK:
                self._events.append(_packed(b"\n".join(lines)))
                lines, size = [], 0
        if columns["rule"]:
            self._index.append(_packed(orjson.dumps(columns)))
        if lines:
            self._events.append(_packed(b"\n".join(lines)))

    def _add(self, result: Result, columns: dict[str, Any]) -> None:
        event = event_of(result)
        source = orjson.loads(result.source)
        said = self._details.of_event(result, event, ("host", "user"))
        time = self._details.time(event)
        reason, fields = self._reason(result, event)
        if reason is not None:
            columns["reasons"][str(len(columns["rule"]))] = reason
        columns["time"].append(None if time is None else time / 1000)
        columns["rule"].append(self._rules.number(str(result.key)))
        columns["host"].append(self._hosts.number(said["host"]))
        columns["user"].append(self._users.number(said["user"]))
        columns["file"].append(self._files.number(source["name"]))
        columns["position"].append(source["position"])
        columns["fields"].append(fields_text(fields)[:_MOST_TEXT])

    def _reason(
        self, result: Result, event: Mapping[str, Any]
    ) -> tuple[dict[str, Any] | None, Mapping[str, Any]]:
        """Why there is a result, as far as reasons are told, and the fields that matched."""
        if result.key < 0:
            correlation = result.more.partition(b":")[2].decode("utf-8", "backslashreplace")
            group = correlation_of(result)["group"]
            return {"correlation": correlation}, {name: [value] for name, value in group.items()}
        explanation = self._details.explanation(result, event)
        if explanation is None:
            return None, {}
        fields = matched_fields(explanation, event)
        if (
            self._explained[result.key] >= MOST_EXPLAINED_OF_A_RULE
            or self._explained.total() >= MOST_EXPLAINED
        ):
            return None, fields
        self._explained[result.key] += 1
        return _plain_reason(explanation), fields

    def _event(self, result: Result) -> bytes:
        event = result.event
        if not event:
            self._left_out += 1
            return b""
        if len(event) > MOST_EVENT:
            self._cut += 1
            event = event[:MOST_EVENT].decode("utf-8", "ignore").encode()
        if self._events_size + len(event) > MOST_EVENTS:
            self._left_out += 1
            return b""
        self._events_size += len(event)
        return event.replace(b"\n", b" ")

    def _rule(self, key: int) -> dict[str, Any]:
        rule = self._details.rule_of(key)
        level = (rule.level or "").lower()
        cells = shipped().cells(rule.tags)
        asked = ("file", "description", "status", "author", "references", "falsepositives")
        said = self._details.of_rule(key, ("logsource", *asked))
        said["logsource"] = "/".join((said["logsource"] or {}).values())
        return {
            "title": rule.title,
            "id": rule.id,
            "level": level if level in LEVELS else NO_LEVEL,
            "tags": list(rule.tags),
            "tactics": tactics(rule.tags) or sorted({tactic for tactic, _ in cells}),
            "cells": cells,
            **said,
        }


def _columns() -> dict[str, Any]:
    names = ("time", "rule", "host", "user", "file", "position", "fields")
    return {**{name: [] for name in names}, "reasons": {}}


def _plain_reason(explanation: Explanation) -> dict[str, Any]:
    questions = [
        {
            "selection": each.selection,
            "field": each.field,
            "test": each.test,
            "held": [_text(value) for value in each.held[:_MOST_HELD]],
            "arguments": _text(", ".join(map(_text, each.arguments[:_MOST_HELD]))),
            "answer": each.answer,
        }
        for each in explanation.questions[:_MOST_QUESTIONS]
    ]
    return {"selections": list(explanation.selections.items()), "questions": questions}


def _text(value: Any) -> str:
    text = value if isinstance(value, str) else json_bytes(value).decode("utf-8")
    return text if len(text) <= _MOST_TEXT else f"{text[:_MOST_TEXT]}…"


def _packed(text: bytes) -> str:
    return base64.b64encode(gzip.compress(text, 6, mtime=0)).decode("ascii")
