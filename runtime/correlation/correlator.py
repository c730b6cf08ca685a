"""All correlations of a pack over a stream of observations: hits, groups, chains, alerts.

The order of observations is the order in which they are taken: of a file's events that of their timestamps, of a
stream's that of their arrival. The same observations give the same alerts and the same bytes of state.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import orjson

from sigmac.runtime.correlation.alert import Alert
from sigmac.runtime.correlation.definition import Correlation, check_definitions
from sigmac.runtime.correlation.group_state import plain_group, restored_group
from sigmac.runtime.correlation.hit import Hit
from sigmac.runtime.correlation.hit_finder import (
    NO_GROUP,
    NO_VALUE,
    Children,
    Found,
    HitFinder,
    Key,
)
from sigmac.runtime.correlation.observation import Observation, Reader
from sigmac.runtime.correlation.step import (
    FORGETS,
    LATE,
    MAX_HITS,
    RESTARTS,
    RISES,
    SHOWN,
    TRUE,
    Group,
    Step,
)
from sigmac.runtime.correlation.timestamps import FIELDS
from sigmac.runtime.errors import SigmacError

MAX_GROUPS = 100_000
VERSION = 1  # of the bytes of a state


@dataclass(slots=True)
class Counts:
    """What one correlation did not count in full, and how many alerts it gave."""

    alerts: int = 0
    no_group: int = 0
    no_value: int = 0
    late: int = 0
    restarts: int = 0
    evicted_groups: int = 0
    evicted_hits: int = 0


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds of the state: groups a correlation, hits a group."""

    groups: int = MAX_GROUPS
    hits: int = MAX_HITS


class _Live:
    """One correlation at work: its groups, the one whose last hit was taken longest ago first."""

    def __init__(
        self, name: str, definition: Correlation, is_rule: Mapping[str, bool], limits: Limits
    ) -> None:
        self.name = name
        self.definition = definition
        self.step = Step(definition, limits.hits)
        self.finder = HitFinder(definition, self.step.rules, is_rule)
        self.groups: OrderedDict[Key, Group] = OrderedDict()
        self.max_groups = limits.groups
        self.counts = Counts()
        self.is_child = False

    def hits(self, observation: Observation, children: Children) -> Found:
        """The hits of an observation; what is none for want of a group or a value is counted."""
        found = self.finder.find(observation, children)
        self.count_none(found)
        return found

    def count_none(self, found: Found) -> None:
        """Count an observation that is no hit, if that is for want of a group or a value."""
        if found is NO_GROUP:
            self.counts.no_group += 1
        elif found is NO_VALUE:
            self.counts.no_value += 1

    def take(self, key: Key, hit: Hit) -> int:
        """Take a hit of a group; the bits of its step."""
        groups = self.groups
        group = groups.get(key)
        if group is None:
            if len(groups) >= self.max_groups:
                groups.popitem(last=False)
                self.counts.evicted_groups += 1
            group = groups[key] = self.step.new_group()
            done = self.step(group, hit)
        else:
            done = self.step(group, hit)
            if not done & LATE or done & RESTARTS:
                groups.move_to_end(key)
        if done & ~TRUE:
            self._count(done)
        return done

    def _count(self, done: int) -> None:
        self.counts.alerts += bool(done & RISES)
        self.counts.late += bool(done & LATE)
        self.counts.restarts += bool(done & RESTARTS)
        self.counts.evicted_hits += done // FORGETS

    def restored(self, counts: Any, groups: Any) -> tuple[Counts, OrderedDict[Key, Group]]:
        """What a state says of this correlation. Raises `ValueError` or `TypeError` for what it cannot say."""
        made = Counts(**{name: _count(given) for name, given in dict(counts).items()})
        found: OrderedDict[Key, Group] = OrderedDict()
        names = self.definition.group_by
        for key, *rest in groups:
            if len(key) != len(names) or not all(type(text) is str for text in key):
                raise ValueError("a group has other names")
            found[tuple(key)] = group = restored_group(rest, self.step)
            made.evicted_hits += self.step.bound(group) // FORGETS  # the bounds may be lower now
        while len(found) > self.max_groups:
            found.popitem(last=False)
            made.evicted_groups += 1
        return made, found

    def shown(self, key: Key) -> dict[str, str]:
        """A group as alerts show it."""
        return dict(zip(self.definition.group_by, key, strict=True))

    def alert(self, key: Key, source: Any) -> Alert:
        """The alert of a group whose condition has just become true."""
        group = self.groups[key]
        hits = group.hits
        newest = hits[max(group.start, len(hits) - SHOWN) :]
        return Alert(
            self.definition,
            source,
            self.shown(key),
            self.step.value(group),
            hits[group.start].time,
            hits[-1].time,
            len(hits) - group.start,
            [hit.source for hit in newest],
        )


