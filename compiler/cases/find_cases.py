"""The cases of a rule set: in rules, in the files that they name, in folders `events` that mirror theirs."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from sigmac.compiler.cases.case import CaseDocument, CaseFile, NamedTests
from sigmac.compiler.cases.named_files import find_named, folders_up
from sigmac.compiler.cases.read_cases import read_cases
from sigmac.compiler.cases.regression_info import read_regression
from sigmac.compiler.diagnostics.diagnostic import Diagnostics
from sigmac.compiler.syntax.rule_files import SourceFile
from sigmac.runtime.errors import InputError

FOLDER = "events"  # mirrors the folder of rules beside it, or that it stands in
# A file without one of these words in front of a colon holds no case and names none.
_MENTIONED = re.compile(rb"\b(?:cases|regression_tests_path|match|no_match|sequences)[\"']?\s*:")


def may_have_cases(data: bytes) -> bool:
    """Whether a file of rules is worth to be looked through for cases."""
    return _MENTIONED.search(data) is not None


@dataclass(frozen=True, slots=True)
class FoundCases:
    """Cases with the rule file that they stand in, belong to by their place, or are named by; `source` is the name
    that packs have for it, None where only the document's `rule` can say whose they are.

    `position` counts the rules and correlations of that file, `document` its documents; where both are None the
    document's `rule` says which it is. `path` is the file of the cases.
    """

    cases: CaseDocument
    path: Path
    source: str | None = None
    position: int | None = None
    document: int | None = None


@dataclass(slots=True)
class CaseSet:
    """The cases of some rule files; `rules` are those of them that hold more than cases.

    `missing` are the files of tests that rules name and that are not there, as where rules were copied without them.
    """

    rules: list[SourceFile] = field(default_factory=list)
    found: list[FoundCases] = field(default_factory=list)
    diagnostics: Diagnostics = field(default_factory=Diagnostics)
    files: set[Path] = field(default_factory=set)  # that were read
    missing: list[NamedTests] = field(default_factory=list)


def find_cases(
    sources: Sequence[SourceFile], others: Sequence[SourceFile], project: Path
) -> CaseSet:
    """The cases of rule files, and those in `others`, which hold nothing else.

    Raises `InputError` where a file cannot be read.
    """
    made = CaseSet()
    places = _Places()
    claims = _claims(sources, os.path.realpath(project), places)
    claims |= {places.of(each.path): [] for each in others}
    by_path = {places.of(each.path): each for each in (*sources, *others)}
    by_name: dict[str, list[SourceFile]] = {}
    for source in sources:
        if places.of(source.path) in claims:
            continue
        by_name.setdefault(source.path.name, []).append(source)
        made.rules.append(source)
        data = source.read()
        if may_have_cases(data):
            _take_rules(made, source, read_cases(data, source.file), project)
    for real, owners in sorted(claims.items()):
        source = by_path.get(real) or _source_at(real, owners[0])
        owners = owners or _mirrored(source, by_name)
        _take_file(made, source, read_cases(source.read(), source.file, whole=True), owners)
    return made


def _take_rules(made: CaseSet, source: SourceFile, read: CaseFile, project: Path) -> None:
    """The cases that stand in a rule file, and in the files that its rules name."""
    made.diagnostics.extend(read.diagnostics)
    for each in read.documents:
        document = each.place.document if each.inside else None
        made.found.append(FoundCases(each, source.path, source.source, document=document))
    for named in read.named:
        _take_named(made, source, named, project)


def _take_named(made: CaseSet, source: SourceFile, named: NamedTests, project: Path) -> None:
    try:
        path = find_named(named.file, source.path.parent, project, above=True)
        shown = os.path.relpath(path)
        data = SourceFile(shown, shown, path, named=True).read()
    except InputError:
        made.missing.append(named)
        return
    made.files.add(path)
    read = read_regression(data, shown)
    made.diagnostics.extend(read.diagnostics)
    for each in read.documents:
        made.found.append(FoundCases(each, path, source.source, document=named.place.document))


def _take_file(
    made: CaseSet, source: SourceFile, read: CaseFile, owners: Sequence[SourceFile]
) -> None:
    """The documents of a file with cases: each is of the rule it names, else of that in its place in the one owner."""
    made.files.add(source.path)
    made.diagnostics.extend(read.diagnostics)
    for each in read.documents:
        if len(owners) != 1 and each.rule is None:
            if owners:
                files = " and ".join(owner.file for owner in owners[:3])
                message = f"the cases may be those of {files}"
            else:
                message = "no file of rules has this name, in the like place"
            hint = "say `rule:` with an id or a title"
            made.diagnostics.report("E_CASE_RULE", message, each.place, hint)
            continue
        owner = owners[0].source if len(owners) == 1 else None
        position = each.place.document if each.rule is None else None
        made.found.append(FoundCases(each, source.path, owner, position=position))


class _Places:
    """Where files really are, looked up once a folder: a link to a file is taken where it lies."""

    def __init__(self) -> None:
        self._folders: dict[str, str] = {}

    def of(self, path: Path) -> str:
        folder, name = os.path.split(path)
        if folder not in self._folders:
            self._folders[folder] = os.path.realpath(folder)
        return os.path.join(self._folders[folder], name)


def _claims(
    sources: Sequence[SourceFile], project: str, places: _Places
) -> dict[str, list[SourceFile]]:
    """Files with cases, by their real paths, with the rule files that they mirror.

    `rules/windows/x.yml` has its cases in `rules/windows/events/x.yml`, `rules/events/windows/x.yml` or
    `events/rules/windows/x.yml`, and, where no rule file is nearer to it, in `events/windows/x.yml`.
    """
    exact: dict[str, list[SourceFile]] = {}
    loose: dict[str, list[SourceFile]] = {}
    has_events: dict[str, bool] = {}
    for source in sources:
        real = places.of(source.path)
        for folder in folders_up(os.path.dirname(real), project):
            if folder not in has_events:
                has_events[folder] = os.path.isdir(os.path.join(folder, FOLDER))
            if not has_events[folder]:
                continue
            inside = os.path.relpath(real, folder).split(os.sep)
            if inside[0] == FOLDER:
                continue
            for claimed, parts in ((exact, inside), (loose, inside[1:])):
                if parts and os.path.isfile(path := os.path.join(folder, FOLDER, *parts)):
                    claimed.setdefault(path, []).append(source)
    return loose | exact


def _mirrored(source: SourceFile, by_name: dict[str, list[SourceFile]]) -> list[SourceFile]:
    """The rule files that end as a file of cases does, below the folder in which that was found."""
    _, _, inside = source.source.partition("/")
    tail = f"/{inside or source.source}"
    return [each for each in by_name.get(source.path.name, ()) if f"/{each.source}".endswith(tail)]


def _source_at(real: str, owner: SourceFile) -> SourceFile:
    """A file with cases by the name that a user would give it who named the rule so."""
    given = os.path.dirname(owner.file)
    shown = os.path.normpath(
        os.path.join(given, os.path.relpath(real, os.path.realpath(given or ".")))
    )
    return SourceFile(shown, shown, Path(real))
