"""Runs of white space in events: a text that has some is there twice, as it is and as the Go engine sees it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from sigmac.runtime.scalar.json_record import plain_event

# RE2's \s, which is what the Go engine collapses
_RUN = re.compile(r"[ \t\n\f\r]+")
_SCALARS = frozenset({str, int, float, bool, type(None)})


def collapsed(text: str) -> str:
    r"""A text with one blank in place of each run of white space.

    >>> collapsed("net  user\t/add")
    'net user /add'
    """
    if "  " not in text and text.isprintable():
        return text
    return _RUN.sub(" ", text)


def with_collapsed(fields: Mapping[str, Any]) -> dict[str, Any]:
    """An event in which each text with a run of white space is an array of the text and the collapsed one.

    Some member of an array is enough for a rule: so literals, which are collapsed in rules too, find the one, and
    regular expressions the other. Raises `EventError` for what JSON cannot hold, and may leave that to the pack.
    """
    made: dict[str, Any] = dict(fields)
    left: list[Any] = [made]
    while left:
        node = left.pop()
        places = node.items() if node.__class__ is dict else enumerate(node)
        for key, value in places:
            kind = value.__class__
            if kind is str:
                one = collapsed(value)
                if one != value:
                    node[key] = [value, one]
            elif kind is dict or kind is list:
                node[key] = copy = kind(value)
                left.append(copy)
            elif kind not in _SCALARS:
                return with_collapsed(plain_event(fields))
    return made
