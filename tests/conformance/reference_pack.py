"""SigmaHQ in the reference evaluator, and where a pack does not agree with it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import lru_cache
from typing import Any

import orjson
import pytest

from sigmac.compiler.ir.values import FieldRef, Value
from sigmac.compiler.meaning import reference
from sigmac.compiler.syntax.rule import Rule, items
from tests.conformance.corpora import Compiled, Event, Recording

KEYWORDS = ""  # stands for all leaves of an event among the fields that a rule reads
KEYWORDS_EVERY = 5
MAX_REMEMBERED = 400_000


class ReferencePack:
    """The rules of a pack as the reference reads them, by the pack's positions.

    A rule's answer depends on the values of the fields that it reads and on nothing else, so it is asked once for
    each combination of them; keyword rules read everything and are asked for every event.
    """

    def __init__(self, compiled: Compiled, variants: Mapping[str, tuple[Rule, ...]]):
        self._variants = [variants[source] for source in compiled.sources]
        self._fields = [tuple(sorted(set(_fields(rules)))) for rules in self._variants]
        self._groups: dict[tuple[str, ...], list[int]] = defaultdict(list)
        for position, names in enumerate(self._fields):
            self._groups[names].append(position)
        self._names = sorted({name for names in self._groups for name in names} - {KEYWORDS})
        self._known: dict[Any, list[int]] = {}

    def matching(
        self, event: Event, *, keywords: bool
    ) -> Iterator[tuple[Sequence[int], list[int]]]:
        """All rules in groups, each with those of the group that match; rules with keywords only if asked for."""
        values = self._values(event, self._names)
        for names, rules in self._groups.items():
            if keywords or KEYWORDS not in names:
                yield rules, self._ask(names, rules, event, values)

    def confirmed(
        self, pairs: Iterable[tuple[int, int]], recording: Recording
    ) -> set[tuple[int, int]]:
        """Of pairs (event, rule), both by position, those that match."""
        wanted: dict[int, list[int]] = defaultdict(list)
        for record, rule in pairs:
            wanted[record].append(rule)
        found: set[tuple[int, int]] = set()
        for record, rules in wanted.items():
            event = recording.events[record]
            values = self._values(event, {name for rule in rules for name in self._fields[rule]})
            for rule in rules:
                if self._ask(self._fields[rule], (rule,), event, values):
                    found.add((record, rule))
        return found

    def _ask(
        self,
        names: tuple[str, ...],
        rules: Sequence[int],
        event: Event,
        values: Mapping[str, bytes],
    ) -> list[int]:
        key = (rules[0], len(rules), *map(values.get, names))
        found = self._known.get(key)
        if found is None:
            found = [
                rule
                for rule in rules
                if any(reference.matches(each, event) for each in self._variants[rule])
            ]
            if KEYWORDS not in names:
                self._known[key] = found
        return found

    @staticmethod
    def _values(event: Event, names: Iterable[str]) -> dict[str, bytes]:
        """What the reference finds in each field that is present, as JSON: that tells 1 from 1.0, "1" and true."""
        values = {}
        for name in names:
            if name in event or "." in name:
                present, found = reference.lookup(event, name)
                if present:
                    values[name] = orjson.dumps(found, option=orjson.OPT_SORT_KEYS)
        return values


def _fields(rules: Iterable[Rule]) -> Iterator[str]:
    for rule in rules:
        for detection in rule.detections.values():
            for item in items(detection):
                yield item.field or KEYWORDS
                yield from (value.field for value in item.values if isinstance(value, FieldRef))


@contextmanager
def remembering() -> Iterator[None]:
    """While this lasts, folding and the test of one value against one scalar remember what they said.

    Both depend on nothing but what they are given, and over a corpus they are asked the same again and again.
    """
    plain = reference.test

    @lru_cache(MAX_REMEMBERED)
    def remembered(value: Value, kind: type, found: Any) -> bool:
        return plain(value, found)

    def test(value: Value, found: Any) -> bool:
        # Python takes 1, 1.0 and True for one key, hence the type; objects are no keys.
        return (
            plain(value, found)
            if isinstance(found, dict)
            else remembered(value, type(found), found)
        )

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(reference, "fold", lru_cache(MAX_REMEMBERED)(reference.fold))
        patch.setattr(reference, "test", test)
        yield


def disagreements(
    compiled: Compiled, rules: ReferencePack, recording: Recording, positions: Sequence[int]
) -> set[tuple[int, int]]:
    """(event, rule) where a pack and the reference disagree, both by position.

    All matches that the pack reports in the recording are looked at, and every rule on the events at `positions`;
    those with keywords, which take as long as all the others, on some of these.
    """
    said = compiled.matches(recording)
    wrong = said - rules.confirmed(said, recording)
    for number, position in enumerate(positions):
        event = recording.events[position]
        for asked, found in rules.matching(event, keywords=number % KEYWORDS_EVERY == 0):
            wrong |= {
                (position, rule)
                for rule in asked
                if (rule in found) is not ((position, rule) in said)
            }
    return wrong


def kinds(recording: Recording) -> list[int]:
    """Positions of the first events of each kind: channel, number and type, or for others the names of their fields."""
    first: dict[tuple[str, ...], int] = {}
    for position, event in enumerate(recording.events):
        names = ("Channel", "EventID", "EventType")
        kind = tuple(str(event.get(name)) for name in names) if "Channel" in event else tuple(event)
        first.setdefault(kind, position)
    return sorted(first.values())
