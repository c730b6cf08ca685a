"""Fixes of what a document says about itself: dates, tags, names of keys, texts and lists."""

from __future__ import annotations

import datetime
import re
from collections.abc import Callable, Iterable

from sigmac.compiler.checks.metadata import NAMESPACES
from sigmac.compiler.diagnostics.diagnostic import Diagnostic
from sigmac.compiler.fixes.fix import Edit, Fix
from sigmac.compiler.fixes.source_text import Scalar, SourceText, quoted
from sigmac.compiler.syntax.known_keys import SHARED, near
from sigmac.compiler.syntax.rule import LEVELS, RELATIONS, STATUSES

_LISTS = ("references", "fields", "falsepositives", "scope", "tags")
_TEXTS = ("title", "name", "description", "license", "author", *_LISTS)
_DATE = re.compile(r"(\d{4})([-/.])(\d{1,2})\2(\d{1,2})", re.ASCII)
_OLD_RELATIONS = {"obsoletes": "obsolete"}  # of Sigma 1


def fix_of(
    found: Diagnostic, title: str, edits: Iterable[Edit | None], mends: Iterable[str] = ()
) -> Fix | None:
    """The fix of a finding; None where one of its edits cannot be made."""
    wanted = [*edits]
    made = [each for each in wanted if each is not None]
    if not made or len(made) != len(wanted):
        return None
    return Fix(found.code, title, found.place, tuple(sorted(made)), frozenset(mends))


def tag(found: Diagnostic, source: SourceText) -> Fix | None:
    """W_TAG: lower case, and dashes as the tags of Sigma 2 have them."""
    scalar = source.scalar_at(found.place)
    if scalar is None or not isinstance(scalar.node.value, str):
        return None
    new = _tag_of_sigma_2(scalar.node.value)
    return _write(found, scalar, new) if new else None


def _tag_of_sigma_2(tag: str) -> str | None:
    """The tag that was meant, where that is sure.

    >>> _tag_of_sigma_2("attack.Lateral_Movement"), _tag_of_sigma_2("CVE.2021.44228"), _tag_of_sigma_2("attack.x!")
    ('attack.lateral-movement', 'cve.2021-44228', None)
    """
    namespace, _, name = tag.lower().partition(".")
    if namespace == "d3fend":
        name = tag.partition(".")[2]  # in which letter case counts
    for form in (name, name.replace("_", "-"), name.replace(".", "-")):
        if namespace in NAMESPACES and re.fullmatch(NAMESPACES[namespace], form):
            return f"{namespace}.{form}"
    return None


def replaced_tag(found: Diagnostic, source: SourceText) -> Fix | None:
    """N_TAG_REPLACED: the new tag, which the hint of the finding names."""
    scalar = source.scalar_at(found.place)
    new = re.fullmatch(r"write `([\w.-]+)`", found.hint)
    return _write(found, scalar, new[1]) if scalar is not None and new else None


def metadata(found: Diagnostic, source: SourceText) -> Fix | None:
    """W_META: letter case of choices, forms of dates, what is no text or no list and should be."""
    scalar = source.scalar_at(found.place)
    if scalar is None or not scalar.path:
        return None
    key, *inner = scalar.path
    value = scalar.node.value
    if key == "related" and inner:
        return _relation(found, source, scalar.document, inner[0])
    if scalar.is_key:
        return None
    if key in ("status", "level") and isinstance(value, str):
        new = value.strip().lower()
        return _write(found, scalar, new) if new in (*STATUSES, *LEVELS) else None
    if key in ("date", "modified"):
        return _dates(found, [scalar])
    if key in _TEXTS and not isinstance(value, str) and scalar.is_plain:
        return _quote(found, scalar)
    if key in _LISTS and not inner and isinstance(value, str):
        return _list(found, source, scalar)
    return None


def schema(found: Diagnostic, source: SourceText) -> Fix | None:
    """N_SCHEMA: dates of Sigma 1, letter case of levels and types, one value where a list is wanted."""
    scalar = source.scalar_at(found.place)
    if scalar is None or not scalar.path or scalar.is_key:
        return None
    key = scalar.path[0]
    if key in ("date", "modified"):
        both = [source.value(scalar.document, each) for each in ("date", "modified")]
        return _dates(found, [each for each in both if each is not None])
    if scalar.path in (("level",), ("correlation", "type")):
        return _write(found, scalar, str(scalar.node.value).lower())
    if scalar.path == ("correlation", "group-by"):
        return fix_of(found, "write a list", [_flow_list(scalar)])
    if key in ("detection", "filter") and len(scalar.path) == 2:
        return _list(found, source, scalar)
    return None


