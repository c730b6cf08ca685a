"""From an event to the rules that may match it, by way of logsources and gates, and to those that do."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sigmac.runtime.distinct import distinct
from sigmac.runtime.errors import EventError
from sigmac.runtime.scalar.event import Event
from sigmac.runtime.scalar.fields import Facts, FieldIndex, mask_of
from sigmac.runtime.scalar.keywords import KEYWORDS, KeywordGates
from sigmac.runtime.scalar.rule_functions import Condition, Conditions
from sigmac.runtime.scalar.sightings import Sightings
from sigmac.runtime.scalar.vocabulary import Vocabulary

Wanted = int | None  # rules as bits; None: those that an event's own logsource leaves
MAX_ACTIVE = 4096  # logsource conditions remembered
MOST_VALUES = 16_384  # of one record: the kernels have room for as many


@dataclass(frozen=True, slots=True)
class Active:
    """What concerns the events of one kind: the rules whose logsource condition holds, the fields of their gates.

    `own` are the rules that the logsource of the events themselves leaves.
    """

    rules: int
    own: int
    fields: dict[str, FieldIndex]
    dotted: tuple[tuple[str, str], ...]  # first part, whole name
    keywords: KeywordGates | None


class Dispatch:
    """From an event to the rules that match it, by way of logsources and gates.

    `arrays` are the pack's tables; `logsource_fields` the fields that the conditions of logsources ask; `most_values`
    says how many values a record may have (who has records checks that: `check_values`). The last conditions of
    logsources tell what events are: `own[i]` has the rules, as bits, that are left where the i-th of these is the first
    that holds.
    """

    def __init__(
        self,
        conditions: Conditions,
        vocabulary: Vocabulary,
        arrays: Mapping[str, Any],
        logsource_fields: Sequence[str],
        most_values: int = MOST_VALUES,
        own: Sequence[int] = (),
    ):
        self.most_values = most_values
        self.conditions = conditions
        self.vocabulary = vocabulary
        self._always = mask_of(arrays["always"])
        self._single = mask_of(arrays["single"])
        logsources = conditions.spans[:, 3]
        count = len(arrays["logsources"])
        self._own = own
        self._members = [mask_of(np.flatnonzero(logsources == i)) for i in range(count)]
        self._free = mask_of(np.flatnonzero(logsources < 0))
        self.logsource_fields = logsource_fields
        self._logsources: list[Condition] | None = None
        self.sightings = Sightings(fields_asked(vocabulary, arrays, logsource_fields))
        self._active: dict[tuple[Facts, ...], Active] = {}
        # The same by their rules: many values mean one kind
        self._kinds: dict[tuple[int, int], Active] = {}

    def matching(self, fields: dict[str, Any], wanted: Wanted = -1) -> list[int]:
        """The indices of the rules that match, ascending; of those among the bits `wanted`."""
        event = Event(fields, self.vocabulary)
        active = self.active_for(event)
        if wanted is None:
            wanted = active.own
        self.sightings.note(fields, active.rules & wanted, wanted)
        candidates, seconds = self._always, self._single
        gates, known = active.fields, event.known
        try:
            for name, value in fields.items():
                index = gates.get(name)
                if index is not None:
                    found = known.get(name)
                    if found is None:
                        if value.__class__ is list:
                            found = event.facts(name)
                        else:
                            found = known[name] = index.facts_of(value)
                    candidates |= found.gates
                    seconds |= found.seconds
            for first, name in active.dotted:
                if first in fields and name not in fields:
                    found = event.facts(name)
                    candidates |= found.gates
                    seconds |= found.seconds
            if active.keywords is not None:
                opened = active.keywords.open(fields)
                candidates |= opened[0]
                seconds |= opened[1]
            conditions, known_conditions = self.conditions, self.conditions.known
            return [
                rule
                for rule in bits_of(candidates & seconds & active.rules & wanted)
                if (known_conditions[rule] or conditions[rule])(event)
            ]
        except UnicodeEncodeError:
            raise EventError("the event holds a lone surrogate") from None

    def without_gates(self) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
        """A byte for each rule: 1 where it has no first gate, and where it has no second one."""
        return self.as_bytes(self._always), self.as_bytes(self._single)

    def of_logsources(self, held: Sequence[int], wanted: Wanted) -> tuple[int, int]:
        """The wanted rules of the logsource conditions that hold, and all that are wanted of such events; as bits."""
        meant = self._of_event(held) if wanted is None else wanted
        return self._rules_of(held) & meant, meant

    def _of_event(self, held: Sequence[int]) -> int:
        """The rules that the first condition of `held` which tells what an event is leaves."""
        told = self._told(held)
        return -1 if told is None else self._own[told]

    def _told(self, held: Sequence[int]) -> int | None:
        """Which of the conditions that tell what events are is the first of `held`."""
        first = len(self._members) - len(self._own)
        return next((which - first for which in held if which >= first), None)

    def as_bytes(self, rules: int) -> NDArray[np.uint8]:
        """A byte for each rule: 1 where its bit is set."""
        count = len(self.conditions)
        bits = (rules & (1 << count) - 1).to_bytes(count // 8 + 1, "little")
        return np.unpackbits(np.frombuffer(bits, np.uint8), count=count, bitorder="little")

    def active_for(self, event: Event) -> Active:
        """What concerns an event; remembered by the facts that the logsource conditions depend on."""
        key = tuple([event.facts(name) for name in self.logsource_fields])
        known = self._active.get(key)
        if known is None:
            kind = self.concerned_and_own(event)
            known = self._kinds.get(kind)
            if known is None:
                if len(self._kinds) >= MAX_ACTIVE:
                    self._kinds.clear()
                known = self._kinds[kind] = self._gates_of(*kind)
            if len(self._active) >= MAX_ACTIVE:
                self._active.clear()
            self._active[key] = known
        return known

    def concerned_and_own(self, event: Event) -> tuple[int, int]:
        """The rules whose logsource condition an event meets, and those that its own logsource leaves; as bits."""
        held = self._held(event)
        return self._rules_of(held), self._of_event(held)

    def told_by(self, event: Event) -> int | None:
        """The first of the conditions that tell what events are which holds for an event."""
        return self._told(self._held(event))

    def _held(self, event: Event) -> list[int]:
        if self._logsources is None:
            self._logsources = self.conditions.of_logsources()
        return [i for i, condition in enumerate(self._logsources) if condition(event)]

    def _rules_of(self, held: Sequence[int]) -> int:
        rules = self._free
        for which in held:
            rules |= self._members[which]
        return rules

    def _gates_of(self, rules: int, own: int) -> Active:
        indexes = {
            name: self.vocabulary.index(name)
            for name, gated in self.vocabulary.gated_rules.items()
            if gated & rules
        }
        searched = indexes.pop(KEYWORDS, None) is not None
        keywords = self.vocabulary.keyword_gates(rules) if searched else None
        dotted = tuple(sorted((name.partition(".")[0], name) for name in indexes if "." in name))
        return Active(rules, own, indexes, dotted, keywords)


def fields_asked(
    vocabulary: Vocabulary, arrays: Mapping[str, NDArray[Any]], logsource_fields: Sequence[str]
) -> set[str]:
    """All fields that rules ask an event for, without keywords."""
    numbers = np.concatenate([arrays["rule_fields"], arrays["pairs"][:, :2].reshape(-1)])
    return {*vocabulary.strings.take(distinct(numbers).astype(np.int32)), *logsource_fields} - {
        KEYWORDS
    }


def bits_of(mask: int) -> list[int]:
    """The places of the bits that are set in a number, ascending."""
    found: list[int] = []
    if mask:
        # Thousands of bits at once are slow to compute with, 64 are not.
        words = memoryview(mask.to_bytes((mask.bit_length() + 63) // 64 * 8, sys.byteorder)).cast(
            "Q"
        )
        for place, word in enumerate(words if sys.byteorder == "little" else words[::-1]):
            while word:
                low = word & -word
                found.append(64 * place + low.bit_length() - 1)
                word ^= low
    return found
