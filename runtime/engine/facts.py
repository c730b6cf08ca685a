"""What a class says of a field: `Facts` as the scalar path makes them, but of predicates instead of a value."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NoReturn

from sigmac.runtime.engine.layout import (
    FIRST_NUMBER,
    IS_DEFERRED,
    IS_EMPTY,
    IS_NULL,
    IS_OBJECT,
    IS_ODD,
    IS_ODD_NUMBER,
    KEYWORDS_FIELD,
)
from sigmac.runtime.engine.tables import Tables
from sigmac.runtime.event import Event
from sigmac.runtime.fields import CONTAINS, ENDSWITH, EQUALS, STARTSWITH, Facts
from sigmac.runtime.scalars import values_of
from sigmac.runtime.vocabulary import Vocabulary

_QUESTIONS = (EQUALS, STARTSWITH, ENDSWITH, CONTAINS)


class Undecided(Exception):
    """A rule asks what a class does not tell: the value itself decides."""


class _Unknown:
    """Values, or answers, that only the record itself can tell: whatever is asked of them is undecided."""

    __slots__ = ()

    def _ask(self, *_: object) -> NoReturn:
        raise Undecided

    __iter__ = __contains__ = isdisjoint = issuperset = _ask


UNKNOWN: Any = _Unknown()


def facts_of_class(field: int, members: list[int], tables: Tables, vocabulary: Vocabulary) -> Facts:
    """The facts of one value of a class, given as numbers of predicates."""
    index = vocabulary.index(tables.fields[field])
    special = {member - tables.special for member in members if member >= tables.special}
    if special & {IS_NULL, IS_OBJECT, IS_EMPTY}:
        values: tuple[Any, ...] = (
            (None,) if IS_NULL in special else ({},) if IS_OBJECT in special else ()
        )
        facts = Facts(values)
        facts.gates, facts.seconds = index.presence
        return facts
    facts = Facts(())
    facts.values, facts.null = UNKNOWN, False
    facts.gates, facts.seconds = index.presence
    if special & {IS_ODD, IS_DEFERRED}:
        facts.equals = facts.contains = facts.startswith = facts.endswith = UNKNOWN
    if special & {IS_ODD, IS_ODD_NUMBER, IS_DEFERRED}:
        facts.numbers, facts.positions = UNKNOWN, UNKNOWN
        gated = vocabulary.gated_rules.get(tables.fields[field], 0)
        facts.gates |= gated
        facts.seconds |= gated
    if IS_DEFERRED in special and field == KEYWORDS_FIELD:
        # They were not looked at because no literal of a gate is in the record.
        facts.gates = facts.seconds = 0
    if special & {IS_ODD, IS_DEFERRED}:
        return facts
    found: tuple[set[str], ...] = (set(), {""}, {""}, {""})
    for member in members:
        if member < tables.special:
            text = vocabulary.strings[tables.literals[member >> 2, 1]]
            found[member & 3].add(text)
            index.open(facts, (_QUESTIONS[member & 3], text))
        elif member - tables.special >= FIRST_NUMBER:
            position = member - int(tables.automata.number[field])
            facts.positions = (position,)
            if position & 1:
                equal = index.thresholds[position >> 1]
                facts.numbers = frozenset((equal,))
                index.open(facts, equal)
    facts.equals, facts.startswith, facts.endswith, facts.contains = map(frozenset, found)
    return facts


class RecordEvent(Event):
    """One record of a signature: what its classes say of a field, with the field's own values beside it."""

    __slots__ = ("_classes",)

    def __init__(
        self, fields: dict[str, Any], vocabulary: Vocabulary, classes: Mapping[str, Facts]
    ):
        super().__init__(fields, vocabulary)
        self._classes = classes

    def _look(self, field: str) -> Facts:
        told = self._classes.get(field)
        if told is None:
            return self._vocabulary.absent
        if told.values is not UNKNOWN:
            return told
        if told.equals is UNKNOWN or told.numbers is UNKNOWN:
            return super()._look(field)
        facts = Facts(values_of(self._fields, field) or ())
        for name in ("equals", "contains", "startswith", "endswith", "numbers", "positions"):
            setattr(facts, name, getattr(told, name))
        return facts


def united(each: list[Facts]) -> Facts:
    """The facts of a field with several values; what is unknown of one is unknown of all."""
    if len(each) == 1:
        return each[0]
    union: Any = Facts(())
    for name in ("equals", "contains", "startswith", "endswith", "numbers"):
        parts = [getattr(facts, name) for facts in each]
        unknown = any(part is UNKNOWN for part in parts)
        setattr(union, name, UNKNOWN if unknown else frozenset().union(*parts))
    if union.numbers is UNKNOWN:
        union.positions = UNKNOWN
    else:
        union.positions = tuple(position for facts in each for position in facts.positions)
    for facts in each:
        union.gates |= facts.gates
        union.seconds |= facts.seconds
    if any(facts.values is UNKNOWN for facts in each):
        union.values = UNKNOWN
    else:
        union.values = tuple(value for facts in each for value in facts.values)
    # An empty array adds no value to those of others.
    union.null = any(facts.null and facts.values for facts in each) or not any(
        facts.values for facts in each
    )
    made: Facts = union
    return made
