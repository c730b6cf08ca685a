"""What a class says of a field: `Facts` as the scalar path makes them, but of predicates instead of a value."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NoReturn

from sigmac.runtime.engine.layout import (
    FIRST_NUMBER,
    IS_DEFERRED,
    IS_EMPTY,
    IS_NULL,
    IS_OBJECT,
    IS_ODD,
    IS_ODD_NUMBER,
)
from sigmac.runtime.engine.tables import Tables
from sigmac.runtime.event import Event
from sigmac.runtime.fields import Facts
from sigmac.runtime.number_texts import could_be_in_number
from sigmac.runtime.scalars import values_of
from sigmac.runtime.vocabulary import Vocabulary


class Undecided(Exception):
    """A rule asks what a class does not tell: the value itself decides."""


class _Unknown:
    """Values, or answers, that only the record itself can tell: whatever is asked of them is undecided."""

    __slots__ = ()

    def _ask(self, *_: object) -> NoReturn:
        raise Undecided

    __iter__ = __contains__ = isdisjoint = issuperset = _ask


UNKNOWN: Any = _Unknown()


class _OfNumber:
    """The texts that are true of a number whose text is not known: none but `known` and those that are in numbers."""

    __slots__ = ("known",)

    def __init__(self, known: Iterable[str]):
        self.known = frozenset(known)

    def isdisjoint(self, texts: Iterable[str]) -> bool:
        return not any(self._holds(text) for text in texts)

    def issuperset(self, texts: Iterable[str]) -> bool:
        return all(self._holds(text) for text in texts)

    def _holds(self, text: str) -> bool:
        if text not in self.known and could_be_in_number(text):
            raise Undecided
        return text in self.known


def facts_of_class(field: int, members: list[int], tables: Tables) -> Facts:
    """The facts of one value of a class, given as numbers of predicates."""
    special = {member - tables.special for member in members if member >= tables.special}
    if special & {IS_NULL, IS_OBJECT, IS_EMPTY}:
        values: tuple[Any, ...] = (
            (None,) if IS_NULL in special else ({},) if IS_OBJECT in special else ()
        )
        return Facts(values)
    facts = Facts(())
    facts.values, facts.null = UNKNOWN, False
    if IS_DEFERRED in special:
        facts.equals = facts.contains = facts.startswith = facts.endswith = UNKNOWN
    elif IS_ODD in special:
        none: Any = _OfNumber(())
        some: Any = _OfNumber(("",))
        facts.equals, facts.contains, facts.startswith, facts.endswith = none, some, some, some
    if special & {IS_ODD, IS_ODD_NUMBER, IS_DEFERRED}:
        facts.numbers, facts.positions = UNKNOWN, UNKNOWN
    if special & {IS_ODD, IS_DEFERRED}:
        return facts
    found: tuple[set[str], ...] = (set(), {""}, {""}, {""})
    for member in members:
        if member < tables.special:
            found[member & 3].add(tables.text_of(member >> 2))
        elif member - tables.special >= FIRST_NUMBER:
            position = member - int(tables.automata.number[field])
            facts.positions = (position,)
            if position & 1:
                facts.numbers = frozenset((tables.thresholds[field][position >> 1],))
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

    def _values(self, field: str) -> Sequence[Any]:
        """As the record has them: nothing else needs to be known of the field."""
        told = self._classes.get(field)
        if told is None or told.values is not UNKNOWN:
            return super()._values(field)
        return values_of(self._fields, field) or ()

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
        if any(part is UNKNOWN for part in parts):
            setattr(union, name, UNKNOWN)
        elif any(part.__class__ is _OfNumber for part in parts):
            known = (part.known if part.__class__ is _OfNumber else part for part in parts)
            setattr(union, name, _OfNumber(itertools.chain(*known)))
        else:
            setattr(union, name, frozenset().union(*parts))
    if union.numbers is UNKNOWN:
        union.positions = UNKNOWN
    else:
        union.positions = tuple(position for facts in each for position in facts.positions)
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
