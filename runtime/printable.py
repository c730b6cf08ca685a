"""Hostile text on a terminal or a page: what rules, events and packs say is shown, never obeyed."""

from __future__ import annotations

import html
import re

# Most lines are such, and need no look at each character.
_PLAIN = re.compile(rb"[\x20-\x7e\n]*")


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


_MARKS = re.compile(r"([\\`*_{}\[\]()#+!|~])")
_SENTENCE = 200  # characters


def markdown_text(text: str) -> str:
    r"""Text of which nothing is markup, on one line; its beginning where it is long.

    >>> print(markdown_text("a|b <img> `x`"))
    a\|b &lt;img&gt; \`x\`
    """
    return html.escape(_MARKS.sub(r"\\\1", shortened(text, _SENTENCE)), quote=False)


def escaped_json(lines: bytes) -> bytes:
    r"""JSON that a terminal can show, with the same meaning: what is not printable in it becomes `\uXXXX`.

    >>> print(escaped_json('{"a": "ä \x9b31m \u202egpj \x7f"}\n'.encode()).decode(), end="")
    {"a": "ä \u009b31m \u202egpj \u007f"}
    """
    if _PLAIN.fullmatch(lines):
        return lines
    text = lines.decode("utf-8", "backslashreplace")
    return "".join(map(_shown_in_json, text)).encode("utf-8")


def _shown_in_json(char: str) -> str:
    if char.isprintable() or char == "\n":
        return char
    code = ord(char)
    if code < 0x10000:
        return f"\\u{code:04x}"
    code -= 0x10000
    return f"\\u{0xD800 | code >> 10:04x}\\u{0xDC00 | code & 0x3FF:04x}"
