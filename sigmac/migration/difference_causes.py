"""Why one engine alone finds an event with a rule."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from sigmac.compat.go.rule_handles import GivenSource, RuleHandle, new_rule_file_list
from sigmac.compiler.diagnostics.diagnostic import RuleError
from sigmac.compiler.meaning import reference
from sigmac.compiler.syntax.documents import read_file
from sigmac.compiler.syntax.rule import Rule
from sigmac.migration.causes import Cause
from sigmac.migration.go_answers import Asked, asked_of, causes
from sigmac.migration.go_configuration import GoConfiguration
from sigmac.migration.go_rules import Outcome, go_verdict
from sigmac.migration.go_yaml import GoYamlError, read_go_rule

# Causes that lie with neither engine; the others are `Cause`.
ADDED = "added"  # pipelines and filters
UNKNOWN = "unknown"
OWN_CAUSES: Mapping[str, str] = {
    ADDED: "pipelines and filters: sigmac has some, the Go engine does not",
    UNKNOWN: "not known: please report it",
}
# Of two programs: what is not in the rules that both are said to have.
LEFT_OUT = "left_out"  # the Go engine does not evaluate the rule
NO_RULE = "no_rule"  # there is no such rule in the folders, or sigmac cannot read it


def as_go_sees(
    program: GoConfiguration, event: dict[str, Any]
) -> tuple[dict[str, Any], list[str] | None]:
    """The event under the names that the program's `Select` knows, and its texts for keywords."""
    seen = event
    if program.fields:
        seen = dict(event)
        for name, target in program.fields.items():
            present, values = reference.lookup(event, target)
            if present:
                seen[name] = values[0] if len(values) == 1 else values
    texts = None
    if program.keywords:
        values = reference.lookup(event, program.keywords)[1]
        found = [each for each in map(reference.text, values) if each is not None]
        texts = found or None
    return seen, texts


def asked_in(file: str, data: bytes) -> Asked | None:
    """What the Go engine asks with the rule of a file; None where that cannot be told."""
    detection = RuleHandle(file, data, 0, no_collapse_ws=False).rule.get("detection")
    try:
        return asked_of(read_go_rule(data, file), detection if isinstance(detection, dict) else {})
    except (GoYamlError, RuleError):
        return None


def causes_between(
    asked: Asked | None,
    document: Rule,
    event: dict[str, Any],
    seen: dict[str, Any],
    texts: Sequence[str] | None,
    *,
    go: bool,
    collapse: bool,
) -> tuple[str, ...]:
    """The names of the causes for which one engine alone, `go` or sigmac, finds an event with a rule that both have.

    `seen` and `texts` are what `as_go_sees` gives; `collapse` says whether the Go program collapses white space.
    """
    if asked is None:
        return (UNKNOWN,)
    if found := causes(asked, seen, texts, go=go, ours=not go, collapse=collapse):
        return _names(found)
    if bool(reference.matches(document, event)) is go:
        return (ADDED,)  # what was added to the rule is all there is
    return (UNKNOWN,)


def _names(found: Iterable[Cause]) -> tuple[str, ...]:
    return tuple(each.name.lower() for each in found)


@dataclass(frozen=True, slots=True)
class _Known:
    """A rule of the folders; `first` says that it is that of its file which the Go engine looks at."""

    file: str
    document: Rule
    first: bool


class RuleCauses:
    """Tells causes for rules of folders, by their id or, where they have none, their title.

    Raises `ConfigurationError` where there is no such folder, `InputError` for a file that cannot be read.
    """

    def __init__(self, folders: Sequence[str | Path], program: GoConfiguration):
        self._program = program
        self._rules: dict[str, _Known] = {}
        for file in dict.fromkeys(new_rule_file_list(folders)):
            for rule in read_file(GivenSource.of(file).data, file).rules:
                name = rule.meta.id or rule.meta.title
                self._rules.setdefault(name, _Known(file, rule, not rule.place.document))

    def of(self, rule: str, event: dict[str, Any], *, go: bool) -> tuple[str, ...]:
        """The names of the causes for which one side alone finds an event."""
        known = self._rules.get(rule)
        if known is None:
            return (NO_RULE,)
        if not known.first or not _is_taken(known.file):
            return (UNKNOWN,) if go else (LEFT_OUT,)
        seen, texts = as_go_sees(self._program, event)
        collapse = not self._program.no_collapse_ws
        asked = _asked(known.file)
        return causes_between(asked, known.document, event, seen, texts, go=go, collapse=collapse)


@lru_cache(maxsize=1000)
def _asked(file: str) -> Asked | None:
    return asked_in(file, GivenSource.of(file).data)


@lru_cache(maxsize=10_000)
def _is_taken(file: str) -> bool:
    return go_verdict(GivenSource.of(file).data, file).outcome is Outcome.OK
