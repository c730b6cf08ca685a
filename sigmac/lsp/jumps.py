"""Where what stands at a place is defined, and where it is used: search identifiers, rules, correlations, filters."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from lsprotocol.types import Location

from sigmac.compiler.diagnostics.diagnostic import Place
from sigmac.compiler.syntax.condition import names_matching
from sigmac.lsp.texts.loose_yaml import Entry, LooseDocument, Path
from sigmac.lsp.texts.open_text import OpenText, identifiers, is_condition, kind_of, selections
from sigmac.lsp.workspace_index import Summary, WorkspaceIndex

MOST = 1000  # places of one answer

Locate = Callable[[Place], Location]


def definitions(
    text: OpenText, offset: int, index: WorkspaceIndex, locate: Locate
) -> list[Location]:
    """The search identifiers that a word of a condition means, or the rules that a reference means."""
    document = text.document_at(offset)
    known = identifiers(document)
    names = _identifiers_at(text, document, offset)
    if names:
        return [_at_key(text, known[name]) for name in names]
    return [locate(_place(each)) for each in _rules_at(text, document, offset, index)]


def references(
    text: OpenText, offset: int, index: WorkspaceIndex, locate: Locate, *, declared: bool
) -> list[Location]:
    """Where a search identifier or a rule is spoken of; with `declared` where it stands too."""
    document = text.document_at(offset)
    known = identifiers(document)
    names = _identifiers_at(text, document, offset)
    if names:
        first = [_at_key(text, known[name]) for name in names] if declared else []
        return [*first, *_uses(text, document, names)]
    found: list[Place] = []
    rules = _rules_at(text, document, offset, index) or _own(text, document, offset, index)
    for each in rules:
        found += [_place(each)] if declared else []
        found += index.referring((*each.names, each.outline.title))
    return [locate(place) for place in sorted({*found})[:MOST]]


def identifier_at(document: LooseDocument, text: OpenText, offset: int) -> str | None:
    """The one search identifier that is named at an offset, where it is defined or used."""
    names = _identifiers_at(text, document, offset)
    word = text.word_at(offset)
    is_name = word is not None and word.word in names
    return names[0] if len(names) == 1 and is_name else None


def _identifiers_at(text: OpenText, document: LooseDocument, offset: int) -> Sequence[str]:
    """The search identifiers that a word means: the key of one, a name in a condition, a pattern."""
    entry = document.at(offset)
    known = identifiers(document)
    if entry is None or not known:
        return ()
    if entry.key is not None and entry.key[0] <= offset <= entry.key[1]:
        name = str(entry.path[-1])
        return (name,) if known.get(name) is entry else ()
    use = text.word_at(offset) if is_condition(entry.path) else None
    if use is None or kind_of(document) == "correlation":
        return ()
    return names_matching(use.word, known) if use.word not in known else (use.word,)


def _uses(text: OpenText, document: LooseDocument, names: Sequence[str]) -> Iterator[Location]:
    uses = [*text.uses(document)]
    selected = selections(uses, [*identifiers(document)])
    wanted = {*names}
    for use in uses:
        if wanted.intersection((use.word, *selected.get(use.word, ()))):
            yield text.location(use.start, use.end)


def _rules_at(
    text: OpenText, document: LooseDocument, offset: int, index: WorkspaceIndex
) -> list[Summary]:
    """The rules that a reference at an offset means."""
    entry = document.at(offset)
    if entry is None:
        return []
    in_key = entry.key is not None and entry.key[0] <= offset <= entry.key[1]
    if in_key and entry.path[:2] == ("correlation", "aliases") and len(entry.path) == 4:
        return index.called(str(entry.path[3]))
    if in_key:
        return []
    if is_condition(entry.path) and kind_of(document) == "correlation":
        use = text.word_at(offset)
        return index.called(use.word) if use is not None else []
    if entry.path == ("rule",):  # of cases, which may call it by its title
        return index.called(text.value(entry)) or index.titled(text.value(entry))
    return index.called(text.value(entry)) if is_reference(entry.path) else []


def is_reference(path: Path) -> bool:
    """Whether a rule's id or name stands at a path of a rule, correlation or filter."""
    if path[:2] in (("correlation", "rules"), ("filter", "rules")):
        return True
    return path[:1] == ("related",) and path[-1:] == ("id",)


def _own(
    text: OpenText, document: LooseDocument, offset: int, index: WorkspaceIndex
) -> list[Summary]:
    """The document itself, where the cursor is on what it is called by."""
    entry = document.at(offset)
    if entry is None or entry.path not in (("id",), ("name",), ("title",)):
        return []
    called = {text.value(each) for each in (document.get("id"), document.get("name")) if each}
    return [
        each
        for each in index.files.get(text.file, ())
        if each.kind != "cases" and called.intersection(each.names)
    ]


def _place(summary: Summary) -> Place:
    places = summary.outline.places
    return places.get("title") or summary.place


def _at_key(text: OpenText, entry: Entry) -> Location:
    assert entry.key is not None
    return text.location(*entry.key)
