"""RE2's syntax, as far as a pattern's literals need it.

A strict parser of a safe subset: what it does not know for certain (rare escapes, `{` that begins
no repeat, `\\Q…\\E`) makes the answer `None`, never a guess. It reads patterns that RE2 has already
taken, and is held to RE2 itself by the property tests. Syntax:
https://github.com/google/re2/wiki/Syntax
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

MAX_NESTING = 50
# A class of more characters than this is only known to be some character.
MAX_MEMBERS = 4


@dataclass(frozen=True, slots=True)
class Literal:
    """One character; `folded`: in any letter case, known for ASCII alone."""

    character: str
    folded: bool


@dataclass(frozen=True, slots=True)
class Some:
    """One character of a class; `members` where they are few and known."""

    members: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Dot:
    """Any character; `newline`: that one too."""

    newline: bool


@dataclass(frozen=True, slots=True)
class Edge:
    """The begin or the end of the text."""

    begin: bool


@dataclass(frozen=True, slots=True)
class Boundary:
    """An assertion about a place inside the text: a word's or a line's edge."""


@dataclass(frozen=True, slots=True)
class Repeat:
    """Between `least` and `most` times; `most` None is without end."""

    item: Regex
    least: int
    most: int | None


@dataclass(frozen=True, slots=True)
class Sequence:
    items: tuple[Regex, ...]


@dataclass(frozen=True, slots=True)
class Alternation:
    branches: tuple[Regex, ...]


Regex = Literal | Some | Dot | Edge | Boundary | Repeat | Sequence | Alternation

_GROUP = re.compile(r"\((?:\?P?<\w+>|\?(?P<flags>[imsU]*(?:-[imsU]+)?)(?P<scope>[:)]))?", re.ASCII)
_CLOSE = re.compile(r"\)")
_REPEAT = re.compile(r"(?:[*+?]|\{(0|[1-9]\d*)(,(0|[1-9]\d*)?)?\})\??", re.ASCII)
_CLASS = re.compile(
    r"\[(?P<negated>\^?)(?P<members>\]?(?:[^\]\[\\]|\[:\^?\w+:\]|\[(?!:)|\\.)*)\]",
    re.ASCII | re.DOTALL,
)
_PLAIN_MEMBERS = re.compile(r"(?:[^\\\[-]|\\[^\w\s])*", re.ASCII)
_ESCAPE = re.compile(
    r"\\(?:(?P<edge>[Az])|(?P<boundary>[bB])|(?P<some>[dDwWsS]|[pP](?:\{\^?\w+\}|\w))"
    r"|(?P<control>[tnrfva])|x(?P<two>[0-9A-Fa-f]{2})|x\{(?P<hex>[0-9A-Fa-f]{1,6})\}|(?P<itself>(?!\w)[\x00-\x7f]))",
    re.ASCII | re.DOTALL,
)
_CONTROL = {"t": "\t", "n": "\n", "r": "\r", "f": "\f", "v": "\v", "a": "\a"}


class _Unknown(Exception):
    """The pattern has something that this parser does not know."""


@lru_cache(maxsize=256)
def parse(pattern: str) -> Regex | None:
    """The pattern's structure; None where something in it is not known.

    >>> parse("^(?i:b)")
    Sequence(items=(Edge(begin=True), Literal(character='b', folded=True)))
    >>> parse(r"\\Qa.b\\E") is None
    True
    """
    try:
        parser = _Parser(pattern)
        found = parser.alternation(frozenset(), 0)
        return found if parser.at == len(pattern) else None
    except _Unknown:
        return None


class _Parser:
    def __init__(self, pattern: str):
        self.pattern, self.at = pattern, 0

    def alternation(self, flags: frozenset[str], depth: int) -> Regex:
        if depth > MAX_NESTING:
            raise _Unknown
        branches: list[Regex] = []
        items: list[Regex] = []
        repeatable = False
        while self.at < len(self.pattern) and self.pattern[self.at] != ")":
            character = self.pattern[self.at]
            if character == "|":
                self.at += 1
                branches.append(_sequence(items))
                items, repeatable = [], False
            elif character in "*+?{":
                if not repeatable:
                    raise _Unknown
                items[-1] = self.repeat(items[-1])
                repeatable = False
            elif character == "(":
                group = self.match(_GROUP)
                if group["scope"] == ")":
                    flags = _with_flags(flags, group["flags"])
                    repeatable = False
                    continue
                items.append(self.alternation(_with_flags(flags, group["flags"] or ""), depth + 1))
                self.match(_CLOSE)
                repeatable = True
            else:
                items.append(self.one(character, flags))
                repeatable = True
        branches.append(_sequence(items))
        return branches[0] if len(branches) == 1 else Alternation(tuple(branches))

    def match(self, token: re.Pattern[str]) -> re.Match[str]:
        found = token.match(self.pattern, self.at)
        if not found:
            raise _Unknown
        self.at = found.end()
        return found

    def repeat(self, item: Regex) -> Regex:
        found = self.match(_REPEAT)
        if found[0][0] != "{":
            return Repeat(item, int(found[0][0] == "+"), 1 if found[0][0] == "?" else None)
        least = int(found[1])
        return Repeat(item, least, int(found[3]) if found[3] else None if found[2] else least)

    def one(self, character: str, flags: frozenset[str]) -> Regex:
        if character == "[":
            return self.some(flags)
        if character == "\\":
            return self.escape(flags)
        self.at += 1
        if character == ".":
            return Dot("s" in flags)
        if character in "^$":
            return Boundary() if "m" in flags else Edge(character == "^")
        return _literal(character, flags)

    def some(self, flags: frozenset[str]) -> Regex:
        found = self.match(_CLASS)
        text = found["members"]
        if found["negated"] or not _PLAIN_MEMBERS.fullmatch(text):
            return Some()
        members = frozenset(re.sub(r"\\(.)", r"\1", text))
        if len(members) > MAX_MEMBERS or ("i" in flags and not "".join(members).isascii()):
            return Some()
        if len(members) == 1:
            return _literal(min(members), flags)
        return Some(members)

    def escape(self, flags: frozenset[str]) -> Regex:
        found = self.match(_ESCAPE)
        if found["edge"]:
            return Edge(found["edge"] == "A")
        if found["boundary"]:
            return Boundary()
        if found["some"]:
            return Some()
        if found["control"]:
            return _literal(_CONTROL[found["control"]], flags)
        code = found["two"] or found["hex"]
        if not code:
            return _literal(found["itself"], flags)
        if int(code, 16) > 0x10FFFF or 0xD800 <= int(code, 16) < 0xE000:
            raise _Unknown
        return _literal(chr(int(code, 16)), flags)


def _sequence(items: list[Regex]) -> Regex:
    flat: list[Regex] = []
    for item in items:
        flat += item.items if isinstance(item, Sequence) else (item,)
    return flat[0] if len(flat) == 1 else Sequence(tuple(flat))


def _literal(character: str, flags: frozenset[str]) -> Regex:
    # Which letters are one beyond ASCII depends on the Unicode version, RE2's or Python's.
    if "i" in flags and not character.isascii():
        return Some()
    return Literal(character, "i" in flags)


def _with_flags(flags: frozenset[str], change: str) -> frozenset[str]:
    on, _, off = change.partition("-")
    return (flags | set(on)) - set(off)