def near_key(found: Diagnostic, source: SourceText) -> Fix | None:
    """W_KEY: a key of metadata that is nearly a known one."""
    scalar = source.scalar_at(found.place)
    if scalar is None or not scalar.is_key or len(scalar.path) != 1:
        return None
    name = str(scalar.node.value)
    known = near(name, SHARED)
    if found.hint != f"write `{known}`" or source.node(scalar.document, known) is not None:
        return None
    return fix_of(found, f"write `{known}`", [scalar.write(known)], (name, known))


def title(found: Diagnostic, source: SourceText) -> Fix | None:
    """E_TITLE: a title that is no text."""
    scalar = source.scalar_at(found.place)
    return _quote(found, scalar) if scalar is not None and scalar.path == ("title",) else None


def entry_twice(found: Diagnostic, source: SourceText) -> Fix | None:
    """W_ENTRY_TWICE: the second of two equal entries that have a line each."""
    scalar = source.scalar_at(found.place)
    if scalar is None:
        return None
    begin, end = source.line_of(scalar.start)
    before, behind = source.text[begin : scalar.start], source.text[scalar.end : end]
    if scalar.end > end or not re.fullmatch(r" *- +", before) or behind.strip():
        return None
    return fix_of(found, "remove it", [Edit(begin, end, "")], [str(scalar.path[0])])


def _relation(found: Diagnostic, source: SourceText, document: int, index: int) -> Fix | None:
    kind = source.value(document, "related", index, "type")
    if kind is None or not isinstance(kind.node.value, str):
        return None
    folded = kind.node.value.strip().lower()
    new = _OLD_RELATIONS.get(folded, folded)
    return _write(found, kind, new) if new in RELATIONS else None


def _dates(found: Diagnostic, scalars: Iterable[Scalar]) -> Fix | None:
    edits, names = [], []
    for scalar in scalars:
        match = _DATE.fullmatch(value := str(scalar.node.value))
        try:
            date = datetime.date(*(int(match[part]) for part in (1, 3, 4))) if match else None
        except ValueError:
            date = None  # no such day
        start = scalar.literal
        if date is not None and start is not None and date.isoformat() != value:
            edits.append(Edit(start, start + len(value), date.isoformat()))
            names.append(str(scalar.path[0]))
    shown = " and ".join(f"`{each.text}`" for each in edits)
    return fix_of(found, f"write {shown}", edits, names)


def _write(found: Diagnostic, scalar: Scalar, value: str) -> Fix | None:
    if value == scalar.node.value:
        return None
    return fix_of(found, f"write `{value[:60]}`", [scalar.write(value)], [str(scalar.path[0])])


def _quote(found: Diagnostic, scalar: Scalar) -> Fix | None:
    if not scalar.is_plain:
        return None
    edit = Edit(scalar.start, scalar.end, quoted(scalar.written))
    return fix_of(found, "put it in quotes", [edit], [str(scalar.path[0])])


def _list(found: Diagnostic, source: SourceText, scalar: Scalar) -> Fix | None:
    """The value as a list of one: below its key where that begins its line, else in brackets."""
    name = source.key(scalar.document, *scalar.path)
    if name is None or (len(scalar.path) == 1 and re.search(r"[\s,;]", str(scalar.node.value))):
        return None  # several in one text, mostly
    begin, end = source.line_of(name.start)
    indent, between = source.text[begin : name.start], source.text[name.end : scalar.start]
    behind = source.text[scalar.end : end].strip()
    edit = _flow_list(scalar)
    if edit and not indent.strip() and re.fullmatch(r" *: +", between) and behind[:1] in ("", "#"):
        new = f":{source.line_end}{indent}    - {scalar.written}"
        edit = Edit(name.end, scalar.end, new)
    return fix_of(found, "write a list", [edit], [str(scalar.path[0])])


def _flow_list(scalar: Scalar) -> Edit | None:
    if scalar.written[0] in "&!*|>" or "\n" in scalar.written or "\r" in scalar.written:
        return None
    return Edit(scalar.start, scalar.end, f"[{scalar.written}]")


FIXERS: dict[str, Callable[[Diagnostic, SourceText], Fix | None]] = {
    "E_TITLE": title,
    "W_META": metadata,
    "W_TAG": tag,
    "N_TAG_REPLACED": replaced_tag,
    "W_ENTRY_TWICE": entry_twice,
    "W_KEY": near_key,
    "N_SCHEMA": schema,
}
