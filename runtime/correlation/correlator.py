"""All correlations of a pack over a stream of observations: hits, groups, chains, alerts.

The order of observations is the order in which they are taken: of a file's events that of their timestamps, of a
stream's that of their arrival. The same observations give the same alerts and the same bytes of state.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import orjson

from sigmac.runtime.correlation.alert import Alert
from sigmac.runtime.correlation.definition import Correlation, check_definitions
from sigmac.runtime.correlation.hit import Hit
from sigmac.runtime.correlation.observation import (
    Observation,
    Reader,
    fields_for,
    numbers_of,
    texts_of,
)
from sigmac.runtime.correlation.step import MAX_HITS, SHOWN, Group, Outcome, Step
from sigmac.runtime.correlation.timestamps import FIELDS
from sigmac.runtime.errors import SigmacError

MAX_GROUPS = 100_000
VERSION = 1  # of the bytes of a state

Key = tuple[str, ...]


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


@dataclass(slots=True)
class _Candidate:
    """What the references of one event say of one group: the rules they see, the fields that values are in."""

    seen: int = 0
    looks_at: list[dict[str, None]] = field(default_factory=list)


class _Live:
    """One correlation at work: its groups, the one whose last hit was taken longest ago first."""

    def __init__(
        self, name: str, definition: Correlation, is_rule: Mapping[str, bool], limits: Limits
    ) -> None:
        self.name = name
        self.definition = definition
        self.step = Step(definition, limits.hits)
        self.groups: OrderedDict[Key, Group] = OrderedDict()
        self.max_groups = limits.groups
        self.counts = Counts()
        places: dict[str, int] = {}
        for i, rule in enumerate(self.step.rules):
            places[rule] = places.get(rule, 0) | 1 << i
        self.references = [(rule, bits, is_rule[rule]) for rule, bits in places.items()]
        self._names: dict[tuple[str, str], list[str]] = {}

    def take(
        self, observation: Observation, children: Mapping[str, Sequence[Mapping[str, str]]]
    ) -> Iterator[tuple[Key, Outcome]]:
        """The hits of an observation, each with what came of it; `children` are groups of correlations that hit."""
        candidates: dict[Key, _Candidate] = {}
        referred = False
        for rule, bits, is_rule in self.references:
            if is_rule:
                if rule not in observation.matched:
                    continue
                contexts: Sequence[Mapping[str, str]] = (_NO_GROUP,)
            else:
                contexts = children.get(rule, ())
            for context in contexts:
                referred = True
                key = self._key(observation, rule, context)
                if key is not None:
                    candidate = candidates.setdefault(key, _Candidate())
                    candidate.seen |= bits
                    self._add_looked_at(candidate, observation, rule)
        if not candidates:
            self.counts.no_group += referred
            return
        taken = False
        for key, candidate in candidates.items():
            values = self._values(observation, candidate)
            if values is not None:
                taken = True
                hit = Hit(observation.time, observation.source, candidate.seen, values)
                yield key, self._take(key, hit)
        self.counts.no_value += not taken

    def _fields(self, observation: Observation, name: str, rule: str) -> list[str]:
        variants = observation.matched.get(rule, ())
        if variants:
            return fields_for(self.definition, name, rule, variants)
        known = self._names.get((name, rule))
        if known is None:
            known = self._names[name, rule] = fields_for(self.definition, name, rule)
        return known

    def _key(self, observation: Observation, rule: str, context: Mapping[str, str]) -> Key | None:
        """The texts of the group; None where a name has none or several."""
        key = []
        for name in self.definition.group_by:
            fields = self._fields(observation, name, rule)
            texts = texts_of(observation.values, fields, context)
            if len(texts) != 1:
                return None
            key.append(texts.pop())
        return tuple(key)

    def _add_looked_at(self, candidate: _Candidate, observation: Observation, rule: str) -> None:
        for i, name in enumerate(self.definition.looks_at):
            if i == len(candidate.looks_at):
                candidate.looks_at.append({})
            candidate.looks_at[i].update(dict.fromkeys(self._fields(observation, name, rule)))

    def _values(self, observation: Observation, candidate: _Candidate) -> tuple[Any, ...] | None:
        """What a `value_…` type looks at; None where the event has none, and is no hit."""
        if not candidate.looks_at:
            return ()
        if self.definition.type != "value_count":
            return numbers_of(observation.values, candidate.looks_at[0]) or None
        texts = [texts_of(observation.values, names) for names in candidate.looks_at]
        if len(texts) == 1:
            return tuple(sorted(texts[0])) or None
        if any(len(each) != 1 for each in texts):
            return None
        return (tuple(text for (text,) in texts),)

    def _take(self, key: Key, hit: Hit) -> Outcome:
        group = self.groups.get(key)
        if group is None:
            if len(self.groups) >= self.max_groups:
                self.groups.popitem(last=False)
                self.counts.evicted_groups += 1
            group = self.groups[key] = self.step.new_group()
        outcome = self.step(group, hit)
        if outcome.taken or outcome.restarted:
            self.groups.move_to_end(key)
        self.counts.late += not outcome.taken or outcome.restarted
        self.counts.restarts += outcome.restarted
        self.counts.evicted_hits += outcome.forgotten
        self.counts.alerts += outcome.rises
        return outcome

    def shown(self, key: Key) -> dict[str, str]:
        """A group as alerts show it."""
        return dict(zip(self.definition.group_by, key, strict=True))

    def alert(self, key: Key, source: Any, value: int | float) -> Alert:
        """The alert of a group whose condition has just become true."""
        window = self.groups[key].window()
        return Alert(
            self.definition,
            source,
            self.shown(key),
            value,
            window[0].time,
            window[-1].time,
            len(window),
            [hit.source for hit in window[-SHOWN:]],
        )


_NO_GROUP: Mapping[str, str] = {}


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
        self.no_time = 0

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
        alerts: list[Alert] = []
        children: dict[str, list[dict[str, str]]] = {}
        for live in self._concerned(observation):
            for key, outcome in live.take(observation, children):
                if outcome.true:
                    children.setdefault(live.name, []).append(live.shown(key))
                if outcome.rises:
                    alerts.append(live.alert(key, observation.source, outcome.value))
        return alerts

    def _concerned(self, observation: Observation) -> Sequence[_Live]:
        """The correlations above the rules that matched, in the order of work."""
        if len(observation.matched) == 1:
            return [self._live[i] for i in self._above[next(iter(observation.matched))]]
        places = {i for rule in observation.matched for i in self._above[rule]}
        return [self._live[i] for i in sorted(places)]

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
                    asdict(live.counts),
                    [[key, *_plain(group)] for key, group in live.groups.items()],
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
            kept = {(name, digest): rest for name, digest, *rest in found["correlations"]}
            no_time = int(found["no_time"])
        except (ValueError, TypeError, KeyError) as error:
            raise SigmacError(f"this is no state of correlations: {error}") from None
        if version != VERSION:
            raise SigmacError(
                f"the state of correlations has version {version}, and this is version {VERSION}; "
                "start without it"
            )
        changed = []
        for live in self._live:
            known = kept.get((live.name, live.definition.digest))
            live.groups.clear()
            if known is None:
                changed.append(live.name)
                continue
            try:
                live.counts = Counts(**known[0])
                for key, *rest in known[1]:
                    live.groups[tuple(key)] = _restored(live.step, rest)
            except (ValueError, TypeError, IndexError) as error:
                raise SigmacError(f"the state of {live.name} is damaged: {error}") from None
        self.no_time = no_time
        return changed


def _above(live: Sequence[_Live], rules: Any) -> dict[str, list[int]]:
    """For each rule the places of the correlations that it may be a hit for, by way of others too."""
    above: dict[str, list[int]] = {rule: [] for rule in rules}
    reached: dict[str, set[str]] = {rule: {rule} for rule in rules}
    for i, each in enumerate(live):
        reached[each.name] = {below for rule, _, _ in each.references for below in reached[rule]}
        for rule in reached[each.name]:
            above[rule].append(i)
    return above


def _plain(group: Group) -> list[Any]:
    hits, aside = ([_plain_hit(hit) for hit in hits] for hits in (group.window(), group.aside))
    return [group.newest, group.true, hits, aside]


def _plain_hit(hit: Hit) -> list[Any]:
    return [hit.time, hit.source, f"{hit.seen:x}", hit.values]  # JSON's integers have 64 bits


def _restored(step: Step, plain: list[Any]) -> Group:
    newest, true, hits, aside = plain
    group = step.new_group()
    group.newest, group.true = int(newest), bool(true)
    for number, each in enumerate(map(_hit, hits)):
        group.hits.append(each)
        group.measure.enter(each, number)
    group.aside = tuple(map(_hit, aside))
    return group


def _hit(plain: Any) -> Hit:
    time, source, seen, values = plain
    return Hit(
        int(time),
        source,
        int(seen, 16),
        tuple(tuple(value) if isinstance(value, list) else value for value in values),
    )
