"""A condition as the Go engine takes it apart, and which words it accepts behind which."""

from __future__ import annotations

from collections.abc import Iterator
from enum import Enum
from typing import NamedTuple


class Kind(Enum):
    """What a word of a condition is."""

    BEGIN = "the beginning"
    NAME = "a search identifier"
    PATTERN = "a pattern"
    THEM = "them"
    END = "the end"
    OPEN = "("
    CLOSE = ")"
    PIPE = "|"
    AND = "and"
    OR = "or"
    NOT = "not"
    AGGREGATION = "an aggregation"
    REST = "what stands behind |"
    ALL = "all of"
    ONE = "1 of"


class Word(NamedTuple):
    """A word with the text that it was made of."""

    kind: Kind
    text: str


_QUANTIFIERS = {b"1 of": Kind.ONE, b"all of": Kind.ALL}
_WORDS = {
    "and": Kind.AND,
    "or": Kind.OR,
    "not": Kind.NOT,
    "them": Kind.THEM,
    **dict.fromkeys(("sum", "min", "max", "count", "avg"), Kind.AGGREGATION),
}
_OPERANDS = {Kind.NAME, Kind.THEM, Kind.PATTERN, Kind.CLOSE}
_OPERATORS = {Kind.AND, Kind.OR}
_BEFORE = {Kind.BEGIN, Kind.OPEN, Kind.NOT, *_OPERATORS}
# What may stand before a word of each kind.
_FOLLOWS = {
    Kind.ALL: _BEFORE,
    Kind.ONE: _BEFORE,
    Kind.OPEN: _BEFORE,
    Kind.THEM: {Kind.ALL, Kind.ONE},
    Kind.NAME: {Kind.ALL, Kind.ONE, *_BEFORE},
    Kind.PATTERN: {Kind.ALL, Kind.ONE, *_BEFORE},
    Kind.AND: _OPERANDS,
    Kind.OR: _OPERANDS,
    Kind.NOT: {Kind.BEGIN, Kind.OPEN, *_OPERATORS},
    Kind.CLOSE: {Kind.OPEN, *_OPERANDS},
    Kind.END: _OPERANDS,
    Kind.PIPE: _OPERANDS,
}


def words(condition: str) -> Iterator[Word]:
    """The words of a condition.

    Bytes are looked at, as there: `1 of` and `all of` are found anywhere, also inside of a word, and a parenthesis that
    opens takes along what stands before it without a blank.

    >>> [word.text for word in words("a and not(b)")]
    ['a', 'and', 'not(', 'b', ')', '']
    """
    data = condition.encode("utf-8", "surrogatepass")
    at = start = 0

    def made(kind: Kind | None = None) -> Word:
        nonlocal start
        text = data[start:at].decode("utf-8", "replace")
        start = at
        return Word(kind or _kind_of(text), text)

    while True:
        quantifier = next((each for each in _QUANTIFIERS if data.startswith(each, at)), None)
        if quantifier is not None:
            at += len(quantifier)
            yield made(_QUANTIFIERS[quantifier])
            continue
        if at >= len(data) or data[at] == 0:
            if at > start:
                yield made()
            yield Word(Kind.END, "")
            return
        byte = data[at : at + 1]
        if byte == b")":
            if at > start:
                yield made()
            at += 1
            yield made(Kind.CLOSE)
        elif byte == b"(":
            at += 1
            yield made(Kind.OPEN)
        elif byte == b"|":
            at += 1
            yield made(Kind.PIPE)
            yield Word(Kind.REST, condition)
            return
        elif byte.isspace():
            if at > start:
                yield made()
            while data[at : at + 1].isspace():
                at += 1
            start = at
        else:
            at += 1


def _kind_of(text: str) -> Kind:
    return _WORDS.get(text.lower()) or (Kind.PATTERN if "*" in text else Kind.NAME)


def may_follow(before: Kind, kind: Kind) -> bool:
    """Whether the Go engine accepts a word behind another; whatever stands first is accepted."""
    return before is Kind.BEGIN or before in _FOLLOWS.get(kind, ())
