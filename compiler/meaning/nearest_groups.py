"""Which groups of a correlation came near: all events once to rank them, once more to tell of those that are shown."""

from __future__ import annotations

import math
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

import orjson

from sigmac.compiler.meaning.correlation_moment import (
    MAX_HITS,
    EventAtWork,
    GroupMoment,
    Moment,
    Problem,
    Teller,
    nearness,
)
from sigmac.compiler.meaning.correlation_words import (
    Missing,
    missing,
    plain_correlation,
    plain_hit,
    plain_missing,
    plain_moment,
    problem_text,
    timespan_text,
)
from sigmac.compiler.meaning.watched_correlator import Taken, WatchedCorrelator
from sigmac.runtime.correlation.correlator import Counts
from sigmac.runtime.correlation.definition import Correlation
from sigmac.runtime.correlation.hit import Hit
from sigmac.runtime.correlation.hit_finder import Key
from sigmac.runtime.correlation.observation import Matched, Observation
from sigmac.runtime.correlation.sorted_spool import SortedSpool
from sigmac.runtime.correlation.step import RISES, Step
from sigmac.runtime.correlation.timestamps import SECOND
from sigmac.runtime.scalar.json_record import json_bytes, parse_record

MAX_NOTED = 200_000  # groups that are ranked
MAX_KEPT = 500  # hits of a group that a longer timespan is tried with, the newest
MAX_REASONS = 20  # kinds of events that are no hit
MAX_LOOKED_AT = 1000  # events that are no hit, of which it is asked why
_ALERTED = 2.0  # nearer than any condition that is false


@dataclass(slots=True)
class Reason:
    """Why some events are no hit: how many, and the first of them."""

    reason: str
    text: str
    count: int = 0
    events: list[int] = field(default_factory=list)

    def add(self, position: int) -> None:
        """One more event."""
        self.count += 1
        if len(self.events) < MAX_HITS:
            self.events.append(position)


class EventLog:
    """The events that rules of some correlations match, in the order in which they are taken; many wait on disk.

    `below` are the rules of each correlation; `without_time` its events that have no timestamp.
    """

    def __init__(
        self, below: Mapping[str, Set[str]], timestamp_fields: Sequence[str], *, by_time: bool
    ) -> None:
        text = problem_text(Problem("no_time"), timestamp_fields)
        self.without_time = {name: Reason("no_time", text) for name in below}
        self._below = below
        self._by_time = by_time
        self._spool = SortedSpool()

    def add(
        self,
        position: int,
        event: Mapping[str, Any],
        matched: Matched,
        observation: Observation | None,
    ) -> None:
        """Keep an event; without an observation it has no timestamp."""
        if observation is None:
            for name, rules in self._below.items():
                if not rules.isdisjoint(matched):
                    self.without_time[name].add(position)
            return
        said = json_bytes([observation.time, matched, observation.values])
        time = observation.time if self._by_time else 0
        self._spool.add((time, 0, position), said + b"\n" + json_bytes(event))

    def __iter__(self) -> Iterator[tuple[Observation, bytes]]:
        """Each event with what correlations know of it; its source is its position."""
        for (_, _, position), piece in self._spool:
            said, _, record = piece.partition(b"\n")
            time, matched, values = orjson.loads(said)
            yield Observation(time, position, matched, values), record

    def close(self) -> None:
        """Give the disk back."""
        self._spool.close()


class Outside(NamedTuple):
    """A hit that is not in the window that is told of: it lies so many microseconds before or after it, or came so
    much too late.
    """

    hit: Hit
    where: str
    by: int


@dataclass(frozen=True, slots=True)
class GroupStory:
    """How near a group came: the moment at which it was nearest, and what it lacked."""

    alerts: int
    hits: int
    late: int
    moment: Moment
    missing: tuple[Missing, ...]
    outside: tuple[Outside, ...]

    @property
    def group(self) -> GroupMoment:
        (group,) = self.moment.groups
        return group


