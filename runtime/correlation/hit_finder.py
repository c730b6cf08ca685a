"""The hits of one correlation at one event: in which groups it counts, through which rules, with which values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from sigmac.runtime.correlation.definition import Correlation
from sigmac.runtime.correlation.hit import Hit
from sigmac.runtime.correlation.observation import (
    Observation,
    fields_for,
    numbers_of,
    texts_of,
)

Key = tuple[str, ...]  # the texts of a group, as `group-by` names them
Found = Sequence[tuple[Key, Hit]]
# For correlations that were true at the event, the groups in which they were
Children = Mapping[str, Sequence[Mapping[str, str]]]

NOTHING: Found = ()
# No hit, because no group has exactly one text for each name, or because there is no value to look at
NO_GROUP: Found = []
NO_VALUE: Found = []

_IN_NO_GROUP: Sequence[Mapping[str, str]] = ({},)
_new_hit = partial(tuple.__new__, Hit)


@dataclass(slots=True)
class _Candidate:
    """What the references of one event say of one group: the rules they see, the fields that values are in."""

    seen: int = 0
    looks_at: list[dict[str, None]] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Plain:
    """A rule of which each name stands for one field: the usual case, in which little is to be done."""

    seen: int
    group_by: tuple[str, ...]
    looks_at: str | None
    kinds: frozenset[type]  # of a value that is taken as it is


class HitFinder:
    """Finds the hits of a correlation; `rules` are what bits of `Hit.seen` stand for."""

    def __init__(
        self, definition: Correlation, rules: Sequence[str], is_rule: Mapping[str, bool]
    ) -> None:
        self._definition = definition
        seen: dict[str, int] = {}
        for i, rule in enumerate(rules):
            seen[rule] = seen.get(rule, 0) | 1 << i
        self._references = [(rule, bits, is_rule[rule]) for rule, bits in seen.items()]
        names = (*definition.group_by, *definition.looks_at)
        self._fields = {
            (name, rule): fields_for(definition, name, rule) for name in names for rule in seen
        }
        self._plain = {
            rule: plain
            for rule, bits, detects in self._references
            if detects and (plain := self._plain_of(rule, bits)) is not None
        }

    def _plain_of(self, rule: str, seen: int) -> _Plain | None:
        definition = self._definition
        fields = [self._fields[name, rule] for name in definition.group_by]
        looks_at = [self._fields[name, rule] for name in definition.looks_at]
        if len(looks_at) > 1 or any(len(each) != 1 for each in (*fields, *looks_at)):
            return None
        kinds = {str} if definition.type == "value_count" else {int, float}
        return _Plain(
            seen,
            tuple(name for (name,) in fields),
            looks_at[0][0] if looks_at else None,
            frozenset(kinds),
        )

    def find(self, observation: Observation, children: Children) -> Found:
        """The hits of an observation, in the order of the rules; NO_GROUP or NO_VALUE where it is none for that."""
        time, source, matched, values = observation
        if len(matched) != 1 or children:
            return self._find(observation, children)
        for rule, variants in matched.items():
            plain = self._plain.get(rule)
            if plain is None or variants:
                break
            # The usual event holds one text in each field. Anything else is looked at more closely.
            key = []
            for name in plain.group_by:
                texts = values[name]
                if len(texts) != 1 or texts[0].__class__ is not str:
                    return self._find(observation, children)
                key.append(texts[0])
            looked_at: Sequence[Any] = ()
            if plain.looks_at is not None:
                looked_at = values[plain.looks_at]
                if len(looked_at) != 1 or looked_at[0].__class__ not in plain.kinds:
                    break
            return [(tuple(key), _new_hit((time, source, plain.seen, tuple(looked_at))))]
        return self._find(observation, children)

    def _find(self, observation: Observation, children: Children) -> Found:
        candidates: dict[Key, _Candidate] = {}
        referred = False
        for rule, seen, is_rule in self._references:
            matched = _IN_NO_GROUP if rule in observation.matched else ()
            for context in matched if is_rule else children.get(rule, ()):
                referred = True
                key = self._key(observation, rule, context)
                if key is not None:
                    candidate = candidates.setdefault(key, _Candidate())
                    candidate.seen |= seen
                    self._add_looked_at(candidate, observation, rule)
        if not candidates:
            return NO_GROUP if referred else NOTHING
        time, source = observation.time, observation.source
        return [
            (key, Hit(time, source, candidate.seen, values))
            for key, candidate in candidates.items()
            if (values := self._values(observation, candidate)) is not None
        ] or NO_VALUE

    def _of(self, observation: Observation, name: str, rule: str) -> list[str]:
        variants = observation.matched.get(rule, ())
        if variants:
            return fields_for(self._definition, name, rule, variants)
        return self._fields[name, rule]

    def _key(self, observation: Observation, rule: str, context: Mapping[str, str]) -> Key | None:
        """The texts of the group; None where a name has none or several."""
        key = []
        for name in self._definition.group_by:
            texts = texts_of(observation.values, self._of(observation, name, rule), context)
            if len(texts) != 1:
                return None
            key.append(texts.pop())
        return tuple(key)

    def _add_looked_at(self, candidate: _Candidate, observation: Observation, rule: str) -> None:
        for i, name in enumerate(self._definition.looks_at):
            if i == len(candidate.looks_at):
                candidate.looks_at.append({})
            candidate.looks_at[i].update(dict.fromkeys(self._of(observation, name, rule)))

    def _values(self, observation: Observation, candidate: _Candidate) -> tuple[Any, ...] | None:
        """What a `value_…` type looks at; None where the event has none, and is no hit."""
        if not candidate.looks_at:
            return ()
        if self._definition.type != "value_count":
            return numbers_of(observation.values, candidate.looks_at[0]) or None
        texts = [texts_of(observation.values, names) for names in candidate.looks_at]
        if len(texts) == 1:
            return tuple(sorted(texts[0])) or None
        if any(len(each) != 1 for each in texts):
            return None
        return (tuple(text for (text,) in texts),)
