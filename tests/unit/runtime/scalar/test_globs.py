"""Patterns of `like` against the reference's matching of positions."""

from __future__ import annotations

import time

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from sigmac.compiler.ir.values import ANY, DASH, ONE, Part, glob, join
from sigmac.compiler.meaning import reference
from sigmac.runtime.scalar.globs import (
    compile_regex,
    needs_of_glob,
    needs_of_regex,
    plan,
    regex_of,
)

PARTS = st.lists(
    st.sampled_from([ANY, ONE, DASH]) | st.text("ab-*?[\\\n😀", min_size=1, max_size=3), max_size=6
).map(join)
STRINGS = st.text("ab-/–*?[\\\n😀", max_size=10)
PATTERNS = (
    r"a{2,}`", r"(?i)[ab]`+", r"(a|-b)?-", r"(?:a`){2}", r"[[:alpha:]]-", r"[[:^alpha:]]`", r"[`]a|`", r"\Qa`\E",
    r"\pL`", r"a{,2}`", r"x*?-", r"^$", r"a|", r"(-)\b", r"[^`]{3}$", r"\x{60}a", r"(?m)^-$", r"a\`", r"(?s).{2}-",
    r"\C`",
)  # fmt: skip


def answer(parts: tuple[Part, ...], text: str) -> bool:
    """The runtime's answer: literals where they decide, else the regular expression."""
    how = plan(glob(parts))
    match how.test:
        case "equals":
            return text in how.literals
        case "contains":
            return any(each in text for each in how.literals)
        case "startswith":
            return text.startswith(how.literals)
        case "endswith":
            return text.endswith(how.literals)
    if how.literals and not any(each in text for each in how.literals):
        return False
    return compile_regex(how.regex).search(text) is not None


@given(PARTS, STRINGS)
@example((), "")
@example((ANY,), "")
@example((ANY, ONE, ANY), "\n")
@example((DASH, ANY, DASH), "-–")
def test_a_pattern_is_answered_as_the_reference_does(parts: tuple[Part, ...], text: str) -> None:
    expected = reference._like(parts, text)
    assert answer(parts, text) is expected
    assert (compile_regex(regex_of(glob(parts))).search(text) is not None) is expected


@pytest.mark.parametrize(
    ("pattern", "test", "count"),
    [
        ("*a*", "contains", 1),
        ("a*", "startswith", 1),
        ("*a", "endswith", 1),
        ("a", "equals", 1),
        ("*", "contains", 1),
        ("* [-]a [-]b*", "contains", 25),
        ("[-]a[-]b", "equals", 25),
        ("[-]a[-]b[-]c[-]d", "", 1),
        ("a*b", "", 1),
        ("a?b", "", 1),
        ("???", "", 0),
    ],
)
def test_what_literals_decide(pattern: str, test: str, count: int) -> None:
    how = plan(pattern)
    assert (how.test, len(how.literals)) == (test, count)
    assert bool(how.regex) is (test == "")


def test_many_stars_take_linear_time() -> None:
    pattern = "*a" * 200 + "*b"
    started = time.perf_counter()
    assert compile_regex(regex_of(pattern)).search("a" * 20_000) is None
    assert time.perf_counter() - started < 5


@given(st.sampled_from(PATTERNS), st.text("abx`-\n é", max_size=8))
@example(r"[[:alpha:]]-", "a-")
def test_a_pattern_is_found_only_in_what_it_needs(pattern: str, text: str) -> None:
    needs = needs_of_regex(pattern)
    if compile_regex(pattern).search(text) is not None:
        assert len(text) >= needs.least
        assert needs.character in text


@given(PARTS, STRINGS)
def test_a_glob_is_true_only_of_what_it_needs(parts: tuple[Part, ...], text: str) -> None:
    needs = needs_of_glob(glob(parts))
    if compile_regex(regex_of(glob(parts))).search(text) is not None:
        assert len(text) >= needs.least
        assert needs.character in text
