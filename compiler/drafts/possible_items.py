"""What a rule may ask of an event: items with the part of a value that is likely to stay the same elsewhere."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from sigmac.runtime.scalar.folding import default_fold
from sigmac.runtime.scalar.scalars import lookup, text_of

MAX_CANDIDATES = 200
MAX_VALUE = 500  # characters of a value that is looked at
_WORDS = 12  # of a command line
_LEAST_WORD = 4  # characters
# Values that are another one next time
_PASSING = re.compile(
    r"\{?[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\}?"  # GUIDs
    r"|\d{4}-\d\d-\d\d[T ].*"  # times
    r"|[0-9a-f]{32,}|(?:\w+=[0-9a-f]{32,},?)+"  # hashes
    r"|S-1-[\d-]+"  # SIDs
    r"|0x[0-9a-f]+|-?\d+(?:\.\d+)?|-|",  # handles, numbers, nothing
    re.IGNORECASE,
)
# Fields that say where and when, not what; what a logsource says already
_OF_PLACES = re.compile(
    r"(?:^|[._@])(?:@?timestamp|.*time|.*date|.*guid|.*hash(?:es)?|.*processid|.*threadid|.*recordid|.*logonid"
    r"|computer(?:name)?|host(?:name)?|channel|provider_name|eventid|version|level|task|opcode|keywords|.*sid|uuid|id)$",
    re.IGNORECASE,
)
_SPECIAL = re.compile(r"\\+|[*?]")
_NAME = re.compile(r"[^|\s](?:[^|\n]*[^|\s])?")  # that a rule can name a field by
_ENDS = re.compile(r"[\\/][^\\/]+$")


@dataclass(frozen=True, slots=True)
class Candidate:
    """An item: a field, a modifier or none, a value, as a rule says it."""

    field: str
    modifier: str
    value: str

    @property
    def written(self) -> str:
        r"""The value as a Sigma string.

        >>> print(Candidate("f", "", r"\\srv\a*").written)
        \\\\srv\a\*
        """
        return _SPECIAL.sub(self._escaped, self.value)

    def _escaped(self, found: re.Match[str]) -> str:
        if found[0] in "*?":
            return f"\\{found[0]}"
        before_wildcard = self.value[found.end() : found.end() + 1] in ("*", "?")
        return found[0] if len(found[0]) == 1 and not before_wildcard else found[0] * 2

    @property
    def key(self) -> str:
        """The item's key in a rule."""
        return f"{self.field}|{self.modifier}" if self.modifier else self.field

    def holds(self, event: Mapping[str, Any]) -> bool:
        """Whether an event satisfies it; letter case makes no difference."""
        fold = default_fold()
        wanted = fold(self.value)
        for value in lookup(event, self.field) or ():
            text = fold(text_of(value) or "")
            if (
                text.endswith(wanted)
                if self.modifier == "endswith"
                else wanted in text
                if self.modifier == "contains"
                else text == wanted
            ):
                return True
        return False


def candidates(event: Mapping[str, Any]) -> list[Candidate]:
    """The candidates of an event, those that usually tell most first.

    >>> [*map(str, (each.key for each in candidates({"Image": "C:\\\\a\\\\b.exe", "ProcessId": 5})))]
    ['Image|endswith']
    """
    found: dict[Candidate, None] = {}
    for name, text in _texts(event, ""):
        if len(text) > MAX_VALUE or not text.isprintable() or _PASSING.fullmatch(text):
            continue
        if _OF_PLACES.search(name):
            continue
        for each in _of_value(name, text):
            if each.holds(event):  # a name may be that of another field too
                found[each] = None
            if len(found) >= MAX_CANDIDATES:
                return [*found]
    return [*found]


def _of_value(name: str, text: str) -> Iterator[Candidate]:
    if " " not in text.strip() and (end := _ENDS.search(text)):
        yield Candidate(name, "endswith", end[0])
    elif " " in text.strip():
        words = [each.strip("\"'") for each in text.split()]
        telling = sorted(
            {each for each in words if _tells(each)}, key=lambda each: (-len(each), each)
        )
        for word in telling[:_WORDS]:
            yield Candidate(name, "contains", word)
    else:
        yield Candidate(name, "", text)


def _tells(word: str) -> bool:
    return len(word) >= _LEAST_WORD and not _PASSING.fullmatch(word)


def _texts(node: Mapping[str, Any], prefix: str) -> Iterator[tuple[str, str]]:
    """The texts of an event, by the names that rules call their fields."""
    for key, value in node.items():
        if not key.isprintable() or not _NAME.fullmatch(key):
            continue
        name = f"{prefix}{key}"
        if isinstance(value, dict):
            yield from _texts(value, f"{name}.")
        elif isinstance(value, str):
            yield name, value
