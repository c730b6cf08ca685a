"""What evaluation gives back: rule metadata, matches, batch results."""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, overload

import numpy as np
from numpy.typing import NDArray

from sigmac.runtime.printable import shortened

LOGSOURCE_KEYS = ("product", "category", "service")


@dataclass(frozen=True, slots=True)
class LogSource:
    """Which logs a rule is for."""

    product: str | None = None
    category: str | None = None
    service: str | None = None


@dataclass(frozen=True, slots=True)
class Rule:
    """A rule's metadata, as its author wrote it.

    `source` is file and line, `filters` are the titles of the filters that act on the rule, `variants` the names of
    the forms that pipelines gave it.
    """

    title: str
    id: str | None = None
    name: str | None = None
    level: str | None = None
    status: str | None = None
    tags: tuple[str, ...] = ()
    logsource: LogSource = LogSource()
    description: str | None = None
    author: str | None = None
    date: str | None = None
    modified: str | None = None
    license: str | None = None
    references: tuple[str, ...] = ()
    falsepositives: tuple[str, ...] = ()
    fields: tuple[str, ...] = ()
    related: tuple[tuple[str, str], ...] = ()
    scope: tuple[str, ...] = ()
    filters: tuple[str, ...] = ()
    variants: tuple[str, ...] = ()
    custom: Mapping[str, Any] = field(default_factory=dict)
    renamed: Mapping[str, str] = field(default_factory=dict)  # local variable → search identifier
    source: str = ""

    def on_the_wire(self) -> dict[str, Any]:
        """The part of a rule that every match carries."""
        return {"id": self.id, "title": self.title, "level": self.level, "tags": list(self.tags)}


@dataclass(frozen=True, slots=True)
class Question:
    """One question a rule asked of the event: the answer, and which of its arguments held."""

    selection: str
    field: str
    test: str
    arguments: tuple[Any, ...]
    held: tuple[Any, ...]
    answer: bool
    line: int


@dataclass(frozen=True, slots=True)
class Explanation:
    """Why a rule matched: `conditions` by index, search identifiers with their truth, and every question.

    `variants` are those of the rule's forms that the event fits, where pipelines made several.
    """

    conditions: tuple[int, ...]
    selections: Mapping[str, bool]
    questions: tuple[Question, ...]
    variants: tuple[str, ...] = ()

    def plain(self) -> dict[str, Any]:
        """JSON types, for output."""
        return {
            "conditions": list(self.conditions),
            "selections": dict(self.selections),
            "questions": [
                {
                    "selection": q.selection,
                    "field": q.field,
                    "test": q.test,
                    "arguments": list(q.arguments),
                    "held": list(q.held),
                    "answer": q.answer,
                }
                for q in self.questions
            ],
        }


@dataclass(frozen=True, slots=True)
class Match:
    """A rule that matched an event; `explanation` where it was asked for."""

    rule: Rule
    event: Mapping[str, Any]
    explanation: Explanation | None = None

    def plain(self) -> dict[str, Any]:
        """As a line of `sigmac run` has it, without the source: rule, event, and the explanation if there is one."""
        found: dict[str, Any] = {"rule": self.rule.on_the_wire(), "event": self.event}
        if self.explanation is not None:
            found["explanation"] = self.explanation.plain()
        return found

    def _repr_html_(self) -> str:
        return Matches([self])._repr_html_()


class Matches(list[Match]):
    """A list of matches, which a notebook shows as a table."""

    def plain(self) -> list[dict[str, Any]]:
        """Each as a dict."""
        return [match.plain() for match in self]

    def _repr_html_(self) -> str:
        """Level, rule, and what the event says in the fields that the rule asked for, else how it begins."""
        rows = "".join(map(_row, self[:_SHOWN]))
        more = f"<p>and {len(self) - _SHOWN:,} more</p>" if len(self) > _SHOWN else ""
        head = "<tr><th>level</th><th>rule</th><th>event</th></tr>"
        return f"<table><thead>{head}</thead><tbody>{rows}</tbody></table>{more}"


_SHOWN = 100  # matches
_FIELDS = 8  # of an event
_LENGTH = 200  # characters of a value


def _row(match: Match) -> str:
    event = match.event
    asked = dict.fromkeys(q.field for q in match.explanation.questions) if match.explanation else ()
    names = [name for name in asked if name in event] or list(event)
    said = "<br>".join(f"{_text(name)}: {_text(event[name])}" for name in names[:_FIELDS])
    return f"<tr><td>{_text(match.rule.level or '')}</td><td>{_text(match.rule.title)}</td><td>{said}</td></tr>"


def _text(value: Any) -> str:
    return html.escape(shortened(value if isinstance(value, str) else repr(value), _LENGTH))


@dataclass(frozen=True, slots=True)
class Rejected:
    """A record that is no JSON object: its line number from 0, its byte offset in the batch, why."""

    record: int
    position: int
    reason: str


class RejectedRecords(Sequence[Rejected]):
    """The records of a batch that are no JSON objects, in order; it equals a tuple of the same.

    16 bytes a record: line numbers (int32), byte offsets (int64) and, for each, which of `reasons` it is (int32).
    """

    def __init__(
        self,
        record: NDArray[np.int32],
        position: NDArray[np.int64],
        reason: NDArray[np.int32],
        reasons: Sequence[str],
    ):
        self._record = record
        self._position = position
        self._reason = reason
        self._reasons = reasons

    def __len__(self) -> int:
        return len(self._record)

    @overload
    def __getitem__(self, index: int) -> Rejected: ...
    @overload
    def __getitem__(self, index: slice) -> RejectedRecords: ...
    def __getitem__(self, index: int | slice) -> Rejected | RejectedRecords:
        record, position, reason = self._record[index], self._position[index], self._reason[index]
        if isinstance(index, slice):
            return RejectedRecords(record, position, reason, self._reasons)
        return Rejected(int(record), int(position), self._reasons[int(reason)])

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, (RejectedRecords, tuple)):
            return NotImplemented
        return len(self) == len(other) and all(a == b for a, b in zip(self, other, strict=True))

    __hash__ = None  # type: ignore[assignment]  # it holds arrays

    def __repr__(self) -> str:
        shown = ", ".join(map(repr, self[:3]))
        return f"<{len(self)} rejected: {shown}{', …' if len(self) > 3 else ''}>"


@dataclass(frozen=True, slots=True)
class BatchResult:
    """Matches of a batch: `record` and `rule` are int32 arrays, one pair a match, ordered by record, then rule.

    `records` counts the lines that were neither blank nor rejected, `lines` all of them.
    """

    record: NDArray[np.int32]
    rule: NDArray[np.int32]
    rejected: Sequence[Rejected]
    records: int
    lines: int = 0

    def __len__(self) -> int:
        return len(self.record)
