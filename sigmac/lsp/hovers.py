"""What an editor shows of the word under the mouse."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence

from lsprotocol.types import Hover, MarkupContent, MarkupKind

from sigmac.attack.attack_table import shipped
from sigmac.attack.tags import PREFIX, is_technique, techniques
from sigmac.compiler.diagnostics.catalogue import catalogue, markdown
from sigmac.compiler.syntax.condition import names_matching
from sigmac.compiler.syntax.modifiers.modifiers import MODIFIERS
from sigmac.compiler.syntax.rule import LogSource
from sigmac.compiler.taxonomy.event_schemas import EventSchema, schema_of
from sigmac.lsp.key_meanings import keys_of, words_of
from sigmac.lsp.proposals import is_field_place
from sigmac.lsp.texts.loose_yaml import Entry, LooseDocument, Path
from sigmac.lsp.texts.open_text import (
    OpenText,
    Use,
    identifiers,
    is_condition,
    kind_of,
    logsource_of,
    selections,
)
from sigmac.lsp.workspace_index import Summary, WorkspaceIndex

_IGNORED = re.compile(r"#\s*sigmac:\s*ignore\[([^\]]*)")
_CODE = re.compile(r"[EWN]_[A-Z0-9_]+")
_MOST_LINES = 20  # of a selection
_KEYWORDS = {
    "and": "both sides are true",
    "or": "one side at least is true",
    "not": "what follows is false",
    "of": "how many of the search identifiers that a pattern selects are true",
    "all": "`all of`: each of them is true",
    "any": "`any of`: one of them is true, as `1 of`",
    "them": "all search identifiers but those that begin with `_`",
}

Found = tuple[str, int, int]  # Markdown, and the offsets of what it is about


def hover(text: OpenText, offset: int, index: WorkspaceIndex) -> Hover | None:
    """What there is to say about what stands at an offset."""
    found = _code(text, offset) or _entry(text, offset, index)
    if found is None:
        return None
    said, start, end = found
    return Hover(MarkupContent(MarkupKind.Markdown, said), text.positions.range(start, end))


def _code(text: OpenText, offset: int) -> Found | None:
    """A code in a comment that takes findings back."""
    begin, end = text.positions.line_around(offset)
    for comment in _IGNORED.finditer(text.text, begin, end):
        for code in _CODE.finditer(text.text, comment.start(1), comment.end(1)):
            check = catalogue().get(code[0])
            if check is not None and code.start() <= offset <= code.end():
                said = f"**{check.code}** ({check.severity}): {check.summary}\n\n{markdown(check)}"
                return said, code.start(), code.end()
    return None


def _entry(text: OpenText, offset: int, index: WorkspaceIndex) -> Found | None:
    document = text.document_at(offset)
    entry = document.at(offset)
    if entry is None:
        return None
    if entry.key is not None and entry.key[0] <= offset <= entry.key[1]:
        return _key(text, document, entry, offset, index)
    if is_condition(entry.path):
        use = text.word_at(offset)
        said = None if use is None else _condition_word(text, document, use, index)
        return None if use is None or said is None else (said, use.start, use.end)
    said = _value(text, document, entry.path, text.value(entry), index)
    return (said, entry.start, entry.end) if said else None


# Keys


def _key(
    text: OpenText, document: LooseDocument, entry: Entry, offset: int, index: WorkspaceIndex
) -> Found | None:
    assert entry.key is not None
    start, end = entry.key
    parent, name = entry.path[:-1], str(entry.path[-1])
    if is_field_place(parent):
        return _item(text, document, start, end, offset, index)
    meaning = keys_of(parent, kind_of(document)).get(name)
    if meaning is not None:
        return f"**{name}**: {meaning}", start, end
    if name in identifiers(document) and len(parent) == 1:
        return _uses(text, document, name), start, end
    return None


def _uses(text: OpenText, document: LooseDocument, name: str) -> str:
    uses = [*text.uses(document)]
    selected = selections(uses, [*identifiers(document)])
    used = dict.fromkeys(
        use.word for use in uses if name in (use.word, *selected.get(use.word, ()))
    )
    if not used:
        return f"**{name}**: no condition uses it"
    return f"**{name}**: a search identifier, which the condition uses as {_listed(used)}"


def _item(
    text: OpenText,
    document: LooseDocument,
    start: int,
    end: int,
    offset: int,
    index: WorkspaceIndex,
) -> Found | None:
    """The field or the modifier of an item's key at an offset."""
    at = start
    for number, part in enumerate(text.text[start:end].split("|")):
        if at <= offset <= at + len(part):
            said = _modifier(part) if number else _field(text, document, part, index)
            return (said, at, at + len(part)) if said else None
        at += len(part) + 1
    return None