@dataclass(frozen=True, slots=True)
class Overview:
    """A correlation over all events: its groups, the most telling ones at length, and events that are no hit.

    `references` has how many events each rule matches, and at how many each child is true; those without a timestamp
    are left out.
    """

    correlation: Correlation
    references: Mapping[str, int]
    hits: int
    groups: int
    counts: Counts
    reasons: tuple[Reason, ...]
    stories: tuple[GroupStory, ...]

    def plain(self, timestamp_fields: Sequence[str]) -> dict[str, Any]:
        """The overview as JSON types; `docs/explain.md` describes it."""
        definition = self.correlation
        return {
            "correlation": plain_correlation(definition),
            "matched": bool(self.counts.alerts),
            "references": [
                {"rule": name, "events": count} for name, count in self.references.items()
            ],
            "hits": self.hits,
            "groups": self.groups,
            "alerts": self.counts.alerts,
            "no_group": self.counts.no_group,
            "no_value": self.counts.no_value,
            "late": self.counts.late,
            "restarts": self.counts.restarts,
            "evicted_groups": self.counts.evicted_groups,
            "evicted_hits": self.counts.evicted_hits,
            "not_hits": [
                {"reason": r.reason, "text": r.text, "count": r.count, "events": r.events}
                for r in self.reasons
            ],
            "nearest": [
                {
                    "alerts": story.alerts,
                    "hits": story.hits,
                    "late": story.late,
                    "missing": [plain_missing(each) for each in story.missing],
                    "outside": [
                        {
                            **plain_hit(definition, each.hit),
                            "where": each.where,
                            "seconds": each.by / SECOND,
                        }
                        for each in story.outside
                    ],
                    "moment": plain_moment(story.moment, timestamp_fields),
                }
                for story in self.stories
            ],
        }


@dataclass(slots=True)
class _Note:
    """What is kept of every group: how near it came, and at which event."""

    nearness: float = -1.0
    at: int = 0
    alerts: int = 0
    hits: int = 0
    late: int = 0

    def take(self, definition: Correlation, taken: Taken) -> None:
        self.hits += taken.taken
        self.late += not taken.taken
        self.alerts += taken.rises
        if not taken.taken:
            self.at = self.at if self.nearness >= 0 else taken.hit.source
            return
        near = nearness(definition, taken.value, taken.group.measure.seen)
        if taken.rises:
            near = _ALERTED
        # Of equal ones the last, which has most behind it; of alerts the first
        if near >= self.nearness and (near < _ALERTED or self.nearness < _ALERTED):
            self.nearness, self.at = near, taken.hit.source


