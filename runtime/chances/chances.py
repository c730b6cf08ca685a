"""Which rules of a pack have a chance to match some events, and what of the events keeps the others from it.

A rule has none where no way through its condition leads to a match, given which fields the events have at all and
which values those have that tell where an event is from; what other values hold may be anything. It matches whatever
it looks at where no way leads to anything else, as what it excludes asks for fields that are not there.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import chain
from typing import Any

import numpy as np

from sigmac.runtime.chances.decision_graph import EITHER, NO, YES, DecisionGraphs, Question
from sigmac.runtime.chances.event_fields import EventFields, Kind, Value
from sigmac.runtime.chances.presence import ProgramsByPresence
from sigmac.runtime.pack.pack import Pack
from sigmac.runtime.scalar.dispatch import bits_of
from sigmac.runtime.scalar.event import Event
from sigmac.runtime.scalar.fields import mask_of
from sigmac.runtime.scalar.sightings import Seen
from sigmac.runtime.scalar.vocabulary import Vocabulary, number_of_gate


class Chance(StrEnum):
    """What may become of a rule on the events that were looked at."""

    OPEN = "open"  # it may match, or not
    FIELDS = "fields"  # never: it needs fields that no event has which it looks at
    VALUES = "values"  # never: the fields are there, but not the values that tell the events that it is for
    LOGSOURCE = "logsource"  # never: no event is of its logsource
    ALWAYS = "always"  # it matches all that it looks at, as fields are not there by which it would exclude some


@dataclass(frozen=True, slots=True)
class RuleChance:
    """What may become of a rule: on how many events it was tried, and what was asked in vain.

    `missing` are questions about fields that are not there, or about values that none has.
    """

    rule: int
    chance: Chance
    events: int = 0
    missing: tuple[Question, ...] = ()


@dataclass(frozen=True, slots=True)
class Report:
    """The chances of all rules, in the order of the pack; the kinds of events that no rule looks at."""

    rules: list[RuleChance]
    without_rule: list[Kind]


@dataclass(frozen=True, slots=True)
class Sighted:
    """What a run knows at its end: the rules that were `meant` and those of them that were `tried`, as bits.

    `missing` has for each rule that can never match, as fields are not there, these.
    """

    meant: int
    tried: int
    missing: dict[int, list[str]]
    _programs: ProgramsByPresence

    @property
    def hopeless(self) -> int:
        """The rules that had no chance, as bits: fields are missing, or no event was one that they are for."""
        return self.meant & ~self.tried | sum(1 << rule for rule in self.missing)

    def unexcluded(self, rule: int) -> list[str]:
        """The fields that are not there by which a rule would exclude some events: without them it matches all."""
        return self._programs.missing(rule, NO)


class Chances:
    """The chances of a pack's rules on events; `silent` rules, which only count for correlations, among them."""

    def __init__(self, pack: Pack):
        self.pack = pack
        self.graphs = DecisionGraphs(pack.tables, pack.vocabulary.strings)
        self._logsource_of: list[int] = pack.conditions.spans[:, 3].tolist()

    def event_fields(self) -> EventFields:
        """What is to look at events for `of_events`."""
        return EventFields(self.pack)

    def of_events(self, seen: EventFields) -> Report:
        """What may become of each rule, and what of the events."""
        found = _OfEvents(self, seen.kinds())
        return Report([*found.each()], found.without_rule)

    def of_sightings(self, seen: Seen) -> Sighted:
        """What is known of all rules where only that is known which `Pack.sightings` tells."""
        all_rules = (1 << len(self.pack.rules)) - 1
        fields, tried, meant = seen.fields, seen.tried & all_rules, seen.meant & all_rules
        programs = ProgramsByPresence(self.pack.tables, self.pack.vocabulary.strings, fields)
        concerned = mask_of(np.flatnonzero(programs.concerned[: len(self.pack.rules)]))
        missing = {rule: programs.missing(rule) for rule in bits_of(meant & tried & concerned)}
        of_logsource: dict[int, list[str]] = {}
        for rule in bits_of(meant & ~tried):
            program = self.logsource_program(rule)
            if program is not None and program not in of_logsource:
                of_logsource[program] = programs.missing(program)
            missing[rule] = [] if program is None else of_logsource[program]
        return Sighted(
            meant, tried, {rule: names for rule, names in missing.items() if names}, programs
        )

    def logsource_program(self, rule: int) -> int | None:
        """The program of the condition that a rule shares with others of its logsource."""
        number = self._logsource_of[rule]
        return None if number < 0 else len(self._logsource_of) + number


