r"""Sigma strings taken apart: what is left of one behind a given beginning, and where it can be cut.

A pattern is a tuple of symbols here: single characters, wildcards, and whatever else its maker puts
in for a stretch of text, which only `*` matches.
"""

from __future__ import annotations

from collections.abc import Iterator
from enum import Enum

from sigmac.compiler.ir.values import ANY, DASH, DASHES, ONE, Part, Wildcard

Symbol = str | Enum
Symbols = tuple[Symbol, ...]


def symbols(parts: tuple[Part, ...]) -> Symbols:
    """The characters and wildcards of a Sigma string without placeholders."""
    made: list[Symbol] = []
    for part in parts:
        assert isinstance(part, (str, Wildcard))
        made.extend(part if isinstance(part, str) else (part,))
    return tuple(made)


def rest(pattern: Symbols, beginning: Symbols, *, cased: bool = False) -> list[Symbols]:
    """What a pattern asks of a text behind its beginning: one of these patterns matches it.

    A symbol of the beginning that is no character stands for any text of its kind.

    >>> rest((ANY, "x"), ("a", "x")), rest(("a", "b"), ("A",)), rest(("a", "b"), ("x",))
    ([(ANY, 'x'), ()], [('b',)], [])
    """
    positions = _closed(pattern, {0})
    for symbol in beginning:
        after = set()
        for at in positions:
            if at < len(pattern):
                if pattern[at] is ANY:
                    after.add(at)
                elif _takes(pattern[at], symbol, cased):
                    after.add(at + 1)
        positions = _closed(pattern, after)
    # What follows a `*` is part of what the `*` asks.
    kept = (at for at in positions if not (at and pattern[at - 1] is ANY and at - 1 in positions))
    return [pattern[at:] for at in sorted(kept)]


def _closed(pattern: Symbols, positions: set[int]) -> set[int]:
    made = set(positions)
    for start in positions:
        at = start
        while at < len(pattern) and pattern[at] is ANY:
            at += 1
            made.add(at)
    return made


def _takes(wanted: Symbol, symbol: Symbol, cased: bool) -> bool:
    if not isinstance(symbol, str):
        return wanted is ONE and symbol is ONE
    if isinstance(wanted, str):
        return wanted == symbol or (not cased and wanted.casefold() == symbol.casefold())
    return wanted is ONE or (wanted is DASH and symbol in DASHES)


def matches(pattern: Symbols, text: str, *, cased: bool = False) -> bool:
    """Whether a pattern matches the whole of a text."""
    return any(
        all(each is ANY for each in left) for left in rest(pattern, tuple(text), cased=cased)
    )


def cuts(pattern: Symbols, separator: str, start: int = 0) -> Iterator[tuple[Symbols, Symbols]]:
    r"""The pairs of patterns of which one matches what is left and right of a separator.

    `a + separator + b` matches the pattern where `a` and `b` match one of the pairs. No cut is made
    before `start`.

    >>> for left, right in cuts((ANY, "\\", "x"), "\\"): print(left, right)
    (ANY,) (ANY, '\\', 'x')
    (ANY,) ('x',)
    """
    for at in range(start, len(pattern)):
        symbol = pattern[at]
        if symbol is ANY:
            yield (*pattern[:at], ANY), pattern[at:]
        elif symbol is ONE or symbol == separator:
            yield pattern[:at], pattern[at + 1 :]
