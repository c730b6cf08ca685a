"""What is wrong with the cases in files of rules, as far as it can be told without judging them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from sigmac.compiler.cases.case import CaseFile, FileCase
from sigmac.compiler.cases.find_cases import may_have_cases
from sigmac.compiler.cases.named_files import find_named, project_of
from sigmac.compiler.cases.read_cases import read_cases
from sigmac.compiler.diagnostics.diagnostic import Diagnostics, did_you_mean
from sigmac.compiler.syntax.rule import Metadata
from sigmac.compiler.syntax.rule_files import SourceFile
from sigmac.runtime.errors import InputError


def check_cases(
    sources: Iterable[tuple[SourceFile, bytes]], rules: Sequence[Metadata], found: Diagnostics
) -> None:
    """Report what is wrong with the cases in some files, with the files that they name, and with the rules, where those
    that are known, `rules`, are not what they say.
    """
    held = [
        (source, read_cases(data, source.file)) for source, data in sources if may_have_cases(data)
    ]
    if not held:
        return
    names = {name for meta in rules for name in ((meta.id or "").lower(), meta.name, meta.title)}
    project = project_of(source.path for source, _ in held)
    for source, read in held:
        found.extend(read.diagnostics)
        _check_rules(read, {name for name in names if name}, found)
        _check_files(read, source.path.parent, project, found)


def _check_rules(read: CaseFile, names: set[str], found: Diagnostics) -> None:
    for each in read.documents:
        if names and each.rule is not None and not {each.rule, each.rule.lower()} & names:
            message = f"no rule is called `{each.rule[:80]}`"
            place = each.rule_place or each.place
            found.report("E_CASE_RULE", message, place, did_you_mean(each.rule, names))


def _check_files(read: CaseFile, folder: Path, project: Path, found: Diagnostics) -> None:
    for document in read.documents:
        for case in document.cases:
            if isinstance(case, FileCase):
                try:
                    find_named(case.file, folder, project, above=case.above)
                except InputError as error:
                    found.report("E_CASE_FILE", str(error), case.file_place)
