"""What the Go engine answers, as a model with habits that can be given up one by one: which explain a difference.

With all habits it answers as go-sigma-rule-engine does, without any as sigmac does. It is for rules that both read. The
engine knows a third answer beside yes and no, that a rule has nothing to say of an event; it keeps the items of a map
in an order that chance decides, so that sometimes two answers are possible.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import combinations
from typing import Any

from sigmac.compat.go.white_space import collapsed
from sigmac.compiler.diagnostics.diagnostic import Place
from sigmac.compiler.ir.expressions import And, Expression, Not, Or
from sigmac.compiler.ir.values import ANY, ONE, Part, Regex, Text, parse_text
from sigmac.compiler.meaning import reference
from sigmac.compiler.syntax.condition import Identifier, Quantifier, names_matching, parse
from sigmac.migration.causes import Cause
from sigmac.migration.go_rules import is_selection, placement_of
from sigmac.migration.go_yaml import GoRule

Event = dict[str, Any]
Outcome = bool | None  # None: it has nothing to say
Outcomes = frozenset[Outcome]

_YES: Outcomes = frozenset({True})
_WHOLE = re.compile(r"[+-]?[0-9]+")
_SPECIAL = re.compile(r"(\\[\\*?]|[*?])")
_BEFORE_PARENTHESIS = re.compile(r"[^\s()]+\(")
_LITERAL = frozenset({Cause.QUESTION_MARK, Cause.ESCAPES, Cause.WILDCARDS})
_MOST_TOGETHER = 3  # that are looked for
# Those that the model can give up; the commonest first, as it looks for the fewest that explain a difference.
HABITS = (
    Cause.LETTER_CASE,
    Cause.ABSENT,
    Cause.WHITE_SPACE,
    Cause.KEYWORDS,
    Cause.ARRAYS,
    Cause.NUMBERS,
    Cause.QUESTION_MARK,
    Cause.ESCAPES,
    Cause.WILDCARDS,
    Cause.SLASHES,
    Cause.LOST_NOT,
    Cause.YAML,
)
ALL = frozenset(HABITS)


@dataclass(frozen=True, slots=True)
class Asked:
    """A rule that both take: its search identifiers with Go's types, its condition, and what Go makes of that."""

    detections: Mapping[str, Any]
    as_yaml: Mapping[str, Any]  # with the types that YAML gives them
    condition: Expression
    without_lost: Expression


def asked_of(rule: GoRule, as_yaml: Mapping[str, Any]) -> Asked:
    """What is asked of events; `as_yaml` is the detection as sigmac reads it.

    Raises `RuleError` where sigmac cannot read the condition.
    """
    detection = rule.detection or {}
    text = str(detection["condition"])
    whole = parse(text, Place()).expression
    lost = _BEFORE_PARENTHESIS.sub("(", text)
    without = whole if lost == text else parse(lost, Place()).expression
    return Asked(_names(detection), _names(as_yaml), whole, without)


def _names(detection: Mapping[str, Any]) -> dict[str, Any]:
    return {name: each for name, each in detection.items() if name != "condition"}


def answers(
    rule: Asked, event: Event, texts: Sequence[str] | None, habits: frozenset[Cause] = ALL
) -> frozenset[bool]:
    """Whether a rule matches, as an engine with some of `HABITS` says it; both where chance decides.

    `texts` are those in which keywords are searched, None where the event has none such.
    """
    question = _Question(rule, event, texts, habits)
    condition = rule.without_lost if Cause.LOST_NOT in habits else rule.condition
    return frozenset(each is True for each in question.condition(condition))


def causes(
    rule: Asked, event: Event, texts: Sequence[str] | None, *, go: bool, ours: bool, collapse: bool
) -> tuple[Cause, ...]:
    """The fewest causes that together explain two different answers; none where nothing known does.

    `collapse` says whether the Go program collapses white space.
    """
    habits = ALL if collapse else ALL - {Cause.WHITE_SPACE}
    possible = answers(rule, event, texts, habits)
    if go not in possible:
        return ()
    if ours in possible:
        return (Cause.CHANCE,)
    for count in range(1, _MOST_TOGETHER + 1):
        for given_up in combinations(HABITS, count):
            if answers(rule, event, texts, habits.difference(given_up)) == {ours}:
                return given_up
    return ()


