"""`njit` with and without Numba."""

from __future__ import annotations

import sys

import pytest

from sigmac.runtime import njit


def add(one: int, other: int) -> int:
    """Both together."""
    return one + other


def test_the_plain_function_answers_and_keeps_its_name() -> None:
    made = njit(add)
    assert made(1, 2) == 3
    assert made(1, other=2) == 3
    assert (made.__name__, made.__doc__) == ("add", "Both together.")  # type: ignore[attr-defined]
    assert made.py_func is add


def test_without_numba_the_function_itself_is_the_compiled_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "numba", None)
    assert njit(add).compiled() is add


def test_with_numba_it_is_compiled_once() -> None:
    pytest.importorskip("numba")
    made = njit(add)
    compiled = made.compiled()
    assert compiled is made.compiled()
    assert compiled is not add
    assert compiled(1, 2) == 3
