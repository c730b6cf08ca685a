"""Regular expressions of topics' names, in the part of the language that all who match them read alike.

librdkafka matches with POSIX extended expressions, a broker under `group.protocol: consumer` with RE2 (and whole
names), and the service itself has to tell which input a topic belongs to. What these read differently, such as
`\\d` or a choice outside of brackets, is refused.
"""

from __future__ import annotations

import re

_PLAIN = r"[A-Za-z0-9_-]"
_IN_NAMES = r"[A-Za-z0-9._-]"
_TOKENS = re.compile(
    rf"""
    (?P<atom> {_PLAIN} | \. | \\\. )
  | (?P<set> \[\^?-?(?: {_IN_NAMES} (?: -[A-Za-z0-9._] )? )*-?\] )
  | (?P<open> \( (?!\?) )
  | (?P<or> \| )
  | (?P<close> \) )
    """,
    re.VERBOSE,
)
_REPEATED = re.compile(r"[*+?]|\{(\d{1,3})(,(\d{1,3})?)?\}")
_MOST = 255  # times, as POSIX has it
_INSTEAD = {
    r"\d": "write `[0-9]` for `\\d`",
    r"\w": "write `[A-Za-z0-9_]` for `\\w`",
    r"\D": "write `[^0-9]` for `\\D`",
    r"\W": "write `[^A-Za-z0-9_]` for `\\W`",
    r"\-": "write `-` for `\\-`",
    r"\_": "write `_` for `\\_`",
    "(?:": "write `(` for `(?:`",
    "(?i": "topics' names know upper and lower case: write `[Ww]in`",
    "(?!": "there is no way to leave topics out: name those that are meant",
    "(?<": "there is no way to look behind: name the topics that are meant",
    "(?=": "there is no way to look ahead: name the topics that are meant",
}


def check_pattern(pattern: str) -> None:
    """Raise `ValueError`, with what to write instead, where not everybody reads a pattern alike."""
    _Reader(pattern).read()


def topic_pattern(pattern: str) -> re.Pattern[str]:
    """Matches the names of topics from their start on, as `subscription` does."""
    return re.compile(pattern)


def subscription(pattern: str) -> str:
    """The same pattern for those who search for it and for those who hold it against whole names."""
    return pattern if pattern.endswith("$") else f"{pattern}.*"


class _Reader:
    def __init__(self, pattern: str):
        self._pattern = pattern
        self._at = 0

    def _refuse(self, why: str) -> ValueError:
        return ValueError(
            f"librdkafka reads this pattern otherwise, at character {self._at + 1}: {why}"
        )

    def read(self) -> None:
        if not self._pattern.startswith("^"):
            raise self._refuse("a pattern starts with `^`")
        self._at = 1
        self._sequence(depth=0)
        if self._rest() == "$":
            self._at += 1
        if not self._rest():
            return
        if self._rest()[0] == "|":
            raise self._refuse("`^` binds to the first choice only: write `^(one|other)`")
        raise self._refuse(self._hint())

    def _rest(self) -> str:
        return self._pattern[self._at :]

    def _hint(self) -> str:
        rest = self._rest()
        for start, instead in _INSTEAD.items():
            if rest.startswith(start):
                return instead
        if rest[0] == "\\":
            return f"`{rest[:2]}` is not known; only `\\.` stands for a character"
        if rest[0] == "[":
            return "a set has letters, digits, `.`, `_`, ranges of them, and `-` first or last"
        if rest[0] in "*+?{":
            return "there is nothing to repeat, or it is repeated already"
        if rest[0] == "^":
            return "`^` stands at the start only"
        if rest[0] == "$":
            return "`$` stands at the end only"
        if rest[0] == ")":
            return "there is no bracket to close"
        return f"no topic has `{rest[0]}` in its name"

    def _sequence(self, depth: int) -> bool:
        """Read up to what ends it; whether something in it is repeated without a small bound."""
        if depth > 10:
            raise self._refuse("brackets are nested too deep")
        repeats, empty = False, True
        while found := _TOKENS.match(self._pattern, self._at):
            kind = found.lastgroup
            if kind in ("or", "close"):
                break
            empty = False
            inside = False
            if kind == "open":
                self._at = found.end()
                inside = self._group(depth)
            else:
                self._ranges(found[0])
                self._at = found.end()
            repeats |= self._repetition(inside) or inside
        if empty and depth:
            raise self._refuse("a choice is empty: write `(one|other)?`")
        return repeats

    def _group(self, depth: int) -> bool:
        repeats = self._sequence(depth + 1)
        while self._rest().startswith("|"):
            self._at += 1
            repeats |= self._sequence(depth + 1)
        if not self._rest():
            raise self._refuse("a bracket is not closed")
        if self._rest()[0] != ")":
            raise self._refuse(self._hint())
        self._at += 1
        return repeats

    def _ranges(self, token: str) -> None:
        if token.startswith("["):
            if not token.strip("[]^"):
                raise self._refuse("a set is empty")
            inner = token[1:-1].removeprefix("^").removeprefix("-")
            for first, last in re.findall(rf"({_IN_NAMES})-({_IN_NAMES})", inner):
                if first > last:
                    raise self._refuse(f"`{first}-{last}` is not in order")

    def _repetition(self, inside: bool) -> bool:
        found = _REPEATED.match(self._pattern, self._at)
        if found is None:
            return False
        if found[1] is not None:
            least, most = int(found[1]), int(found[3] or found[1])
            if most > _MOST or least > most:
                raise self._refuse(f"a repetition is of up to {_MOST} times, the smaller first")
        if inside and found[0] != "?":
            # It takes some matchers for ever.
            raise self._refuse("what repeats is repeated: name the topics in another way")
        self._at = found.end()
        return found[0] != "?"
