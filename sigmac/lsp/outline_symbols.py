"""The outline of a file: its documents, their search identifiers, fields and conditions."""

from __future__ import annotations

from collections.abc import Iterator

from lsprotocol.types import DocumentSymbol, SymbolKind

from sigmac.lsp.texts.loose_yaml import Entry, LooseDocument
from sigmac.lsp.texts.open_text import OpenText, kind_of

MOST = 1000  # symbols of a document
_SHOWN = ("logsource", "detection", "correlation", "filter")
_KINDS = {
    "detection": SymbolKind.Class,
    "correlation": SymbolKind.Event,
    "filter": SymbolKind.Interface,
}


def symbols(text: OpenText) -> list[DocumentSymbol]:
    """A symbol for each document that has a title, with what is in it."""
    found = [_document(text, each) for each in text.documents]
    return [each for each in found if each is not None]


def _document(text: OpenText, document: LooseDocument) -> DocumentSymbol | None:
    title = document.get("title")
    if title is None or title.end == title.start:
        return None
    end = max(entry.end for entry in document.entries)
    inside = document.entries[:MOST]
    return DocumentSymbol(
        text.value(title),
        _KINDS[kind_of(document)],
        text.positions.range(document.start, max(end, title.end)),
        text.positions.range(title.start, title.end),
        children=[
            _keyed(text, each, inside, SymbolKind.Namespace, 2)
            for each in document.children(())
            if each.path[0] in _SHOWN
        ],
    )


def _keyed(
    text: OpenText, entry: Entry, inside: list[Entry], kind: SymbolKind, below: int
) -> DocumentSymbol:
    """A key, with so many levels below it."""
    assert entry.key is not None
    own = [each for each in inside if each.path[: len(entry.path)] == entry.path]
    end = max(each.end for each in (*own, entry))
    is_condition = entry.path[-1] == "condition"
    return DocumentSymbol(
        str(entry.path[-1]),
        SymbolKind.Operator if is_condition else kind,
        text.positions.range(entry.key[0], max(end, entry.key[1])),
        text.positions.range(*entry.key),
        detail=" ".join(text.value(entry).lstrip("|>-+").split())[:80] or None,
        children=[
            _keyed(text, each, own, SymbolKind.Field, below - 1) for each in _next(entry, own)
        ]
        if below
        else None,
    )


def _next(entry: Entry, own: list[Entry]) -> Iterator[Entry]:
    """The keys one level down; of lists of maps those of the maps."""
    for each in own:
        names = [part for part in each.path[len(entry.path) :] if isinstance(part, str)]
        if each.key is not None and len(names) == 1 and isinstance(each.path[-1], str):
            yield each
