"""Operators that can do more than their argument needs."""

from __future__ import annotations

import re

from sigmac.compiler.ir.expressions import (
    TEXT_OPS,
    Expression,
    Op,
    Or,
    Predicate,
    junction,
    transform,
)
from sigmac.compiler.ir.values import ANY
from sigmac.compiler.optimizer.regex_literals import equivalent_texts, is_caseless
from sigmac.compiler.optimizer.regex_syntax import Dot, Repeat, Sequence, parse

_FLAGS_THEN_ANY = re.compile(r"\A((?:\(\?[imsU]+\))*)(?:\.\*\??)+")
_ANY_AT_END = re.compile(r"(?<!\\)(?:\.\*\??)+\Z")


def weaken(expression: Expression) -> Expression:
    r"""Make `like` and `regex` the text predicates that say the same, where there are such.

    A regular expression compares exact letters, and so do the predicates it becomes; under `(?i)`
    it folds as they do. A text without letters needs no letter case. What stays a regular
    expression loses `.*` at its ends.

    >>> from sigmac.compiler.ir.expressions import And
    >>> weaken(Predicate("Image", Op.LIKE, (ANY, "\\cmd.exe")))
    endswith(Image, '\\cmd.exe')
    >>> weaken(Predicate("Image", Op.REGEX, "^(?i)c:/(tmp|temp)/.*"))
    startswith(Image, 'c:/tmp/') or startswith(Image, 'c:/temp/')
    >>> weaken(Predicate("Image", Op.REGEX, r".*\d+\.exe"))
    regex(Image, '\\d+\\.exe')
    """
    return transform(expression, _weakened, (Predicate,))


def _weakened(node: Predicate) -> Expression:
    if node.op is Op.LIKE:
        return _from_like(node)
    if node.op is Op.REGEX:
        return _from_regex(node)
    if node.op in TEXT_OPS and (node.cased or not node.argument):
        return _plain(node.field, node.op, node.argument, node.cased)
    return node


def _plain(field: str | None, op: Op, text: str, cased: bool) -> Predicate:
    if not text and op is not Op.EQUALS:
        op = Op.CONTAINS
    return Predicate(field, op, text, cased and not is_caseless(text))


def _from_like(node: Predicate) -> Predicate:
    parts = node.argument
    begins = not parts or parts[0] is not ANY
    ends = not parts or parts[-1] is not ANY
    inner = parts[not begins : len(parts) - (not ends and len(parts) > 1)]
    if len(inner) > 1 or not all(isinstance(part, str) for part in inner):
        return node
    op = (Op.EQUALS if ends else Op.STARTSWITH) if begins else Op.ENDSWITH if ends else Op.CONTAINS
    return _plain(node.field, op, "".join(inner), node.cased)


def _from_regex(node: Predicate) -> Expression:
    tests = equivalent_texts(node.argument)
    if tests is not None:
        return junction(Or, [_plain(node.field, op, text, cased) for op, text, cased in tests])
    return Predicate(node.field, node.op, _without_any_at_ends(node.argument))


def _without_any_at_ends(pattern: str) -> str:
    if _is_any_at(parse(pattern), 0):
        pattern = _FLAGS_THEN_ANY.sub(r"\1", pattern)
    if _is_any_at(parse(pattern), -1):
        pattern = _ANY_AT_END.sub("", pattern)
    return pattern


def _is_any_at(tree: object, index: int) -> bool:
    if not isinstance(tree, Sequence) or len(tree.items) < 2:
        return False
    item = tree.items[index]
    return (
        isinstance(item, Repeat)
        and isinstance(item.item, Dot)
        and (item.least, item.most) == (0, None)
    )