class Correlator:
    """Takes observations one after the other and gives alerts; its whole state can be had as bytes.

    `rules` are the names of the pack's rules. Not thread-safe: one order of observations is one thread's.
    """

    def __init__(
        self,
        definitions: Mapping[str, Correlation],
        rules: Sequence[str],
        *,
        limits: Limits | None = None,
        timestamp_fields: Sequence[str] = FIELDS,
    ) -> None:
        limits = limits or Limits()
        ordered = check_definitions(definitions, rules)
        is_rule = dict.fromkeys(rules, True) | dict.fromkeys(definitions, False)
        self.reader = Reader(definitions, timestamp_fields)
        self._live = [_Live(name, definitions[name], is_rule, limits) for name in ordered]
        self._above = _above(self._live, self.reader.rules)
        self._place = {id(live): place for place, live in enumerate(self._live)}
        for live in self._live:
            live.is_child = any(live.name in other.definition.rules for other in self._live)
        self.no_time = 0
        # Of the snapshot that was restored: what its rules are called now, and what has changed since
        self._called = {rule: rule for rule in self._above}
        self._begun_anew: set[str] = set()

    @property
    def counts(self) -> dict[str, Counts]:
        """What each correlation did not count in full, by its name in the pack."""
        return {live.name: live.counts for live in self._live}

    @property
    def groups(self) -> dict[str, int]:
        """How many groups each correlation has."""
        return {live.name: len(live.groups) for live in self._live}

    def take(self, observation: Observation) -> list[Alert]:
        """The alerts that an observation makes, a child's before those of its parents."""
        matched = observation.matched
        if len(matched) == 1:  # as nearly always: no call is made that need not be
            for rule in matched:
                return self._take(observation, self._above[rule])
        return self._take(observation, self._concerned(observation))

    def redo(self, observation: Observation) -> None:
        """Take an observation again that was taken after the snapshot that was restored, by this pack or another one.

        Rules may have other names now; correlations that changed since begin anew, without it.
        """
        called = self._called
        matched = {called[rule]: how for rule, how in observation.matched.items() if rule in called}
        if matched:
            again = observation._replace(matched=matched)
            concerned = self._concerned(again)
            self._take(again, [each for each in concerned if each.name not in self._begun_anew])

    def _take(self, observation: Observation, concerned: Sequence[_Live]) -> list[Alert]:
        alerts: list[Alert] = []
        children: dict[str, list[dict[str, str]]] = {}
        for live in concerned:
            found = live.finder.find(observation, children)
            if not found:
                live.count_none(found)
            for key, hit in found:
                done = live.take(key, hit)
                if done & TRUE:
                    if live.is_child:
                        children.setdefault(live.name, []).append(live.shown(key))
                    if done & RISES:
                        alerts.append(live.alert(key, observation.source))
        return alerts

    def _concerned(self, observation: Observation) -> Sequence[_Live]:
        """The correlations above the rules that matched, in the order of work."""
        matched = observation.matched
        found = {id(live): live for rule in matched for live in self._above[rule]}
        return [found[each] for each in sorted(found, key=self._place.__getitem__)]

    # State

    def snapshot(self) -> bytes:
        """The whole state, which `restore` takes: windows, what was seen last, counts."""
        state = {
            "version": VERSION,
            "no_time": self.no_time,
            "correlations": [
                [
                    live.name,
                    live.definition.digest,
                    list(live.definition.rules),
                    asdict(live.counts),
                    [[key, *plain_group(group)] for key, group in live.groups.items()],
                ]
                for live in self._live
            ],
        }
        return orjson.dumps(state)

    def restore(self, state: bytes) -> list[str]:
        """Go on from a snapshot; the names of correlations that changed since, and begin anew.

        Raises `SigmacError` with one sentence where the bytes are no state, or one of another version.
        """
        try:
            found = orjson.loads(state)
            version = found["version"]
            if version == VERSION:
                no_time = _count(found["no_time"])
                kept: dict[str, dict[str, list[Any]]] = {}
                for name, digest, rules, *rest in found["correlations"]:
                    kept.setdefault(digest, {})[name] = [rules, *rest]
        except (ValueError, TypeError, KeyError) as error:
            raise SigmacError(f"this is no state of correlations: {_reason(error)}") from None
        if version != VERSION:
            raise SigmacError(
                f"the state of correlations has version {str(version)[:20]}, and this is version "
                f"{VERSION}; start without it"
            )
        states: list[tuple[Counts, OrderedDict[Key, Group]] | None] = []
        called: dict[str, str] = {}
        for live in self._live:
            # Of those that find the same the one of the same name, else the first: names may change.
            alike = kept.get(live.definition.digest, {})
            known = alike.pop(live.name, None) or (alike.pop(next(iter(alike))) if alike else None)
            try:
                if known is None:
                    states.append(None)
                    continue
                rules, *rest = known
                # What finds the same has the same rules in the same places, whatever they are called now.
                called.update(zip(rules, live.definition.rules, strict=True))
                states.append(live.restored(*rest))
            except (ValueError, TypeError) as error:
                message = f"the state of {live.name} is damaged: {_reason(error)}"
                raise SigmacError(message) from None
        for live, each in zip(self._live, states, strict=True):
            live.counts, live.groups = each or (Counts(), OrderedDict())
        self.no_time = no_time
        self._called = {old: new for old, new in called.items() if new in self._above}
        self._begun_anew = {
            live.name for live, each in zip(self._live, states, strict=True) if each is None
        }
        return [live.name for live, each in zip(self._live, states, strict=True) if each is None]


def _count(given: Any) -> int:
    if type(given) is not int or given < 0:
        raise ValueError("a count is none")
    return given


def _reason(error: Exception) -> str:
    return f"{error.args[0]} is missing" if isinstance(error, KeyError) else str(error)


def _above(live: Sequence[_Live], rules: Iterable[str]) -> dict[str, list[_Live]]:
    """For each rule the correlations that it may be a hit for, by way of others too, in the order of work."""
    above: dict[str, list[_Live]] = {rule: [] for rule in rules}
    reached: dict[str, set[str]] = {rule: {rule} for rule in rules}
    for each in live:
        below = {name for rule in each.definition.rules for name in reached[rule]}
        reached[each.name] = below
        for rule in below:
            above[rule].append(each)
    return above
