"""What the vocabulary answers itself instead of RE2, and how it reads a pack's strings."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sigmac.runtime.scalar.dispatch import bits_of
from sigmac.runtime.scalar.fields import mask_of
from sigmac.runtime.scalar.globs import compile_regex
from sigmac.runtime.scalar.number_texts import could_be_in_number, could_be_in_numbers
from sigmac.runtime.scalar.scalars import text_of
from sigmac.runtime.scalar.vocabulary import LongLine, Strings


@given(text=st.text("a\n\r\u00e9\U0001f600\u2028", max_size=12), least=st.integers(0, 9))
def test_a_long_line_is_what_the_pattern_finds(text: str, least: int) -> None:
    by_pattern = compile_regex(f".{{{least},}}").search(text) is not None
    assert (LongLine(least).search(text) is not None) is by_pattern


@given(st.floats(allow_nan=False, allow_infinity=False) | st.integers(-(2**70), 2**70))
def test_every_part_of_a_number_may_be_in_one(number: float) -> None:
    assert could_be_in_number(str(text_of(number)))


def test_texts_of_a_pool_that_may_be_in_numbers() -> None:
    texts = ["", "1e5", "x1", "1x", "-", " ", "\u00e9", "e"]
    data = np.frombuffer("".join(texts).encode(), np.uint8)
    ends = np.cumsum([len(text.encode()) for text in texts])
    found = could_be_in_numbers(data, ends).tolist()
    assert found == [could_be_in_number(text) for text in texts]
    strings = Strings({"strings": data, "string_ends": ends})
    assert [strings[i] for i in range(len(strings))] == texts


@given(st.sets(st.integers(0, 400)))
def test_rules_as_bits_and_back(rules: set[int]) -> None:
    assert bits_of(mask_of(np.array(sorted(rules), np.int64))) == sorted(rules)


@pytest.mark.parametrize("mask", [0, 1, 1 << 63, 1 << 64, (1 << 200) - 1])
def test_all_bits_are_found(mask: int) -> None:
    assert bits_of(mask) == [i for i in range(mask.bit_length()) if mask >> i & 1]
