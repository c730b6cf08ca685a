"""N_KEY_ORDER and its fix: keys in the usual order, each with what stands below it and its comments."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from sigmac.compiler.diagnostics.diagnostic import Diagnostic
from sigmac.compiler.fixes.fix import Edit, Fix
from sigmac.compiler.fixes.source_text import SourceText
from sigmac.compiler.syntax.known_keys import INSIDE, USUAL_ORDER
from sigmac.compiler.syntax.yaml_nodes import Node

_RANK = {key: rank for rank, key in enumerate(USUAL_ORDER)}
_MARKER = re.compile(r"^(?:---|\.\.\.)(?=\s|\Z)", re.MULTILINE)
_COMMENT = re.compile(r"#[^\r\n]*(?:\r\n|\n|\r)")


def check_order(source: SourceText) -> Iterator[Diagnostic]:
    """N_KEY_ORDER: the first key of each document that is not where the others let expect it."""
    for document in source.documents.values():
        root = document.root
        keys = [key for key in root.value if key in _RANK] if _is_rule(root) else []
        ordered = _longest_ordered(keys)
        for key in keys:
            if key not in ordered and root.keys:
                message = f"`{key}` stands in another place than usual"
                place = root.keys[key].place(source.file, document.index)
                hint = f"the usual order is {', '.join(USUAL_ORDER)}"
                yield Diagnostic("N_KEY_ORDER", message, place, hint)
                break


def _is_rule(root: Node) -> bool:
    """Whether a document is a rule, a correlation or a filter, not one of cases."""
    return root.is_map and not INSIDE.keys().isdisjoint(root.value)


def _longest_ordered(keys: Sequence[str]) -> list[str]:
    """The most of some keys, each once, that stand in the usual order.

    >>> _longest_ordered(["title", "level", "tags", "detection"])
    ['title', 'tags', 'detection']
    """
    best: list[list[str]] = [[]]
    for key in keys:
        before = (each for each in best if not each or _RANK[each[-1]] < _RANK[key])
        best.append([*max(before, key=len), key])
    return max(best, key=len)


def key_order(found: Diagnostic, source: SourceText) -> Fix | None:
    """N_KEY_ORDER: blocks of lines in another order; keys that have no usual place stay behind the one before them."""
    root = source.node(found.place.document)
    if root is None or not root.is_map:
        return None
    keys = [source.key(found.place.document, key) for key in root.value]
    starts = [key.start for key in keys if key is not None]
    if len(starts) != len(keys) or starts != sorted(starts):
        return None  # merged, or behind an alias
    if any(source.line_of(start)[0] != start for start in starts):
        return None  # in braces, or indented
    text = source.text
    begins = [starts[0], *(_with_comments(source, start) for start in starts[1:])]
    marker = _MARKER.search(text, starts[-1])
    end = _end(source, marker.start() if marker else len(text))
    blocks = [text[a:b] for a, b in zip(begins, [*begins[1:], end], strict=True)]
    groups: list[tuple[int, str]] = []
    for key, block in zip(root.value, blocks, strict=True):
        if key in _RANK or not groups:
            groups.append((_RANK.get(key, -1), block))
        else:
            groups[-1] = (groups[-1][0], groups[-1][1] + block)
    if not blocks[-1].endswith(("\n", "\r")):
        groups[-1] = (groups[-1][0], groups[-1][1] + source.line_end)
    made = "".join(block for _, block in sorted(groups, key=lambda group: group[0]))
    if not blocks[-1].endswith(("\n", "\r")):
        made = made.removesuffix(source.line_end)
    edit = Edit(begins[0], end, made)
    return Fix(found.code, "put the keys in the usual order", found.place, (edit,))


def _with_comments(source: SourceText, start: int) -> int:
    """Where the comments begin that stand right above a key and are not indented."""
    while start:
        above = source.line_of(start - 1)[0]
        if not _COMMENT.fullmatch(source.text, above, start):
            break
        start = above
    return start


def _end(source: SourceText, end: int) -> int:
    """Where the last block ends: before empty lines and comments that are not indented."""
    while end:
        begin = source.line_of(end - 1)[0]
        line = source.text[begin:end]
        if line.strip() and line[0] != "#":
            break
        end = begin
    return end
