r"""Patterns of `like`: `*` any run, `?` one character, `[-]` any dash, `\` before a literal `* ? [ \`.

A pattern is decided by literals alone where it holds no inner `*` and no `?`; else its longest literal is what a
value must contain before RE2 is asked.
"""

from __future__ import annotations

import itertools
import re
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from importlib import import_module
from typing import Any, NamedTuple

import re2

DASHES = "-/–—―"  # noqa: RUF001 - the five dashes of `windash`
MAX_VARIANTS = 25  # two dashes
MAX_VARIED = 1000  # characters of a pattern with dashes that is decided by literals

# Characters that texts have in no other letter case, the rarer ones in logs first; JSON spells them as they are.
_RARE = "`~^|{}<>#@!+&%;*?=$()[],'_-:./ 0123456789"

_ANY, _ONE, _DASH = "*", "?", "[-]"
_TOKEN = re.compile(r"\\([*?\[\\])|(\*)|(\?)|(\[-\])|([^*?\[\\]+)")


@dataclass(frozen=True, slots=True)
class Plan:
    """How a pattern is answered.

    `test` is one of contains, startswith, endswith, equals with `literals` as its alternatives, or "" where the
    `regex` (RE2, whole value) decides once the value contains one of `literals` (no literals: always ask).
    """

    test: str
    literals: tuple[str, ...]
    regex: str


class Needs(NamedTuple):
    """What a text must have for a pattern to be found in it: so many characters, and one of _RARE ("": none)."""

    least: int
    character: str


class Wild(str):
    """A wildcard among the tokens of a pattern, as opposed to a literal run with the same characters."""

    __slots__ = ()


def tokens(glob: str) -> list[str]:
    r"""A pattern's literal runs (plain `str`) and wildcards (`Wild`).

    >>> [(type(token).__name__, str(token)) for token in tokens(r"*a\*[-]")]
    [('Wild', '*'), ('str', 'a*'), ('Wild', '[-]')]
    """
    made: list[str] = []
    run: list[str] = []
    for match in _TOKEN.finditer(glob):
        escaped, star, one, dash, plain = match.groups()
        if escaped or plain:
            run.append(escaped or plain)
            continue
        if run:
            made.append("".join(run))
            run.clear()
        made.append(Wild(star or one or dash))
    if run:
        made.append("".join(run))
    return made


def plan(glob: str) -> Plan:
    """How to answer a pattern; the compiler and the runtime agree on the literals by calling this."""
    parts = tokens(glob)
    front = parts[:1] == [_ANY] and isinstance(parts[0], Wild)
    back = len(parts) > 1 and parts[-1] == _ANY and isinstance(parts[-1], Wild)
    middle = parts[front : len(parts) - back]
    dashes = [part for part in middle if isinstance(part, Wild)]
    few = len(DASHES) ** min(len(dashes), 8) <= MAX_VARIANTS and len(glob) <= MAX_VARIED
    if all(part == _DASH for part in dashes) and (not dashes or few):
        sites = itertools.product(DASHES, repeat=len(dashes))
        literals = tuple(_filled(middle, site) for site in sites)
        test = {
            (True, True): "contains",
            (True, False): "endswith",
            (False, True): "startswith",
            (False, False): "equals",
        }[front, back]
        if front and not middle:
            test = "contains"  # a lone star
        return Plan(test, literals, "")
    longest = max((part for part in parts if not isinstance(part, Wild)), key=len, default="")
    return Plan("", (longest,) if longest else (), regex_of(glob))


def _filled(parts: list[str], dashes: tuple[str, ...]) -> str:
    left = iter(dashes)
    return "".join(next(left) if isinstance(part, Wild) else part for part in parts)


def needs_of_glob(glob: str) -> Needs:
    r"""What a value must have that a pattern of `like` is true of.

    >>> needs_of_glob("*ping*|*find*")
    Needs(least=9, character='|')
    """
    parts = tokens(glob)
    least = sum(part != _ANY if isinstance(part, Wild) else len(part) for part in parts)
    runs = {c for part in parts if not isinstance(part, Wild) for c in part}
    return Needs(least, next((c for c in _RARE if c in runs), ""))


def needs_of_regex(pattern: str) -> Needs:
    r"""What a text must have for a regular expression to be found in it; nothing where that is not known.

    RE2's syntax is nearly that of Python, whose parser reads it. What both read differently is bracket expressions of
    POSIX; what only RE2 reads has no needs.

    >>> needs_of_regex(r"\s[0-9a-f]{64}`?"), needs_of_regex(r"(a|b)+`(?i:x)")
    (Needs(least=65, character=''), Needs(least=3, character='`'))
    """
    if "[:" in pattern:
        return Needs(0, "")
    parser: Any = import_module("re._parser")
    try:
        with warnings.catch_warnings(action="ignore"):
            tree = parser.parse(pattern)
            least = min(tree.getwidth()[0], 1 << 30)
            certain = {chr(code) for code in _certain(tree)}
    except (re.error, OverflowError, RecursionError, ValueError):
        return Needs(0, "")
    return Needs(least, next((c for c in _RARE if c in certain), ""))


def _certain(items: Any) -> Iterator[int]:
    """The characters, as numbers, that are in every text of a sequence of items that Python has parsed."""
    for op, argument in items:
        match str(op):
            case "LITERAL":
                yield argument
            case "IN" if len(argument) == 1 and str(argument[0][0]) == "LITERAL":
                yield argument[0][1]
            case "SUBPATTERN":
                yield from _certain(argument[3])
            case "MAX_REPEAT" | "MIN_REPEAT" | "POSSESSIVE_REPEAT" if argument[0] > 0:
                yield from _certain(argument[2])


@lru_cache(maxsize=4096)
def regex_of(glob: str) -> str:
    """The RE2 pattern that says the same of a whole value, newlines included."""
    classes = {_ANY: ".*", _ONE: ".", _DASH: "[-/–—―]"}  # noqa: RUF001
    pieces = (classes[p] if isinstance(p, Wild) else re2.escape(p) for p in tokens(glob))
    return "(?s)^" + "".join(pieces) + r"\z"


def compile_regex(pattern: str) -> Any:
    """An RE2 object, linear in the text; nothing is logged. Raises `re2.error`."""
    options = re2.Options()
    options.never_capture = (
        True  # a search would look for the texts of all groups too, which nobody asks for
    )
    options.log_errors = False
    return re2.compile(pattern, options)
