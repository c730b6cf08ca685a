"""Why the two engines answer otherwise: what in a rule that the Go engine takes means something else there.

`docs/migration.md` has an example of each.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from typing import Any

from sigmac.migration.go_conditions import Kind, Word, words
from sigmac.migration.go_rules import is_selection, matches_pattern, placement_of
from sigmac.migration.go_yaml import GoRule

_WHITE_SPACE = re.compile(r"[ \t\n\f\r]")
_ESCAPE = re.compile(r"\\[\\*?]")


class Cause(Enum):
    """A cause by its name: what the Go engine does, and whether it is told by the rule alone.

    Where it is not, it depends on events whether the answers differ.
    """

    LOST_NOT = "`not(` without a blank: Go loses the `not`", True
    DROPPED = "further documents of the file: Go drops them", True
    EMPTY_CONDITION = (
        "an empty condition, or one of empty parentheses: Go matches every event",
        True,
    )
    EMPTY_SELECTION = "a selection without items: Go matches every event", True
    SLASHES = "a text between slashes: Go takes it for a regular expression", True
    QUESTION_MARK = "`?` in a value without `*`: a character to Go", True
    ESCAPES = (
        "an escape in a value without `*`, or under `startswith` or `endswith`: two characters to Go",
        True,
    )
    WILDCARDS = "a wildcard under `startswith` or `endswith`: a character to Go", True
    NO_FIELD = "modifiers without a field, as `|all`: Go looks for a field without a name", True
    NUMBER_MODIFIER = "a number with a modifier: Go passes over the modifier", True
    TWO_PLACES = (
        "two of `contains`, `startswith`, `endswith` and `re`: in Go the last one counts",
        True,
    )
    YAML = "a plain value that YAML 1.1 makes a number, as `12:30`: a text to Go", False
    LETTER_CASE = "letters: Go compares them as they are written", False
    ABSENT = "`not`: over an absent field it is false in Go", False
    CHANCE = (
        "`not` over a selection of several fields: Go asks them in an order that chance decides",
        False,
    )
    NUMBERS = (
        "numbers: Go cuts off fractions, and takes what is no number and no text for any number",
        False,
    )
    ARRAYS = "texts: Go finds none in an array, and none in a boolean", False
    WHITE_SPACE = "white space: Go takes a run of it for one blank, in rules and in events", False
    KEYWORDS = (
        "keywords: Go searches what the program gives it, sigmac every value of an event",
        False,
    )

    def __init__(self, says: str, certain: bool):
        self.says = says
        self.certain = certain


@dataclass(frozen=True, slots=True)
class _Item:
    field: str
    modifiers: tuple[str, ...]
    values: tuple[Any, ...]


def causes_of(rule: GoRule, *, no_collapse_ws: bool) -> set[Cause]:
    """What in a rule that the Go engine takes may make the answers differ."""
    detection = rule.detection or {}
    found = set(_of_condition(detection))
    if rule.documents:
        found.add(Cause.DROPPED)
    for name, value in detection.items():
        if name == "condition":
            continue
        if is_selection(value):
            for item in _items(value, found):
                found |= set(_of_item(item, no_collapse_ws=no_collapse_ws))
        elif isinstance(value, list):
            found.add(Cause.KEYWORDS)
            texts = [each for each in value if isinstance(each, str)]
            found |= set(_of_texts(texts, no_collapse_ws=no_collapse_ws))
            if any(map(_between_slashes, texts)):
                found.add(Cause.SLASHES)
    return found


def _of_condition(detection: dict[str, Any]) -> Iterator[Cause]:
    found = list(words(str(detection.get("condition", ""))))
    kinds = [word.kind for word in found]
    if kinds[0] is Kind.END or (Kind.OPEN, Kind.CLOSE) in itertools.pairwise(kinds):
        yield Cause.EMPTY_CONDITION
    if any(word.kind is Kind.OPEN and word.text != "(" for word in found):
        yield Cause.LOST_NOT
    if Kind.NOT in kinds:
        yield Cause.ABSENT
        names = [name for name in detection if name != "condition"]
        reached = set(_negated(found))
        negated = {name for word in reached for name in _selected(word, names)}
        if any(_several_fields(detection[name]) for name in negated):
            yield Cause.CHANCE


def _negated(found: list[Word]) -> Iterator[Word]:
    """The words that a `not` reaches: the next operand, or all in its parentheses."""
    depth = 0
    reached = False
    for word in found:
        if word.kind is Kind.NOT and not reached:
            reached, depth = True, 0
        elif reached and word.kind not in (Kind.ONE, Kind.ALL):
            yield word
            depth += (word.kind is Kind.OPEN) - (word.kind is Kind.CLOSE)
            reached = depth > 0


def _selected(word: Word, names: list[str]) -> list[str]:
    if word.kind is Kind.THEM:
        return names
    if word.kind is Kind.PATTERN:
        return [name for name in names if matches_pattern(word.text, name)]
    return [word.text] if word.kind is Kind.NAME else []


def _several_fields(value: Any) -> bool:
    if isinstance(value, list):
        return any(map(_several_fields, value))
    return isinstance(value, dict) and len(value) > 1


def _items(value: Any, found: set[Cause]) -> Iterator[_Item]:
    for each in value if isinstance(value, list) else [value]:
        if not each:
            found.add(Cause.EMPTY_SELECTION)
        for key, given in each.items() if isinstance(each, dict) else ():
            field, *modifiers = key.split("|")
            values = given if isinstance(given, list) else [given]
            yield _Item(field, tuple(modifiers), tuple(values))


def _of_item(item: _Item, *, no_collapse_ws: bool) -> Iterator[Cause]:
    placement = placement_of(item.modifiers)
    if not item.field:
        yield Cause.NO_FIELD
    if len({*item.modifiers} - {"all"}) > 1:
        yield Cause.TWO_PLACES
    texts = [each for each in item.values if isinstance(each, str)]
    if len(texts) < len(item.values):
        yield Cause.NUMBERS
        if placement:
            yield Cause.NUMBER_MODIFIER
    if not texts:
        return
    yield Cause.ARRAYS
    if placement == "re":
        return
    yield from _of_texts(texts, no_collapse_ws=no_collapse_ws)
    if placement in ("startswith", "endswith"):
        if any(map(_ESCAPE.search, texts)):
            yield Cause.ESCAPES
        if any(re.search("[*?]", _ESCAPE.sub("", text)) for text in texts):
            yield Cause.WILDCARDS
    elif placement != "contains":
        if any(map(_between_slashes, texts)):
            yield Cause.SLASHES
        whole = [text for text in texts if "*" not in text and not _between_slashes(text)]
        if any(map(_ESCAPE.search, whole)):
            yield Cause.ESCAPES
        if any("?" in _ESCAPE.sub("", text) for text in whole):
            yield Cause.QUESTION_MARK


def _of_texts(texts: list[str], *, no_collapse_ws: bool) -> Iterator[Cause]:
    if any(text.lower() != text.upper() for text in texts):
        yield Cause.LETTER_CASE
    if not no_collapse_ws and any(map(_WHITE_SPACE.search, texts)):
        yield Cause.WHITE_SPACE


def _between_slashes(text: str) -> bool:
    return text.startswith("/") and text.endswith("/")
