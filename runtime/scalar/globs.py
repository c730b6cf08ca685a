r"""Patterns of `like`: `*` any run, `?` one character, `[-]` any dash, `\` before a literal `* ? [ \`.

A pattern is decided by literals alone where it holds no inner `*` and no `?`; else its longest literal is what a
value must contain before RE2 is asked.
"""

from __future__ import annotations

import itertools
import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import re2

DASHES = "-/–—―"  # noqa: RUF001 - the five dashes of `windash`
MAX_VARIANTS = 25  # two dashes
MAX_VARIED = 1000  # characters of a pattern with dashes that is decided by literals

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