def _modifier(name: str) -> str:
    modifier = MODIFIERS.get(name)
    if modifier is None:
        return ""
    followers = [each for each in MODIFIERS if each in modifier.followers]
    behind = f"\n\nBehind it may stand {_listed(followers)}." if followers else ""
    return f"**{name}** ({modifier.kind}): {modifier.meaning}{behind}"


def _field(text: OpenText, document: LooseDocument, name: str, index: WorkspaceIndex) -> str:
    if not name:
        return "**keywords**: looked for in all fields"
    product, category, service = logsource_of(document, text.text)
    logsource = LogSource(category or None, product or None, service or None)
    said = [f"**{name}**: {_of_schema(name, schema_of(logsource))}"]
    number = index.times_asked(str(logsource), name)
    if number:
        rules = "1 rule" if number == 1 else f"{number:,} rules"
        said.append(f"{rules} of {logsource} ask{'s' if number == 1 else ''} for it")
    return "; ".join(said)


def _of_schema(name: str, schema: EventSchema | None) -> str:
    """What a field is for the events of a logsource."""
    if schema is None:
        return "a field"
    if name in schema.fields:
        return f"a field of {schema.name}"
    meant = schema.nearest(name)
    if schema.closed or meant is not None:
        instead = f", which has `{meant}`" if meant is not None else ""
        return f"no field of {schema.name}{instead}"
    return "a field"


# Conditions


def _condition_word(
    text: OpenText, document: LooseDocument, use: Use, index: WorkspaceIndex
) -> str | None:
    if kind_of(document) == "correlation":
        return _rules(index.called(use.word))
    known = identifiers(document)
    if use.word in known:
        return _selection(text, document, known[use.word])
    selected = names_matching(use.word, known)
    if use.word == "them" or "*" in use.word:
        said = _listed(selected) if selected else "nothing"
        return f"**{use.word}** selects {said}"
    meaning = _KEYWORDS.get(use.word.lower())
    return f"**{use.word}**: {meaning}" if meaning else None


def _selection(text: OpenText, document: LooseDocument, entry: Entry) -> str:
    """A search identifier as it is written."""
    assert entry.key is not None
    end = max(
        (each.end for each in document.entries if each.path[: len(entry.path)] == entry.path),
        default=entry.key[1],
    )
    begin, _ = text.positions.line_around(entry.key[0])
    _, end = text.positions.line_around(max(end, entry.key[1]))
    lines = text.text[begin:end].splitlines()
    indent = min((len(line) - len(line.lstrip()) for line in lines if line.strip()), default=0)
    shown = [line[indent:] for line in lines[:_MOST_LINES]]
    shown += ["…"] if len(lines) > _MOST_LINES else []
    return _fenced(shown)


def _fenced(lines: Sequence[str]) -> str:
    """Lines as a block of YAML, whatever they hold."""
    ticks = max((len(run) for line in lines for run in re.findall(r"`+", line)), default=0)
    fence = "`" * max(3, ticks + 1)
    return "\n".join([f"{fence}yaml", *lines, fence])


# Values


def _value(
    text: OpenText, document: LooseDocument, path: Path, value: str, index: WorkspaceIndex
) -> str | None:
    meaning = words_of(path).get(value.lower())
    if meaning is not None:
        return f"**{value}**: {meaning}"
    if path[:1] == ("tags",):
        return _tag(value)
    if path[:2] in (("correlation", "rules"), ("filter", "rules")) or (
        path[:1] == ("related",) and path[-1] == "id"
    ):
        return _rules(index.called(value))
    return None


def _tag(tag: str) -> str | None:
    if not tag.lower().startswith(PREFIX):
        return None
    table = shipped()
    fault = table.fault(tag)
    if fault is not None:
        return f"**{tag}**: {fault}"
    name = tag.lower().removeprefix(PREFIX)
    if is_technique(name.upper()):
        technique = techniques([tag])[0]
        link = f"https://attack.mitre.org/techniques/{technique.replace('.', '/')}/"
        of = ", ".join(table.tactics_of(technique)) or table.kinds[technique]
        called = f"{technique} {table.name_of(technique)}".rstrip()
        return f"**{called}**: a technique of {of} (ATT&CK {table.version})\n\n[{link}]({link})"
    kind = table.kinds.get(name.replace("_", "-")) or table.kinds.get(name.upper(), "")
    return f"**{tag}**: {kind} of ATT&CK {table.version}"


def _rules(found: Sequence[Summary]) -> str | None:
    return "\n\n---\n\n".join(map(_rule, found)) or None


def _rule(summary: Summary) -> str:
    about = ", ".join(filter(None, (summary.kind, summary.status, summary.level)))
    made = [f"**{summary.outline.title}** ({about})"]
    if summary.description:
        made.append(summary.description)
    return "\n\n".join([*made, f"`{summary.place.file}:{summary.place.line}`"])


def _listed(names: Iterable[str]) -> str:
    return ", ".join(_quoted(names))


def _quoted(names: Iterable[str]) -> Iterator[str]:
    return (f"`{name}`" for name in names)
