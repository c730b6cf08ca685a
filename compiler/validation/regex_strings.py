"""Texts in which a regular expression finds something, made by a walk over its parsed form.

RE2's syntax is nearly Python's, so Python's parser (`re._parser`) reads the patterns once what only RE2 writes is
spelled otherwise. What the walk makes is a proposal: who uses it asks RE2. The parser is none of the optimizer's, so a
fault there blinds nothing here.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache
from importlib import import_module
from typing import Any

import re2

from sigmac.compiler.syntax.modifiers.regex_values import re2_options

VARIATIONS = 6  # texts that are tried for one pattern
MAX_REPEAT = 1200  # of one item in a text
MAX_TEXT = 20_000  # characters

# What RE2 has and Python has not, and how Python writes it.
_POSIX = {
    "alnum": "0-9A-Za-z",
    "alpha": "A-Za-z",
    "ascii": r"\x00-\x7f",
    "blank": r"\t ",
    "digit": "0-9",
    "lower": "a-z",
    "punct": r"!-/:-@\[-`{-~",
    "space": r"\t\n\v\f\r ",
    "upper": "A-Z",
    "word": r"\w",
    "xdigit": "0-9A-Fa-f",
}
_SPELLINGS: tuple[tuple[str, Callable[[re.Match[str]], str]], ...] = (
    (r"\\Q(.*?)(?:\\E|\Z)", lambda m: re.escape(m[1])),
    (r"\[:(\w+):\]", lambda m: _POSIX.get(m[1], "a")),
    (r"\\x\{([0-9A-Fa-f]{1,6})\}", lambda m: re.escape(chr(int(m[1], 16)))),
    (r"\\[pP](?:\{\^?\w+\}|\w)", lambda m: r"\w" if m[0][1] == "p" else r"\W"),
    (r"\(\?([imsU]*(?:-[imsU]+)?)\)", lambda m: ""),
    (r"\(\?([imsU]*(?:-[imsU]+)?):", lambda m: "(?:"),
    (r"\\z", lambda m: r"\Z"),
    (r"\\C", lambda m: "."),
)
# One pass, so that nothing is read twice: an escaped backslash comes before what seems to follow it.
_ONLY_RE2 = re.compile(
    "|".join([r"(\\\\)", *(f"(?P<s{i}>{form})" for i, (form, _) in enumerate(_SPELLINGS))]),
    re.DOTALL,
)
_CLASS_MEMBERS = "ab0_A- ./\\x~é\n"


@lru_cache(maxsize=2048)
def texts_for(pattern: str) -> tuple[str, ...]:
    """Some texts in which RE2 finds a pattern, each once; none where the walk does not find any.

    >>> texts_for(r"^net1?\\s+user(s|x)$")
    ('net users', 'net1  userx')
    """
    tree = _parsed(pattern)
    if tree is None:
        return ()
    regex = re2.compile(pattern, re2_options())
    found: dict[str, None] = {}
    for variation in range(VARIATIONS):
        try:
            made = _walk(tree, variation)
        except (OverflowError, RecursionError):
            continue
        for text in (made, f" {made} ", f"~{made}~", f"\n{made}\n"):
            if _finds(regex, text):
                found.setdefault(text)
                break
    return tuple(found)


def _finds(regex: Any, text: str) -> bool:
    try:
        return regex.search(text) is not None
    except UnicodeEncodeError:  # a lone surrogate
        return False


def _parsed(pattern: str) -> Any:
    parser: Any = import_module("re._parser")
    try:
        return parser.parse(_ONLY_RE2.sub(_respelled, pattern))
    except (re.error, OverflowError, RecursionError, ValueError):
        return None


def _respelled(match: re.Match[str]) -> str:
    for i, (form, change) in enumerate(_SPELLINGS):
        text = match[f"s{i}"]
        if text is not None:
            inner = re.compile(form, re.DOTALL).match(text)
            assert inner is not None
            return change(inner)
    return match[0]


def _walk(items: Iterable[Any], variation: int) -> str:
    """A text for a sequence of parsed items; `variation` chooses branches, members and numbers."""
    made: list[str] = []
    size = 0
    for op, argument in items:
        text = _one(str(op), argument, variation)
        size += len(text)
        if size > MAX_TEXT:
            raise OverflowError
        made.append(text)
    return "".join(made)


def _one(op: str, argument: Any, variation: int) -> str:
    match op:
        case "LITERAL":
            return chr(int(argument))
        case "NOT_LITERAL":
            return next(each for each in "x~" if ord(each) != argument)
        case "ANY":
            return "x ~"[variation % 3]
        case "IN":
            return _member(argument, variation)
        case "BRANCH":
            branches: Sequence[Any] = argument[1]
            return _walk(branches[variation % len(branches)], variation // len(branches))
        case "SUBPATTERN":
            return _walk(argument[-1], variation)
        case "MAX_REPEAT" | "MIN_REPEAT":
            least, most, item = argument
            times = min(int(least) + variation % 2, int(most), max(int(least), MAX_REPEAT))
            return _walk(item, variation) * times
    return ""  # places between characters; RE2 says whether the text has them


def _member(members: Sequence[Any], variation: int) -> str:
    negated = str(members[0][0]) == "NEGATE"
    tests = [(str(op), argument) for op, argument in members if str(op) != "NEGATE"]
    first = [] if negated else [_first_of(*each) for each in tests]
    chosen = first[variation % len(first) :] if first else []
    for each in (*chosen, *_CLASS_MEMBERS):
        if any(_is_in(op, argument, each) for op, argument in tests) is not negated:
            return str(each)
    return "x"


def _first_of(op: str, argument: Any) -> str:
    if op in ("LITERAL", "RANGE"):
        return chr(int(argument if op == "LITERAL" else argument[0]))
    return next((each for each in " a0~" if _is_in(op, argument, each)), "a")


def _is_in(op: str, argument: Any, character: str) -> bool:
    if op == "LITERAL":
        return ord(character) == int(argument)
    if op == "RANGE":
        return bool(argument[0] <= ord(character) <= argument[1])
    name = str(argument).rpartition("CATEGORY_")[2]
    plain = name.removeprefix("NOT_")
    inside = {
        "DIGIT": character.isascii() and character.isdigit(),
        "SPACE": character in "\t\n\f\r ",
        "WORD": character.isascii() and (character.isalnum() or character == "_"),
    }[plain]
    return inside is not name.startswith("NOT_")
