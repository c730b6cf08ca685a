"""Texts for regular expressions: RE2 finds the pattern in each of them."""

from __future__ import annotations

import pytest
import re2
from hypothesis import given

from sigmac.compiler.syntax.modifiers.regex_values import re2_options
from sigmac.compiler.validation.regex_strings import texts_for
from tests.examples import examples
from tests.property.strategies import compiled, patterns


@examples(200)
@given(patterns.filter(compiled))
def test_re2_finds_the_pattern_in_each_text(pattern: str) -> None:
    regex = re2.compile(pattern, re2_options())
    assert all(regex.search(text) for text in texts_for(pattern))


@pytest.mark.parametrize(
    "pattern",
    [
        r"^net1?\s+(user|group)\s.{3,}$",
        r"\b(?:curl|wget)\s.{1,800}\bchmod\s+(?:\+x|7[0-7]{2})\s",
        r"(?i)^https?://[^/]+/\w{8}\.(exe|dll)\z",
        r"a{1000}",
        r"\Q[a].b\E+[[:digit:]]\x{1F600}",
        r"[^\w\s]\D\S\W",
        r"(?s:^.*a).\.exe\n",
        r"\p{Greek}|b",
    ],
)
def test_there_are_texts_for_what_rules_write(pattern: str) -> None:
    assert texts_for(pattern)


def test_what_nothing_matches_has_no_text() -> None:
    assert texts_for(r"a\bb") == ()
