"""The text of a file of rules and its scalars: where each is written, how, and what it stands in."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import yaml

from sigmac.compiler.diagnostics.diagnostic import LINE_BREAK, Place
from sigmac.compiler.fixes.fix import Edit
from sigmac.compiler.syntax.yaml_nodes import MAX_RAW, Document, Node, documents

Steps = tuple[Any, ...]  # the keys, and the indices of lists, that lead to a node of a document


@dataclass(frozen=True, slots=True)
class Scalar:
    """A scalar as it is written from `start` on, and the path to it; that of a key is the path to its value."""

    node: Node
    start: int
    written: str
    path: Steps
    is_key: bool
    document: int

    @property
    def end(self) -> int:
        return self.start + len(self.written)

    @property
    def is_plain(self) -> bool:
        """Whether it is written in one line, without quotes, anchor and tag."""
        return not LINE_BREAK.search(self.written) and self.written[0] not in "&!*|>'\""

    @property
    def literal(self) -> int | None:
        """Where its text begins, if that is written just as it is."""
        at = self.written.find(str(self.node.value))
        return self.start + at if at >= 0 and self.written[:at] in ("", "'", '"') else None

    def write(self, value: str) -> Edit | None:
        """Another text in its place, quoted as this one where it can be; None for one over several lines."""
        if LINE_BREAK.search(self.written) or self.written[0] in "&!*|>":
            return None
        if self.written[0] == '"':
            new = f'"{_ESCAPED.sub(_escape, value)}"'
        elif self.written[0] == "'" or not _reads_plain(value):
            new = quoted(value)
        else:
            new = value
        return Edit(self.start, self.end, new)


@dataclass(slots=True)
class SourceText:
    """A text, its documents, and its scalars by document and place, and by document and path.

    A node that several places refer to by an alias is left out: what is written there stands for all of them.
    """

    text: str
    file: str
    documents: dict[int, Document] = field(default_factory=dict)
    _starts: list[int] = field(default_factory=list)
    _by_place: dict[tuple[int, int], Scalar | None] = field(default_factory=dict)
    _by_path: dict[tuple[int, Steps, bool], Scalar] = field(default_factory=dict)

    @classmethod
    def read(cls, text: str, file: str) -> SourceText:
        """Raises `RuleError` where the text is not YAML."""
        made = cls(text, file)
        made._starts = [0, *(each.end() for each in LINE_BREAK.finditer(text))]
        for document in documents(text.encode("utf-8", "surrogatepass"), file):
            made.documents[document.index] = document
            for node, path, is_key in _scalars(document.root):
                made._add(document.index, node, path, is_key)
        return made

    def _add(self, document: int, node: Node, path: Steps, is_key: bool) -> None:
        place = (node.line, node.column)
        if place in self._by_place:
            first, self._by_place[place] = self._by_place[place], None
            if first is not None:
                del self._by_path[first.document, first.path, first.is_key]
            return
        if len(node.raw) == MAX_RAW:
            return  # where it ends is not known
        start = self._starts[node.line - 1] + node.column - 1
        written = node.raw or self.text[start : start + node.width]
        scalar = Scalar(node, start, written, path, is_key, document)
        self._by_place[place] = self._by_path[document, path, is_key] = scalar

    def offset(self, place: Place) -> int:
        """Where in the text a place is."""
        return self._starts[place.line - 1] + place.column - 1

    def scalar_at(self, place: Place) -> Scalar | None:
        """The scalar that begins at a place."""
        return self._by_place.get((place.line, place.column))

    def value(self, document: int, *path: Any) -> Scalar | None:
        """The scalar at the end of a path."""
        return self._by_path.get((document, path, False))

    def key(self, document: int, *path: Any) -> Scalar | None:
        """The key of what is at the end of a path."""
        return self._by_path.get((document, path, True))

    def node(self, document: int, *path: Any) -> Node | None:
        """What is at the end of a path."""
        node: Node | None = self.documents[document].root
        for step in path:
            if node is None or node.is_scalar:
                return None
            node = node.value.get(step) if node.is_map else node.value[step]
        return node

    def line_of(self, offset: int) -> tuple[int, int]:
        """Where the line of a character begins, and where the next one does."""
        number = bisect_right(self._starts, offset)
        end = self._starts[number] if number < len(self._starts) else len(self.text)
        return self._starts[number - 1], end

    @property
    def line_end(self) -> str:
        """How the lines of the text end."""
        found = re.search(r"\r\n|\n|\r", self.text)
        return found[0] if found else "\n"


def _scalars(root: Node) -> Iterator[tuple[Node, Steps, bool]]:
    waiting: list[tuple[Node, Steps]] = [(root, ())]
    while waiting:
        node, path = waiting.pop()
        if isinstance(node.value, dict):
            for key, child in node.value.items():
                if node.keys:
                    yield node.keys[key], (*path, key), True
                waiting.append((child, (*path, key)))
        elif isinstance(node.value, list):
            waiting += ((child, (*path, index)) for index, child in enumerate(node.value))
        elif node.value is not None:
            yield node, path, False


# What a text in double quotes cannot hold as it is
_ESCAPED = re.compile(
    r'["\\]|[^ -~\xa0-\u2027\u202a-\ud7ff\ue000-\ufefe\uff00-\ufffd\U00010000-\U0010ffff]'
)


def _escape(match: re.Match[str]) -> str:
    code = ord(match[0])
    if match[0] in '"\\':
        return f"\\{match[0]}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def quoted(value: str) -> str:
    """A text of one line in single quotes."""
    return "'" + value.replace("'", "''") + "'"


_PLAIN = re.compile(r"[\w./\\][^\s,\[\]{}]*(?: [^\s,\[\]{}]+)*", re.ASCII)


def _reads_plain(value: str) -> bool:
    """Whether YAML reads a text without quotes as just this text, wherever it stands."""
    if not _PLAIN.fullmatch(value):
        return False
    try:
        return bool(yaml.safe_load(value) == value)
    except yaml.YAMLError:
        return False
