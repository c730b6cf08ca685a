"""Completion: what may stand at the cursor, by where in the document that is."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from lsprotocol.types import (
    CompletionItem,
    CompletionItemKind,
    CompletionItemLabelDetails,
    CompletionList,
    MarkupContent,
    MarkupKind,
    Range,
    TextEdit,
)

from sigmac.attack.attack_table import shipped
from sigmac.attack.tags import PREFIX
from sigmac.compiler.checks.metadata import CATEGORIES
from sigmac.compiler.diagnostics.catalogue import catalogue
from sigmac.compiler.diagnostics.conventions import NO_CONVENTIONS, Conventions
from sigmac.compiler.syntax.condition import KEYWORDS
from sigmac.compiler.syntax.modifiers.modifiers import (
    MODIFIERS,
    ModifierError,
    check_names,
    check_order,
)
from sigmac.compiler.syntax.rule import LogSource
from sigmac.compiler.taxonomy.event_schemas import schema_of
from sigmac.lsp.key_meanings import keys_of, words_of
from sigmac.lsp.texts.loose_yaml import LooseDocument, Where
from sigmac.lsp.texts.open_text import (
    WORD,
    OpenText,
    identifiers,
    is_condition,
    kind_of,
    logsource_of,
)
from sigmac.lsp.workspace_index import LogsourceKey, WorkspaceIndex

TRIGGERS = (" ", "|", ":", "[", ",", ".", "-", "*")
MOST = (
    300  # proposals of one answer; where there are more the editor asks again with each character
)
_KEY, _WORD, _FIELD = (
    CompletionItemKind.Property,
    CompletionItemKind.EnumMember,
    CompletionItemKind.Field,
)
# Keys whose value begins on the next line
_OPENING = frozenset(
    {"logsource", "detection", "correlation", "filter", "related", "tags", "references", "fields"}
    | {"falsepositives", "aliases", "group-by", "cases", "scope"}
)
_IGNORING = re.compile(r"#\s*sigmac:\s*ignore\[[^\]]*$")
_LAST_WORD = re.compile(r"[A-Za-z0-9_.*-]*\Z")
_TAGS: Mapping[str, str] = {
    **dict.fromkeys(
        ("tlp.red", "tlp.amber", "tlp.amber-strict", "tlp.green", "tlp.clear"),
        "Traffic Light Protocol",
    ),
    "detection.dfir": "for forensics",
    "detection.emerging-threats": "for a threat of the day",
    "detection.threat-hunting": "for hunting",
    "cve.": "a vulnerability, as `cve.2021-44228`",
    "car.": "an analytic of MITRE CAR, as `car.2016-04-005`",
    "d3fend.": "a countermeasure, as `d3fend.d3-am`",
    "stp.": "Summiting the Pyramid, as `stp.4`",
}


@dataclass(frozen=True, slots=True)
class Proposal:
    """What may be inserted: a label, what it is in a line, what kind of thing, and the text if that is another.

    `title` stands beside the label, and is looked for as the label is.
    """

    label: str
    detail: str = ""
    kind: CompletionItemKind = _WORD
    inserted: str = ""
    title: str = ""


def propose(
    text: OpenText, offset: int, index: WorkspaceIndex, conventions: Conventions = NO_CONVENTIONS
) -> CompletionList:
    """What may stand at an offset, best first; `conventions` have tags of the repository's own."""
    where = text.where(offset)
    document = text.document_at(offset)
    begin, _ = text.positions.line_around(offset)
    before = text.text[begin:offset]
    if _IGNORING.search(before):
        start = offset - len(re.split(r"[\[,\s]", before)[-1])
        return _made(text, start, offset, _codes())
    is_rule = not where.path or text.is_about_rules or document.get("title") is not None
    if where.role == "comment" or not is_rule:
        return CompletionList(False, [])
    if where.path[:1] == ("tags",) and where.role != "key":
        return _made(text, where.start, offset, _tags(conventions))
    return _made(text, *_proposals(text, document, where, offset, index))


