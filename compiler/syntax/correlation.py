"""Correlation rules: what they say about the hits of other rules, made from YAML nodes.

Read, checked and kept as data; `references.py` checks what they refer to. Source: Sigma correlation
rules specification 2.1.0, with pySigma's metric types and string conditions.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from sigmac.compiler.diagnostics.diagnostic import Diagnostics, Place, RuleError, did_you_mean
from sigmac.compiler.ir.expressions import And, Expression, Not, Or, children, walk
from sigmac.compiler.syntax import condition as conditions
from sigmac.compiler.syntax.condition import Condition, Identifier, Quantifier
from sigmac.compiler.syntax.read_metadata import MAX_NAMES, read_metadata
from sigmac.compiler.syntax.reader import Reader
from sigmac.compiler.syntax.rule import Metadata, Reference
from sigmac.compiler.syntax.yaml_nodes import Document, Node

TYPES = (
    "event_count",
    "value_count",
    "temporal",
    "temporal_ordered",
    "value_sum",
    "value_avg",
    "value_percentile",
    "value_median",
)
_COUNTS = ("event_count", "value_count", "temporal", "temporal_ordered")
OPERATORS = ("gt", "gte", "lt", "lte", "eq", "neq")
# Seconds; a month and a year are a twelfth and the whole of the mean Gregorian year.
UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800, "M": 2_629_746, "y": 31_556_952}
MAX_TIMESPAN_TEXT = 10  # characters that the JSON schema allows
MAX_TIMESPAN = 10_000 * UNITS["y"]  # years of timestamps have four digits
_KEYS = ("type", "rules", "timespan", "group-by", "aliases", "condition", "generate")


@dataclass(frozen=True, slots=True)
class Alias:
    """One name for what is called differently in the events of different rules."""

    name: str
    fields: tuple[tuple[Reference, str], ...]
    place: Place


@dataclass(frozen=True, slots=True)
class Threshold:
    """A condition map: all comparisons, as `("gte", 10)`, hold for a count or an aggregate.

    `fields` is what a `value_…` type looks at, several only to count distinct combinations;
    `percentile` is set for value_percentile and value_median.
    """

    comparisons: tuple[tuple[str, int | float], ...]
    fields: tuple[str, ...] = ()
    percentile: int | float | None = None


@dataclass(frozen=True, slots=True)
class Correlation:
    """A correlation rule. `condition` None asks for hits of all the rules (temporal types only).

    `timespan` is in seconds; an empty `group_by` is one group of all events. `generate` keeps the
    matches of the rules referred to in the output.
    """

    meta: Metadata
    type: str
    rules: tuple[Reference, ...]
    timespan: int
    group_by: tuple[str, ...]
    aliases: tuple[Alias, ...]
    condition: Threshold | Condition | None
    generate: bool
    place: Place
    nodes: dict[str, Node] = field(default_factory=dict, compare=False, repr=False)  # as written

    @property
    def label(self) -> str:
        """How messages call the correlation: its id, else its title."""
        return self.meta.id or self.meta.title

    @property
    def looks_at(self) -> tuple[str, ...]:
        """The names whose values a `value_…` type looks at."""
        return self.condition.fields if isinstance(self.condition, Threshold) else ()

    def plain(self) -> dict[str, Any]:
        """The correlation as JSON types.

        `condition` is null, a map as `{"gte": 10, "field": ["User"]}`, or for a string condition
        `{"expression": {"and": ["a", {"not": "b"}]}}` over references.
        """
        return {
            **self.meta.plain(),
            "type": self.type,
            "rules": [rule.text for rule in self.rules],
            "timespan": self.timespan,
            "group_by": list(self.group_by),
            "aliases": {
                alias.name: {rule.text: field for rule, field in alias.fields}
                for alias in self.aliases
            },
            "condition": _plain_condition(self.condition),
            "generate": self.generate,
        }


def _plain_condition(condition: Threshold | Condition | None) -> dict[str, Any] | None:
    if condition is None:
        return None
    if isinstance(condition, Condition):
        return {"expression": _plain_expression(condition.expression)}
    made: dict[str, Any] = dict(condition.comparisons)
    if condition.fields:
        made["field"] = list(condition.fields)
    if condition.percentile is not None:
        made["percentile"] = condition.percentile
    return made


def _plain_expression(node: Expression) -> Any:
    if isinstance(node, Identifier):
        return node.name
    if isinstance(node, Not):
        return {"not": _plain_expression(node.operand)}
    assert isinstance(node, (And, Or)), node
    return {node.word: list(map(_plain_expression, node.operands))}


def read_correlation(document: Document, diagnostics: Diagnostics) -> Correlation:
    """A correlation rule from its document; warnings go to `diagnostics`.

    Raises `RuleError` for what refuses the correlation; where several things do, all but one are in
    `diagnostics`.
    """
    reader = _Reader(document, diagnostics)
    root = document.root
    # The specification's schema has `generate` beside `correlation`, pySigma inside it.
    meta, correlation = reader.attempt(
        lambda: read_metadata(reader, root, frozenset({"correlation", "generate"})),
        lambda: reader.correlation(root),
    )
    return Correlation(meta=meta, place=reader.place(root), **correlation)


class _Reader(Reader):
    """Reads the `correlation` map of a document."""

    __slots__ = ()

    def correlation(self, root: Node) -> dict[str, Any]:
        """Every attribute of a `Correlation` but its metadata and its place."""
        node = root.value["correlation"]
        if not node.is_map:
            raise self.fail("E_CORRELATION", "the correlation must be a map", node)
        for key in node.value:
            if key not in _KEYS:
                message = f"`{str(key)[:60]}` is no key of a correlation"
                hint = did_you_mean(str(key), _KEYS) or f"known are {', '.join(_KEYS)}"
                self.warn("W_META", message, node.keys[key] if node.keys else node, hint)
        given = {key: child for key, child in node.value.items() if child.value is not None}
        kind = self.type(node, given)
        condition, listed, timespan, group_by, aliases, generate = self.attempt(
            lambda: self.condition(kind, node, given.get("condition")),
            lambda: self.rules(given.get("rules")),
            lambda: self.timespan(node, given.get("timespan")),
            lambda: self.group_by(given.get("group-by")),
            lambda: self.aliases(given.get("aliases")),
            lambda: self.generate(given.get("generate", root.value.get("generate"))),
        )
        rules, condition = self.join(kind, node, listed, condition, given.get("condition"))
        if not group_by:
            message = "without `group-by` the events of all users and hosts are one group"
            at = given.get("group-by", node)
            self.warn("N_SCHEMA", message, at, "add `group-by:` with names of fields")
        return {
            "type": kind,
            "rules": rules,
            "timespan": timespan,
            "group_by": group_by,
            "aliases": aliases,
            "condition": condition,
            "generate": generate,
            "nodes": given,
        }

    def type(self, node: Node, given: dict[str, Node]) -> str:
        child = given.get("type")
        if child is None:
            raise self.fail("E_CORRELATION", "the correlation has no type", node, _one_of(TYPES))
        kind = str(child.value).lower() if child.is_scalar else ""
        if kind in TYPES and kind != child.value:
            self.warn("N_SCHEMA", f"`{child.value}` is not in lower case", child, f"write `{kind}`")
        if kind not in TYPES:
            message = f"`{str(child.plain())[:60]}` is no type of correlation"
            hint = did_you_mean(kind, TYPES) or _one_of(TYPES)
            raise self.fail("E_CORRELATION", message, child, hint)
        return kind

    def rules(self, node: Node | None) -> tuple[Reference, ...]:
        return self.references(node, "E_CORRELATION") if node else ()

    def timespan(self, node: Node, child: Node | None) -> int:
        if child is None:
            hint = "add `timespan: 5m`"
            raise self.fail("E_CORRELATION", "the correlation has no timespan", node, hint)
        text = child.value if isinstance(child.value, str) else str(child.plain())
        match = re.fullmatch(r"([0-9]{1,12})([smhdwMy])", text)
        if not match:
            message = f"`{text[:60]}` is no timespan"
            hint = "a number and one of the units s, m, h and d, as `90m`"
            raise self.fail("E_CORRELATION", message, child, hint)
        seconds = int(match[1]) * UNITS[match[2]]
        if not 0 < seconds <= MAX_TIMESPAN:
            message = "the timespan is longer than 10,000 years" if seconds else "the timespan is 0"
            raise self.fail("E_CORRELATION", message, child)
        if len(text) > MAX_TIMESPAN_TEXT:
            message = f"`timespan` is longer than {MAX_TIMESPAN_TEXT} characters"
            self.warn("N_SCHEMA", message, child, f"write `{int(match[1])}{match[2]}`")
        if match[2] in "My":
            unit = "month" if match[2] == "M" else "year"
            message = f"`{match[2]}` is a mean {unit} of {UNITS[match[2]]:,} seconds"
            hint = "minutes are `m`; other tools know s, m, h and d only"
            self.warn("W_META", message, child, hint)
        return seconds

    def texts_of(self, key: str, node: Node | None) -> tuple[str, ...]:
        """A text or a list of texts; nothing where the key is not given."""
        if node is None:
            return ()
        found = []
        for child in node.value if node.is_list else [node]:
            if not isinstance(child.value, str) or not child.value:
                message = f"`{key}` must be the name of a field or a list of names"
                raise self.fail("E_CORRELATION", message, child)
            found.append(child.value)
        return tuple(found)

    def group_by(self, child: Node | None) -> tuple[str, ...]:
        """The names of `group-by`, each once; without any all events are one group."""
        names = self.texts_of("group-by", child)
        if child is not None and names and not child.is_list:
            message = "`group-by` is a list in the specification's schema"
            self.warn("N_SCHEMA", message, child, f"write `[{names[0][:60]}]`")
        elif child is not None and names:
            for i, each in enumerate(child.value):
                if names.index(each.value) != i:
                    message = f"`{each.value[:80]}` is listed twice"
                    self.warn("W_META", message, each, "remove one")
        return tuple(dict.fromkeys(names))

    def aliases(self, node: Node | None) -> tuple[Alias, ...]:
        if node is None:
            return ()
        hint = "write `aliases: {<alias>: {<rule>: <field>}}`"
        if not node.is_map:
            raise self.fail("E_CORRELATION", "`aliases` must be a map", node, hint)
        made = []
        for name, mapping in node.value.items():
            if not isinstance(name, str) or not mapping.is_map:
                message = f"the alias `{str(name)[:60]}` must map rules to fields"
                raise self.fail("E_CORRELATION", message, mapping, hint)
            pairs = []
            for rule, target in mapping.value.items():
                text = target.value
                if not isinstance(rule, str) or not isinstance(text, str) or not text:
                    message = f"the alias `{name[:60]}` must map rules to fields, which are texts"
                    raise self.fail("E_CORRELATION", message, target, hint)
                at = mapping.keys[rule] if mapping.keys else mapping
                pairs.append((Reference(rule, self.place(at)), text))
            at = node.keys[name] if node.keys else node
            made.append(Alias(name, tuple(pairs), self.place(at)))
        return tuple(made)

    def generate(self, node: Node | None) -> bool:
        if node is None or node.value is None:
            return False
        if not isinstance(node.value, bool):
            raise self.fail("E_CORRELATION", "`generate` must be true or false", node)
        return node.value

    # Conditions

    def condition(self, kind: str, node: Node, child: Node | None) -> Threshold | Condition | None:
        if child is None:
            if kind.startswith("temporal"):
                return None
            hint = "add `condition: {gte: 10}`"
            raise self.fail("E_CORRELATION", "the correlation has no condition", node, hint)
        if isinstance(child.value, str):
            return self.string_condition(kind, child)
        if not child.is_map:
            message = "the condition must be a map" + (" or a text" if kind == "temporal" else "")
            raise self.fail("E_CORRELATION", message, child, "as `{gte: 10}`")
        return self.threshold(kind, child)

    def string_condition(self, kind: str, node: Node) -> Condition:
        if kind != "temporal":
            message = f"{kind} takes no condition in words"
            hint = "remove it" if kind == "temporal_ordered" else "as `{gte: 10}`"
            raise self.fail("E_CORRELATION", message, node, hint)
        condition = conditions.parse(node.value, self.place(node), raw=node.raw)
        for leaf in walk(condition.expression):
            if isinstance(leaf, Quantifier):
                message = f"`{str(leaf)[:60]}` has no place in the condition of a correlation"
                raise self.fail("E_CORRELATION", message, node, "join rules by and, or and not")
        conditions.report_remarks(condition, self.diagnostics)
        found = [*_positive(condition.expression)]
        if not any(found):
            message = "every rule stands under `not`: no event makes the condition be tested"
            self.warn("W_CORR_UPPER", message, node, "name a rule that must hit")
        elif not all(found):
            message = "`not` speaks of what was seen so far; later events may change it"
            hint = "a condition is tested when an event arrives, not when time has passed"
            self.warn("W_CORR_UPPER", message, node, hint)
        return condition

    def threshold(self, kind: str, node: Node) -> Threshold:
        comparisons: list[tuple[str, int | float]] = []
        for key, child in node.value.items():
            at = node.keys[key] if node.keys else node
            if key in OPERATORS:
                comparisons.append((key, number := self.number(key, child)))
                if (
                    kind in _COUNTS
                    and isinstance(number, float)
                    and (key != "eq" or number % 1 == 0)
                ):
                    message = f"{kind} counts in whole numbers"
                    hint = _whole(key, number)
                    self.warn("N_SCHEMA", message, child, hint)
                if key not in ("gt", "gte"):
                    message = f"`{key}` speaks of what was seen so far; later events may change it"
                    hint = "a condition is tested when an event arrives, not when time has passed"
                    self.warn("W_CORR_UPPER", message, at, hint)
            elif key not in ("field", "percentile"):
                known = (*OPERATORS, "field", "percentile")
                message = f"`{str(key)[:60]}` is no key of a correlation's condition"
                hint = did_you_mean(str(key), known) or _one_of(known)
                raise self.fail("E_CORRELATION", message, at, hint)
        if not comparisons:
            message = "the condition compares with nothing"
            raise self.fail("E_CORRELATION", message, node, f"add {_one_of(OPERATORS)}")
        fields = self.fields(kind, node)
        percentile = self.percentile(kind, node.value.get("percentile"))
        return Threshold(tuple(comparisons), fields, percentile)

    def number(self, key: str, node: Node) -> int | float:
        value = node.value
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            hint = "remove the quotes" if isinstance(value, str) and value.isdecimal() else ""
            raise self.fail("E_CORRELATION", f"`{key}` must be a number", node, hint)
        if not abs(value) < 2**63:  # true of NaN too
            raise self.fail("E_CORRELATION", f"`{key}` is beyond what is counted", node)
        return value

    def fields(self, kind: str, node: Node) -> tuple[str, ...]:
        child = node.value.get("field")
        if not kind.startswith("value_"):
            if child is not None:
                self.warn("W_META", f"`field` has no effect on {kind}", child, "remove it")
            return ()
        if child is not None and child.is_list and kind != "value_count":
            raise self.fail("E_CORRELATION", f"{kind} takes one field", child)
        found = self.texts_of("field", child)
        if not found:
            message = f"{kind} needs the field whose values it looks at"
            hint = "add `field: …` to the condition"
            raise self.fail("E_CORRELATION", message, child or node, hint)
        for name in found:
            if child is not None and len(name) > MAX_NAMES:
                message = f"the name of a field is longer than {MAX_NAMES} characters"
                self.warn("W_META", message, child)
        return found

    def percentile(self, kind: str, node: Node | None) -> int | float | None:
        if node is None or kind != "value_percentile":
            if node is not None:
                self.warn("W_META", f"`percentile` has no effect on {kind}", node, "remove it")
            return 50 if kind in ("value_percentile", "value_median") else None
        value = self.number("percentile", node)
        if not 0 <= value <= 100:
            raise self.fail("E_CORRELATION", "`percentile` must be from 0 to 100", node)
        return value

    # Rules and condition together

    def join(
        self,
        kind: str,
        node: Node,
        rules: tuple[Reference, ...],
        condition: Threshold | Condition | None,
        at: Node | None,
    ) -> tuple[tuple[Reference, ...], Threshold | Condition | None]:
        """Rules and condition of a correlation, checked against each other."""
        if isinstance(condition, Condition):
            return self.named(rules, condition), condition
        if not rules:
            hint = "add `rules:` with ids or names"
            raise self.fail("E_CORRELATION", "the correlation has no rules", node, hint)
        if kind == "temporal_ordered":
            # One rule may have to hit twice there.
            self.bound_count(kind, condition, at, len(rules))
            return rules, condition
        rules = self.once(rules)
        self.bound_count(kind, condition, at, len(rules))
        return rules, condition

    def bound_count(
        self, kind: str, condition: Threshold | None, at: Node | None, rules: int
    ) -> None:
        if condition and at and not _can_hold(kind, condition.comparisons, rules):
            self.warn("W_RANGE", "the condition never holds", at)

    def named(self, rules: tuple[Reference, ...], condition: Condition) -> tuple[Reference, ...]:
        """The rules of a string condition, which are those listed where any are."""
        names = [leaf.name for leaf in walk(condition.expression) if isinstance(leaf, Identifier)]
        if not rules:
            return tuple(Reference(name, condition.place) for name in dict.fromkeys(names))
        listed = [rule.text for rule in rules]
        for name in names:
            if name not in listed:
                message = f"the condition names `{name[:80]}`, which is not among the rules"
                hint = did_you_mean(name, listed[:100]) or "add it to `rules`"
                raise RuleError("E_CORRELATION", message, condition.place, hint)
        for rule in rules:
            if rule.text not in names:
                message = f"the condition does not use `{rule.text[:80]}`"
                hint = "use it in the condition or remove it from `rules`"
                raise RuleError("E_CORRELATION", message, rule.place, hint)
        return self.once(rules)

    def once(self, rules: tuple[Reference, ...]) -> tuple[Reference, ...]:
        found: dict[str, Reference] = {}
        for rule in rules:
            if found.setdefault(rule.text, rule) is not rule:
                message = f"`{rule.text[:80]}` is listed twice"
                self.diagnostics.report("W_META", message, rule.place, "remove one")
        return tuple(found.values())


def _one_of(words: tuple[str, ...]) -> str:
    return f"one of {', '.join(words)}"


def _whole(operator: str, number: float) -> str:
    """The whole number that compares in the same way with counts, as a hint; `""` where there is none."""
    if number.is_integer():
        return f"write `{int(number)}`"
    if operator in ("eq", "neq"):
        return ""
    return f"write `{math.ceil(number) if operator in ('gte', 'lt') else math.floor(number)}`"


def _positive(node: Expression, positive: bool = True) -> Iterator[bool]:
    """For each reference in a string condition, whether it stands under an even number of `not`."""
    if isinstance(node, Identifier):
        yield positive
    for child in children(node):
        yield from _positive(child, positive is not isinstance(node, Not))


def _can_hold(kind: str, comparisons: tuple[tuple[str, int | float], ...], rules: int) -> bool:
    """Whether some value satisfies all comparisons.

    A count is whole and, because it is tested when an event arrives, at least 1.
    """
    counts = kind in _COUNTS
    low: float = 1 if counts else -math.inf
    high: float = rules if kind.startswith("temporal") else math.inf
    excluded = [number for operator, number in comparisons if operator == "neq"]
    for operator, number in comparisons:
        if operator in ("gt", "gte", "eq"):
            low = max(low, math.floor(number) + 1 if counts and operator == "gt" else number)
        if operator in ("lt", "lte", "eq"):
            high = min(high, math.ceil(number) - 1 if counts and operator == "lt" else number)
    if counts:
        low, high = math.ceil(low), math.floor(high) if math.isfinite(high) else high
    strict = not counts and {("gt", low), ("lt", high)} & set(comparisons)
    return low < high or (low == high and not strict and low not in excluded)
