"""Both engines over the same events: which rules answer otherwise, how often, and why."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sigmac.compat.go.compiled_rules import CompiledRules, compile_plain
from sigmac.compat.go.faults import RuleFault
from sigmac.compat.go.go_engine import GoEngine
from sigmac.compat.go.rule_handles import GivenSource, new_rule_file_list
from sigmac.compiler.meaning import reference
from sigmac.compiler.meaning.explanation import bound_depth
from sigmac.compiler.syntax.documents import read_file
from sigmac.compiler.syntax.rule import Rule, all_items
from sigmac.migration.difference_causes import UNKNOWN, as_go_sees, asked_in, causes_between
from sigmac.migration.go_answers import Asked
from sigmac.migration.go_configuration import GoConfiguration
from sigmac.runtime.errors import EventError
from sigmac.runtime.inputs.lines import Block
from sigmac.runtime.pack.pack import Pack
from sigmac.runtime.scalar.json_record import parse_record, records_in

GO, SIGMAC = "go", "sigmac"
_MOST_FIELDS = 8  # of a sample's event


@dataclass(slots=True)
class Difference:
    """Events that only one engine finds with one rule, for the same causes; `sample` is the first of them."""

    path: str
    rule_id: str | None
    title: str
    only: str  # `GO` or `SIGMAC`
    causes: tuple[str, ...]
    sample: Mapping[str, Any]
    count: int = 0

    def plain(self) -> dict[str, Any]:
        """JSON types."""
        return {
            "rule": {"id": self.rule_id, "title": self.title, "path": self.path},
            "only": self.only,
            "causes": list(self.causes),
            "count": self.count,
            "sample": dict(self.sample),
        }


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A file that one engine alone evaluates, and why the other does not; `matches` are those of sigmac."""

    path: str
    title: str
    reason: str
    matches: int = 0

    def plain(self) -> dict[str, Any]:
        """JSON types."""
        return {
            "path": self.path,
            "title": self.title,
            "reason": self.reason,
            "matches": self.matches,
        }


@dataclass(frozen=True, slots=True)
class _Both:
    """A rule that both evaluate: its number here and there."""

    ours: int
    go: int
    path: str
    asked: Asked | None
    document: Rule


@dataclass(slots=True)
class Comparison:
    """What was found so far."""

    rules: int = 0
    events: int = 0
    rejected: int = 0
    crashes: int = 0  # of the Go engine, over a rule and an event
    matches: Counter[str] = field(default_factory=Counter)  # of rules that both evaluate, by engine
    differences: dict[tuple[int, str, tuple[str, ...]], Difference] = field(default_factory=dict)
    only_go: Sequence[LeftOut] = ()
    only_sigmac: Sequence[LeftOut] = ()

    @property
    def found(self) -> list[Difference]:
        """The differences, what is unknown and then what is frequent first."""
        return sorted(
            self.differences.values(), key=lambda each: (UNKNOWN not in each.causes, -each.count)
        )

    def count(self, cause: str) -> int:
        """Matches that differ for a cause, among others perhaps."""
        return sum(each.count for each in self.differences.values() if cause in each.causes)

    def plain(self) -> dict[str, Any]:
        """JSON types."""
        return {
            "rules": self.rules,
            "events": self.events,
            "rejected": self.rejected,
            "crashes": self.crashes,
            "matches": {GO: self.matches[GO], SIGMAC: self.matches[SIGMAC]},
            "differences": [each.plain() for each in self.found],
            "only_go": [each.plain() for each in self.only_go],
            "only_sigmac": [each.plain() for each in self.only_sigmac],
        }


