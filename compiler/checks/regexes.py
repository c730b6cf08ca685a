"""Checks of regular expressions: slow elsewhere, large here, or not what was meant.

The structure is what the optimizer's parser gives; where that does not know a pattern for certain,
the checks that need it are silent.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import TypeGuard

from sigmac.compiler.diagnostics.diagnostic import Diagnostic
from sigmac.compiler.ir.expressions import Op
from sigmac.compiler.ir.values import Placeholder
from sigmac.compiler.ir.values import Regex as RegexValue
from sigmac.compiler.optimizer.regex_literals import equivalent_texts
from sigmac.compiler.optimizer.regex_syntax import (
    Alternation,
    Boundary,
    Dot,
    Edge,
    Literal,
    Regex,
    Repeat,
    Sequence,
    Some,
    parse,
)
from sigmac.compiler.syntax.rule import Item

MAX_PROGRAM = 6_000  # instructions of RE2: beyond it its automaton may not fit its memory
_Finding = tuple[str, str, str]  # code, message, hint


def regexes(item: Item) -> Iterator[Diagnostic]:
    """W_REGEX_SLOW and all else that is remarkable about the item's regular expressions."""
    if "re" not in item.modifiers:
        return
    for value, place in zip(item.values, item.places, strict=False):
        if isinstance(value, RegexValue) and not any(
            isinstance(p, Placeholder) for p in value.parts
        ):
            for code, message, hint in (*_findings(value.pattern), *_size(value.size)):
                yield Diagnostic(code, message, place, hint)


@lru_cache(maxsize=4096)
def _findings(pattern: str) -> tuple[_Finding, ...]:
    found = [finding for check in TEXT_CHECKS for finding in check(pattern)]
    tree = parse(pattern)
    if tree is not None:
        found += [finding for check in TREE_CHECKS for finding in check(tree)]
    if any(code == "N_REGEX_PLAIN" for code, _, _ in found):
        found = [finding for finding in found if finding[0] != "W_REGEX_EDGE"]  # says less
    return tuple(found)


# On the text of a pattern


def _plain(pattern: str) -> Iterator[_Finding]:
    """N_REGEX_PLAIN and W_ANY_VALUE: no regular expression is needed, or it is found everywhere."""
    tests = equivalent_texts(pattern)
    if tests is None or len({(test.op, test.cased) for test in tests}) != 1:
        return
    if any(not test.text and test.op is not Op.EQUALS for test in tests):
        if pattern:  # the reader says it of the empty one
            message = "the pattern can be empty, and so it is found in every value"
            yield "W_ANY_VALUE", message, "use + for *, or anchor it"
        return
    name = tests[0].op.value
    modifier = "" if name == "equals" else f"|{name}"
    cased = "|cased" if tests[0].cased else ""
    values = ", ".join(f"`{test.text[:60]}`" for test in tests[:3]) + (
        ", …" if len(tests) > 3 else ""
    )
    what = f"modifiers `{modifier}{cased}`" if modifier + cased else "no modifier"
    message = f"a plain text does: {values} with {what}"
    yield "N_REGEX_PLAIN", message, "plain texts are faster, and other tools read them as well"


_QUOTED = re.compile(r"\\Q.*?(?:\\E|\Z)", re.DOTALL)
_CLASS = re.compile(r"\\.|\[\^?\]?((?:\\.|\[:\w+:\]|[^\]\\])*)\]", re.DOTALL)


def _classes(pattern: str) -> Iterator[_Finding]:
    """W_REGEX_CLASS: `[A-z]` and `[a|b]`."""
    for match in _CLASS.finditer(_QUOTED.sub("", pattern)):
        inner = match[1] or ""
        if "A-z" in inner:
            message = f"`{match[0][:60]}` holds the characters between Z and a too: [ \\ ] ^ _ `"
            yield "W_REGEX_CLASS", message, "write `A-Za-z`"
        elif re.fullmatch(r"\w+(?:\|\w+)+", inner):
            message = f"`{match[0][:60]}` is one character, the bar among them"
            yield (
                "W_REGEX_CLASS",
                message,
                f"write `(?:{inner[:60]})` for a choice, or leave the bar out",
            )


_ADDRESS = re.compile(r"(?:\d{1,3}\.){3}\d{1,3}|(?:\\d(?:\+|\{1,3\})\.){3}\\d")
_NAME = re.compile(
    r"(?<![\\\w-])[\w-]{2,}\.(?:com|net|org|info|biz|gov|edu|onion|exe|dll|sys|ps1|bat|cmd|vbs|js|hta|zip|rar)"
    r"(?![\w*+?{])",
    re.IGNORECASE,
)


def _dots(pattern: str) -> Iterator[_Finding]:
    """W_REGEX_DOT: a dot of an address or a name that stands for any character."""
    bare = _QUOTED.sub("", pattern)
    match = _ADDRESS.search(bare) or _NAME.search(bare)
    if match:
        escaped = match[0].replace(".", r"\.")
        message = f"the dots of `{match[0][:60]}` stand for any character"
        yield "W_REGEX_DOT", message, f"write `{escaped[:60]}`"


