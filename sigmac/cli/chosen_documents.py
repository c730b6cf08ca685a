"""The rules and correlations of a file that are to be explained, and the rule set that they are part of."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from sigmac.cli.options import counted, say
from sigmac.runtime.errors import InputError
from sigmac.runtime.printable import escaped, shortened

if TYPE_CHECKING:
    from sigmac.compiler.diagnostics.diagnostic import Diagnostic
    from sigmac.compiler.syntax.correlation import Correlation
    from sigmac.compiler.syntax.documents import FileContents
    from sigmac.compiler.syntax.rule import Rule
    from sigmac.runtime.correlation import definition


@dataclass(frozen=True, slots=True)
class ChosenDocuments:
    """What is meant: rules with the filters of their rule set, and correlations; `errors` of what cannot be read.

    `files` are those of the rule set, that of the documents first.
    """

    rules: list[Rule]
    correlations: list[Correlation]
    files: list[FileContents]
    errors: list[Diagnostic]

    def without_rules(self) -> ChosenDocuments:
        return replace(self, rules=[])

    def without_correlations(self) -> ChosenDocuments:
        return replace(self, correlations=[])


def choose(given: str, others: tuple[str, ...]) -> ChosenDocuments:
    """The rules and correlations of a file, or those that a name, id or title behind `#` means.

    Raises `InputError` where there is no such file or document.
    """
    from sigmac.compiler.syntax.documents import read_file
    from sigmac.compiler.syntax.rule_files import SourceFile

    path, wanted = _split(given)
    if path.is_dir():
        raise InputError(f"{path}: is a folder; name one rule file, or a rule of a pack as PACK#ID")
    contents = read_file(SourceFile(str(path), path.name, path, named=True).read(), str(path))
    files = [contents, *_read_others(contents, others)]
    errors = contents.diagnostics.errors
    rules, faults = _filtered(files)
    correlations = contents.correlations
    if wanted is None:
        if not rules and not correlations and not errors + faults:
            raise InputError(f"{path}: holds no rule and no correlation")
        return ChosenDocuments(rules, correlations, files, errors + faults)
    rules = [each for each in rules if _is_called(each, wanted)]
    correlations = [each for each in correlations if _is_called(each, wanted)]
    if rules or correlations:
        return ChosenDocuments(rules, correlations, files, faults)
    if wanted not in contents.refused_names or not errors + faults:
        raise InputError(_unknown(path, wanted, contents))
    return ChosenDocuments([], [], files, errors + faults)


def with_those_below(
    definitions: Mapping[str, definition.Correlation], names: Iterable[str]
) -> set[str]:
    """Some correlations, and all rules and correlations that they stand on."""
    found = set(names)
    waiting = list(found)
    while waiting:
        name = waiting.pop()
        if name in definitions:
            new = set(definitions[name].rules) - found
            found |= new
            waiting += new
    return found


def _read_others(contents: FileContents, others: tuple[str, ...]) -> list[FileContents]:
    from sigmac.compiler.syntax.documents import read_file
    from sigmac.compiler.syntax.rule_files import find_sources

    files = [
        read_file(source.read(), source.file)
        for source in (find_sources(others) if others else ())
        if not source.path.samefile(contents.file)
    ]
    if left_out := sum(file.refused for file in files):
        verb = "is" if left_out == 1 else "are"
        say(
            f"sigmac: --with: {counted(left_out, 'document')} {verb} left out: `sigmac check` tells why"
        )
    return files


def _filtered(files: list[FileContents]) -> tuple[list[Rule], list[Diagnostic]]:
    """The rules of the first file with the filters that act on them, and the errors of filters."""
    from sigmac.compiler.diagnostics.diagnostic import Diagnostics, RuleError
    from sigmac.compiler.syntax.filter import join
    from sigmac.compiler.syntax.links import acting_in

    found = Diagnostics()
    rules = []
    acting = acting_in(files, found)
    for rule, filters in zip(files[0].rules, acting.on, strict=False):
        try:
            rules.append(join(rule, filters))
        except RuleError as error:
            found.catch(error)
    return rules, found.errors


def _split(given: str) -> tuple[Path, str | None]:
    """A file that exists, and what stands behind a `#`; both file names and titles may hold one."""
    if Path(given).exists():
        return Path(given), None
    for at, char in enumerate(given):
        if char == "#" and Path(given[:at]).is_file():
            return Path(given[:at]), given[at + 1 :]
    return Path(given), None


def _is_called(document: Rule | Correlation, wanted: str) -> bool:
    meta = document.meta
    return wanted in (meta.title, meta.name) or wanted.lower() == (meta.id or "").lower()


def _unknown(path: Path, wanted: str, contents: FileContents) -> str:
    from sigmac.compiler.diagnostics.diagnostic import did_you_mean

    titles = [each.meta.title for each in contents.rules]
    others = [each.meta.title for each in contents.correlations]
    hint = did_you_mean(wanted, titles) or did_you_mean(wanted, others)
    titles += others
    if not hint and titles:
        hint = f"there are {', '.join(f'`{shortened(title, 80)}`' for title in titles[:5])}"
    message = f"{path}: no rule has the id or title `{shortened(wanted, 80)}`"
    return f"{message}; {escaped(hint)}" if hint else message
