"""What becomes of a rule in the Go engine, told without it: taken, failed, unsupported, or a program that ends.

Source: how go-sigma-rule-engine 0.3.0 behaves; the tests compare this with the engine itself.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import re2

from sigmac.migration.go_conditions import Kind, Word, may_follow, words
from sigmac.migration.go_yaml import GoRule, GoYamlError, Wide, read_go_rule

MAX_CONDITION = 100_000  # characters, as in a rule of sigmac
MAX_SELECTED = 100_000  # search identifiers, each as often as a word of the condition looks at it
MAX_PATTERN = 100_000  # characters of a regular expression that is tried
_SAID = {
    "nil": "null",
    "bool": "a boolean",
    "float64": "a fraction",
    "uint64": "a number beyond 63 bits",
    "map": "a map",
    "slice": "a list",
}
_MODIFIERS = frozenset({"startswith", "endswith", "re", "contains", "all"})


class Outcome(StrEnum):
    """What becomes of a rule."""

    OK = "ok"
    FAILED = "failed"
    UNSUPPORTED = "unsupported"
    CRASHED = "crashed"  # the program ends


@dataclass(frozen=True, slots=True)
class GoVerdict:
    """The outcome with its reason, one sentence; `rule` is None where the file is no YAML or not a rule's."""

    outcome: Outcome
    reason: str = ""
    rule: GoRule | None = None


class _Left(Exception):
    """The rule is left out."""

    outcome = Outcome.FAILED


class _Unsupported(_Left):
    outcome = Outcome.UNSUPPORTED


class _Crash(_Left):
    outcome = Outcome.CRASHED


def go_verdict(data: bytes, file: str) -> GoVerdict:
    """What the Go engine makes of a file."""
    try:
        rule = read_go_rule(data, file)
    except GoYamlError as error:
        return GoVerdict(Outcome.FAILED, str(error))
    if not data.startswith(b"---") and b"---" in data:
        reason = "`---` stands in the file, which it takes for one of several documents"
        return GoVerdict(Outcome.UNSUPPORTED, reason, rule)
    try:
        _take(rule)
    except _Left as error:
        return GoVerdict(error.outcome, str(error), rule)
    return GoVerdict(Outcome.OK, "", rule)


def _take(rule: GoRule) -> None:
    if rule.detection is None:
        raise _Left("no detection")
    condition = rule.detection.get("condition")
    if not isinstance(condition, str):
        raise _Left("a condition that is no text")
    if len(condition) > MAX_CONDITION:
        raise _Left("a condition that is longer than is looked at")
    _build(rule.detection, _checked(words(condition)))


def _checked(found: Iterable[Word]) -> Iterator[Word]:
    """The words, all of them looked at before the first is given."""
    taken: list[Word] = []
    before = Kind.BEGIN
    for word in found:
        if word.kind is Kind.REST:
            raise _Unsupported("an aggregation")
        if not may_follow(before, word.kind):
            raise _Left("a condition that it cannot read")
        taken.append(word)
        before = word.kind
    return iter(taken)


def _build(detection: dict[str, Any], found: Iterator[Word]) -> None:
    quantified = [False]  # whether a quantifier was met, for each parenthesis that is open
    sound: set[Word] = set()  # words whose search identifiers were looked at
    for word in found:
        if word in sound and (quantified[-1] or word.kind is Kind.NAME):
            quantified[-1] = quantified[-1] and word.kind is not Kind.PATTERN
            continue
        match word.kind:
            case Kind.NAME:
                if word.text not in detection:
                    raise _Left("the condition names a search identifier that is not there")
                _identifier(word.text, detection[word.text])
                sound.add(word)
            case Kind.ALL | Kind.ONE:
                quantified[-1] = True
            case Kind.THEM:
                if not quantified[-1]:
                    raise _Left("`them` in the condition without `1 of` or `all of`")
                for name, value in detection.items():
                    if name != "condition":
                        _identifier(name, value)
                sound.add(word)
            case Kind.PATTERN:
                if not quantified[-1]:
                    raise _Left("a pattern in the condition without `1 of` or `all of`")
                if (len(sound) + 1) * len(detection) > MAX_SELECTED:
                    raise _Left("more patterns than are looked at")
                _pattern(detection, word.text)
                sound.add(word)
                quantified[-1] = False
            case Kind.OPEN:
                quantified.append(False)
            case Kind.CLOSE:
                quantified.pop()
                if not quantified:
                    raise _Left("a parenthesis closes that was not opened")


