"""Hostile text on a terminal: what rules, events and packs say is shown, never obeyed."""

from __future__ import annotations


def escaped(text: str) -> str:
    r"""Text that a terminal can show as it is: controls, marks and unusual blanks as escapes.

    >>> print(escaped("a\tb \x1b[2J \u202egpj.exe"))
    a\tb \x1b[2J \u202egpj.exe
    """
    return text if text.isprintable() else "".join(map(_shown, text))


def _shown(char: str) -> str:
    return char if char.isprintable() else repr(char)[1:-1]


def shortened(text: str, length: int, quote: str = "") -> str:
    r"""The beginning of a text, escaped, with how long it is in all where that is more.

    >>> print(shortened("a\tb", 20, '"'), shortened("x" * 1000, 3))
    "a\tb" xxx… (1,000 characters)
    """
    if len(text) <= length:
        return f"{quote}{escaped(text)}{quote}"
    return f"{quote}{escaped(text[:length])}…{quote} ({len(text):,} characters)"
