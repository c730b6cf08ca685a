"""What a case says: events, and what a rule or a correlation must make of them. `docs/cases.md` describes the forms."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from sigmac.compiler.diagnostics.diagnostic import Diagnostics, Place

Event = dict[str, Any]


@dataclass(frozen=True, slots=True)
class EventCase:
    """One event that a rule must match, or must not."""

    why: str
    place: Place
    event: Event
    matches: bool


@dataclass(frozen=True, slots=True)
class FileCase:
    """A file of events, of which a rule must match `least` and may match `most` (None: any number).

    `file` is relative to the file that names it, or to a folder above it where `above` is set. `count_place` is where
    the number stands, None where none is given.
    """

    why: str
    place: Place
    file: str
    file_place: Place
    least: int
    most: int | None
    above: bool = False
    count_place: Place | None = None


@dataclass(frozen=True, slots=True)
class TimedEvent:
    """An event of a sequence; `time` in microseconds since 1970, None where the event has its own or none."""

    event: Event
    time: int | None


@dataclass(frozen=True, slots=True)
class ExpectedAlert:
    """What an alert must say, of what `ALERT_KEYS` has; what is not given may be anything."""

    place: Place
    given: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class SequenceCase:
    """Events in the order of their times, and the alerts that a correlation must make of them, all and no others.

    `alerts` are None where none are given, which a case must not leave so.
    """

    why: str
    place: Place
    events: tuple[TimedEvent, ...]
    alerts: tuple[ExpectedAlert, ...] | None


Case = EventCase | FileCase | SequenceCase
ALERT_KEYS = ("position", "group", "value", "count", "events")


@dataclass(frozen=True, slots=True)
class CaseDocument:
    """The cases of one rule or correlation.

    `rule` is its id, name or title where the document says it. `inside` is set where they stand in the rule itself,
    whose document has the same number. `ids` are those of the rules that the cases may be of, any where it is empty.
    """

    place: Place
    cases: tuple[Case, ...]
    rule: str | None = None
    rule_place: Place | None = None
    inside: bool = False
    ids: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class NamedTests:
    """What a rule says under `regression_tests_path`: a file with its cases in SigmaHQ's form."""

    file: str
    place: Place


@dataclass(slots=True)
class CaseFile:
    """The documents with cases of one file, and what there is to say about them."""

    file: str
    documents: list[CaseDocument] = field(default_factory=list)
    named: list[NamedTests] = field(default_factory=list)
    diagnostics: Diagnostics = field(default_factory=Diagnostics)