def _made(text: OpenText, start: int, offset: int, proposals: Iterable[Proposal]) -> CompletionList:
    found: dict[str, Proposal] = {}
    for each in proposals:
        found.setdefault(each.label, each)
    chosen = [*found.values()]
    if len(chosen) > MOST:
        typed = text.text[start:offset].lower()
        chosen = [each for each in chosen if typed in f"{each.label} {each.title}".lower()]
    span = text.positions.range(start, offset)
    items = [_item(each, number, span) for number, each in enumerate(chosen[:MOST])]
    return CompletionList(len(found) > MOST, items)


def _item(proposal: Proposal, number: int, span: Range) -> CompletionItem:
    title, detail = proposal.title, proposal.detail
    return CompletionItem(
        proposal.label,
        label_details=CompletionItemLabelDetails(description=title) if title else None,
        kind=proposal.kind,
        documentation=MarkupContent(MarkupKind.Markdown, detail) if detail else None,
        sort_text=f"{number:05}",
        filter_text=f"{proposal.label} {title}".rstrip(),
        text_edit=TextEdit(span, proposal.inserted or proposal.label),
    )


def _proposals(
    text: OpenText, document: LooseDocument, where: Where, offset: int, index: WorkspaceIndex
) -> tuple[int, int, Iterator[Proposal]]:
    """From where to where what is proposed is put, and that."""
    path, start = where.path, where.start
    kind = kind_of(document)
    if is_condition(path):
        start = offset - len(_last_word(text.text[where.start : offset]))
        if len(path) == 2 and where.role == "key" and path[0] == "correlation":
            return start, offset, _keys(text, document, path, kind, offset)
        return (
            start,
            offset,
            _condition(text, document, path, text.text[where.start : start], index),
        )
    if is_field_place(path) and where.role in ("key", "element"):
        written = text.text[where.start : offset]
        field, bar, chain = written.rpartition("|")
        if bar:
            return offset - len(chain), offset, _modifiers(field)
        return start, offset, _fields(text, document, index)
    if where.role == "key":
        return start, offset, _keys(text, document, path, kind, offset)
    return start, offset, _values(text, document, path, index)


def _last_word(text: str) -> str:
    found = _LAST_WORD.search(text)
    return found[0] if found else ""


def is_field_place(path: tuple[str | int, ...]) -> bool:
    """Whether a path is that of a map whose keys are fields: a search identifier's, or of a list in it."""
    return (
        len(path) >= 2
        and path[0] in ("detection", "filter")
        and path[1] not in ("condition", "timeframe", "rules")
        and all(isinstance(part, int) for part in path[2:])
    )


# Keys


def _keys(
    text: OpenText, document: LooseDocument, path: tuple[str | int, ...], kind: str, offset: int
) -> Iterator[Proposal]:
    if path == ("filter",) or path == ("detection",):
        yield from _identifier_keys(text, document, path, offset)
    present = {
        str(each.path[-1])
        for each in document.children(path)
        if each.key is not None and not each.key[0] <= offset <= each.key[1]
    }
    line_end = text.positions.line_around(offset)[1]
    is_written = ":" in text.text[offset:line_end]
    keys = dict(keys_of(path, kind))
    if not path and not present & {"detection", "correlation", "filter"}:
        keys |= {**keys_of((), "correlation"), **keys_of((), "filter")}
    for name, meaning in keys.items():
        if name not in present:
            colon = "" if is_written else ":" if name in _OPENING else ": "
            yield Proposal(name, meaning, _KEY, name + colon)
    if path[:2] == ("correlation", "aliases"):
        for each in document.entries:
            if each.path[:2] == ("correlation", "rules") and each.end > each.start:
                yield Proposal(text.value(each), "", CompletionItemKind.Reference)


