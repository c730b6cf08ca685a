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


def shortened(text: str, length: int) -> str:
    """The beginning of a text, escaped, with how much there is in all where that is more.

    >>> print(shortened("C:\\\\Windows", 20), shortened("x" * 1000, 3))
    C:\\Windows xxx… (1,000 characters)
    """
    if len(text) <= length:
        return escaped(text)
    return f"{escaped(text[:length])}… ({len(text):,} characters)"