class SideBySide:
    """Asks both engines about events, and keeps what differs.

    `engine` is the Go engine, which takes the rules of `folders` anew; `program` describes the Go program, `pipelines`
    are those that sigmac compiles the rules with. Raises `ConfigurationError` where there is no such folder,
    `InputError` for a rule that cannot be read, `SigmacError` for a faulty pipeline or an engine that has ended.
    """

    def __init__(
        self,
        engine: GoEngine,
        folders: Sequence[str],
        program: GoConfiguration,
        pipelines: Sequence[str],
        jobs: int,
    ):
        self.engine, self.program = engine, program
        # As the Go engine names them: `./rules/a.yml` is `rules/a.yml` there.
        files = dict.fromkeys(map(os.path.normpath, new_rule_file_list(folders)))
        sources = [GivenSource.of(file) for file in files]
        made = compile_plain(sources, pipelines, jobs)
        outcomes = engine.load(folders, no_collapse_ws=program.no_collapse_ws)
        self.pack: Pack | None = made.pack
        self.both = list(_both(made, outcomes, {each.file: each.data for each in sources}))
        self.by_go = {each.go: each for each in self.both}
        self.by_ours = {each.ours: each for each in self.both}
        self.outcomes, self.made = outcomes, made
        self._matched: Counter[int] = Counter()  # of our rules that Go does not have
        self.found = Comparison(rules=len(self.both))

    def look(self, block: Block) -> None:
        """Ask both about the events of a block."""
        rejected: set[int] = set()
        matched: dict[int, set[int]] = {}
        if self.pack is not None:
            result = self.pack.match_batch(block.data)
            rejected = {each.record for each in result.rejected}
            for record, rule in zip(result.record.tolist(), result.rule.tolist(), strict=True):
                matched.setdefault(record, set()).add(rule)
        self.found.rejected += len(rejected) + len(block.unreadable)
        for number, _, text in records_in(block.data):
            if number in rejected:
                continue
            try:
                event = parse_record(text)
                bound_depth(event)
            except EventError:  # where no rule is left there is no pack that tells it
                self.found.rejected += 1
                continue
            place = {"name": block.name, "position": block.position(number)}
            self._compare(event, matched.get(number, set()), place)

    def _compare(self, event: dict[str, Any], ours: set[int], place: Mapping[str, Any]) -> None:
        found = self.found
        found.events += 1
        seen, texts = as_go_sees(self.program, event)
        collapse = not self.program.no_collapse_ws
        answer = self.engine.evaluate(seen, texts)
        found.crashes += len(answer.get("crashed", ()))
        go = {self.by_go[rule].ours for rule in answer["matched"] if rule in self.by_go}
        here = ours & self.by_ours.keys()
        self._matched.update(ours - self.by_ours.keys())
        found.matches[GO] += len(go)
        found.matches[SIGMAC] += len(here)
        for number in sorted(go ^ here):
            rule = self.by_ours[number]
            why = causes_between(
                rule.asked,
                rule.document,
                event,
                seen,
                texts,
                go=number in go,
                collapse=collapse,
            )
            only = GO if number in go else SIGMAC
            key = number, only, why
            known = found.differences.get(key)
            if known is None:
                known = found.differences[key] = self._difference(rule, only, why, event, place)
            known.count += 1

    def _difference(
        self,
        rule: _Both,
        only: str,
        why: tuple[str, ...],
        event: dict[str, Any],
        place: Mapping[str, Any],
    ) -> Difference:
        asked = dict.fromkeys(each.field for each in all_items(rule.document) if each.field)
        names = [name for name in asked if reference.lookup(event, name)[1]] or list(event)
        found = {name: reference.lookup(event, name)[1] for name in names[:_MOST_FIELDS]}
        fields = {name: each[0] if len(each) == 1 else each for name, each in found.items()}
        sample = {**place, "fields": fields}
        meta = rule.document.meta
        return Difference(rule.path, meta.id, meta.title, only, why, sample)

    def finish(self) -> Comparison:
        """What was found, with the rules that one engine alone evaluates."""
        taken = {each.path for each in self.both}
        self.found.only_go = [
            LeftOut(each["path"], each["title"], _reason(each["path"], self.made.faults))
            for each in self.outcomes
            if each["outcome"] == "ok" and each["path"] not in taken
        ]
        said = {each["path"]: _said(each) for each in self.outcomes}
        if self.pack is not None:
            self.found.only_sigmac = [
                LeftOut(file, self.pack.rules[i].title, said[file], self._matched[i])
                for i, (file, _) in enumerate(self.made.documents)
                if i not in self.by_ours
            ]
        return self.found


def _both(
    made: CompiledRules, outcomes: Iterable[Mapping[str, Any]], data: Mapping[str, bytes]
) -> Iterator[_Both]:
    """The Go engine takes the first document of a file."""
    taken = [each["path"] for each in outcomes if each["outcome"] == "ok"]
    number_of = {path: number for number, path in enumerate(taken)}
    for ours, (file, document) in enumerate(made.documents):
        number = number_of.get(file)
        if number is None or document:
            continue
        rules = read_file(data[file], file).rules
        rule = next(each for each in rules if each.place.document == document)
        yield _Both(ours, number, file, asked_in(file, data[file]), rule)


def _reason(path: str, faults: Iterable[RuleFault]) -> str:
    return next((str(each) for each in faults if each.place.file == path), "left out")


def _said(outcome: Mapping[str, Any]) -> str:
    if outcome["outcome"] == "ok":
        return "a further document of its file"
    detail = outcome.get("error") or outcome.get("kind") or ""
    return f"{outcome['outcome']}: {detail}" if detail else str(outcome["outcome"])
