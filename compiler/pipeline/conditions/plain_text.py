"""Sigma strings as plain text: what the regular expressions of a pipeline look at, and pieces cut
from it.

A wildcard shows as `*` or `?`, a literal one as `\\*` or `\\?`, a placeholder as `%name%`, a dash
of `windash` as `-`. Pieces remember what they were, so that a literal star never turns into a
wildcard on the way.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator

from sigmac.compiler.ir.values import DASH, Part, Placeholder

_LITERAL_WILDCARD = re.compile(r"[*?]")


class PlainText:
    r"""The text of a Sigma string's parts.

    >>> from sigmac.compiler.ir.values import parse_text
    >>> PlainText(parse_text(r"*\a\*b?")).text
    '*\\a\\*b?'
    """

    def __init__(self, parts: tuple[Part, ...], *, escape: bool = True):
        self.units: list[tuple[str, Part]] = []  # the text of a unit and what it stands for
        for part in parts:
            if isinstance(part, str):
                self.units.extend(_literal(part) if escape else [(part, part)])
            elif isinstance(part, Placeholder):
                self.units.append((f"%{part.name}%", part))
            else:
                self.units.append(("-" if part is DASH else part.value, part))
        self.text = "".join(text for text, _ in self.units)
        self.starts: list[int] = []
        at = 0
        for text, _ in self.units:
            self.starts.append(at)
            at += len(text)

    def slice(self, start: int, end: int) -> Iterator[Part]:
        """The parts of `text[start:end]`; of a wildcard cut in two, the text."""
        index = max(bisect_right(self.starts, start) - 1, 0)
        while start < end:
            text, part = self.units[index]
            low, high = start - self.starts[index], min(end - self.starts[index], len(text))
            whole = low == 0 and high == len(text)
            yield part if whole else text[low:high]
            start, index = self.starts[index] + len(text), index + 1


def _literal(part: str) -> Iterator[tuple[str, str]]:
    end = 0
    for match in _LITERAL_WILDCARD.finditer(part):
        if match.start() > end:
            yield part[end : match.start()], part[end : match.start()]
        yield f"\\{match[0]}", match[0]
        end = match.end()
    if end < len(part):
        yield part[end:], part[end:]
