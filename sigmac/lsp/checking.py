"""What is done with files beside the editor's loop, by a process of its own: summaries of them, and checks.

Functions of this module take and give what can be sent between processes.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

from sigmac.compiler.cases.find_cases import may_have_cases
from sigmac.compiler.cases.read_cases import read_cases
from sigmac.compiler.checks.among_rules import Outline, outline
from sigmac.compiler.checks.checker import check_loaded
from sigmac.compiler.diagnostics.conventions import NO_CONVENTIONS, Conventions
from sigmac.compiler.diagnostics.diagnostic import Diagnostic, Place, RuleError
from sigmac.compiler.fixes.find_fixes import FIXERS, fixes_of, mend
from sigmac.compiler.fixes.fix import Fix
from sigmac.compiler.pipeline import Pipelines, load_pipelines
from sigmac.compiler.syntax.correlation import Correlation
from sigmac.compiler.syntax.documents import FileContents, Refused, read_file
from sigmac.compiler.syntax.rule import Filter, LogSource, Rule
from sigmac.compiler.syntax.rule_files import MAX_FILES, SourceFile, files_below
from sigmac.lsp.texts.open_text import MAX_BYTES, is_about_rules
from sigmac.lsp.workspace_index import LogsourceKey, Neighbours, Summary
from sigmac.project.project import Project
from sigmac.project.rule_conventions import conventions_of
from sigmac.runtime.errors import InputError

_SHOWN = 400  # characters of a description


@dataclass(frozen=True, slots=True)
class Settings:
    """What rules are checked with, as the options of `sigmac check` have it."""

    pipelines: tuple[str, ...] = ()
    placeholders: tuple[tuple[str, tuple[str, ...]], ...] = ()
    strict_logsource: bool = False
    ignored: frozenset[str] = frozenset()
    conventions: Conventions = NO_CONVENTIONS

    def joined(self, project: Project) -> Settings:
        """These, with what a project says where they say nothing. Raises `ProjectError`."""
        values = {name: tuple(map(str, given)) for name, given in project.placeholders.items()}
        return Settings(
            self.pipelines or project.pipelines,
            tuple({**values, **dict(self.placeholders)}.items()),
            self.strict_logsource or project.strict_logsource,
            self.ignored,
            conventions_of(project),
        )


@dataclass(frozen=True, slots=True)
class HeldSource(SourceFile):
    """A file as an editor has it, saved or not."""

    data: bytes = b""

    def read(self) -> bytes:
        return self.data


def list_files(folders: Sequence[str]) -> list[str]:
    """The files that may hold rules below some folders; what may not be read is passed over, as there is nothing to
    know of it.
    """
    found = (
        os.path.join(folder, inside)
        for folder in folders
        if os.path.isdir(folder)
        for inside in files_below(folder, lambda _: None)
    )
    return sorted({*itertools.islice(found, MAX_FILES)})


def summarize_files(files: Sequence[str]) -> list[tuple[str, tuple[Summary, ...]]]:
    """The summaries of some files; none of one that is gone, too large, or about something else."""
    return [
        (file, summarize(file, data)) for file, data in zip(files, map(_read, files), strict=True)
    ]


def _read(file: str) -> bytes:
    try:
        data = SourceFile(file, file, Path(file)).read()
    except InputError:
        return b""
    return data if len(data) <= MAX_BYTES else b""


def summarize(file: str, data: bytes) -> tuple[Summary, ...]:
    """The summaries of the documents of a file."""
    if not is_about_rules(data):
        return ()
    contents = read_file(data, file)
    found = [*_summaries(contents)]
    if may_have_cases(data):
        for each in read_cases(data, file).documents:
            if each.rule is not None:
                place = each.rule_place or each.place
                empty = Outline("", None, None, {})
                found.append(Summary("cases", empty, each.place, refers=((each.rule, place),)))
    return tuple(found)


def _summaries(contents: FileContents) -> Iterator[Summary]:
    for rule in contents.rules:
        yield _described(Summary("rule", outline(rule), rule.place, _key(rule.logsource)), rule)
    for each in contents.correlations:
        refers = [*each.rules, *(rule for alias in each.aliases for rule, _ in alias.fields)]
        made = Summary(
            "correlation",
            outline(each),
            each.place,
            refers=tuple(dict.fromkeys((rule.text, rule.place) for rule in refers)),
        )
        yield _described(made, each)
    for held in contents.filters:
        made = Summary(
            "filter",
            outline(held),
            held.place,
            _key(held.logsource),
            tuple((rule.text, rule.place) for rule in held.rules),
            is_for_any=not held.rules,
        )
        yield _described(made, held)
    for refused in contents.refused_documents:
        yield _described(Summary("refused", outline(refused), refused.place), refused)


def _described(summary: Summary, document: Rule | Correlation | Filter | Refused) -> Summary:
    meta = document.meta
    return replace(
        summary,
        status=meta.status or "",
        level=meta.level or "",
        description=(meta.description or "").strip()[:_SHOWN],
    )


def _key(logsource: LogSource) -> LogsourceKey:
    product, category, service = ((part or "").lower() for part in logsource.key)
    return product, category, service


@dataclass(frozen=True, slots=True)
class Checked:
    """What was found in a text, and what mends some of it."""

    found: Sequence[Diagnostic] = ()
    fixes: Sequence[Fix] = ()


def check_text(
    file: str,
    text: str,
    settings: Settings,
    neighbours: Neighbours,
    held: Mapping[str, bytes],
) -> Checked:
    """What `sigmac check` says of a text; of its neighbours those in `held` are as they stand in the editor.

    The text counts as the last of them, so that what it has in common with another is told here.
    """
    data = text.encode("utf-8", "surrogatepass")
    if len(data) > MAX_BYTES:
        message = f"the file is larger than {MAX_BYTES >> 20} MiB, and not checked while you type"
        hint = "`sigmac check` checks it"
        return Checked([Diagnostic("E_YAML", message, Place(file, 1), hint)])
    if not is_about_rules(data):
        return Checked()
    found = _found(file, data, settings, neighbours, held)
    is_mendable = any(each.code in FIXERS for each in found)
    return Checked(found, fixes_of(text, file, settings.conventions) if is_mendable else ())


def mended(file: str, text: str, settings: Settings) -> str:
    """A text with all that has one right answer put right, but for what is not told."""
    told = settings.ignored
    return mend(text, file, lambda each: each.code not in told, settings.conventions).text


def _found(
    file: str,
    data: bytes,
    settings: Settings,
    neighbours: Neighbours,
    held: Mapping[str, bytes],
) -> list[Diagnostic]:
    sources: list[SourceFile] = []
    for other in neighbours.files:
        content = held.get(other)
        sources.append(
            HeldSource(other, other, Path(other), data=_read(other) if content is None else content)
        )
    sources.append(HeldSource(file, file, Path(file), data=data))
    beside = [
        Outline("", None, None, {}, logsource=logsource, fields={name: Place()})
        for logsource, name, number in neighbours.spellings
        for _ in range(number)
    ]
    try:
        found = check_loaded(
            sources,
            _pipelines(settings.pipelines, settings.placeholders, _stamps(settings)),
            strict_logsource=settings.strict_logsource,
            conventions=settings.conventions,
            beside=beside,
        )
    except RuleError as error:
        # Of a pipeline: it is told where the user looks.
        said = f"{error.diagnostic.place}: {error.diagnostic.message}"
        return [replace(error.diagnostic, message=said, place=Place(file, 1))]
    own = [each for each in found if each.place.file == file]
    return sorted(
        (each for each in own if each.code not in settings.ignored),
        key=lambda each: (each.place.line, each.place.column, each.code),
    )


def _stamps(settings: Settings) -> tuple[int, ...]:
    """When the files of pipelines were changed."""
    files = (Path(name) for name in settings.pipelines)
    return tuple(file.stat().st_mtime_ns if file.is_file() else 0 for file in files)


@lru_cache(maxsize=2)
def _pipelines(
    names: tuple[str, ...],
    placeholders: tuple[tuple[str, tuple[str, ...]], ...],
    stamps: tuple[int, ...],
) -> Pipelines:
    return load_pipelines(names, dict(placeholders))
