"""What is mended, and that nothing else of a text changes."""

from __future__ import annotations

import re
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import yaml

from sigmac.compiler.diagnostics.catalogue import catalogue
from sigmac.compiler.diagnostics.conventions import Conventions
from sigmac.compiler.diagnostics.diagnostic import Place
from sigmac.compiler.fixes.find_fixes import FIXERS
from sigmac.compiler.fixes.find_fixes import fixes_of as fixes_by
from sigmac.compiler.fixes.find_fixes import mend as mend_by
from sigmac.compiler.fixes.fix import Edit, Fix, apply, compatible

CASES: list[dict[str, Any]] = yaml.safe_load(
    Path(__file__).with_name("fixes.yml").read_text("utf-8")
)
HEAD = "title: A\nlogsource:\n    product: windows\n"
CONVENTIONS = Conventions(
    replaced_tags={"attack.t1086": "attack.t1059.001", "attack.t1064": "attack.t1059"}
)
fixes_of = partial(fixes_by, conventions=CONVENTIONS)
mend = partial(mend_by, conventions=CONVENTIONS)
EVERY_CASE = pytest.mark.parametrize("case", CASES, ids=lambda case: case["name"].replace(" ", "-"))


def texts(case: dict[str, Any]) -> tuple[str, str]:
    """Before and after."""
    before, after = case["before"], case.get("after", case["before"])
    if not re.search("^.?title:|title: A", before, re.MULTILINE):
        before, after = HEAD + before, HEAD + after
    return before, after


@EVERY_CASE
def test_case(case: dict[str, Any]) -> None:
    before, after = texts(case)
    made = mend(before)
    assert made.text == after
    assert sorted(fix.code for fix in made.fixes) == sorted(case["codes"])
    assert mend(after).fixes == ()


@EVERY_CASE
def test_each_fix_can_be_applied_by_itself(case: dict[str, Any]) -> None:
    before, after = texts(case)
    for fix in fixes_of(before):
        once = apply(before, [fix])
        assert once != before
        assert fix not in fixes_of(once)
        assert mend(once).text == after


@EVERY_CASE
@pytest.mark.parametrize("end", ["\r\n", "\r"])
def test_ends_of_lines_and_marks_stay(case: dict[str, Any], end: str) -> None:
    before, after = ("\ufeff" + text.replace("\n", end).removesuffix(end) for text in texts(case))
    assert mend(before).text == after
    for fix in fixes_of(before):
        assert mend(apply(before, [fix])).text == after


def test_every_code_with_a_fix_says_so() -> None:
    assert {check.code for check in catalogue().values() if check.fix} == FIXERS.keys()


@pytest.mark.parametrize("code", FIXERS)
def test_every_fixer_has_a_case(code: str) -> None:
    assert any(code in case["codes"] for case in CASES)


def test_of_fixes_that_touch_the_first_is_taken() -> None:
    def fix(*edits: tuple[int, int]) -> Fix:
        return Fix("W_TAG", "", Place(), tuple(Edit(a, b, "-") for a, b in edits))

    fixes = [
        fix((5, 6), (8, 9)),
        fix((6, 7)),
        fix((0, 2)),
        fix((9, 12)),
        fix((2, 3)),
        fix((11, 12)),
        fix((3, 3)),
    ]
    assert compatible(fixes) == [fixes[0], fixes[1], fixes[2], fixes[3], fixes[4]]
    assert apply("0123456789abc", compatible(fixes)) == "--34--7--c"
