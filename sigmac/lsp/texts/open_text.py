"""A text that an editor has open: its positions, its documents read loosely, and what of a rule stands where in it."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from urllib.parse import quote_from_bytes, unquote_to_bytes, urlsplit

from lsprotocol.types import Location, Position, PositionEncodingKind

from sigmac.compiler.syntax.condition import KEYWORDS, MAX_QUANTIFIED, names_matching
from sigmac.lsp.texts.loose_yaml import (
    Entry,
    LooseDocument,
    Where,
    bounds_of_documents,
    read_loosely,
)
from sigmac.lsp.texts.text_positions import TextPositions

MAX_BYTES = 1 << 20  # of a text that is checked while somebody types
MAX_READ = 1 << 17  # characters of a document that is read at every request
# What a file of rules or cases has and hardly another file: keys at the first level, in braces too.
_OF_RULES = re.compile(
    rb"^(?:\{.*?)?[\"']?(?:detection|logsource|correlation|match|no_match|sequences)[\"']?[ \t]*:",
    re.MULTILINE,
)
# A name, a pattern or a keyword in a condition, as its grammar has them.
WORD = re.compile(r"[A-Za-z0-9_.*-]+")
_RESERVED = {"detection": ("condition", "timeframe"), "filter": ("condition", "rules")}


@dataclass(frozen=True, slots=True)
class Use:
    """A word of a condition and its offsets."""

    word: str
    start: int
    end: int


class OpenText:
    """One version of a text, with what was found out about it so far."""

    def __init__(
        self,
        uri: str,
        text: str,
        version: int | None = None,
        encoding: str | PositionEncodingKind = PositionEncodingKind.Utf16,
    ):
        self.uri = uri
        self.file = file_of(uri)
        self.text = text
        self.version = version
        self.positions = TextPositions(text, encoding)
        self._documents: dict[tuple[int, int], LooseDocument] = {}

    @cached_property
    def data(self) -> bytes:
        """The bytes that it would be saved as; a lone surrogate stays one, which is no UTF-8."""
        return self.text.encode("utf-8", "surrogatepass")

    @cached_property
    def bounds(self) -> Sequence[tuple[int, int]]:
        """Where each document begins and ends; none of a text that is too large to be looked at."""
        return bounds_of_documents(self.text) if len(self.text) <= MAX_BYTES else ()

    @property
    def documents(self) -> Iterator[LooseDocument]:
        """The documents, read loosely; empty ones for those that are too large to be read at every key."""
        return (self._read(*each) for each in self.bounds)

    def _read(self, start: int, end: int) -> LooseDocument:
        if (start, end) not in self._documents:
            is_small = end - start <= MAX_READ
            made = read_loosely(self.text, start, end) if is_small else LooseDocument(start, end)
            self._documents[start, end] = made
        return self._documents[start, end]

    @property
    def is_about_rules(self) -> bool:
        return is_about_rules(self.data)

    def document_at(self, offset: int) -> LooseDocument:
        """The document around an offset; an empty one where there is none."""
        for start, end in self.bounds:
            if start <= offset <= end:
                return self._read(start, end)
        return LooseDocument(offset, offset)

    def where(self, offset: int) -> Where:
        """Where in its document an offset is, by what stands before it."""
        for start, end in self.bounds:
            if start <= offset <= end and end - start <= MAX_READ:
                return read_loosely(self.text, start, offset).where
        return Where((), "comment", offset)  # between documents, or in one that is too large

    def location(self, start: int, end: int) -> Location:
        return Location(self.uri, self.positions.range(start, end))

    def offset(self, position: Position) -> int:
        return self.positions.offset(position)

    def word_at(self, offset: int) -> Use | None:
        """The word of a condition at an offset."""
        start, end = self.positions.line_around(offset)
        for found in WORD.finditer(self.text, start, end):
            if found.start() <= offset <= found.end():
                return Use(found[0], found.start(), found.end())
        return None

    def value(self, entry: Entry) -> str:
        return self.text[entry.start : entry.end]

    def uses(self, document: LooseDocument) -> Iterator[Use]:
        """The names and patterns in the conditions of a document."""
        for entry in document.entries:
            if is_condition(entry.path):
                for found in WORD.finditer(self.text, entry.start, entry.end):
                    word = found[0]
                    if word.lower() not in KEYWORDS - {"them"} and not word.isdecimal():
                        yield Use(word, found.start(), found.end())


def is_about_rules(data: bytes) -> bool:
    """Whether a file says something about rules: a workspace may hold other YAML too."""
    return _OF_RULES.search(data) is not None


def kind_of(document: LooseDocument) -> str:
    """What a document is: `correlation`, `filter`, or else `detection`."""
    keys = {each.path[0] for each in document.children(())}
    return next((kind for kind in ("correlation", "filter") if kind in keys), "detection")


def is_condition(path: Sequence[str | int]) -> bool:
    """Whether a path is that of a condition over search identifiers, or over rules."""
    return (
        len(path) >= 2
        and path[0] in ("detection", "filter", "correlation")
        and (path[1] == "condition" and (len(path) == 2 or isinstance(path[2], int)))
    )


def selections(uses: Iterable[Use], names: Sequence[str]) -> dict[str, list[str]]:
    """What the patterns among some words of conditions select; nothing where that is more than conditions may ask."""
    patterns = {use.word for use in uses if use.word == "them" or "*" in use.word}
    if len(patterns) * len(names) > MAX_QUANTIFIED:
        return {}
    return {pattern: names_matching(pattern, names) for pattern in patterns}


def identifiers(document: LooseDocument) -> dict[str, Entry]:
    """The search identifiers of a rule or filter, each where it is first defined."""
    found: dict[str, Entry] = {}
    for parent, reserved in _RESERVED.items():
        for each in document.children((parent,)):
            name = str(each.path[1])
            if name not in reserved:
                found.setdefault(name, each)
    return found


def logsource_of(document: LooseDocument, text: str) -> tuple[str, str, str]:
    """Product, category and service as they are written, "" for what is not."""
    found = {
        str(each.path[1]): text[each.start : each.end] for each in document.children(("logsource",))
    }
    return found.get("product", ""), found.get("category", ""), found.get("service", "")


def file_of(uri: str) -> str:
    """The file that a URI names; the URI itself where it names none, as for a text that was never saved."""
    parts = urlsplit(uri)
    return os.fsdecode(unquote_to_bytes(parts.path)) if parts.scheme == "file" else uri


def uri_of(file: str) -> str:
    """The URI of a file that `file_of` gave, or that was found below a folder."""
    return f"file://{quote_from_bytes(os.fsencode(file))}" if os.path.isabs(file) else file
