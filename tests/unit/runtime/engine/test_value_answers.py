"""What is ruled out of many texts at once is what each alone does not hold."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sigmac.runtime.engine.value_answers import FEW, Screen
from sigmac.runtime.scalar.globs import compile_regex

PATTERNS = (
    r"a+b", r"^ab", r"b$", r"^$", r"^\s", r"\bab\b", r"\Bb", r"[^a]{3}", r"(?i)AB", r"(?s)a.b", r"a.b",
    r"(?-s)a.b", r"\Aab", r"ab\z", r"a|^b", r"(?m)^b$", r"\Qa\E", r"\Qa", r"",
)  # fmt: skip
TEXTS = st.lists(st.text("ab \n\\", max_size=5).map(str.encode), min_size=FEW, max_size=40)


@given(st.lists(st.sampled_from(PATTERNS), min_size=1, max_size=2), TEXTS)
def test_no_text_is_ruled_out_in_which_something_is_found(
    patterns: list[str], texts: list[bytes]
) -> None:
    screen = Screen(patterns)
    if not screen.fits:
        return
    regexes = [compile_regex(each) for each in patterns]
    for text, out in zip(texts, screen.ruled_out(texts), strict=True):
        assert not (out and any(each.search(text) for each in regexes)), text


@pytest.mark.parametrize("pattern", [r"\Aab", r"ab\z", r"(?-s)a.b", r"\Qa"])
def test_what_asks_for_a_whole_text_is_not_screened(pattern: str) -> None:
    assert not Screen([pattern, "a"]).fits
    assert not Screen([]).fits


def test_texts_around_one_that_matches_are_ruled_out() -> None:
    texts = [b"x%d" % number for number in range(1000)]
    texts[700] = b"ab"
    out = Screen(["^ab$"]).ruled_out(texts)
    assert not out[700]
    assert out.count(False) < 2 * FEW
    texts[3] = b"x\nab"
    assert Screen(["^ab$"]).ruled_out(texts)[3] is False