def _identifier_keys(
    text: OpenText, document: LooseDocument, path: tuple[str | int, ...], offset: int
) -> Iterator[Proposal]:
    """Names of search identifiers: those that a condition asks for in vain, then the usual ones."""
    known = identifiers(document)
    for use in text.uses(document):
        if use.word not in known and "*" not in use.word and use.word != "them":
            yield Proposal(use.word, "the condition names it", _KEY, f"{use.word}:")
    for name in ("selection", "filter_main", "filter_optional"):
        if name not in known:
            yield Proposal(name, "a search identifier", _KEY, f"{name}:")


# Detections


def _fields(text: OpenText, document: LooseDocument, index: WorkspaceIndex) -> Iterator[Proposal]:
    product, category, service = logsource_of(document, text.text)
    logsource = LogSource(category or None, product or None, service or None)
    for name in index.fields_of(str(logsource)):
        yield Proposal(name, f"rules of {logsource} ask for it", _FIELD)
    schema = schema_of(logsource)
    if schema is not None:
        for name in schema.fields:
            yield Proposal(name, f"a field of {schema.name}", _FIELD)


def _modifiers(field: str) -> Iterator[Proposal]:
    """The modifiers that may follow those that are written."""
    name, *written = field.split("|")
    for modifier in MODIFIERS.values():
        if _may_follow(name, (*written, modifier.name)):
            yield Proposal(modifier.name, modifier.meaning, CompletionItemKind.Function)


def _may_follow(field: str, names: tuple[str, ...]) -> bool:
    # What needs something behind it may still get that.
    for more in ((), ("base64",)):
        tried = (*names, *more)
        flags = {each for each in tried if each in MODIFIERS and MODIFIERS[each].kind == "flag"}
        try:
            check_names(tried)
            check_order(tried, tuple(n for n in tried if n not in flags), flags, field or None)
        except ModifierError:
            continue
        return True
    return False


def _condition(
    text: OpenText,
    document: LooseDocument,
    path: tuple[str | int, ...],
    before: str,
    index: WorkspaceIndex,
) -> Iterator[Proposal]:
    """Names, patterns and keywords, by the word in front of the cursor."""
    words = WORD.findall(before)
    last = words[-1].lower() if words and not before.rstrip().endswith("(") else ""
    names = [*identifiers(document)] if path[0] != "correlation" else []
    if path[0] == "correlation":
        names = [
            text.value(each)
            for each in document.entries
            if each.path[:2] == ("correlation", "rules") and each.end > each.start
        ]
    if last == "of":
        yield Proposal(
            "them",
            "all search identifiers but those that begin with `_`",
            CompletionItemKind.Keyword,
        )
        for pattern, number in _patterns(names).items():
            yield Proposal(pattern, f"{number} search identifiers", CompletionItemKind.Reference)
        return
    if before.rstrip().endswith(")") or (last and last not in KEYWORDS):
        if last.isdecimal():
            yield Proposal("of", "", CompletionItemKind.Keyword, "of ")
            return
        for word in ("and", "or"):
            yield Proposal(word, "", CompletionItemKind.Keyword, f"{word} ")
        return
    if last in ("all", "any"):
        yield Proposal("of", "", CompletionItemKind.Keyword, "of ")
        return
    for name in names:
        yield Proposal(
            name,
            "a search identifier" if path[0] != "correlation" else "a rule",
            CompletionItemKind.Variable,
        )
    if path[0] != "correlation":
        for quantifier, meaning in (("1 of", "one is enough"), ("all of", "each of them")):
            yield Proposal(quantifier, meaning, CompletionItemKind.Keyword, f"{quantifier} ")
            for pattern, number in _patterns(names).items():
                whole = f"{quantifier} {pattern}"
                yield Proposal(whole, f"{meaning}, of {number}", CompletionItemKind.Reference)
            yield Proposal(f"{quantifier} them", meaning, CompletionItemKind.Reference)
    yield Proposal("not", "", CompletionItemKind.Keyword, "not ")


