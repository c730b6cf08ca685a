"""What becomes of each rule on the way from the Go engine to sigmac: left out there, or here, or read otherwise."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sigmac.compat.go.compiled_rules import compile_rules
from sigmac.compat.go.faults import CORRELATION, RuleFault
from sigmac.compat.go.rule_handles import GivenSource, new_rule_file_list
from sigmac.migration.causes import Cause, causes_of
from sigmac.migration.go_rules import Outcome, go_verdict


@dataclass(frozen=True, slots=True)
class Assessed:
    """A rule file: what the Go engine makes of it and why, what sigmac makes of its documents.

    `evaluated` is how many of its rules and correlations sigmac evaluates, `faults` are those that it does not;
    `causes` say why the engines answer otherwise where the Go engine takes the file.
    """

    path: str
    title: str
    go: Outcome
    reason: str
    evaluated: int
    faults: tuple[RuleFault, ...]
    causes: tuple[Cause, ...]

    def plain(self) -> dict[str, Any]:
        """JSON types."""
        return {
            "path": self.path,
            "title": self.title,
            "go": str(self.go),
            "reason": self.reason,
            "evaluated": self.evaluated,
            "faults": [
                {
                    "code": each.code,
                    "message": each.message,
                    "place": str(each.place),
                    "hint": each.hint,
                }
                for each in self.faults
            ],
            "causes": [each.name.lower() for each in self.causes],
        }


@dataclass(frozen=True, slots=True)
class Assessment:
    """All files, in the order of the Go engine; `filters` is how many documents filter rules."""

    files: Sequence[Assessed]
    filters: int

    @property
    def outcomes(self) -> Counter[Outcome]:
        """How many files have each outcome in the Go engine."""
        return Counter(each.go for each in self.files)

    @property
    def gained(self) -> list[Assessed]:
        """Files that the Go engine leaves out and that have rules which sigmac evaluates."""
        return [each for each in self.files if each.go is not Outcome.OK and each.evaluated]

    @property
    def lost(self) -> list[Assessed]:
        """Files that the Go engine takes and of which sigmac refuses something."""
        return [each for each in self.files if each.go is Outcome.OK and each.faults]

    @property
    def neither(self) -> list[Assessed]:
        """Files of which neither evaluates anything, and that are no filters alone."""
        return [f for f in self.files if f.go is not Outcome.OK and not f.evaluated and f.faults]

    def with_cause(self, cause: Cause) -> list[Assessed]:
        """Files that both take, and in which there is a cause."""
        return [each for each in self.files if cause in each.causes and each.evaluated]

    def plain(self) -> dict[str, Any]:
        """JSON types."""
        return {
            "files": [each.plain() for each in self.files],
            "outcomes": {str(outcome): self.outcomes[outcome] for outcome in Outcome},
            "filters": self.filters,
            "causes": {each.name.lower(): each.says for each in Cause},
        }


def assess(directories: Sequence[str | Path], *, no_collapse_ws: bool, jobs: int = 0) -> Assessment:
    """What becomes of the rules of some folders.

    Raises `ConfigurationError` where there is no such folder, `InputError` for a file that cannot be read.
    """
    files = list(dict.fromkeys(new_rule_file_list(directories)))
    sources = [GivenSource.of(each) for each in files]
    made = compile_rules(sources, (), no_collapse_ws=no_collapse_ws, jobs=jobs)
    evaluated = Counter(file for file, _ in made.documents)
    faults: dict[str, list[RuleFault]] = {}
    for fault in made.faults:
        if fault.code == CORRELATION:  # a pack evaluates it
            evaluated[fault.path] += 1
            continue
        faults.setdefault(fault.path, []).append(fault)
    found = []
    for source in sources:
        verdict = go_verdict(source.data, source.file)
        causes: set[Cause] = set()
        if verdict.outcome is Outcome.OK and verdict.rule is not None:
            causes = causes_of(verdict.rule, no_collapse_ws=no_collapse_ws)
        found.append(
            Assessed(
                source.file,
                verdict.rule.title if verdict.rule else "",
                verdict.outcome,
                verdict.reason,
                evaluated[source.file],
                tuple(faults.get(source.file, ())),
                tuple(each for each in Cause if each in causes),
            )
        )
    return Assessment(found, made.filters)
