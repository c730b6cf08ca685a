"""What a correlation makes of one event: why it is a hit or none, the window it came into, what the condition says.

It tells of the correlator at work (`watched_correlator.py`) and decides nothing by itself.
Source: `docs/semantics.md`, "Correlations".
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from sigmac.compiler.lowering.lower_rule import RuleVariant
from sigmac.compiler.meaning.correlation_reference import COMPARE
from sigmac.compiler.meaning.explanation import Event, Explanation, TermTruth, explain_rule
from sigmac.compiler.meaning.watched_correlator import Taken
from sigmac.compiler.syntax.rule import Rule
from sigmac.runtime.correlation.definition import NUMERIC, Correlation
from sigmac.runtime.correlation.exact import Number
from sigmac.runtime.correlation.hit import Hit
from sigmac.runtime.correlation.hit_finder import Key
from sigmac.runtime.correlation.measures import bits
from sigmac.runtime.correlation.observation import Observation, fields_for, texts_of
from sigmac.runtime.correlation.step import rules_of
from sigmac.runtime.correlation.timestamps import SECOND
from sigmac.runtime.scalar.scalars import lookup

MAX_HITS = 20  # of a window that are told of, the newest
MAX_LEVELS = 20  # of correlations below each other

# Rules as written, by their names, each with what pipelines make of it
Rules = Mapping[str, tuple[Rule, Sequence[RuleVariant]]]


@dataclass(frozen=True, slots=True)
class Asked:
    """What an event holds for a name of `group-by` or `field`: the event's fields that stand for it, whether one of
    them is there, and their distinct texts.
    """

    name: str
    fields: tuple[str, ...]
    present: bool
    texts: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Problem:
    """Why an event is no hit: `reason` is no_time, no_group or no_value, for the last two with the rule that it is
    one through and what it holds; `numeric` where a number is asked for.
    """

    reason: str
    rule: str | None = None
    asked: Asked | None = None
    numeric: bool = False


@dataclass(frozen=True, slots=True)
class ReferenceTruth:
    """Whether an event is one of a rule, or one at which a child is true; `child` is None for a rule, and where the
    child is told of before.
    """

    name: str
    matched: bool
    rule: Explanation | None = None
    child: Moment | None = None


@dataclass(frozen=True, slots=True)
class StepTruth:
    """A rule of an order with the hit that serves it; without one `elsewhere` are hits that see it out of order."""

    rule: str
    hit: Hit | None
    elsewhere: tuple[Hit, ...] = ()


@dataclass(frozen=True, slots=True)
class GroupMoment:
    """A hit in its group. `hits` are the newest of the `count` hits in the window from `begin` to `end`.

    `late` is by how many microseconds it came too late, where it was set aside; `edge` is alert, true, false or not
    tested; `since` the position of the event that made the group true.
    """

    key: Key
    group: tuple[Asked, ...]
    begin: int
    end: int
    count: int
    hits: tuple[Hit, ...]
    edge: str
    value: Number | None = None
    comparisons: tuple[tuple[str, Number, bool], ...] = ()
    rules: tuple[tuple[str, bool], ...] = ()  # without thresholds: whether each is seen
    steps: tuple[StepTruth, ...] = ()
    term: TermTruth | None = None
    since: Any = None
    late: int | None = None
    aside: int = 0
    restarted: bool = False


@dataclass(frozen=True, slots=True)
class Moment:
    """A correlation at one event."""

    correlation: Correlation
    position: int
    time: int | None
    references: tuple[ReferenceTruth, ...]
    problems: tuple[Problem, ...]
    groups: tuple[GroupMoment, ...]

    @property
    def matched(self) -> bool:
        """Whether the condition is true at the event, in one of its groups."""
        return any(each.edge in ("alert", "true") for each in self.groups)


class EventAtWork(NamedTuple):
    """An event at its turn: the rules that match it, what correlations know of it, what came of it."""

    position: int
    event: Event
    matched: Mapping[str, Sequence[str]]
    observation: Observation | None
    hits: Sequence[Taken]


class Teller:
    """Tells of the correlations of a set, by their names."""

    def __init__(self, definitions: Mapping[str, Correlation], rules: Rules) -> None:
        self.definitions = definitions
        self._rules = rules

    def moment(self, name: str, at: EventAtWork) -> Moment:
        """What a correlation made of an event, and those below it, each once."""
        return self._moment(name, at, set(), 0)

    def _moment(self, name: str, at: EventAtWork, told: set[str], level: int) -> Moment:
        told.add(name)
        definition = self.definitions[name]
        references = [
            self._reference(rule, at, told, level) for rule in dict.fromkeys(definition.rules)
        ]
        found, problems = self._groups(definition, at, references)
        groups = [
            _group_moment(definition, found[each.key], each)
            for each in at.hits
            if each.correlation == name
        ]
        rest = {key: each for key, each in found.items() if all(key != g.key for g in groups)}
        problems += [_without_value(definition, at, each) for each in rest.values()]
        time = at.observation.time if at.observation else None
        return Moment(
            definition, at.position, time, tuple(references), tuple(problems), tuple(groups)
        )

    def _reference(self, name: str, at: EventAtWork, told: set[str], level: int) -> ReferenceTruth:
        if name in self._rules:
            rule, variants = self._rules[name]
            explained = explain_rule(rule, variants, at.event)
            return ReferenceTruth(name, name in at.matched, explained)
        child = None
        if name not in told and level < MAX_LEVELS:
            child = self._moment(name, at, told, level + 1)
        return ReferenceTruth(name, bool(self._contexts(name, at)), child=child)

    def _contexts(self, name: str, at: EventAtWork) -> list[dict[str, str]]:
        """The groups of a child that are true at an event; for a rule that matches it, one without names."""
        if name in self._rules:
            return [{}] if name in at.matched else []
        names = self.definitions[name].group_by
        return [
            dict(zip(names, each.key, strict=True))
            for each in at.hits
            if each.correlation == name and each.true
        ]

    def _groups(
        self, definition: Correlation, at: EventAtWork, references: Sequence[ReferenceTruth]
    ) -> tuple[_ByKey, list[Problem]]:
        """The groups that an event names through each reference that it is one of, and why it names none."""
        found: _ByKey = {}
        problems: list[Problem] = []
        if at.observation is None:
            return found, [Problem("no_time")] if any(each.matched for each in references) else []
        for reference in references:
            for context in self._contexts(reference.name, at):
                asked = [
                    _ask(definition, name, reference.name, at, context)
                    for name in definition.group_by
                ]
                faulty = next((each for each in asked if len(each.texts) != 1), None)
                if faulty is not None:
                    problems.append(Problem("no_group", reference.name, faulty))
                    continue
                key = tuple(each.texts[0] for each in asked)
                found.setdefault(key, []).append((reference.name, asked))
        return found, problems


# For each group the rules that an event is a hit through, with the group's names there
_ByKey = dict[Key, list[tuple[str, list[Asked]]]]


def _ask(
    definition: Correlation, name: str, rule: str, at: EventAtWork, context: Mapping[str, str]
) -> Asked:
    fields = fields_for(definition, name, rule, at.matched.get(rule, ()))
    values = at.observation.values if at.observation else {}
    present = any(each in context or lookup(at.event, each) is not None for each in fields)
    return Asked(name, tuple(fields), present, tuple(sorted(texts_of(values, fields, context))))


def _together(asked: Iterable[Asked]) -> Asked:
    """A name as several rules ask for it."""
    known = list(asked)
    return Asked(
        known[0].name,
        tuple(dict.fromkeys(field for each in known for field in each.fields)),
        any(each.present for each in known),
        tuple(sorted({text for each in known for text in each.texts})),
    )


def _without_value(
    definition: Correlation, at: EventAtWork, through: Sequence[tuple[str, list[Asked]]]
) -> Problem:
    """Why an event that names a group is no hit in it: a `value_…` type finds no value."""
    rule = through[0][0]
    numeric = definition.type in NUMERIC
    several = len(definition.looks_at) > 1
    for name in definition.looks_at:
        asked = _together(_ask(definition, name, rule, at, {}) for rule, _ in through)
        if numeric or not asked.texts or (several and len(asked.texts) > 1):
            return Problem("no_value", rule, asked, numeric)
    raise AssertionError(definition)


# The window of a group, and its condition


def _group_moment(
    definition: Correlation, through: Sequence[tuple[str, list[Asked]]], at: Taken
) -> GroupMoment:
    names = zip(*(asked for _, asked in through), strict=True)
    group = at.group
    window = group.window()
    begin = group.newest - definition.timespan * SECOND
    tested = at.taken and _is_tested(definition, at.hit)
    edge = "alert" if at.rises else "true" if at.true else "false"
    return GroupMoment(
        key=at.key,
        group=tuple(map(_together, names)),
        begin=begin,
        end=group.newest,
        count=len(window),
        hits=tuple(window[-MAX_HITS:]),
        edge=edge if tested else "not tested",
        since=group.since if at.true else None,
        late=None if at.taken else begin - at.hit.time,
        aside=len(group.aside),
        restarted=at.restarted,
        **(_condition(definition, at, window, tested=tested) if at.taken else {}),
    )


def _is_tested(definition: Correlation, hit: Hit) -> bool:
    if definition.expression is None:
        return True
    places = {rule: i for i, rule in enumerate(rules_of(definition))}
    return any(
        hit.seen >> places[rule] & 1 for rule, plain in leaves(definition.expression) if plain
    )


def leaves(node: Any, positive: bool = True) -> Iterator[tuple[str, bool]]:
    """The rules of a condition in words, each with whether it stands under an even number of `not`."""
    if isinstance(node, str):
        yield node, positive
        return
    ((word, operands),) = node.items()
    for each in [operands] if word == "not" else operands:
        yield from leaves(each, positive is (word != "not"))


def _condition(
    definition: Correlation, at: Taken, window: Sequence[Hit], *, tested: bool
) -> dict[str, Any]:
    """What the condition asks of the window and whether it holds, as arguments of `GroupMoment`."""
    names = rules_of(definition)
    value, seen = at.value, at.group.measure.seen
    found: dict[str, Any] = {"value": value if tested else None}
    if definition.expression is not None:
        return {**found, "term": term_of(definition.expression, {names[i] for i in bits(seen)})}
    if definition.type == "temporal_ordered":
        found["steps"] = _steps(names, window)
    elif definition.type == "temporal":
        found["rules"] = tuple((name, bool(seen >> i & 1)) for i, name in enumerate(names))
    found["comparisons"] = tuple(
        (word, number, COMPARE[word](value, number)) for word, number in definition.comparisons
    )
    return found


def term_of(node: Any, seen: Iterable[str]) -> TermTruth:
    """A condition in words, each part with its truth where these rules are seen."""
    if isinstance(node, str):
        return TermTruth(node, node in seen)
    ((word, operands),) = node.items()
    terms = tuple(term_of(each, seen) for each in ([operands] if word == "not" else operands))
    if word == "not":
        return TermTruth(word, not terms[0].matched, terms)
    return TermTruth(word, (all if word == "and" else any)(t.matched for t in terms), terms)


def _steps(names: Sequence[str], window: Sequence[Hit]) -> tuple[StepTruth, ...]:
    """The steps of an order with a longest chain of hits that serve them, of such the one that is done first."""
    # For each number of rules the longest chain of the first so many: its length, and its hits from the last on
    best: list[tuple[int, Any]] = [(0, None)] * (len(names) + 1)
    seen: dict[str, list[Hit]] = {}
    for hit in window:
        places = [*bits(hit.seen)]
        for name in dict.fromkeys(names[place] for place in places):
            seen.setdefault(name, []).append(hit)
        # The last rule first: a hit serves one step only.
        for place in reversed(places):
            length, link = best[place]
            made = (length + 1, (place, hit, link))
            for more in range(place + 1, len(names) + 1):
                if best[more][0] > length:
                    break
                best[more] = made
    served: dict[int, Hit] = {}
    link = best[-1][1]
    while link is not None:
        place, served[place], link = link
    return tuple(
        StepTruth(name, served[i])
        if i in served
        else StepTruth(name, None, tuple(seen.get(name, ())[-MAX_HITS:]))
        for i, name in enumerate(names)
    )


# How near


def nearness(definition: Correlation, value: Number, seen: int) -> float:
    """From 0 to 1 how near a tested condition is to be true, to rank groups by."""
    names = rules_of(definition)
    if definition.expression is not None:
        return _near_term(definition.expression, {names[i] for i in bits(seen)})
    if not definition.comparisons:
        return value / len(names)
    return min(_near(word, value, number) for word, number in definition.comparisons)


def _near(word: str, value: Number, number: Number) -> float:
    if COMPARE[word](value, number):
        return 1.0
    size = max(abs(float(value)), abs(float(number)), 1.0)
    gap = abs(float(value) - float(number)) / size
    return max(0.0, 1 - gap) * 0.999 if math.isfinite(gap) else 0.0


def _near_term(node: Any, seen: set[str]) -> float:
    if isinstance(node, str):
        return float(node in seen)
    ((word, operands),) = node.items()
    if word == "not":
        return 1 - _near_term(operands, seen)
    each = [_near_term(operand, seen) for operand in operands]
    return sum(each) / len(each) if word == "and" else max(each)
