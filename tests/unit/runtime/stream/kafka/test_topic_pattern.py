"""Who matches topics' names agrees on each pattern that is accepted."""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Callable

import pytest
import re2
from hypothesis import given
from hypothesis import strategies as st

from sigmac.runtime.stream.kafka.topic_pattern import check_pattern, subscription, topic_pattern

REFUSED = {
    r"^ev-\d+$": "write `[0-9]` for `\\d`",
    r"^ev-\w+": "write `[A-Za-z0-9_]` for `\\w`",
    r"^ev-(?!x).*": "there is no way to leave topics out",
    r"^(?i)ev": "upper and lower case",
    r"^(?:win|lin)": "write `(` for `(?:`",
    "^in-a|in-b": "write `^(one|other)`",
    "^in-a|^in-b": "write `^(one|other)`",
    "^(in-a|)x": "a choice is empty",
    "^()": "a choice is empty",
    "^ev.*?x": "repeated already",
    "^ev**": "repeated already",
    "^*": "nothing to repeat",
    "^(a+)+b": "what repeats is repeated",
    "^a{256}": "up to 255 times",
    "^a{3,2}": "up to 255 times",
    "^a{,2}": "nothing to repeat",
    r"^a\-b": "write `-` for `\\-`",
    r"^a\b": "is not known",
    "^[z-a]": "is not in order",
    "^[]": "a set is empty",
    "^[[:alpha:]]": "a set has letters",
    "^a$b": "`$` stands at the end only",
    "^a^b": "`^` stands at the start only",
    "^(a$|b)": "`$` stands at the end only",
    "^(a": "a bracket is not closed",
    "^a)": "there is no bracket to close",
    "^a b": "no topic has ` ` in its name",
    "ev": "starts with `^`",
    "^" + "(" * 12 + "a" + ")" * 12: "nested too deep",
}
ACCEPTED = ["^", "^ev-", "^ev-[0-9]+$", r"^(win|lin)\.[a-z_-]*(-(eu|us))?$", "^[^-x].{2,3}$", "^.*"]


@pytest.mark.parametrize(("pattern", "why"), REFUSED.items())
def test_what_is_not_read_alike_is_refused_with_what_to_write(pattern: str, why: str) -> None:
    with pytest.raises(ValueError, match=r"reads this pattern otherwise") as caught:
        check_pattern(pattern)
    assert why in str(caught.value)


@pytest.mark.parametrize("pattern", ACCEPTED)
def test_what_everybody_knows_is_accepted(pattern: str) -> None:
    check_pattern(pattern)


def posix(pattern: str) -> Callable[[str], bool]:
    """As librdkafka does it where the C library has regular expressions."""
    libc = ctypes.CDLL(None)
    compiled = ctypes.create_string_buffer(1024)  # larger than any regex_t
    extended = 1
    assert libc.regcomp(compiled, pattern.encode(), extended) == 0
    return lambda topic: libc.regexec(compiled, topic.encode(), 0, None, 0) == 0


def full_re2(pattern: str) -> Callable[[str], bool]:
    """As a broker does it under the new protocol of groups."""
    compiled = re2.compile(pattern)
    return lambda topic: compiled.fullmatch(topic) is not None


LETTERS = st.sampled_from("abz09._-")
ATOMS = st.one_of(
    LETTERS.map(lambda letter: r"\." if letter == "." else letter),
    st.just("."),
    st.sampled_from(["[a-z]", "[^0-9]", "[ab._-]", "[^-a]", "[-z]", "[a.]"]),
)
REPEATED = st.sampled_from(["", "", "*", "+", "?", "{2}", "{1,2}", "{1,}", "{0}"])


def sequences(parts: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.lists(st.tuples(parts, REPEATED).map("".join), min_size=1, max_size=4).map("".join)


GROUPS = st.lists(sequences(ATOMS), min_size=1, max_size=3).map(lambda some: f"({'|'.join(some)})")
PATTERNS = st.tuples(st.just("^"), sequences(ATOMS | GROUPS), st.sampled_from(["", "$"])).map(
    "".join
)


@pytest.mark.skipif(sys.platform != "linux", reason="librdkafka has its own expressions elsewhere")
@given(PATTERNS, st.lists(st.text("abz09._-", max_size=6), min_size=1, max_size=20))
def test_everybody_finds_the_same_topics(pattern: str, topics: list[str]) -> None:
    try:
        check_pattern(pattern)
    except ValueError:
        assert "|" in pattern or "(" in pattern  # what repeats is repeated
        return
    asked = subscription(pattern)
    matched = {each for each in topics if topic_pattern(pattern).match(each)}
    for who in (posix, full_re2):
        matches = who(asked)
        assert {each for each in topics if matches(each)} == matched, who