class _Answers:
    """The answers that are possible to what events of some kinds are asked; each found out once."""

    def __init__(self, kinds: Sequence[Kind], vocabulary: Vocabulary):
        self.events = sum(kind.events for kind in kinds)
        self._present = sum((kind.present for kind in kinds), Counter())
        self._values = _values_of(kinds)
        self._vocabulary = vocabulary
        self._known: dict[Question, int] = {}

    def __call__(self, question: Question) -> int:
        known = self._known.get(question)
        if known is None:
            known = self._known[question] = self._find(question)
        return known

    def by_values(self, question: Question) -> int:
        """As a call, but that nothing is known of any but the fields whose values are."""
        return self(question) if question.field in self._values else EITHER

    def is_absent(self, question: Question) -> bool:
        """Whether a field that is asked for is in none of the events."""
        asked = (question.field, question.other or question.field)
        return not all(self._present[field] for field in asked)

    def _find(self, question: Question) -> int:
        present = self._present[question.field]
        possible = 0 if present == self.events else question.if_absent
        if self.is_absent(question) or question.test == "exists":
            return question.if_absent if not present or question.other else possible | YES
        values = self._values.get(question.field)
        if values is None or question.other or question.test == "textual":
            return EITHER
        for value in values:
            event = Event({question.field: value}, self._vocabulary)
            holds = getattr(event, question.test)(question.field, *arguments_of(question))
            possible |= YES if holds else NO
        return possible


def _values_of(kinds: Iterable[Kind]) -> dict[str, list[Value] | None]:
    """All values that fields have which tell where events are from; None where they are too many."""
    # What was not told apart any more may hold anything.
    rest = any(kind.values is None for kind in kinds)
    found: dict[str, list[Value] | None] = {
        name: None for kind in kinds if rest for name in kind.values or ()
    }
    for kind in kinds:
        of_kind: dict[str, list[Value] | None] = {
            name: None if values is None else [*values.values()]
            for name, values in kind.sources.items()
        }
        for name, value in (kind.values or {}).items():
            of_kind[name] = [] if value is None else [value]
        for name, values in of_kind.items():
            known = found.setdefault(name, [])
            found[name] = None if known is None or values is None else known + values
    return found


def arguments_of(question: Question) -> tuple[Any, ...]:
    """The arguments as the method of `Event` takes them."""
    if question.test != "time":
        return question.arguments
    part, comparison, number = str(question.arguments[0]).split(" ")
    return part, comparison, number_of_gate(number)


class _OfEvents:
    """The chances of all rules on some kinds of events."""

    def __init__(self, chances: Chances, kinds: list[Kind]):
        self._chances = chances
        self._kinds = kinds
        self._known: dict[tuple[int, ...], _Answers] = {}
        rules = len(chances.pack.rules)
        self._meant: dict[
            int, list[int]
        ] = {}  # rules, as bits: the kinds that are of their logsource
        self._tried: list[list[int]] = [
            [] for _ in range(rules)
        ]  # kinds that each rule is tried on
        self.without_rule = [kind for kind in kinds if not kind.rules]
        for place, kind in enumerate(kinds):
            self._meant.setdefault(kind.meant, []).append(place)
            for rule in bits_of(kind.rules):
                self._tried[rule].append(place)

    def _answers(self, places: list[int]) -> _Answers:
        known = self._known.get(tuple(places))
        if known is None:
            kinds = [self._kinds[place] for place in places]
            known = _Answers(kinds, self._chances.pack.vocabulary)
            self._known[tuple(places)] = known
        return known

    def each(self) -> Iterator[RuleChance]:
        """Of each rule."""
        for rule, tried in enumerate(self._tried):
            if tried:
                yield self._of_kinds(rule, self._answers(tried))
                continue
            meant = [kinds for rules, kinds in self._meant.items() if rules >> rule & 1]
            program = self._chances.logsource_program(rule)
            if not meant or program is None:
                yield RuleChance(rule, Chance.LOGSOURCE)
            else:
                yield self._of_no_kind(rule, program, self._answers(sorted(chain(*meant))))

    def _of_no_kind(self, rule: int, program: int, answers: _Answers) -> RuleChance:
        """Of a rule whose logsource condition no event meets."""
        asked = self._chances.graphs.questions(program)
        # Where each holds of some event they never hold together.
        never = [each for each in asked if not answers(each) & YES] or asked
        return _dead(rule, 0, never, answers)

    def _of_kinds(self, rule: int, answers: _Answers) -> RuleChance:
        graphs = self._chances.graphs
        ends = graphs.ends(rule, answers)
        if ends == YES:
            missing = tuple(filter(answers.is_absent, graphs.withheld(rule, answers, NO)))
            chance = Chance.ALWAYS if missing else Chance.OPEN
            return RuleChance(rule, chance, answers.events, missing)
        if ends & YES:
            return RuleChance(rule, Chance.OPEN, answers.events)
        # What the values say comes first: no other field can be expected of events that never occurred.
        known = answers if graphs.ends(rule, answers.by_values) & YES else answers.by_values
        return _dead(rule, answers.events, graphs.withheld(rule, known, YES), answers)


def _dead(rule: int, events: int, missing: list[Question], answers: _Answers) -> RuleChance:
    absent = [*filter(answers.is_absent, missing)]
    chance = Chance.FIELDS if absent else Chance.VALUES
    return RuleChance(rule, chance, events, tuple(absent or missing))
