"""The correlator at work, looked at from outside: what came of each hit, and since when a group is true."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from sigmac.runtime.correlation.correlator import Correlator, Key, Limits
from sigmac.runtime.correlation.definition import Correlation
from sigmac.runtime.correlation.hit import Hit
from sigmac.runtime.correlation.measures import Measure
from sigmac.runtime.correlation.observation import Observation
from sigmac.runtime.correlation.step import Group, Outcome, Step


class WatchedGroup(Group):
    """A group that remembers its last hit, taken or not, and the source of the event that made it true."""

    __slots__ = ("last", "since")

    def __init__(self, measure: Measure) -> None:
        super().__init__(measure)
        self.last: Hit | None = None
        self.since: Any = None


class _WatchedStep(Step):
    def new_group(self) -> Group:
        return WatchedGroup(super().new_group().measure)

    def __call__(self, group: Group, hit: Hit) -> Outcome:
        outcome = super().__call__(group, hit)
        assert isinstance(group, WatchedGroup)
        group.last = hit
        if outcome.rises:
            group.since = hit.source
        return outcome


class Taken(NamedTuple):
    """One hit of an observation: the correlation and group it is of, and what came of it."""

    correlation: str
    key: Key
    hit: Hit
    group: WatchedGroup
    outcome: Outcome


class WatchedCorrelator(Correlator):
    """A correlator that tells of every hit, in place of the alerts only."""

    def __init__(
        self,
        definitions: Mapping[str, Correlation],
        rules: Sequence[str],
        limits: Limits,
        timestamp_fields: Sequence[str],
    ) -> None:
        super().__init__(definitions, rules, limits=limits, timestamp_fields=timestamp_fields)
        for live in self._live:
            live.step = _WatchedStep(live.definition, limits.hits)

    def watch(self, observation: Observation) -> list[Taken]:
        """What `take` does, told hit by hit, a child's before those of its parents.

        Until the next observation each group is as its hit left it.
        """
        taken: list[Taken] = []
        children: dict[str, list[dict[str, str]]] = {}
        for live in self._concerned(observation):
            for key, outcome in live.take(observation, children):
                if outcome.true:
                    children.setdefault(live.name, []).append(live.shown(key))
                group = live.groups[key]
                assert isinstance(group, WatchedGroup)
                assert group.last is not None
                taken.append(Taken(live.name, key, group.last, group, outcome))
        return taken
