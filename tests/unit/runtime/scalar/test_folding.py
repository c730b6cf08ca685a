"""Simple case folding: one code point to one code point."""

from __future__ import annotations

import doctest
import sys

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from sigmac.compiler.meaning import reference
from sigmac.runtime.scalar import folding
from sigmac.runtime.scalar.folding import as_array, default_fold, fold_table, folder, from_array

TEXT = st.text() | st.text("aKkſsßẞİIıiςσΣÄäÀЯ\0\n😀", max_size=12)


def test_docstrings() -> None:
    assert doctest.testmod(folding).failed == 0


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("K", "k", True),
        ("ſ", "S", True),
        ("ς", "Σ", True),
        ("ẞ", "ß", True),
        ("ЯЖ", "яж", True),
        ("ÀÉ", "àé", True),
        ("ß", "ss", False),
        ("İ", "i", False),
        ("ı", "I", False),
        ("ﬁ", "fi", False),
    ],
)
def test_what_is_the_same_letter(one: str, other: str, same: bool) -> None:
    fold = default_fold()
    assert (fold(one) == fold(other)) is same


@given(TEXT)
@example("a" * 1000 + "İ" + "B" * 1000)
def test_folding_is_the_references_and_keeps_length_and_is_idempotent(text: str) -> None:
    fold = default_fold()
    folded = fold(text)
    assert folded == reference.fold(text)
    assert len(folded) == len(text)
    assert fold(folded) == folded


def test_the_table_is_whole() -> None:
    table = fold_table()
    for code in range(sys.maxunicode + 1):
        character = chr(code)
        if character.casefold() != character or character.lower() != character:
            assert chr(table.get(code, code)) == reference.fold(character), hex(code)


def test_a_table_survives_the_pack() -> None:
    array = as_array(fold_table())
    assert str(array.dtype) == "uint32"
    assert from_array(array) == fold_table()
    assert folder(from_array(array))("ÄK") == "äk"
