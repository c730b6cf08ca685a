"""What both engines say, case by case: where they differ, and what the Go engine's own tests hold."""

from __future__ import annotations

import json
from itertools import chain
from pathlib import Path

import pytest

from sigmac.compat.go.go_engine import GoEngine
from tests.unit.compat.go.both_engines import Asked, go_says, read, sigmac_says

FOLDER = Path(__file__).parent
PAGE = FOLDER.parents[3] / "docs" / "migration.md"
DIFFERENCES = read(FOLDER / "differences.yml")
ENGINE_TESTS = read(FOLDER / "engine_tests.yml")
BAR = r"\|"
CASES = [*chain(*DIFFERENCES.values()), *chain(*ENGINE_TESTS.values())]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_sigmac_says(case: Asked, tmp_path: Path) -> None:
    assert sigmac_says(case, tmp_path) == case.sigmac


@pytest.mark.parametrize("case", CASES, ids=str)
def test_the_go_engine_says(case: Asked, go_engine: GoEngine) -> None:
    assert go_says(go_engine, case) in (("yes", "no") if case.go == "either" else (case.go,))


def rows(cases: list[Asked]) -> str:
    """The table of a topic, as the page has it."""
    head = "| case | rule | event | Go | sigmac | why |\n| --- | --- | --- | --- | --- | --- |\n"
    return head + "".join(map(row, cases))


def row(case: Asked) -> str:
    event = f"`{case.event}`"
    if case.keywords is not None:
        event = f"keywords `{json.dumps(case.keywords)}`"
    cells = (case.name, f"`{case.shown}`", event, case.go, case.sigmac, case.why)
    return f"| {' | '.join(each.replace('|', BAR) for each in cells)} |\n"


@pytest.mark.parametrize("topic", DIFFERENCES)
def test_the_page_has_every_difference(topic: str) -> None:
    text = PAGE.read_text("utf-8")
    assert f"### {topic.capitalize()}\n\n{rows(DIFFERENCES[topic])}\n" in text


def test_every_difference_has_its_reason() -> None:
    assert [str(case) for case in CASES if case.go != case.sigmac and not case.why] == []
