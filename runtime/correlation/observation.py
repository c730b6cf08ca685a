"""What correlations need to know of an event: which rules matched it, when, and the values of a few of its fields."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from sigmac.runtime.correlation.definition import Correlation
from sigmac.runtime.correlation.exact import Number
from sigmac.runtime.correlation.timestamps import event_time
from sigmac.runtime.errors import EventError
from sigmac.runtime.scalar.scalars import json_number, lookup, number_of, text_of

# The names of the variants by which a rule matched; of one without variants, or whose variants agree, none
Matched = Mapping[str, Sequence[str]]
Scalars = list[str | int | float | bool]


class Observation(NamedTuple):
    """Plain data: all that JSON can hold, and nothing else of the event.

    `time` is in microseconds since 1970, `source` says where the event lies, `matched` are the names of rules that
    correlations refer to, `values` the scalars of the fields that these correlations look at.
    """

    time: int
    source: Any
    matched: Matched
    values: Mapping[str, Scalars]


class Reader:
    """Makes observations: it knows which fields of an event the correlations above each rule look at."""

    def __init__(self, definitions: Mapping[str, Correlation], timestamp_fields: Sequence[str]):
        self.timestamp_fields = timestamp_fields
        self._fields = _fields_by_rule(definitions)

    @property
    def rules(self) -> Iterable[str]:
        """The names of the rules that correlations refer to, by way of others too."""
        return self._fields.keys()

    def read(self, event: Mapping[str, Any], source: Any, matched: Matched) -> Observation | None:
        """What there is to know of an event, of which `matched` are among `rules`; None where it has no timestamp."""
        time = event_time(event, self.timestamp_fields)
        if time is None:
            return None
        values: dict[str, Scalars] = {}
        for rule in matched:
            for name in self._fields[rule]:
                if name not in values:
                    values[name] = scalars_of(event, name)
        return Observation(time, source, matched, values)


def scalars_of(event: Mapping[str, Any], name: str) -> Scalars:
    """The values of a field that are no objects and no nulls, members of arrays each."""
    return [
        # Integers beyond 64 bits are floats, as a JSON parser gives them.
        json_number(value) if value.__class__ is int else value
        for value in lookup(event, name) or ()
        if value is not None and not isinstance(value, dict)
    ]


def texts_of(
    values: Mapping[str, Scalars], names: Iterable[str], over: Mapping[str, str] | None = None
) -> set[str]:
    """The distinct canonical texts of some fields; what is `over` an event hides its own fields."""
    texts: set[str] = set()
    for name in names:
        if over and name in over:
            texts.add(over[name])
            continue
        for value in values.get(name, ()):
            text = value if value.__class__ is str else text_of(value)
            if text is not None:
                texts.add(text)
    return texts


def numbers_of(values: Mapping[str, Scalars], names: Iterable[str]) -> tuple[Number, ...]:
    """All numbers of some fields, each field taken once."""
    return tuple(
        number
        for name in dict.fromkeys(names)
        for value in values.get(name, ())
        if (number := _finite(value)) is not None
    )


def _finite(value: Any) -> Number | None:
    try:
        number = number_of(value)
    except EventError:  # beyond what a float64 can be
        return None
    return number if number is not None and number - number == 0 else None


def fields_for(
    definition: Correlation, name: str, rule: str, variants: Sequence[str] = ()
) -> list[str]:
    """The fields of an event that a name stands for in a rule of the correlation; of all variants if none is told."""
    given = definition.fields.get(name, {}).get(rule)
    if given is None:
        return [name]
    if isinstance(given, Mapping):
        chosen = variants or given
        return list(dict.fromkeys(each for variant in chosen for each in given[variant]))
    return list(given)


def _fields_by_rule(definitions: Mapping[str, Correlation]) -> dict[str, list[str]]:
    """For each rule that is referred to, the fields that the correlations above it look at."""
    found: dict[str, dict[str, None]] = {}
    for definition in definitions.values():
        names = (*definition.group_by, *definition.looks_at)
        for reference in definition.rules:
            fields = [each for name in names for each in fields_for(definition, name, reference)]
            for rule in _rules_below(reference, definitions):
                found.setdefault(rule, {}).update(dict.fromkeys(fields))
    return {rule: list(fields) for rule, fields in found.items()}


def _rules_below(reference: str, definitions: Mapping[str, Correlation]) -> Iterator[str]:
    waiting, seen = [reference], {reference}
    while waiting:
        name = waiting.pop()
        if name not in definitions:
            yield name
            continue
        for below in definitions[name].rules:
            if below not in seen:
                seen.add(below)
                waiting.append(below)
