"""CSV and its kin: a line with names, then rows of texts with a comma, semicolon, tab or bar between the cells.

Quotation marks are those of RFC 4180, around cells that may go on over several lines; a mark within a cell that does
not begin with one is a character.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import IO

from sigmac.runtime.errors import InputError
from sigmac.runtime.inputs.format import LOOKED_AT, Event, Format, Item, Unreadable
from sigmac.runtime.inputs.lines import MAX_RECORD
from sigmac.runtime.scalar.json_record import json_bytes

_DELIMITERS = ",;\t|"
_NAME = re.compile(r"[^\W\d][\w .@()\[\]-]{0,127}|@[\w .@-]{1,127}")
_MOST_COLUMNS = 10_000
_PREFACE = re.compile(r"#TYPE |sep=[,;\t|]\s*$", re.IGNORECASE)  # of PowerShell, of Excel
_INSIDE = re.compile(r'[^"]*+(?:""[^"]*+)*+')  # of quotation marks
_TRIED = 50  # rows
_SKIPPED_AT_ONCE = 1 << 20  # bytes of a line that is too long
_TOO_MANY = f"the row has more than {_MOST_COLUMNS:,} cells"
_TOO_LONG = f"the row is longer than {MAX_RECORD:,} bytes"


def recognises(start: bytes) -> bool:
    """Whether a text that begins so has a line of two names at least, and rows that have as many cells."""
    lines = start.removeprefix(b"\xef\xbb\xbf").decode(errors="replace").splitlines(keepends=True)
    if len(start) >= LOOKED_AT:
        del lines[-1:]  # cut off
    at = next((at for at, line in enumerate(lines) if not _is_preface(line)), None)
    found = None if at is None else _names(lines[at])
    if at is None or found is None:
        return False
    delimiter, names = found
    rows = _rows(enumerate(lines[at + 1 :]), delimiter)
    counts = [len(cells) for _, cells in rows if isinstance(cells, list)][:_TRIED]
    return 2 * counts.count(len(names)) > len(counts)


def read(stream: IO[bytes]) -> Iterator[Item]:
    """The rows as events of texts, without empty cells; positions are the numbers of their lines, from 0.

    Raises `InputError` where there is no line with names, or two of them are the same.
    """
    lines = _lines(stream)
    delimiter, names = _header(lines)
    for first, cells in _rows(lines, delimiter):
        if isinstance(cells, str):
            yield Unreadable(first, cells)
        elif len(cells) != len(names):
            yield Unreadable(first, f"the row has {len(cells):,} cells, the header {len(names):,}")
        else:
            named = zip(names, cells, strict=True)
            data = json_bytes({name: cell for name, cell in named if name and cell})
            yield Event(first, data) if len(data) <= MAX_RECORD else Unreadable(first, _TOO_LONG)


def _header(lines: Iterator[tuple[int, str | None]]) -> tuple[str, list[str]]:
    for _, line in lines:
        if line is not None and _is_preface(line):
            continue
        found = None if line is None else _names(line)
        if found is None:
            break
        twice = [name for name, count in Counter(found[1]).items() if name and count > 1]
        if twice:
            raise InputError(f"two columns have the name {twice[0]!r}")
        return found
    raise InputError("the first line has no names of columns")


def _rows(
    lines: Iterable[tuple[int, str | None]], delimiter: str
) -> Iterator[tuple[int, list[str] | str]]:
    """The cells of each row that is not blank, or why it cannot be read, with the number of its first line."""
    splitting, first, last = _Splitting(delimiter), None, 0
    for number, line in lines:
        first, last = number if first is None else first, number
        try:
            cells = _TOO_LONG if line is None else splitting.take(line)
        except _Refused as refused:
            cells = str(refused)
        if cells is None:
            continue  # the row goes on
        if cells:
            yield first, cells
        if isinstance(cells, str):
            splitting = _Splitting(delimiter)
        first = None
    if first is not None:
        reason = "the quotation mark of a cell has no end"
        lost = f": nothing is read up to line {last + 1:,}" if last > first else ""
        yield first, reason + lost


def _is_preface(line: str) -> bool:
    return not line.strip() or _PREFACE.match(line) is not None


def _names(line: str) -> tuple[str, list[str]] | None:
    """The delimiter and the names of columns; the first one may have none, as pandas writes its index."""
    best: tuple[str, list[str]] | None = None
    for delimiter in _DELIMITERS:
        try:
            cells = _Splitting(delimiter).take(line)
        except _Refused:
            continue
        names = [cell.strip() for cell in cells or ()]
        named = names[1:] if names and not names[0] else names
        if (
            not 2 <= len(names) <= _MOST_COLUMNS
            or not named
            or not all(map(_NAME.fullmatch, named))
        ):
            continue
        if best is None or len(names) > len(best[1]):
            best = delimiter, names
    return best


def _lines(stream: IO[bytes]) -> Iterator[tuple[int, str | None]]:
    """The lines with their numbers and ends; None for one that is too long. Bytes that are no UTF-8 become U+FFFD."""
    number = 0
    while line := stream.readline(MAX_RECORD + 1):
        if number == 0:
            line = line.removeprefix(b"\xef\xbb\xbf")
        if len(line) > MAX_RECORD and not line.endswith(b"\n"):
            while line and not line.endswith(b"\n"):
                line = stream.readline(_SKIPPED_AT_ONCE)
            yield number, None
        else:
            yield number, line.decode(errors="replace")
        number += 1


class _Refused(Exception):
    """Why a row cannot be read."""


class _Splitting:
    """Splits lines into the cells of rows."""

    def __init__(self, delimiter: str):
        self._delimiter = delimiter
        self._cells: list[str] = []
        self._quoted: list[str] | None = None  # of a cell that goes on in the next line
        self._size = 0

    def take(self, line: str) -> list[str] | None:
        """The cells of a row that ends with this line, none for a blank line; None where the row goes on.

        Raises `_Refused` where text stands behind a quoted cell, or the row is too long.
        """
        text = line.rstrip("\r\n")
        if self._quoted is None and '"' not in line:
            if text.count(self._delimiter) >= _MOST_COLUMNS:
                raise _Refused(_TOO_MANY)
            return text.split(self._delimiter) if text.strip() else []
        self._size += len(line)
        at = 0
        while True:
            if self._quoted is None and text[at : at + 1] == '"':
                self._quoted, at = [], at + 1
            if self._quoted is None:
                end = text.find(self._delimiter, at)
                end = len(text) if end < 0 else end
                self._cells.append(text[at:end])
            else:
                end = self._end_of_quoted(line, at)
                if end < 0:
                    if self._size > MAX_RECORD:
                        self._quoted = []  # its end is looked for, its text is not kept
                    return None
            if len(self._cells) > _MOST_COLUMNS:
                raise _Refused(_TOO_MANY)
            if end >= len(text):
                cells, size, self._cells, self._size = self._cells, self._size, [], 0
                if size > MAX_RECORD:
                    raise _Refused(_TOO_LONG)
                return cells
            at = end + 1

    def _end_of_quoted(self, line: str, at: int) -> int:
        """Where the delimiter behind a quoted cell stands; less than 0 where the cell goes on in the next line."""
        assert self._quoted is not None
        inside = _INSIDE.match(line, at)
        assert inside is not None
        self._quoted.append(inside[0])
        end = inside.end() + 1
        if end > len(line):
            return -1
        self._cells.append("".join(self._quoted).replace('""', '"'))
        self._quoted = None
        if line[end : end + 1] not in ("", "\r", "\n", self._delimiter):
            raise _Refused("text stands behind the quotation mark that ends a cell")
        return end


FORMAT = Format("csv", "CSV, TSV: a line with names, then rows", recognises, read)
