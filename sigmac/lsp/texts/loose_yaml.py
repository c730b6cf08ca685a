"""YAML as it is while somebody types: read line by line, by indentation, whatever is still missing.

A parser refuses a text with one open quote as a whole. This reader never fails: it says which keys and values stand
where, and where in the tree the end of a text is, which is what completion asks of the text before the cursor. It knows
what rules are made of: maps, lists, scalars of every style, flow collections; no anchors, no tags.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

Path = tuple[str | int, ...]

_DOCUMENT = re.compile(r"^(?:---|\.\.\.)(?=\s|$).*(?:\r\n|[\r\n])?", re.MULTILINE)
_LINE = re.compile(r"[^\r\n]*(?:\r\n|[\r\n])?")
_QUOTED = {"'": re.compile(r"'(?:[^'\r\n]|'')*'"), '"': re.compile(r'"(?:[^"\\\r\n]|\\.)*"')}
_BLOCK = re.compile(r"[|>][-+0-9]*[ \t]*(?:#.*)?$")
# What ends a scalar without quotes, in a line of its own and in a flow collection
_BLOCK_END = re.compile(r"(?<=[ \t])#")
_FLOW_END = re.compile(r"[,\]}]|(?<=[ \t])#|:(?=[ \t,\]}]|$)", re.MULTILINE)
_MOST_NESTED = 100  # flow collections in each other


@dataclass(slots=True)
class Entry:
    """A scalar, or what stands under a key: its path, the offsets of its key and of its scalar, quotes left out.

    `start` and `end` are equal where there is no scalar; that of a block has all its lines. `style` is what it begins
    with: a quote, `|`, `>`, or `""`.
    """

    path: Path
    key: tuple[int, int] | None
    start: int
    end: int
    style: str = ""


@dataclass(frozen=True, slots=True)
class Where:
    """Where a text ends: inside the value of `path`, or at a key of the map that `path` leads to.

    `start` is the offset at which that key or value begins; an element of a list may become the key of a map in it.
    """

    path: Path
    role: str  # key, value, element or comment
    start: int
    style: str = ""


@dataclass(slots=True)
class _Level:
    """A collection that is open: its indentation, what it is, its path, and that of its last child."""

    indent: int
    is_list: bool
    path: Path
    last: Path
    count: int = -1


@dataclass(slots=True)
class LooseDocument:
    """One document of a text: where it begins and ends, its entries in their order, and where it ends in the tree."""

    start: int
    end: int
    entries: list[Entry] = field(default_factory=list)
    where: Where = field(default_factory=lambda: Where((), "key", 0))

    def children(self, path: Path) -> list[Entry]:
        """The entries one step below a path that have a key."""
        return [
            each
            for each in self.entries
            if each.key is not None and each.path[:-1] == path and len(each.path) == len(path) + 1
        ]

    def at(self, offset: int) -> Entry | None:
        """The entry whose key or scalar is at an offset."""
        for each in self.entries:
            if each.key is not None and each.key[0] <= offset <= each.key[1]:
                return each
            if each.start <= offset <= each.end and each.end > each.start:
                return each
        return None

    def get(self, *path: str | int) -> Entry | None:
        return next((each for each in self.entries if each.path == path), None)


def bounds_of_documents(text: str) -> list[tuple[int, int]]:
    """Begin and end of each document of a text."""
    found, start = [], 0
    for mark in _DOCUMENT.finditer(text):
        found.append((start, mark.start()))
        start = mark.end()
    found.append((start, len(text)))
    return found


def read_loosely(text: str, start: int, end: int) -> LooseDocument:
    """A part of a text as one document."""
    reader = _Reader(text, LooseDocument(start, end))
    reader.read()
    return reader.made


class _Reader:
    """Reads one document from its first line to its last."""

    def __init__(self, text: str, made: LooseDocument):
        self.text = text
        self.made = made
        self.levels = [_Level(-1, False, (), ())]
        self.block: tuple[int, Entry] | None = None  # the indentation that it is deeper than

    def read(self) -> None:
        at = self.made.start
        while True:
            line = _LINE.match(self.text, at, self.made.end)
            assert line is not None
            end = line.end()
            stop = at + len(line[0].rstrip("\r\n"))
            is_last = stop >= self.made.end
            behind = self._line(at, stop, is_last)
            if is_last or (behind > end and behind >= self.made.end):
                break
            at = end
            if behind > end:  # the rest of the line in which a flow collection ends
                rest = _LINE.match(self.text, behind, self.made.end)
                assert rest is not None
                at = rest.end()

    def _line(self, begin: int, end: int, is_last: bool) -> int:
        """Read one line; the offset behind what was read, which a flow collection carries over several lines."""
        content = self.text[begin:end]
        indent = len(content) - len(content.lstrip(" \t"))
        said = content.strip()
        if self.block is not None:
            limit, entry = self.block
            if not said or indent > limit:
                entry.end = end
                self._ends(entry.path, "value", begin + indent, entry.style)
                if said or not is_last or indent > limit:
                    return end
            self.block = None
        if not said or said.startswith("#"):
            role = "comment" if said else "key"
            self._ends(self._map_at(indent), role, begin + indent)
            return end
        at, column, is_element = begin + indent, indent, False
        while self.text[at : at + 1] == "-" and (
            at + 1 >= end or self.text[at + 1 : at + 2] in " \t"
        ):
            self._open_list(column)
            is_element = True
            at += 1
            while at < end and self.text[at] in " \t":
                at += 1
            column = at - begin
        if at >= end or self.text[at] == "#":
            role = "comment" if at < end else "element"
            self._ends(self.levels[-1].last, role, at)
            return end
        return self._content(begin, at, end, column, is_element)

    def _content(self, begin: int, at: int, end: int, column: int, is_element: bool) -> int:
        """What stands in a line behind its dashes."""
        if self.text[at] in "{[" and is_element:
            return self._flow(at, self.levels[-1].last, column)
        key = _key_end(self.text, at, end)
        if key is None:
            if is_element:
                self._scalar(self.levels[-1].last, None, at, end, "element")
            else:
                self._ends(self._map_at(column), "key", at)
            return end
        (name_start, name_end), value = key
        name = self.text[name_start:name_end]
        level = self._open_map(column)
        path = (*level.path, name)
        level.last = path
        while value < end and self.text[value] in " \t":
            value += 1
        entry_key = (name_start, name_end)
        if value >= end or self.text[value] == "#":
            self.made.entries.append(Entry(path, entry_key, end, end))
            role = "comment" if value < end else "value"
            self._ends(path, role, value)
            return end
        rest = self.text[value:end]
        if _BLOCK.match(rest):
            entry = Entry(path, entry_key, end, end, rest[0])
            self.made.entries.append(entry)
            self.block = (column, entry)
            self._ends(path, "value", end, rest[0])
            return end
        if rest[0] in "{[":
            self.made.entries.append(Entry(path, entry_key, end, end))
            return self._flow(value, path, column)
        self._scalar(path, entry_key, value, end, "value")
        return end

    def _scalar(
        self, path: Path, key: tuple[int, int] | None, at: int, end: int, role: str
    ) -> None:
        start, stop, style, closed = _scalar_bounds(self.text, at, end, in_flow=False)
        self.made.entries.append(Entry(path, key, start, stop, style))
        behind = self.text[closed:end]
        if "#" in behind and behind.lstrip().startswith("#"):
            self._ends(path, "comment", closed)
        else:
            self._ends(path, role, start, style)

    def _ends(self, path: Path, role: str, start: int, style: str = "") -> None:
        self.made.where = Where(path, role, start, style)

    # Block collections

    def _map_at(self, column: int) -> Path:
        """The map to which a key in a column would belong."""
        for level in reversed(self.levels):
            if level.indent < column:
                return level.last if level.indent >= 0 or column > 0 else level.path
            if level.indent == column and not level.is_list:
                return level.path
        return ()

    def _open_map(self, column: int) -> _Level:
        while len(self.levels) > 1 and (
            self.levels[-1].indent > column
            or (self.levels[-1].is_list and self.levels[-1].indent >= column)
        ):
            self.levels.pop()
        top = self.levels[-1]
        if top.is_list or top.indent != column:
            top = _Level(column, False, top.last, top.last)
            self.levels.append(top)
        return top

    def _open_list(self, column: int) -> None:
        while len(self.levels) > 1 and self.levels[-1].indent > column:
            self.levels.pop()
        top = self.levels[-1]
        if not (top.is_list and top.indent == column):
            top = _Level(column, True, top.last, top.last)
            self.levels.append(top)
        top.count += 1
        top.last = (*top.path, top.count)

    # Flow collections

    def _flow(self, at: int, path: Path, column: int) -> int:
        """Read a flow collection that begins at an offset; the offset behind it.

        One that is never closed ends where a line is indented no deeper than the key that has it.
        """
        open_ones: list[tuple[str, Path, list[int]]] = []  # bracket, path, count of elements
        key: tuple[Path, tuple[int, int]] | None = None
        text, end = self.text, self.made.end
        while at < end:
            char = text[at]
            if char in "\r\n":
                following = _LINE.match(text, at + 1, end)
                line = following[0] if following else ""
                indent = len(line) - len(line.lstrip(" \t\r\n"))
                if line.strip() and indent <= column and line.strip()[0] not in "]}":
                    return at
                at += 1
            elif char in " \t":
                at += 1
            elif char == "#":
                while at < end and text[at] not in "\r\n":
                    at += 1
            elif char in "{[":
                inner = path if not open_ones else self._flow_child(open_ones[-1], key)
                open_ones.append((char, inner, [0]))
                key = None
                at += 1
                self._ends(inner if char == "{" else (*inner, 0), _role(char), at)
                if len(open_ones) > _MOST_NESTED:
                    return end
            elif char in "}]":
                if open_ones:
                    open_ones.pop()
                key = None
                at += 1
                if not open_ones:
                    self._ends(path, "value", at)
                    return at
            elif char == "," and open_ones:
                bracket, inner, count = open_ones[-1]
                count[0] += 1
                key = None
                at += 1
                self._ends(inner if bracket == "{" else (*inner, count[0]), _role(bracket), at)
            else:
                at, key = self._flow_scalar(at, open_ones[-1], key)
        if at >= end and open_ones and key is not None and self.made.where.role == "key":
            self._ends(key[0], "value", at)
        return at

    def _flow_child(
        self,
        level: tuple[str, Path, list[int]],
        key: tuple[Path, tuple[int, int]] | None,
    ) -> Path:
        if key is not None:
            return key[0]
        return (*level[1], level[2][0])

    def _flow_scalar(
        self,
        at: int,
        level: tuple[str, Path, list[int]],
        key: tuple[Path, tuple[int, int]] | None,
    ) -> tuple[int, tuple[Path, tuple[int, int]] | None]:
        """A key or a scalar in a flow collection; the offset behind it, and the key that is open then."""
        bracket, path, count = level
        line_end = _line_end(self.text, at, self.made.end)
        start, stop, style, closed = _scalar_bounds(self.text, at, line_end, in_flow=True)
        after = closed
        while after < line_end and self.text[after] in " \t":
            after += 1
        if key is None and bracket == "{":
            name = self.text[start:stop]
            if self.text[after : after + 1] == ":" and after < line_end:
                made = (*path, name)
                self.made.entries.append(Entry(made, (start, stop), after + 1, after + 1))
                begin = after + 1
                while begin < line_end and self.text[begin] in " \t":
                    begin += 1
                self._ends(made, "value", begin)
                return after + 1, (made, (start, stop))
            self._ends(path, "key", start, style)
            return max(closed, at + 1), None
        where = key[0] if key is not None else (*path, count[0])
        if key is not None:
            held = self.made.entries[-1]
            held.start, held.end, held.style = start, stop, style
        else:
            self.made.entries.append(Entry(where, None, start, stop, style))
        self._ends(where, "value" if key is not None else "element", start, style)
        return max(closed, at + 1), None


def _role(bracket: str) -> str:
    return "key" if bracket == "{" else "element"


def _line_end(text: str, at: int, end: int) -> int:
    found = _LINE.match(text, at, end)
    assert found is not None
    return at + len(found[0].rstrip("\r\n"))


def _key_end(text: str, at: int, end: int) -> tuple[tuple[int, int], int] | None:
    """The offsets of the key that begins at an offset, and the one behind its colon; None where none does."""
    if text[at] in _QUOTED:
        quoted = _QUOTED[text[at]].match(text, at, end)
        if quoted is None:
            return None
        after = quoted.end()
        while after < end and text[after] in " \t":
            after += 1
        if text[after : after + 1] != ":" or after >= end:
            return None
        return (at + 1, quoted.end() - 1), after + 1
    if text[at] in "[{#&*!|>%@`":
        return None
    colon = at
    while (colon := text.find(":", colon, end)) >= 0:
        if colon + 1 >= end or text[colon + 1] in " \t":
            stop = colon
            while stop > at and text[stop - 1] in " \t":
                stop -= 1
            return ((at, stop), colon + 1) if " #" not in text[at:stop] else None
        colon += 1
    return None


def _scalar_bounds(text: str, at: int, end: int, *, in_flow: bool) -> tuple[int, int, str, int]:
    """Begin and end of a scalar in a line, quotes left out, its quote, and the offset behind it."""
    if text[at] in _QUOTED:
        quoted = _QUOTED[text[at]].match(text, at, end)
        if quoted is None:
            return at + 1, end, text[at], end
        return at + 1, quoted.end() - 1, text[at], quoted.end()
    found = (_FLOW_END if in_flow else _BLOCK_END).search(text, at, end)
    closed = found.start() if found else end
    return at, at + len(text[at:closed].rstrip(" \t")), "", closed
