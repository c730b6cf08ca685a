"""What a family of correlations does with an observation in one of its places, its groups in a store."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import orjson

from sigmac.runtime.correlation.alert import Alert
from sigmac.runtime.correlation.correlator import Counts, Limits
from sigmac.runtime.correlation.definition import Correlation
from sigmac.runtime.correlation.hit_finder import NO_GROUP, NO_VALUE, Key
from sigmac.runtime.correlation.observation import Observation
from sigmac.runtime.correlation.spread.bounds import Bounds, Stores
from sigmac.runtime.correlation.spread.families import Family, find_families, finders
from sigmac.runtime.correlation.spread.stored_groups import StoredGroups
from sigmac.runtime.correlation.step import (
    FORGETS,
    LATE,
    RESTARTS,
    RISES,
    SHOWN,
    TRUE,
    Group,
    Step,
)

_HIT_BITS = 10  # of a number that tells the hits of one event in their order


class FamilySteps:
    """The families of a pack at work; `name` tells its groups from those of other packs in the same store.

    What is kept of a correlation is found again by its digest, whatever else changes in the pack.
    """

    def __init__(
        self,
        name: str,
        definitions: Mapping[str, Correlation],
        rules: Sequence[str],
        limits: Limits,
        bounds: Bounds | None = None,
    ) -> None:
        self.definitions = definitions
        self.families = {each.identity: each for each in find_families(definitions, rules)}
        self.counts = {each: Counts() for each in definitions}
        self._finders = finders(definitions, rules)
        bounds = bounds or Bounds()
        alike: dict[str, int] = {}
        self._groups = {}
        for each, definition in definitions.items():
            number = alike[definition.digest] = alike.get(definition.digest, -1) + 1
            told = orjson.dumps([name, definition.digest, number]).decode()
            step = Step(definition, limits.hits)
            self._groups[each] = StoredGroups(told, step, limits.groups, bounds)

    def take(
        self,
        family: Family,
        place: Key,
        observation: Observation,
        stores: Stores,
        key_of_place: bytes,
        at: int,
    ) -> list[Alert]:
        """The alerts of an observation in one of the family's places, a child's before those of its parents.

        `key_of_place` is the key of the messages of that place, `at` where the observation stands in the log that it is
        read from. Raises `SigmacError` where the stores have what cannot be read.
        """
        alerts: list[Alert] = []
        children: dict[str, list[dict[str, str]]] = {}
        for name in family.members:
            definition, counts = self.definitions[name], self.counts[name]
            found = self._finders[name].find(observation, children)
            counts.no_group += found is NO_GROUP
            counts.no_value += found is NO_VALUE
            for number, (key, hit) in enumerate(found):
                if family.place(definition, key) != place:
                    continue  # it is told in that place too
                order = at << _HIT_BITS | min(number, (1 << _HIT_BITS) - 1)
                groups = self._groups[name]
                taken = groups.take(stores, key_of_place, key, hit, order)
                counts.evicted_groups = groups.forgotten
                if taken is None:
                    continue
                done, group = taken
                _count(counts, done)
                if done & TRUE:
                    shown = dict(zip(definition.group_by, key, strict=True))
                    children.setdefault(name, []).append(shown)
                    if done & RISES:
                        alerts.append(self._alert(name, shown, group, observation))
        return alerts

    def _alert(
        self, name: str, shown: Mapping[str, str], group: Group, observation: Observation
    ) -> Alert:
        window = group.window()
        return Alert(
            self.definitions[name],
            observation.source,
            shown,
            self._groups[name].step.value(group),
            window[0].time,
            window[-1].time,
            len(window),
            [hit.source for hit in window[-SHOWN:]],
        )


def _count(counts: Counts, done: int) -> None:
    counts.alerts += bool(done & RISES)
    counts.late += bool(done & LATE)
    counts.restarts += bool(done & RESTARTS)
    counts.evicted_hits += done // FORGETS