class _Question:
    """A rule and an event, asked of an engine with some habits."""

    def __init__(
        self, rule: Asked, event: Event, texts: Sequence[str] | None, habits: frozenset[Cause]
    ):
        self.event, self.texts, self.habits = event, texts, habits
        self.detections = rule.detections if Cause.YAML in habits else rule.as_yaml
        # Without the habit what is not there is false, and a `not` over it true.
        self.absent: Outcome = None if Cause.ABSENT in habits else False

    def condition(self, node: Expression) -> Outcomes:
        if isinstance(node, And):
            return _all(map(self.condition, node.operands))
        if isinstance(node, Or):
            return _any([self.condition(each) for each in node.operands])
        if isinstance(node, Not):
            found = self.condition(node.operand)
            return frozenset(None if each is None else not each for each in found)
        if isinstance(node, Identifier):
            return self.detection(self.detections[node.name])
        assert isinstance(node, Quantifier)
        names = names_matching(node.target, self.detections)
        found_of = [self.detection(self.detections[name]) for name in names]
        return _any(found_of) if node.count is not None else _all_by_chance(found_of)

    def detection(self, detection: Any) -> Outcomes:
        if isinstance(detection, list) and is_selection(detection):
            return _any([self.selection(each) for each in detection])
        if is_selection(detection):
            return self.selection(detection)
        return frozenset({self.keywords([str(each) for each in detection])})

    def selection(self, items: Mapping[str, Any]) -> Outcomes:
        """Items of numbers are looked at before those of texts, each kind in an order that chance decides."""
        by_kind: dict[bool, list[Outcomes]] = {True: [], False: []}
        for key, given in items.items():
            name, *modifiers = key.split("|")
            values = given if isinstance(given, list) else [given]
            by_kind[_is_number(values[0])].append(frozenset({self.item(name, modifiers, values)}))
        return _all(map(_all_by_chance, by_kind.values()))

    def item(self, name: str, modifiers: Sequence[str], patterns: Sequence[Any]) -> Outcome:
        found = self.values(name)
        if found is None:
            return self.absent
        needs = all if "all" in modifiers else any
        how = placement_of(modifiers)
        if _is_number(patterns[0]):
            return any(self.number(pattern, value) for pattern in patterns for value in found)
        return needs(
            any(self.text(str(pattern), how, value) for value in found) for pattern in patterns
        )

    def values(self, name: str) -> Sequence[Any] | None:
        """The values of a field; to the Go engine an array is one, of no kind that it knows."""
        if Cause.ARRAYS not in self.habits:
            present, found = reference.lookup(self.event, name)
            return found if present else None
        value: Any = self.event
        for part in [name] if name in self.event else name.split("."):
            if not isinstance(value, Mapping) or part not in value:
                return None
            value = value[part]
        return [value]

    def number(self, pattern: int, value: Any) -> bool:
        if Cause.NUMBERS not in self.habits:
            return reference.number(value) == pattern
        if isinstance(value, str):
            return _WHOLE.fullmatch(value) is not None and int(value) == pattern
        known = isinstance(value, (int, float)) and not isinstance(value, bool)
        return int(value) == pattern if known else True

    def text(self, pattern: str, how: str, value: Any) -> bool:
        if isinstance(value, bool) and Cause.ARRAYS in self.habits:
            return False
        if isinstance(value, float) and Cause.NUMBERS in self.habits:
            value = int(value)
        string = None if isinstance(value, (list, Mapping)) else reference.text(value)
        return string is not None and self.compare(pattern, how, string)

    def keywords(self, patterns: Sequence[str]) -> Outcome:
        texts = self.texts
        if Cause.KEYWORDS not in self.habits:
            found = map(reference.text, reference.leaves(self.event))
            texts = [each for each in found if each is not None]
        if texts is None:
            return self.absent
        return any(self.compare(each, "keyword", text) for each in patterns for text in texts)

    def compare(self, pattern: str, how: str, string: str) -> bool:
        """Whether a text of an event is what a text of a rule says."""
        between = pattern.startswith("/") and pattern.endswith("/")
        if how in ("", "keyword") and between and Cause.SLASHES in self.habits:
            return _found(pattern.rstrip("/").lstrip("/"), string)
        if how == "re":
            return _found(pattern, string)
        if Cause.WHITE_SPACE in self.habits:
            pattern, string = collapsed(pattern), collapsed(string)
        literal = how in ("startswith", "endswith") or (not how and "*" not in pattern)
        kept = self.habits & _LITERAL if literal else frozenset()
        return reference.test(_text(pattern, how, kept, Cause.LETTER_CASE in self.habits), string)


def _is_number(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


@lru_cache(maxsize=16384)
def _text(pattern: str, how: str, literal: frozenset[Cause], cased: bool) -> Text:
    """What a text of a rule is compared as; `literal` says which of its special characters are none."""
    parts = _parts(pattern, how, literal) if literal else parse_text(pattern)
    before = (ANY,) if how in ("contains", "endswith", "keyword") else ()
    after = (ANY,) if how in ("contains", "startswith", "keyword") else ()
    return Text((*before, *parts, *after), cased)


def _parts(pattern: str, how: str, literal: frozenset[Cause]) -> tuple[Part, ...]:
    parts: list[Part] = []
    for token in _SPECIAL.split(pattern):
        if token in ("*", "?"):
            habit = Cause.WILDCARDS if how else Cause.QUESTION_MARK
            part: Part = token if habit in literal else (ANY if token == "*" else ONE)
        elif _SPECIAL.fullmatch(token):
            part = token if Cause.ESCAPES in literal else token[1]
        else:
            part = token
        if isinstance(part, str) and parts and isinstance(parts[-1], str):
            parts[-1] += part
        elif part:
            parts.append(part)
    return tuple(parts)


def _found(pattern: str, string: str) -> bool:
    return reference.test(Regex((pattern,)), string)


def _all(operands: Iterable[Outcomes]) -> Outcomes:
    """The first operand that is not true is the answer."""
    found = _YES
    for each in operands:
        if True not in found:
            break
        found = (found - _YES) | each
    return found


def _all_by_chance(operands: Sequence[Outcomes]) -> Outcomes:
    """The same for operands in any order."""
    others = frozenset(each for found in operands for each in found if each is not True)
    return others | _YES if all(True in found for found in operands) else others


def _any(operands: Sequence[Outcomes]) -> Outcomes:
    return frozenset(_possible(operands))


def _possible(operands: Sequence[Outcomes]) -> Iterator[Outcome]:
    if any(True in found for found in operands):
        yield True
    if all(found != _YES for found in operands):
        if any(False in found for found in operands):
            yield False
        if all(None in found for found in operands):
            yield None
