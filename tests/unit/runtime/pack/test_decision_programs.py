"""Decision programs that kernels would run astray on are refused when a pack is loaded."""

from __future__ import annotations

import numpy as np
import pytest

from sigmac.runtime.engine import programs
from sigmac.runtime.pack.checked_arrays import are_sound

COUNTS = {programs.CONSTANT: 2, programs.TEXT: 8, programs.UNKNOWN: 1}
YES, NO = programs.TRUE, programs.FALSE
SOUND = [
    [programs.TEXT, 7, 1, NO],
    [programs.TEXT | programs.NEGATED, 0, YES, 2],
    [programs.UNKNOWN, 0, YES, NO],
    [programs.CONSTANT, 1, YES, NO],
]
ENDS = [3, 4]


def sound(code: list[list[int]], ends: list[int]) -> bool:
    return are_sound(np.array(code, np.int32).reshape(-1, 4), np.array(ends, np.int64), COUNTS)


def test_what_the_compiler_writes_is_sound() -> None:
    assert sound(SOUND, ENDS)
    assert sound([], [])


@pytest.mark.parametrize("ends", [[], [3], [3, 3, 4], [4, 3, 4], [3, 5], [0, 4], [-1, 4]])
def test_each_program_ends_where_the_next_begins(ends: list[int]) -> None:
    assert not sound(SOUND, ends)


@pytest.mark.parametrize(
    ("row", "column", "value"),
    [
        (0, 0, programs.COMPARE),
        (0, 0, 15),
        (0, 0, -1),
        (0, 0, 1 << 20),
        (0, 1, 8),
        (0, 1, -1),
        (1, 2, 1),
        (1, 3, 0),
        (1, 3, 3),
        (1, 3, -3),
        (3, 2, 1),
        (3, 1, 2),
    ],
)
def test_a_row_goes_forward_within_its_program_and_asks_what_there_is(
    row: int, column: int, value: int
) -> None:
    code = [[*each] for each in SOUND]
    code[row][column] = value
    assert not sound(code, ENDS)
