"""Counts of all workers through all their lives, as one that only grows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from functools import cached_property
from typing import Any

from sigmac.runtime.match import Rule
from sigmac.runtime.stream.counts import Counts, added

# Counts of the engine that say how much is in use now: they end with the process.
_GAUGES = ("bytes",)
_BY_TWO = ("matches", "engine", "correlations")  # counts by two names


class RuleIndices:
    """The indices of a pack's rules, by what stays in the pack's next version: a rule's id, or its title."""

    def __init__(self, rules: Sequence[Rule]):
        self._rules = rules

    @cached_property
    def _positions(self) -> dict[str, int]:
        return {_identity(rule): index for index, rule in enumerate(self._rules)}

    def prepare(self) -> None:
        """Look at all rules now: it takes a second for thousands."""
        self._positions  # noqa: B018 - a cached property

    def take(self, counts: Mapping[int, int], other: RuleIndices) -> dict[int, int]:
        """Counts by the indices of another pack, by those of this one; rules that it has not are left out."""
        if other is self:
            return dict(counts)
        found: Counter[int] = Counter()
        for index, count in counts.items():
            if index < len(other._rules):
                position = self._positions.get(_identity(other._rules[index]))
                if position is not None:
                    found[position] += count
        return dict(found)


def _identity(rule: Rule) -> str:
    return rule.id or rule.title


@dataclass(slots=True)
class _Life:
    """What one process has counted, and the rules that its indices mean."""

    rules: dict[str, RuleIndices]
    counts: Counts = field(default_factory=Counts)
    # Matches by pack that are in the tally already.
    settled: dict[str, dict[int, int]] = field(default_factory=dict)

    def matched(self, pack: str) -> dict[int, int]:
        """Matches since the pack runs here."""
        settled = self.settled.get(pack, {})
        return {
            rule: count - settled.get(rule, 0)
            for rule, count in self.counts.matches.get(pack, {}).items()
            if count > settled.get(rule, 0)
        }


class Tally:
    """Adds up what workers report. One thread at a time uses it.

    A worker counts from its start, and says so each second and after each batch; that stays when it dies. It counts
    matches by the index of a rule in the pack that it runs. When another pack is decided on, a rule keeps its count;
    the counts of rules that the new pack has not are dropped.
    """

    def __init__(self) -> None:
        self._ended = Counts()  # of lives that are over; without matches
        self._rules: dict[str, RuleIndices] = {}  # by pack, of the one that was decided on last
        self._matched: dict[str, Counter[int]] = {}  # by pack, of lives and packs that are over
        self._lives: dict[int, _Life] = {}

    def decide(self, pack: str, rules: RuleIndices) -> None:
        """From now on totals are by these rules, and workers that begin run them."""
        before = self._rules.get(pack, rules)
        self._rules[pack] = rules
        self._matched[pack] = Counter(rules.take(self._matched.get(pack, {}), before))

    def begin(self, worker: int) -> None:
        """A worker starts, with the packs that were decided on."""
        self._lives[worker] = _Life(dict(self._rules))

    def report(self, worker: int, counts: Counts) -> None:
        """What a worker has counted since it started."""
        self._lives[worker].counts = counts

    def add(self, worker: int, counts: Counts) -> None:
        """What a worker has counted since it said so last."""
        life = self._lives[worker]
        life.counts = _sum([life.counts, counts], without=())

    def swap(self, worker: int, pack: str, rules: RuleIndices) -> None:
        """What a worker matches from its last report on are these rules."""
        life = self._lives[worker]
        self._settle(life, pack)
        life.rules[pack] = rules

    def end(self, worker: int) -> None:
        """A worker's process is gone; what it reported last stays."""
        life = self._lives.pop(worker)
        for pack in self._rules:
            self._settle(life, pack)
        engine = {
            pack: {name: count for name, count in counts.items() if name not in _GAUGES}
            for pack, counts in life.counts.engine.items()
        }
        ended = _sum([self._ended, life.counts], without=("matches", "engine", "state_bytes"))
        ended.engine = added(self._ended.engine, engine)
        self._ended = ended

    def total(self) -> Counts:
        """All counts; matches by the index of a rule in the pack that was decided on last."""
        lives = self._lives.values()
        total = _sum([self._ended, *(life.counts for life in lives)], without=("matches",))
        for pack, rules in self._rules.items():
            matched = Counter(self._matched[pack])
            for life in lives:
                matched.update(rules.take(life.matched(pack), life.rules[pack]))
            total.matches[pack] = dict(matched)
        return total

    def _settle(self, life: _Life, pack: str) -> None:
        matched = self._rules[pack].take(life.matched(pack), life.rules[pack])
        self._matched[pack].update(matched)
        life.settled[pack] = dict(life.counts.matches.get(pack, {}))


def counts_of(plain: Any) -> Counts:
    """Counts that came as JSON. Raises `ValueError`, `TypeError` or `AttributeError` for anything else."""
    counts = Counts()
    for name, value in plain.items():
        usual = getattr(counts, name)
        if isinstance(usual, list):
            _check(dict(zip(range(len(usual)), value, strict=True)), 1)
        else:
            _check(value, 2 if name in _BY_TWO else int(isinstance(usual, dict)))
        setattr(counts, name, value)
    counts.matches = {
        pack: {int(rule): count for rule, count in by_rule.items()}
        for pack, by_rule in counts.matches.items()
    }
    return counts


def _check(value: Any, depth: int) -> None:
    """That a value is a number, or numbers by name, or numbers by two names. Raises `TypeError`."""
    if depth:
        for each in value.values():
            _check(each, depth - 1)
    elif isinstance(value, bool) or not isinstance(value, (int, float)) or value < 0:
        raise TypeError(f"{value!r:.40} is no count")


def _sum(counts: Sequence[Counts], without: Sequence[str]) -> Counts:
    total = Counts()
    for each in fields(Counts):
        if each.name in without:
            continue
        value = getattr(total, each.name)
        for one in counts:
            value = added(value, getattr(one, each.name))
        setattr(total, each.name, value)
    return total
