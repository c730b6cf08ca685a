"""Every code has an entry, every bad example shows its code at the marked place, every good one is
clean.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from sigmac.compiler import checks
from sigmac.compiler.checks import regexes
from sigmac.compiler.checks.checker import check_sources
from sigmac.compiler.diagnostics.catalogue import Check, catalogue, completed, reference
from sigmac.compiler.diagnostics.conventions import Conventions
from sigmac.compiler.diagnostics.diagnostic import SEVERITIES, Diagnostic, RuleError
from sigmac.compiler.fixes.key_order import check_order
from sigmac.compiler.fixes.source_text import SourceText
from sigmac.compiler.pipeline import load_pipelines
from sigmac.compiler.syntax.rule_files import SourceFile

ROOT = Path(__file__).resolve().parents[4]
CODE = re.compile(r"\b[EWN]_[A-Z]+(?:_[A-Z]+)*\b")
CHECKS = pytest.mark.parametrize("check", catalogue().values(), ids=catalogue().keys())


def diagnose(check: Check, example: str, folder: Path) -> list[Diagnostic]:
    """What is said of an example, as `sigmac check` says it, or with `--fix`."""
    if check.style:
        return list(check_order(SourceText.read(example, "example.yml")))
    path = folder / "example.yml"
    path.write_text(completed(example), encoding="utf-8")
    source = SourceFile("example.yml", "example.yml", path)
    pipelines = check.pipeline.split()
    if "transformations:" in example:
        try:
            return list(load_pipelines([*pipelines, str(path)]).warnings)
        except RuleError as error:
            return [error.diagnostic]
    replaced = {"attack.t1086": "attack.t1059.001"}
    conventions = Conventions(tuple(check.required), replaced_tags=replaced)
    return check_sources([source], pipelines, check.placeholders, conventions=conventions)


def marked(example: str) -> list[tuple[int, int, int]]:
    """Line, column and width of what carets in comments mark.

    Carets that touch the `#` mark column 1, where no comment could begin before them; its width is
    not compared.
    """
    found = []
    for number, line in enumerate(example.splitlines()):
        if match := re.fullmatch(r"#( *)(\^+)", line):
            found.append(
                (number, match.start(2) + 1, len(match[2])) if match[1] else (number, 1, 0)
            )
    return found


@CHECKS
def test_the_bad_example_shows_the_code_at_its_place(check: Check, tmp_path: Path) -> None:
    found = diagnose(check, check.bad, tmp_path)
    assert {d.code for d in found} == {check.code}, found
    places = {d.place for d in found if d.place.column}
    assert sorted((p.line, p.column, p.width if p.column > 1 else 0) for p in places) == marked(
        check.bad
    )


@CHECKS
def test_the_good_example_is_clean(check: Check, tmp_path: Path) -> None:
    assert diagnose(check, check.good, tmp_path) == []


@CHECKS
def test_an_entry_is_easy_to_read(check: Check) -> None:
    assert check.severity == SEVERITIES[check.code[:2]]
    assert not check.summary.endswith(".")
    assert len(check.summary) <= 80
    assert check.explanation.endswith(".")


def test_every_code_has_an_entry() -> None:
    used = {
        code
        for folder in ("compiler", "sigmac/cli")
        for file in (ROOT / folder).rglob("*.py")
        for code in CODE.findall(file.read_text("utf-8"))
    }
    assert used == catalogue().keys()


def test_every_check_says_which_codes_it_gives() -> None:
    every = (
        *checks.CONVENTION_CHECKS,
        *checks.SELECTION_CHECKS,
        *checks.ITEM_CHECKS,
        *regexes.TEXT_CHECKS,
        *regexes.TREE_CHECKS,
    )
    assert [check.__name__ for check in every if not CODE.match(check.__doc__ or "")] == []


def test_the_reference_is_up_to_date() -> None:
    written = (ROOT / "docs" / "checks.md").read_text("utf-8")
    assert written == reference(), "run `python -m sigmac.compiler.diagnostics > docs/checks.md`"
