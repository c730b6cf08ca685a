"""Alternatives of decision programs: where they are found, and that many texts mean what few do."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import orjson
import pytest

from sigmac.runtime.engine import programs
from sigmac.runtime.engine.alternatives import LEAST, find_alternatives
from tests.unit.packs import make_pack, rule

YES, NO = programs.TRUE, programs.FALSE
FIELDS = np.repeat(np.array([3, 4], np.int32), 8)  # of each literal


def asking(*literals: int, yes: int = YES, last: int = NO) -> list[list[int]]:
    rows = [[programs.TEXT, 4 * each, yes, i + 1] for i, each in enumerate(literals)]
    rows[-1][3] = last
    return rows


def found(rows: list[list[int]], *ends: int) -> list[list[int]]:
    """Of each list of alternatives its first row, its predicates, and where the program goes on."""
    code = np.array(rows, np.int32).reshape(-1, programs.WIDTH)
    each = find_alternatives(code, np.array(ends, np.int64), FIELDS)
    return [
        [at, *each.of[each.start[i] : each.start[i + 1]].tolist(), int(each.after[i])]
        for at, i in enumerate((each.at - 1).tolist())
        if i >= 0
    ]


def test_rows_with_one_way_out_are_alternatives_in_order() -> None:
    assert found(asking(5, 2, 0, 1, 4, 3), 6) == [[0, 0, 4, 8, 12, 16, 20, NO]]


def test_each_program_has_its_own() -> None:
    rows = asking(*range(LEAST))
    assert [each[0] for each in found([*rows, *rows], LEAST, 2 * LEAST)] == [0, LEAST]


@pytest.mark.parametrize(
    "rows",
    [
        [],
        asking(*range(LEAST - 1)),
        asking(0, 1, 2, 8, 9, 10),  # of two fields
        [*asking(0, 1, 2, yes=YES, last=3), *asking(3, 4, 5, yes=NO)],  # two ways out
        [[programs.EXISTS, 0, YES, i + 1] for i in range(LEAST)],
        [[programs.TEXT, 4 * i, i + 1, NO] for i in range(LEAST)],  # all of them
    ],
)
def test_other_rows_are_none(rows: list[list[int]]) -> None:
    assert found(rows, len(rows)) == []


VALUES = (
    "a3", ["x", "A7"], ["x", "y"], [], None, "", 12, 1e2, -0.0, True, {"a3": 1}, [{"a": 1}, "a3"],
    "9" * 30, "é" * 70 + "a3", "x" * 200, "x" * 200 + "a3", ["a0", "a0"], "100.0", 100.0, 1.5e300,
)  # fmt: skip


@pytest.mark.parametrize("how", ["", "|contains", "|startswith", "|endswith"])
@pytest.mark.parametrize("condition", ["many", "not many", "other and not many"])
def test_many_texts_mean_what_few_do(tmp_path: Path, how: str, condition: str) -> None:
    texts = [*(f"'a{i}'" for i in range(20)), "'100'", "'12'", "'999'", "'1e'"]
    pack = make_pack(
        rule(f"many: {{'F{how}': [{', '.join(texts)}]}}\nother: {{G: g}}\ncondition: {condition}"),
        tmp_path,
    )
    events = [{"F": value, "G": "g"} for value in VALUES] + [{}, {"G": "g"}]
    data = b"\n".join(map(orjson.dumps, events))
    for _ in range(2):
        batch, each = pack.match_batch(data), pack.match_each(data)
        assert batch.record.tolist() == each.record.tolist()