class _Ranking:
    """One correlation over all events."""

    def __init__(self, definition: Correlation, timestamp_fields: Sequence[str]) -> None:
        self.definition = definition
        self.hits = 0
        self.groups = 0
        self.references = dict.fromkeys(definition.rules, 0)
        self.reasons: dict[tuple[str, str], Reason] = {}
        self._fields = timestamp_fields
        self._notes: dict[Key, _Note] = {}

    def take(self, taken: Taken) -> None:
        note = self._notes.get(taken.key)
        if note is None:
            if len(self._notes) >= MAX_NOTED:
                self._forget()
            note = self._notes[taken.key] = _Note()
            self.groups += 1
        self.hits += taken.taken
        note.take(self.definition, taken)

    def _forget(self) -> None:
        """The farther half of the groups."""
        ranked = sorted(self._notes.items(), key=lambda each: -each[1].nearness)
        self._notes = dict(ranked[: MAX_NOTED // 2])

    def refer(self, true: Set[str]) -> None:
        """Count an event for the references that it is one of."""
        for name in self.references.keys() & true:
            self.references[name] += 1

    def no_hit(self, moment: Moment) -> None:
        """Note why an event is none, as many references as it comes by."""
        kinds = {
            (problem.reason, problem_text(problem, self._fields, values=False)): None
            for problem in moment.problems
        }
        for kind in kinds:
            if kind in self.reasons or len(self.reasons) < MAX_REASONS:
                self.reasons.setdefault(kind, Reason(*kind)).add(moment.position)

    def nearest(self, most: int) -> dict[Key, _Note]:
        """The most telling groups: those that made alerts, which are half of all at most where others came near,
        then the nearest.
        """
        ranked = sorted(self._notes.items(), key=lambda each: -each[1].nearness)
        alerted = [each for each in ranked if each[1].alerts]
        others = ranked[len(alerted) :]
        alerted = alerted[: max(most - len(others), (most + 1) // 2)]
        return dict([*alerted, *others[: most - len(alerted)]])


class _History:
    """What is kept of a group that is shown."""

    def __init__(self) -> None:
        self.hits: deque[Hit] = deque(maxlen=MAX_KEPT)
        self.late: deque[Outside] = deque(maxlen=MAX_HITS)

    def take(self, definition: Correlation, taken: Taken) -> None:
        if taken.taken:
            self.hits.append(taken.hit)
            return
        by = taken.group.newest - definition.timespan * SECOND - taken.hit.time
        self.late.append(Outside(taken.hit, "late", by))

    def outside(self, group: GroupMoment) -> Iterator[Outside]:
        for hit in self.hits:
            if hit.time < group.begin:
                yield Outside(hit, "before", group.begin - hit.time)
            elif hit.time > group.end:
                yield Outside(hit, "after", hit.time - group.end)
        yield from self.late


def overviews(
    log: EventLog,
    teller: Teller,
    names: Sequence[str],
    correlator: Callable[[], WatchedCorrelator],
    most: int,
) -> list[Overview]:
    """What some correlations make of all events, each with its `most` telling groups; `correlator` makes a new one."""
    watcher = correlator()
    fields = watcher.reader.timestamp_fields
    rankings = {name: _Ranking(teller.definitions[name], fields) for name in names}
    _rank(log, teller, watcher, rankings)
    chosen = {
        (name, key): note
        for name, ranking in rankings.items()
        for key, note in ranking.nearest(most).items()
    }
    stories = _tell(log, teller, correlator(), chosen)
    return [
        Overview(
            ranking.definition,
            ranking.references,
            ranking.hits,
            ranking.groups,
            watcher.counts[name],
            (
                *([none] if (none := log.without_time[name]).count else []),
                *ranking.reasons.values(),
            ),
            tuple(stories[each] for each in chosen if each[0] == name),
        )
        for name, ranking in rankings.items()
    ]


def _rank(
    log: EventLog, teller: Teller, watcher: WatchedCorrelator, rankings: Mapping[str, _Ranking]
) -> None:
    looked_at: Counter[str] = Counter()
    counts = {name: watcher.counts[name] for name in rankings}
    for observation, record in log:
        before = {name: each.no_group + each.no_value for name, each in counts.items()}
        hits = watcher.watch(observation)
        for taken in hits:
            if taken.correlation in rankings:
                rankings[taken.correlation].take(taken)
        true = {*observation.matched, *(each.correlation for each in hits if each.true)}
        for name, each in counts.items():
            rankings[name].refer(true)
            if each.no_group + each.no_value > before[name] and looked_at[name] < MAX_LOOKED_AT:
                looked_at[name] += 1
                rankings[name].no_hit(teller.moment(name, at_work(observation, record, hits)))


def at_work(observation: Observation, record: bytes, hits: Sequence[Taken]) -> EventAtWork:
    """An event of the log at its turn."""
    event = parse_record(record)
    return EventAtWork(observation.source, event, observation.matched, observation, hits)


_Chosen = tuple[str, Key]


def _tell(
    log: EventLog, teller: Teller, watcher: WatchedCorrelator, chosen: Mapping[_Chosen, _Note]
) -> dict[_Chosen, GroupStory]:
    histories = {each: _History() for each in chosen}
    wanted: dict[int, list[_Chosen]] = {}
    for each, note in chosen.items():
        wanted.setdefault(note.at, []).append(each)
    moments: dict[_Chosen, Moment] = {}
    for observation, record in log:
        hits = watcher.watch(observation)
        for taken in hits:
            history = histories.get((taken.correlation, taken.key))
            if history is not None:
                history.take(teller.definitions[taken.correlation], taken)
        here = wanted.get(observation.source, ())
        at = at_work(observation, record, hits) if here else None
        for name in dict.fromkeys(name for name, _ in here):
            assert at is not None
            moment = teller.moment(name, at)
            for group in moment.groups:
                if (name, group.key) in here:
                    moments[name, group.key] = replace(moment, groups=(group,))
    return {
        each: _story(teller.definitions[each[0]], moments[each], note, histories[each])
        for each, note in chosen.items()
    }


def _story(definition: Correlation, moment: Moment, note: _Note, history: _History) -> GroupStory:
    (group,) = moment.groups
    lacking = missing(definition, group)
    if not note.alerts:
        lacking += tuple(_missing_time(definition, [*history.hits]))
    outside = [*history.outside(group)][-MAX_HITS:]
    return GroupStory(note.alerts, note.hits, note.late, moment, lacking, tuple(outside))


def _missing_time(definition: Correlation, hits: Sequence[Hit]) -> Iterator[Missing]:
    """The least timespan that would have made a group true, where a longer one would have; found by trying."""
    if not hits:
        return
    times = [hit.time for hit in hits]
    low = definition.timespan
    high = math.ceil((max(times) - min(times)) / SECOND)
    at = _true_at(definition, high, hits) if high > low else None
    if at is None:
        return
    while high - low > 1:
        middle = (low + high) // 2
        found = _true_at(definition, middle, hits)
        if found is None:
            low = middle
        else:
            high, at = middle, found
    text = f"within {timespan_text(high)} it would be true, at event {at}"
    yield Missing("time", f"{text}; the timespan is {timespan_text(definition.timespan)}")


def _true_at(definition: Correlation, timespan: int, hits: Iterable[Hit]) -> int | None:
    """The event at which a group with these hits is first true, were this the timespan."""
    step = Step(replace(definition, timespan=timespan))
    group = step.new_group()
    return next((hit.source for hit in hits if step(group, hit) & RISES), None)
