"""Correlations spread over the processes of a cluster: what has to be evaluated together, and where hits go.

Correlations that refer to each other are a family. All that a family finds at an event in one place is found at once,
in the order of its correlations: so a parent sees the hit of a child between the events before and after it, as it does
where one process sees everything. A place is told by the texts of the names that all members group by; a family whose
members have no such name in common has one place.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import orjson

from sigmac.runtime.correlation.correlator import Counts
from sigmac.runtime.correlation.definition import Correlation, check_definitions
from sigmac.runtime.correlation.hit_finder import NO_GROUP, NO_VALUE, HitFinder, Key
from sigmac.runtime.correlation.observation import Observation, fields_for
from sigmac.runtime.correlation.step import rules_of


@dataclass(frozen=True, slots=True)
class Family:
    """`members` stand behind those they refer to; a place has a text for each of `names`.

    `identity` is of all that its members find and of what the pack calls them and their rules: hits are of a pack with
    the same family.
    """

    identity: str
    members: tuple[str, ...]
    names: tuple[str, ...]

    def place(self, definition: Correlation, key: Key) -> Key:
        """Where the group of a member is."""
        return tuple(key[definition.group_by.index(name)] for name in self.names)


def find_families(definitions: Mapping[str, Correlation], rules: Sequence[str]) -> list[Family]:
    """The families of a pack, `rules` are the names of its rules. Raises `PackError` as `check_definitions`."""
    ordered = check_definitions(definitions, rules)
    known = {name: {name} for name in ordered}
    for name in ordered:
        for child in definitions[name].rules:
            if child in definitions and known[child] is not known[name]:
                known[name] |= known[child]
                for each in known[child]:
                    known[each] = known[name]
    families: dict[int, list[str]] = {}
    for name in ordered:
        families.setdefault(id(known[name]), []).append(name)
    return [_family(members, definitions) for members in families.values()]


def _family(members: Sequence[str], definitions: Mapping[str, Correlation]) -> Family:
    names = [
        name
        for name in dict.fromkeys(definitions[members[0]].group_by)
        if all(_is_handed_on(name, definitions[each], definitions) for each in members)
    ]
    what = [
        [name, each.digest, list(each.rules), list(each.group_by)]
        for name, each in ((name, definitions[name]) for name in members)
    ]
    identity = hashlib.blake2b(orjson.dumps([what, names]), digest_size=16).hexdigest()
    return Family(identity, tuple(members), tuple(names))


def _is_handed_on(
    name: str, definition: Correlation, definitions: Mapping[str, Correlation]
) -> bool:
    """Whether a correlation groups by a name, and takes it as it is from the groups of those it refers to."""
    children = (child for child in definition.rules if child in definitions)
    return name in definition.group_by and all(
        fields_for(definition, name, child) == [name] for child in children
    )


class Spreading:
    """Says where the hits of observations go. `counts` are of what is a hit nowhere, by correlation."""

    def __init__(self, definitions: Mapping[str, Correlation], rules: Sequence[str]) -> None:
        self.families = find_families(definitions, rules)
        self.counts = {name: Counts() for name in definitions}
        self._definitions = definitions
        self._finders = finders(definitions, rules)
        self._above: dict[str, list[Family]] = {}
        for family in self.families:
            below = {rule for name in family.members for rule in definitions[name].rules}
            for rule in below - definitions.keys():
                self._above.setdefault(rule, []).append(family)

    def places(self, observation: Observation) -> Iterator[tuple[Family, Key]]:
        """Each family that an observation concerns, with each place in which one of its members has a hit."""
        concerned = (each for rule in observation.matched for each in self._above.get(rule, ()))
        for family in {each.identity: each for each in concerned}.values():
            found = {name: self._finders[name].find(observation, {}) for name in family.members}
            places = {
                family.place(self._definitions[name], key): None
                for name, hits in found.items()
                for key, _ in hits
            }
            for place in places:
                yield family, place
            if not places:
                for name, hits in found.items():
                    self.counts[name].no_group += hits is NO_GROUP
                    self.counts[name].no_value += hits is NO_VALUE


def finders(definitions: Mapping[str, Correlation], rules: Sequence[str]) -> dict[str, HitFinder]:
    """What finds the hits of each correlation."""
    is_rule = dict.fromkeys(rules, True) | dict.fromkeys(definitions, False)
    return {name: HitFinder(each, rules_of(each), is_rule) for name, each in definitions.items()}
