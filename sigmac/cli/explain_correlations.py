"""Correlations over a file of events, for `sigmac explain`: the rule set in memory, each event at its turn."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sigmac.cli.chosen_documents import with_those_below
from sigmac.runtime.errors import InputError

if TYPE_CHECKING:
    from sigmac.cli.chosen_documents import ChosenDocuments
    from sigmac.cli.explained_events import Records
    from sigmac.cli.explanation_lines import Line
    from sigmac.cli.packed_documents import PackedDocuments
    from sigmac.compiler.diagnostics.diagnostic import Diagnostic, Place
    from sigmac.compiler.meaning.correlation_moment import Moment, Rules
    from sigmac.compiler.meaning.nearest_groups import EventLog, Overview
    from sigmac.compiler.meaning.watched_correlator import WatchedCorrelator
    from sigmac.compiler.pipeline import Pipelines
    from sigmac.compiler.syntax.correlation import Correlation as Document
    from sigmac.compiler.syntax.rule import Rule
    from sigmac.runtime.correlation.correlator import Limits
    from sigmac.runtime.correlation.definition import Correlation


@dataclass(frozen=True, slots=True)
class ToldCorrelation:
    """A correlation with what is told of it: over all events, or at one."""

    place: Place
    told: Overview | Moment

    def plain(self, fields: Sequence[str]) -> dict[str, Any]:
        """JSON types; `fields` are those that are asked for a time."""
        from sigmac.compiler.meaning.correlation_words import plain_moment
        from sigmac.compiler.meaning.nearest_groups import Overview

        place, told = self.place, self.told
        plain = told.plain(fields) if isinstance(told, Overview) else plain_moment(told, fields)
        source = {"file": place.file, "line": place.line}
        return {"correlation": plain.pop("correlation"), "source": source, **plain}

    def lines(self, fields: Sequence[str]) -> list[list[Line]]:
        """Blocks of lines."""
        from sigmac.cli.correlation_lines import moment_lines, overview_lines
        from sigmac.compiler.meaning.nearest_groups import Overview

        if isinstance(self.told, Overview):
            return [*overview_lines(self.told, fields)]
        return [[*moment_lines(self.told, fields)]]


@dataclass(frozen=True, slots=True)
class Settings:
    """As `sigmac run` has them; `position` chooses an event, of all events `groups` groups are told of."""

    position: int | None
    order: str
    timestamp_fields: Sequence[str]
    limits: Limits
    groups: int


def explain_correlations(
    known: CorrelationSet, records: Records, settings: Settings
) -> list[ToldCorrelation]:
    """What the chosen correlations make of events.

    Raises `InputError` where the events cannot be read, or where there is none at the position.
    """
    if not known.chosen:
        return []
    log = known.new_log(by_time=settings.order == "time")
    try:
        event = _read_events(records, known, log, settings.position)
        if settings.position is None:
            return _overviews(known, log, settings.groups)
        return _moments(known, log, settings.position, event)
    finally:
        log.close()


@dataclass(frozen=True, slots=True)
class CorrelationSet:
    """The correlations that are explained, and all that is below them, by their names."""

    definitions: Mapping[str, Correlation]
    rules: Rules
    chosen: Mapping[str, Place]
    settings: Settings

    def correlator(self) -> WatchedCorrelator:
        """A new one over all of them."""
        from sigmac.compiler.meaning.watched_correlator import WatchedCorrelator

        settings = self.settings
        return WatchedCorrelator(
            self.definitions, list(self.rules), settings.limits, settings.timestamp_fields
        )

    def new_log(self, *, by_time: bool) -> EventLog:
        """One for the events of their rules."""
        from sigmac.compiler.meaning.nearest_groups import EventLog

        below = {
            name: with_those_below(self.definitions, [name]) & self.rules.keys()
            for name in self.chosen
        }
        return EventLog(below, self.settings.timestamp_fields, by_time=by_time)

    def matched(self, event: dict[str, Any]) -> dict[str, tuple[str, ...]]:
        """The rules that match an event, each with the variants that do."""
        from sigmac.compiler.meaning import reference

        found = {}
        for name, (_, variants) in self.rules.items():
            held = tuple(str(v.name) for v in variants if reference.matches(v.rule, event))
            if held:
                found[name] = held
        return found


def of_pack(chosen: PackedDocuments, settings: Settings) -> CorrelationSet:
    """The chosen correlations of a pack, with those that they stand on."""
    return CorrelationSet(chosen.definitions, chosen.all_rules, chosen.correlations, settings)


def of_files(
    chosen: ChosenDocuments, pipelines: Pipelines, settings: Settings
) -> tuple[CorrelationSet, list[Diagnostic]]:
    """The chosen correlations of rule files, with what they stand on, and the errors of those that are refused."""
    from sigmac.compiler.diagnostics.diagnostic import Diagnostics
    from sigmac.compiler.packaging.correlation_module import definitions_of
    from sigmac.compiler.packaging.linked_rules import link_files

    found = Diagnostics()
    made = link_files(chosen.files, pipelines, found)
    sound = {str(each.place): each for each, _ in made.linked.correlations}
    roots = [sound[str(each.place)] for each in chosen.correlations if str(each.place) in sound]
    errors = [
        each
        for each in found.errors
        if len(roots) < len(chosen.correlations) and each.place.file == chosen.files[0].file
    ]
    names = _names([*made.rules, *sound.values()])
    definitions = definitions_of(made.linked, names)
    roots_named = {names[id(each)]: each for each in roots}
    needed = with_those_below(definitions, roots_named)
    rules = {
        names[id(rule)]: (rule, variants)
        for rule, variants in zip(made.rules, made.variants, strict=True)
        if names[id(rule)] in needed
    }
    kept = {name: each for name, each in definitions.items() if name in needed}
    places = {name: each.place for name, each in roots_named.items()}
    return CorrelationSet(kept, rules, places, settings), errors


def _names(documents: Sequence[Rule | Document]) -> dict[int, str]:
    """A distinct name for each rule and correlation, by their `id()`: its name, else its title."""
    names: dict[int, str] = {}
    numbers: dict[str, int] = {}
    taken: set[str] = set()
    for each in documents:
        base = name = each.meta.name or each.meta.title
        while name in taken:
            numbers[base] = numbers.get(base, 1) + 1
            name = f"{base} ({numbers[base]})"
        taken.add(name)
        names[id(each)] = name
    return names


def _read_events(
    records: Records, known: CorrelationSet, log: EventLog, position: int | None
) -> dict[str, Any] | None:
    """Put the events that rules match into a log; the event at the position."""
    chosen = None
    reader = known.correlator().reader
    for (_, number), event in records:
        if number == position:
            chosen = event
        if matched := known.matched(event):
            log.add(number, event, matched, reader.read(event, number, matched))
    if position is not None and chosen is None:
        raise InputError(records.why_none(position))
    return chosen


def _overviews(known: CorrelationSet, log: EventLog, groups: int) -> list[ToldCorrelation]:
    from sigmac.compiler.meaning.correlation_moment import Teller
    from sigmac.compiler.meaning.nearest_groups import overviews

    teller = Teller(known.definitions, known.rules)
    told = overviews(log, teller, list(known.chosen), known.correlator, groups)
    return list(map(ToldCorrelation, known.chosen.values(), told))


def _moments(
    known: CorrelationSet, log: EventLog, position: int, event: dict[str, Any] | None
) -> list[ToldCorrelation]:
    from sigmac.compiler.meaning.correlation_moment import EventAtWork, Teller
    from sigmac.compiler.meaning.nearest_groups import at_work

    assert event is not None
    at = EventAtWork(position, event, known.matched(event), None, ())
    watcher = known.correlator()
    for observation, record in log:
        hits = watcher.watch(observation)
        if observation.source == position:
            at = at_work(observation, record, hits)
            break
    teller = Teller(known.definitions, known.rules)
    return [ToldCorrelation(each, teller.moment(name, at)) for name, each in known.chosen.items()]