def _pattern(detection: dict[str, Any], pattern: str) -> None:
    taken = [value for name, value in detection.items() if matches_pattern(pattern, name)]
    if not taken:
        raise _Left("a pattern in the condition that selects nothing")
    for value in taken:
        _selection(value)


def matches_pattern(pattern: str, name: str) -> bool:
    """Whether a pattern of a condition selects a name."""
    parts = re.split(r"([*?])", pattern)
    made = "".join({"*": ".*", "?": "."}.get(part) or re2.escape(part) for part in parts)
    return re2.fullmatch(f"(?s:{made})", name) is not None


def kind_of(value: Any) -> str:
    """The name of Go's type."""
    if isinstance(value, bool):
        return "bool"
    names = {
        str: "string",
        int: "int",
        Wide: "uint64",
        float: "float64",
        dict: "map",
        list: "slice",
    }
    return "nil" if value is None else names[type(value)]


def is_selection(value: Any) -> bool:
    """Whether what stands under a search identifier asks for fields, not for keywords."""
    return isinstance(value, dict) or (
        isinstance(value, list) and bool(value) and all(isinstance(each, dict) for each in value)
    )


def _identifier(name: str, value: Any) -> None:
    if isinstance(value, list) and not _same_kinds(value):
        raise _Left("a list with values of several types")
    if is_selection(value):
        if name.startswith("keyword"):
            raise _Left("a selection whose name begins with `keyword`")
        _selection(value)
    elif not isinstance(value, list) or kind_of(next(iter(value), None)) != "string":
        raise _Left("keywords that are no list of texts")
    else:
        for each in value:
            _regex_between_slashes(each)


def _same_kinds(values: list[Any]) -> bool:
    kinds = {kind_of(value) for value in values}
    return len(kinds) <= 1 and "nil" not in kinds


def _selection(value: Any) -> None:
    if isinstance(value, list):
        for each in value:
            _selection(each)
    elif isinstance(value, dict):
        for key, each in value.items():
            _item(key, each)
    elif value is None:
        raise _Crash("null behind `1 of` or `all of` and a pattern")
    else:
        raise _Left("keywords behind `1 of` or `all of` and a pattern")


def _item(key: str, value: Any) -> None:
    modifiers = key.split("|")[1:]
    for modifier in modifiers:
        if modifier not in _MODIFIERS:
            raise _Left(f"the modifier `{modifier[:60]}`")
    values = value if isinstance(value, list) else [value]
    if isinstance(value, list) and not _same_kinds(value):
        raise _Left("a list with values of several types")
    if not values:
        raise _Left("an empty list of values")
    if (kind := kind_of(values[0])) not in ("string", "int"):
        raise _Left(f"a value that is {_SAID[kind]}")
    if kind == "int":
        return
    placement = placement_of(modifiers)
    for each in values:
        if placement == "re":
            _regex(each)
        elif not placement:
            _regex_between_slashes(each)


def placement_of(modifiers: Iterable[str]) -> str:
    """Which of the modifiers counts: the last one, `all` aside."""
    return next((each for each in reversed(list(modifiers)) if each != "all"), "")


def _regex_between_slashes(text: str) -> None:
    if text.startswith("/") and text.endswith("/"):
        _regex(text.strip("/"))


def _regex(pattern: str) -> None:
    if len(pattern) > MAX_PATTERN:
        return
    options = re2.Options()
    options.log_errors = False
    try:
        re2.compile(pattern, options)
    except re2.error:
        raise _Left("a regular expression that Go does not have") from None
