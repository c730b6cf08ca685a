"""The correlator at work, looked at from outside: what came of each hit, and since when a group is true."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from sigmac.runtime.correlation.correlator import Correlator, Limits
from sigmac.runtime.correlation.definition import Correlation
from sigmac.runtime.correlation.exact import Number
from sigmac.runtime.correlation.hit import Hit
from sigmac.runtime.correlation.hit_finder import Key
from sigmac.runtime.correlation.measures import Measure
from sigmac.runtime.correlation.observation import Observation
from sigmac.runtime.correlation.step import RESTARTS, RISES, TRUE, Group, Step


class WatchedGroup(Group):
    """A group that remembers the source of the event that made it true."""

    __slots__ = ("since",)

    def __init__(self, measure: Measure) -> None:
        super().__init__(measure)
        self.since: Any = None


class _WatchedStep(Step):
    def new_group(self) -> Group:
        return WatchedGroup(super().new_group().measure)

    def __call__(self, group: Group, hit: Hit) -> int:
        done = super().__call__(group, hit)
        if done & RISES:
            assert isinstance(group, WatchedGroup)
            group.since = hit.source
        return done


class Taken(NamedTuple):
    """One hit of an observation: the correlation and group it is of, and what came of it.

    It is `taken` into the window, or was too late; where it is taken, `value` is what the condition compares.
    """

    correlation: str
    key: Key
    hit: Hit
    group: WatchedGroup
    taken: bool
    true: bool
    rises: bool
    restarted: bool
    value: Number


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
            for key, hit in live.hits(observation, children):
                done = live.take(key, hit)
                if done & TRUE:
                    children.setdefault(live.name, []).append(live.shown(key))
                group = live.groups[key]
                assert isinstance(group, WatchedGroup)
                in_window = hit.time >= group.newest - live.step.span
                taken.append(
                    Taken(
                        live.name,
                        key,
                        hit,
                        group,
                        in_window,
                        bool(done & TRUE),
                        bool(done & RISES),
                        bool(done & RESTARTS),
                        live.step.value(group) if in_window else 0,
                    )
                )
        return taken
