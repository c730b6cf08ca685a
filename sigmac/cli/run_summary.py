"""What `sigmac run` counts, and what it says of that on standard error."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from sigmac.attack.tags import TACTICS, tactics
from sigmac.cli.options import counted, say
from sigmac.results.severity import rank

if TYPE_CHECKING:
    from sigmac.cli.outcome import Outcome
    from sigmac.results.details import Details
    from sigmac.runtime.inputs.lines import Block
    from sigmac.runtime.pack.pack import Pack

TOP_RULES = 10
MAX_REPORTED = 20  # rejected records that are shown; all are counted
_MAX_HOSTS = 100_000  # that are told apart
_TOP_HOSTS = 5
_TOP_NAMES = 5
_BEGINNINGS, _BEGINNING = 8, 16 << 10  # blocks, and bytes of each, by which events are known

Lines = bytes


@dataclass(slots=True)
class Tally:
    """What was read and what was found; `rules` and `left_out` have the matches of rules by their index.

    `hosts` has the matches by the host of their event.
    """

    records: int = 0
    bytes: int = 0
    rejected: int = 0
    unreadable: int = 0
    rules: Counter[int] = field(default_factory=Counter)
    left_out: Counter[int] = field(default_factory=Counter)
    hosts: Counter[str | None] = field(default_factory=Counter)
    looked_at: int = 0  # matches whose hosts are counted
    more_hosts: bool = False  # than are told apart
    beginnings: list[Lines] = field(default_factory=list)  # of some blocks

    def add(self, block: Block, outcome: Outcome) -> None:
        """Count what became of a block, and report what was rejected."""
        self.records += outcome.records
        self.bytes += len(block.data)
        if len(self.beginnings) < _BEGINNINGS:
            data = bytes(block.data[:_BEGINNING])
            whole = data if len(data) == len(block.data) else data.rpartition(b"\n")[0]
            self.beginnings.append(whole)
        for rule, count in outcome.rules:
            self.rules[rule] += count
        for rule, count in outcome.left_out:
            self.left_out[rule] += count
        for host, count in outcome.hosts.items():
            self.looked_at += count
            if host in self.hosts or len(self.hosts) < _MAX_HOSTS:
                self.hosts[host] += count
            else:
                self.more_hosts = True
        self._reject(block.name, block.unreadable)
        rejected = ((block.position(each.record), each.reason) for each in outcome.rejected)
        self._reject(block.name, [*rejected])

    def _reject(self, name: str, rejected: Sequence[tuple[int, str]]) -> None:
        for position, reason in rejected[: max(0, MAX_REPORTED - self.rejected)]:
            say(f"{name}:{position + 1}: rejected: {reason}")
        if self.rejected <= MAX_REPORTED < self.rejected + len(rejected):
            say("further rejected records are counted only")
        self.rejected += len(rejected)


def run_said(tally: Tally, names: Sequence[str], results: int) -> str:
    """A sentence on a run, for its report."""
    read = ", ".join("standard input" if name == "-" else name for name in names[:_TOP_NAMES])
    more = len(names) - _TOP_NAMES
    said = f"{counted(results, 'result')} in {counted(tally.records, 'record')} of {read}"
    said += f" and {more:,} more" if more > 0 else ""
    return said + (f"; {tally.rejected:,} records were rejected" if tally.rejected else "")


def summarize(tally: Tally, pack: Pack, seconds: float, *, verbose: bool) -> None:
    """Say what was found, and by which rules."""
    rate = tally.records / seconds if seconds else 0.0
    speed = tally.bytes / seconds / 1e6 if seconds else 0.0
    say(
        f"{counted(tally.records, 'record')}, {counted(tally.rules.total(), 'match', 'matches')} "
        f"of {counted(len(tally.rules), 'rule')}, "
        f"{tally.rejected:,} rejected in {seconds:.1f} s ({rate:,.0f} records/s, {speed:.1f} MB/s)"
    )
    if tally.left_out:
        say(
            f"{counted(tally.left_out.total(), 'match', 'matches')} "
            f"of {counted(len(tally.left_out), 'rule')} left out, as the options ask"
        )
    if verbose and (engine := pack.engine_counts()):
        say(
            f"engine: {_share(engine['found'], engine['looked'])} of values known, "
            f"{counted(engine['asked'], 'question')} asked of Python, {engine['flushes']:,} flushes; "
            f"left to the scalar path: {engine['fallbacks']:,} records, "
            f"some rules of {engine['undecided']:,}"
        )
    for rule, count in tally.rules.most_common(TOP_RULES):
        say(f"{count:>9,}  {pack.rules[rule].title}")
    if len(tally.rules) > TOP_RULES:
        say(f"           and {len(tally.rules) - TOP_RULES:,} more")


def summarize_kinds(tally: Tally, details: Details, alerts: Counter[int]) -> None:
    """Say of which levels and tactics the results are, and of which hosts the events that matched."""
    levels: Counter[str] = Counter()
    seen: Counter[str] = Counter()
    for key, count in (*tally.rules.items(), *alerts.items()):
        rule = details.rule_of(key)
        levels[rule.level or "no level"] += count
        seen.update(dict.fromkeys(tactics(rule.tags), count))
    by_level = sorted(levels.items(), key=lambda each: -rank(each[0]))
    if tally.rules or alerts:
        say(f"by level: {_listed(by_level)}")
    if seen:
        say(f"by tactic: {_listed([(each, seen[each]) for each in TACTICS if seen[each]])}")
    hosts = [(name, count) for name, count in tally.hosts.most_common() if name is not None]
    if hosts:
        of = f" (of {tally.looked_at:,} matches)" if tally.looked_at < tally.rules.total() else ""
        more = len(hosts) - _TOP_HOSTS
        least = "more than " if tally.more_hosts else ""
        said = f" and {least}{more:,} more" if more > 0 else ""
        say(f"by host{of}: {_listed(hosts[:_TOP_HOSTS])}{said}")


def _listed(counts: Sequence[tuple[str, int]]) -> str:
    return ", ".join(f"{name} {count:,}" for name, count in counts)


def _share(part: int, whole: int) -> str:
    return f"{part / whole:.1%}" if whole else "none"
