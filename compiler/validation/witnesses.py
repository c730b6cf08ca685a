"""Events of a verification as cases of `sigmac test`: of each rule those that show what none before them has shown."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from sigmac.compiler.cases.write_cases import format_cases
from sigmac.compiler.ir.expressions import Expression
from sigmac.compiler.packaging.replace import replacing
from sigmac.compiler.syntax.rule import Metadata
from sigmac.compiler.validation.synthesis import Case
from sigmac.runtime.errors import InputError

MAX_CASES = 100  # of one rule
MAX_TEXT = (
    8 << 20
)  # characters of the cases of one file: of larger ones the later cases are left out
FIRST_LINE = "# Made by `sigmac build --verify --witnesses`\n"

Witness = tuple[Case, bool]  # whether the rule must match


def telling(cases: Iterable[Case]) -> list[Case]:
    """The cases in which some node of the rule's tree is seen true, or false, for the first time."""
    seen: set[tuple[Expression, bool]] = set()
    found = []
    for case in cases:
        before = len(seen)
        seen.update(case.seen.items())
        if len(seen) > before:
            found.append(case)
    return found[:MAX_CASES]


def cases_file(rules: Sequence[tuple[Metadata, Sequence[Witness]]]) -> tuple[int, int, str]:
    """Cases of the rules of one file: how many rules and cases there are, and the text.

    Each document names its rule by what no other rule of the file is called; a rule without such a name has none.
    """
    called = Counter(name for meta, _ in rules for name in {each.lower() for each in _names(meta)})
    documents: list[str] = []
    count, size = 0, 0
    for meta, witnesses in rules:
        name = next((each for each in _names(meta) if called[each.lower()] == 1), None)
        if name is None or not witnesses:
            continue
        text = format_cases(name, _wanted(witnesses, True), _wanted(witnesses, False))
        size += len(text)
        if size > MAX_TEXT:
            break
        documents.append(text)
        count += len(witnesses)
    return len(documents), count, FIRST_LINE + "---\n".join(documents)


def _names(meta: Metadata) -> list[str]:
    return [each for each in (meta.id, meta.name, meta.title) if each]


def _wanted(witnesses: Iterable[Witness], matches: bool) -> list[tuple[str, Mapping[str, Any]]]:
    return [(case.why, case.event) for case, wanted in witnesses if wanted is matches]


def check_folder(folder: Path) -> None:
    """Raises `InputError` where a folder holds something else than the witnesses that an earlier build has written."""
    for path in folder.rglob("*") if folder.exists() else ():
        if not path.is_dir() and not _is_ours(path):
            raise InputError(
                f"{path}: this is no file of witnesses; choose a folder that holds nothing else"
            )


def write_witnesses(files: Mapping[str, str], folder: Path) -> None:
    """Write files of cases, by the sources of their rules, in place of those that an earlier build has written.

    Raises `InputError` as `check_folder` does and where the folder cannot be written; nothing has changed then.
    """
    check_folder(folder)
    folder = folder.resolve()
    try:
        with replacing(folder) as new:
            for source, text in files.items():
                path = new / source
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise InputError(f"{folder}: {error.strerror or error}") from None


def _is_ours(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            return file.read(len(FIRST_LINE)) == FIRST_LINE.encode()
    except OSError:
        return False