def _patterns(names: Iterable[str]) -> dict[str, int]:
    """Patterns that select several of some names: what they begin with, up to each `_`."""
    counts: dict[str, int] = {}
    for name in names:
        parts = name.split("_")
        for number in range(1, len(parts)):
            stem = "_".join(parts[:number])
            if stem:
                counts[f"{stem}_*"] = counts.get(f"{stem}_*", 0) + 1
    return {pattern: number for pattern, number in counts.items() if number > 1}


# Values


def _values(
    text: OpenText, document: LooseDocument, path: tuple[str | int, ...], index: WorkspaceIndex
) -> Iterator[Proposal]:
    for word, meaning in words_of(path).items():
        yield Proposal(word, meaning)
    if path[:1] == ("logsource",) and len(path) == 2:
        yield from _logsource_values(str(path[1]), logsource_of(document, text.text), index)
    elif path[:2] in (("correlation", "rules"), ("filter", "rules")):
        if path[0] == "filter" and len(path) == 2:
            yield Proposal("any", "all rules of the filter's logsource")
        yield from _rules(index, by_name=True)
    elif path[:1] == ("related",) and path[-1:] == ("id",):
        yield from _rules(index, by_name=False)
    elif path[:2] == ("correlation", "group-by") or path == ("correlation", "condition", "field"):
        names = [
            text.value(each)
            for each in document.entries
            if each.path[:2] == ("correlation", "rules") and each.end > each.start
        ]
        for field in index.fields_of_rules(names):
            yield Proposal(field, "its rules ask for it", _FIELD)
    elif len(path) > 2 and is_field_place(path[: _field_at(path)]):
        yield from _item_values(text, document, str(path[_field_at(path)]), index)


def _field_at(path: tuple[str | int, ...]) -> int:
    """Which part of a path is a field."""
    return next((i for i in range(2, len(path)) if isinstance(path[i], str)), len(path) - 1)


def _item_values(
    text: OpenText, document: LooseDocument, item: str, index: WorkspaceIndex
) -> Iterator[Proposal]:
    _, *modifiers = item.split("|")
    if "exists" in modifiers:
        yield Proposal("true", "the field is present")
        yield Proposal("false", "the field is absent")
    if "fieldref" in modifiers:
        yield from _fields(text, document, index)


def _logsource_values(
    key: str, given: tuple[str, str, str], index: WorkspaceIndex
) -> Iterator[Proposal]:
    if key not in ("product", "category", "service"):
        return
    product, category, service = (part.lower() for part in given)
    others: LogsourceKey = (product, category, service)
    for value in index.logsource_values(key, others):
        yield Proposal(value, "rules here have it")
    if key == "category":
        for value in CATEGORIES:
            yield Proposal(value, "a category of the Sigma specification")


def _rules(index: WorkspaceIndex, *, by_name: bool) -> Iterator[Proposal]:
    """Ids or names of the rules of the workspace, their titles as what is looked for."""
    for each in index.documents_with_names():
        outline = each.outline
        called = (outline.name if by_name else None) or outline.id or outline.name
        if called:
            detail = each.description or each.level or each.kind
            yield Proposal(called, detail, CompletionItemKind.Reference, title=outline.title)


def _tags(conventions: Conventions) -> Iterator[Proposal]:
    table = shipped()
    for namespace, names in conventions.tag_namespaces.items():
        for name in names or ("",):
            plain = re.split(r"[*?]", name)[0]
            yield Proposal(f"{namespace}.{plain}", "a tag of this repository")
    for tag, meaning in _TAGS.items():
        yield Proposal(tag, meaning)
    for name, kind in table.kinds.items():
        tag = f"{PREFIX}{name.lower()}"
        if table.fault(tag) is None:
            detail = f"{kind.replace(',', ', ')}, ATT&CK {table.version}"
            yield Proposal(tag, detail, title=table.name_of(name))


def _codes() -> Iterator[Proposal]:
    for check in catalogue().values():
        if check.severity != "error":
            yield Proposal(check.code, check.summary)
