"""Places in a text: as editors count them, as diagnostics count them, and as offsets in characters.

Editors end lines at line feeds and carriage returns, YAML at three more characters; editors count columns in the units
of an encoding that is agreed upon, UTF-16 by default. Source: Language Server Protocol 3.17, "Text Documents".
"""

from __future__ import annotations

import bisect
import re
from collections.abc import Iterator
from functools import cached_property

from lsprotocol.types import Position, PositionEncodingKind, Range

from sigmac.compiler.diagnostics.diagnostic import LINE_BREAK, Place

_EDITOR_BREAK = re.compile(r"\r\n|[\r\n]")
_BYTES = {PositionEncodingKind.Utf8: 1, PositionEncodingKind.Utf16: 2}  # of a unit
_CODECS = {PositionEncodingKind.Utf8: "utf-8", PositionEncodingKind.Utf16: "utf-16-le"}
_MARK = "\ufeff"  # no character of a column


class TextPositions:
    """The lines of a text; offsets count characters from its begin."""

    def __init__(
        self, text: str, encoding: str | PositionEncodingKind = PositionEncodingKind.Utf16
    ):
        self.text = text
        self.encoding = PositionEncodingKind(encoding)
        self._starts = [*_line_starts(_EDITOR_BREAK, text)]

    @cached_property
    def _places(self) -> list[int]:
        return [*_line_starts(LINE_BREAK, self.text)]

    def offset(self, position: Position) -> int:
        """The offset of an editor's position; one behind the end of its line is that end."""
        if position.line >= len(self._starts):
            return len(self.text)
        line = self._line(position.line)
        return self._starts[position.line] + self._characters(line, position.character)

    def position(self, offset: int) -> Position:
        """The editor's position of an offset."""
        number = bisect.bisect_right(self._starts, offset) - 1
        before = self.text[self._starts[number] : offset]
        return Position(number, self._units(before))

    def range(self, start: int, end: int) -> Range:
        return Range(self.position(start), self.position(end))

    def offset_of(self, place: Place) -> int:
        """The offset of a diagnostic's place, the begin of the text where it has none."""
        if not 0 < place.line <= len(self._places):
            return 0
        start = self._places[place.line - 1]
        if place.line == 1 and self.text.startswith(_MARK):
            start += 1
        return min(start + max(place.column - 1, 0), self._end_of(place.line - 1))

    def range_of(self, place: Place) -> Range:
        """Where a diagnostic is shown: no further than to the end of its line; the line, where it has no column."""
        start = self.offset_of(place)
        if not place.line:
            return self.range(0, 0)
        end = self._end_of(place.line - 1)
        if place.column:
            end = min(start + max(place.width, 1), end)
        return self.range(start, end)

    def line_around(self, offset: int) -> tuple[int, int]:
        """Begin and end of the editor's line of an offset, its break left out."""
        number = bisect.bisect_right(self._starts, offset) - 1
        start = self._starts[number]
        return start, start + len(self._line(number))

    def _end_of(self, number: int) -> int:
        found = LINE_BREAK.search(self.text, self._places[number])
        return found.start() if found else len(self.text)

    def _line(self, number: int) -> str:
        """A line of the editor without its break."""
        start = self._starts[number]
        end = self._starts[number + 1] if number + 1 < len(self._starts) else len(self.text)
        return self.text[start:end].rstrip("\r\n")

    def _units(self, text: str) -> int:
        size = _BYTES.get(self.encoding)
        if size is None or text.isascii():
            return len(text)
        # A lone surrogate is no text, and may come over JSON all the same.
        return len(text.encode(_CODECS[self.encoding], "surrogatepass")) // size

    def _characters(self, line: str, units: int) -> int:
        if self.encoding not in _BYTES or line.isascii():
            return min(units, len(line))
        left = units
        for number, char in enumerate(line):
            left -= self._units(char)
            if left < 0:
                return number
        return len(line)


def _line_starts(breaks: re.Pattern[str], text: str) -> Iterator[int]:
    yield 0
    yield from (found.end() for found in breaks.finditer(text))