def _size(size: int) -> Iterator[_Finding]:
    """W_REGEX_LARGE: repeats that make a large program."""
    if size > MAX_PROGRAM:
        message = f"the pattern compiles to {size:,} instructions"
        yield (
            "W_REGEX_LARGE",
            message,
            "count less: `x{50,}` is seldom less clear a sign than `x{1000,}`",
        )


TEXT_CHECKS: tuple[Callable[[str], Iterator[_Finding]], ...] = (_plain, _classes, _dots)


# On its structure; recursion is bounded, because the parser gives up on deep nesting


def _slow(tree: Regex) -> Iterator[_Finding]:
    """W_REGEX_SLOW: what makes engines that backtrack try exponentially many or many ways."""
    for node in _walk(tree):
        if isinstance(node, Repeat) and node.most is None and _is_ambiguous(node.item):
            message = "a repeat inside a repeat takes engines that backtrack exponential time"
            hint = "here it is linear; to use the rule elsewhere leave one of the repeats out"
            yield "W_REGEX_SLOW", message, hint
            return
    for node in _walk(tree):
        if isinstance(node, Sequence):
            for one, other in zip(node.items, node.items[1:], strict=False):
                if _is_endless(one) and _is_endless(other) and _overlap(one.item, other.item):
                    message = "two endless repeats of the same follow each other"
                    yield "W_REGEX_SLOW", message, "leave one out: `.*.*` matches what `.*` does"
                    return


def _outer_any(tree: Regex) -> Iterator[_Finding]:
    """W_REGEX_EDGE: `.*` at an end, where a search looks anyway."""
    items = tree.items if isinstance(tree, Sequence) else (tree,)
    for index, where in ((0, "in front"), (-1, "at the end")):
        end = items[index] if len(items) > 1 else None
        if (
            isinstance(end, Repeat)
            and isinstance(end.item, Dot)
            and (end.least, end.most) == (0, None)
        ):
            message = (
                f"`.*` {where} has no effect: a regular expression is found anywhere in a value"
            )
            yield "W_REGEX_EDGE", message, "remove it, or anchor the pattern"
            return


def _is_endless(node: Regex) -> TypeGuard[Repeat]:
    return isinstance(node, Repeat) and node.most is None


def _is_ambiguous(node: Regex) -> bool:
    """Whether repeats of a part can split a text in more than one way: it begins and ends with the
    same endless repeat.
    """
    if isinstance(node, Repeat):
        return node.most is None or (node.most > 1 and _is_ambiguous(node.item))
    if isinstance(node, Alternation):
        return any(_is_ambiguous(branch) for branch in node.branches)
    if isinstance(node, Sequence):
        needed = [each for each in node.items if not _may_be_empty(each)]
        endless = [each for each in node.items if _is_endless(each)]
        # What must stand between two repeats ends the ambiguity, unless the repeat takes it too.
        return bool(endless) and all(
            any(each is repeat or _overlap(each, repeat) for repeat in endless) for each in needed
        )
    return False


def _may_be_empty(node: Regex) -> bool:
    if isinstance(node, Repeat):
        return node.least == 0 or _may_be_empty(node.item)
    if isinstance(node, Alternation):
        return any(_may_be_empty(branch) for branch in node.branches)
    if isinstance(node, Sequence):
        return all(_may_be_empty(each) for each in node.items)
    return isinstance(node, (Edge, Boundary))


def _overlap(one: Regex, other: Regex) -> bool:
    """Whether two parts surely share a character; unknown classes only with themselves and with a
    dot.
    """
    one, other = _single(one), _single(other)
    if isinstance(one, Dot) or isinstance(other, Dot):
        return isinstance(one, (Dot, Literal, Some)) and isinstance(other, (Dot, Literal, Some))
    return one == other and isinstance(one, Literal)


def _single(node: Regex) -> Regex:
    while isinstance(node, Repeat):
        node = node.item
    return node


def _never(tree: Regex) -> Iterator[_Finding]:
    """W_REGEX_NEVER: text is asked for before the begin or behind the end."""
    for node in _walk(tree):
        if not isinstance(node, Sequence):
            continue
        for index, item in enumerate(node.items):
            if not isinstance(item, Edge):
                continue
            beyond = node.items[:index] if item.begin else node.items[index + 1 :]
            if any(not _may_be_empty(each) for each in beyond):
                sign, where = ("^", "before the begin") if item.begin else ("$", "behind the end")
                message = (
                    f"`{sign}` in the middle never matches: it asks for text {where} of the value"
                )
                yield "W_REGEX_NEVER", message, rf"write `\{sign}` for the character itself"
                return


def _walk(tree: Regex) -> Iterator[Regex]:
    stack = [tree]
    while stack:
        node = stack.pop()
        yield node
        if isinstance(node, Repeat):
            stack.append(node.item)
        elif isinstance(node, Sequence):
            stack.extend(node.items)
        elif isinstance(node, Alternation):
            stack.extend(node.branches)


TREE_CHECKS: tuple[Callable[[Regex], Iterator[_Finding]], ...] = (_outer_any, _slow, _never)
ITEM_CHECKS = (regexes,)
