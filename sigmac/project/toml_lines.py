"""Where the keys of a TOML text stand, which `tomllib` does not tell."""

from __future__ import annotations

import re
from collections.abc import Iterator

_PART = r"""(?:[\w-]++|"[^"\n]*+"|'[^'\n]*+')"""
_NAME = rf"{_PART}(?:[ \t]*+\.[ \t]*+{_PART})*+"
_TABLE = re.compile(rf"[ \t]*+\[\[?[ \t]*+({_NAME})[ \t]*+\]")
_KEY = re.compile(rf"[ \t]*+({_NAME})[ \t]*+=")
_MOST_PARTS = 8  # of a name; ours have four at most
_LONG_TEXT = re.compile(r'"""|' + "'''")


def key_lines(text: str) -> dict[tuple[str, ...], int]:
    """The line of each table and key of a valid text, from 1; keys of tables written in braces are left out.

    >>> key_lines('rules = "r"\\n[build]\\noutput = "b"\\n')
    {('rules',): 1, ('build',): 2, ('build', 'output'): 3}
    """
    found: dict[tuple[str, ...], int] = {}
    table: tuple[str, ...] = ()
    for number, line in _outside_long_texts(text):
        if head := _TABLE.match(line):
            table = _parts(head[1])
            _note(found, table, 0, number)
        elif key := _KEY.match(line):
            _note(found, (*table, *_parts(key[1])), len(table), number)
    return found


def _note(found: dict[tuple[str, ...], int], key: tuple[str, ...], known: int, line: int) -> None:
    """The line of a key and of the tables that it names, but for those `known`."""
    for end in range(known + 1, min(len(key), _MOST_PARTS) + 1):
        found.setdefault(key[:end], line)


def _outside_long_texts(text: str) -> Iterator[tuple[int, str]]:
    """The lines that do not begin within a text of several lines, with their numbers."""
    closing: str | None = None
    for number, line in enumerate(text.split("\n"), 1):
        if closing is None:
            yield number, line
        for sign in _LONG_TEXT.findall(line):
            if closing is None:
                closing = sign
            elif sign == closing:
                closing = None


def _parts(name: str) -> tuple[str, ...]:
    return tuple(part.strip("\"'") for part in re.findall(_PART, name))
