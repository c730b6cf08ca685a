"""Fixes of detection items and conditions: modifiers, wildcards, quotes, keywords."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from sigmac.compiler.diagnostics.diagnostic import Diagnostic
from sigmac.compiler.fixes.fix import Edit, Fix
from sigmac.compiler.fixes.metadata_fixes import fix_of
from sigmac.compiler.fixes.source_text import Scalar, SourceText, quoted
from sigmac.compiler.ir.values import ANY, parse_text
from sigmac.compiler.syntax.condition import KEYWORDS, names_matching
from sigmac.compiler.syntax.modifiers.apply_modifiers import plain_number
from sigmac.compiler.syntax.modifiers.modifiers import (
    COMPARE,
    MODIFIERS,
    PLACEMENTS,
    TIME,
    UTF16,
    ModifierError,
    check_order,
    split,
)

# In the order in which modifiers work
_KINDS = ("type", "preparation", "utf16", "encoding", "placement", "regex-flag", "flag")
_NUMBERS = frozenset({*COMPARE, *TIME})
_QUANTIFIED = re.compile(r"(?<![\w.*-])(?:all|any|\d+)\s+of\s+\Z", re.IGNORECASE)
_LONGEST = 100  # characters before the target of a quantifier
_BY_EDGES = {
    (True, True): "contains",
    (True, False): "endswith",
    (False, True): "startswith",
}


def keyword(found: Diagnostic, source: SourceText) -> Fix | None:
    """W_KEYWORD_CASE: keywords of conditions in lower case."""
    start = source.offset(found.place)
    word = source.text[start : start + found.place.width]
    if word.lower() not in KEYWORDS:
        return None
    edit = Edit(start, start + len(word), word.lower())
    return fix_of(found, f"write `{word.lower()}`", [edit])


def quantifier(found: Diagnostic, source: SourceText) -> Fix | None:
    """W_QUANTIFIER: the one search identifier instead of `1 of` it."""
    end = source.offset(found.place)
    before = _QUANTIFIED.search(source.text[max(end - _LONGEST, 0) : end])
    target = source.text[end : end + found.place.width]
    names = [
        name
        for key in ("detection", "filter")
        if (node := source.node(found.place.document, key)) is not None and node.is_map
        for name in node.value
        if isinstance(name, str) and name not in ("condition", "timeframe", "rules")
    ]
    chosen = names_matching(target, names)
    if before is None or len(chosen) != 1:
        return None
    edit = Edit(end - len(before[0]), end + len(target), chosen[0])
    return fix_of(found, f"write `{chosen[0][:60]}`", [edit])


def modifier(found: Diagnostic, source: SourceText) -> Fix | None:
    """E_MODIFIER: modifiers in lower case, each once."""
    scalar = _key_at(found, source)
    if scalar is None:
        return None
    field, names = split(scalar.node.value)
    right = list(dict.fromkeys(name.strip().lower() for name in names))
    if not all(name in MODIFIERS for name in right):
        return None
    return fix_of(found, f"write `{'|'.join(right)}`", [_write_key(scalar, field, right, source)])


def order(found: Diagnostic, source: SourceText) -> Fix | None:
    """E_MOD_CONFLICT: the same modifiers in the order in which they work, where they go together in that."""
    scalar = _key_at(found, source)
    if scalar is None:
        return None
    field, names = split(scalar.node.value)
    right = tuple(sorted(names, key=_rank))
    chain = tuple(name for name in right if MODIFIERS[name].kind != "flag")
    try:
        check_order(right, chain, {*right} - {*chain}, field)
    except ModifierError:
        return None
    return fix_of(found, f"write `{'|'.join(right)}`", [_write_key(scalar, field, right, source)])


def _rank(name: str) -> int:
    kind = "utf16" if name in UTF16 else MODIFIERS[name].kind  # base64 is of its bytes
    if name in COMPARE:
        kind = "placement"  # where it follows a part of a time
    return _KINDS.index(kind)


def all_single(found: Diagnostic, source: SourceText) -> Fix | None:
    """W_ALL_SINGLE: without `all`."""
    scalar = _key_at(found, source)
    if scalar is None:
        return None
    field, names = split(scalar.node.value)
    rest = [name for name in names if name != "all"]
    if field is None and not rest:
        return None
    return fix_of(found, "remove `all`", [_write_key(scalar, field, rest, source)])


def redundant_wildcard(found: Diagnostic, source: SourceText) -> Fix | None:
    """W_WILDCARD_REDUNDANT: without the wildcards that change nothing."""
    scalar = source.scalar_at(found.place)
    if scalar is None or not isinstance(scalar.node.value, str):
        return None
    names = _modifiers_of(scalar)
    value = scalar.node.value
    placed = not PLACEMENTS.isdisjoint(names)
    if placed and "startswith" not in names:
        value = _without_front(value)
    if placed and "endswith" not in names:
        value = _without_back(value)
    value = re.sub(r"(\\[*?\\])|\*{2,}", lambda match: match[1] or "*", value)
    return fix_of(found, f"write `{value[:60]}`", [scalar.write(value)])


def placement(found: Diagnostic, source: SourceText) -> Fix | None:
    """N_PLACEMENT: the modifier instead of outer wildcards, where all values of the item have the same."""
    first = source.scalar_at(found.place)
    if first is None:
        return None
    path = _item_path(first)
    node, key = source.node(first.document, *path), source.key(first.document, *path)
    if node is None or key is None or not isinstance(key.node.value, str):
        return None
    count = len(node.value) if node.is_list else 0
    values = (
        [source.value(first.document, *path, index) for index in range(count)]
        if node.is_list
        else [first]
    )
    field, names = split(key.node.value)
    edits: list[Edit | None] = []
    edges: set[tuple[bool, bool]] = set()
    for each in values:
        if each is None or not isinstance(each.node.value, str):
            return None
        parts = parse_text(each.node.value)
        edges.add((parts[:1] == (ANY,), parts[-1:] == (ANY,)))
        edits.append(each.write(_without_front(_without_back(each.node.value))))
    if len(edges) != 1 or (name := _BY_EDGES.get(next(iter(edges)))) is None:
        return None
    edits.append(_write_key(key, field, [name, *names], source))
    return fix_of(found, f"write `{name}`", edits)


def value_type(found: Diagnostic, source: SourceText) -> Fix | None:
    """E_VALUE_TYPE: quotes around what is to be a text, none around what is to be a number, or true or false."""
    scalar = source.scalar_at(found.place)
    if scalar is None:
        return None
    if scalar.is_key:
        scalar = source.value(scalar.document, *scalar.path)
        if scalar is None:
            return None
    names = _modifiers_of(scalar)
    value = scalar.node.value
    kind = next((name for name in names if MODIFIERS[name].kind != "flag"), "") if names else ""
    if not isinstance(value, str):
        if not names or kind in _NUMBERS or kind == "exists" or not scalar.is_plain:
            return None
        edit = Edit(scalar.start, scalar.end, quoted(scalar.written))
        return fix_of(found, "put it in quotes", [edit])
    new = plain_number(value) if kind in _NUMBERS else ""
    if kind == "exists" and value.lower() in ("true", "false"):
        new = value.lower()
    if not new:
        return None
    return fix_of(found, f"write `{new}`", [Edit(scalar.start, scalar.end, new)])


def _key_at(found: Diagnostic, source: SourceText) -> Scalar | None:
    scalar = source.scalar_at(found.place)
    if scalar is None or not scalar.is_key or not isinstance(scalar.node.value, str):
        return None
    return scalar


def _write_key(
    scalar: Scalar, field: str | None, names: Sequence[str], source: SourceText
) -> Edit | None:
    """The key with these modifiers; None where its map has that already."""
    name = "|".join([field or "", *names])
    if source.node(scalar.document, *scalar.path[:-1], name) is not None:
        return None
    return scalar.write(name)


def _item_path(value: Scalar) -> tuple[object, ...]:
    """The path of the item that a value belongs to."""
    return value.path[:-1] if isinstance(value.path[-1], int) else value.path


def _modifiers_of(value: Scalar) -> tuple[str, ...]:
    """The modifiers of the item that a value belongs to, all of which are known."""
    key = next((step for step in reversed(value.path) if isinstance(step, str)), "")
    names = split(key)[1]
    return names if all(name in MODIFIERS for name in names) else ()


def _without_front(value: str) -> str:
    return value.lstrip("*")


def _without_back(value: str) -> str:
    r"""A Sigma string without the wildcards at its end.

    >>> _without_back("a**"), _without_back(r"a\*"), _without_back(r"a\\*")
    ('a', 'a\\*', 'a\\\\')
    """
    rest = value.rstrip("*")
    stars = len(value) - len(rest)
    escapes = len(rest) - len(rest.rstrip("\\"))
    return rest + "*" if stars and escapes % 2 else rest


FIXERS: dict[str, Callable[[Diagnostic, SourceText], Fix | None]] = {
    "E_MODIFIER": modifier,
    "E_MOD_CONFLICT": order,
    "E_VALUE_TYPE": value_type,
    "W_ALL_SINGLE": all_single,
    "W_WILDCARD_REDUNDANT": redundant_wildcard,
    "N_PLACEMENT": placement,
    "W_KEYWORD_CASE": keyword,
    "W_QUANTIFIER": quantifier,
}
