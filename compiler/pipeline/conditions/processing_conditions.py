"""Conditions of processing items: on the rule, on a detection item, on a field name.

Each table maps a type to a reader, which turns parameters into a test. Source: the processing
pipelines of pySigma; deviations are listed in `docs/pipelines.md`.
"""

from __future__ import annotations

import datetime
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

import re2

from sigmac.compiler.diagnostics.diagnostic import did_you_mean
from sigmac.compiler.ir.values import (
    ANY,
    ONE,
    Alternatives,
    Boolean,
    Null,
    Number,
    Text,
    Value,
)
from sigmac.compiler.pipeline.conditions.parameters import Parameters
from sigmac.compiler.pipeline.conditions.plain_text import PlainText
from sigmac.compiler.pipeline.conditions.processing_run import Run
from sigmac.compiler.syntax.correlation import Correlation
from sigmac.compiler.syntax.modifiers.apply_modifiers import apply
from sigmac.compiler.syntax.modifiers.regex_values import re2_options
from sigmac.compiler.syntax.rule import LEVELS, STATUSES, Item, LogSource, Metadata, Rule
from sigmac.compiler.syntax.rule import all_items as rule_items


@dataclass(frozen=True, slots=True)
class FieldName:
    """A field name where it stands: None is a keyword item's; `applied` are the processing items
    that gave it.
    """

    name: str | None
    applied: frozenset[str] = frozenset()


AnyRule = Rule | Correlation
_S = TypeVar("_S")
Test = Callable[[_S, Run], bool]
RuleTest = Test[AnyRule]
ItemTest = Test[Item]
FieldTest = Test[FieldName]
Reader = Callable[[Parameters], Test[_S]]


def matcher(pattern: str) -> Callable[[str], bool]:
    """A test of text by an RE2 pattern, which looks from the text's start on."""
    match = re2.compile(pattern, re2_options()).match
    return lambda text: match(text) is not None


# On the rule


@dataclass(frozen=True, slots=True)
class LogsourceTest:
    """The parts that are given are the rule's, ASCII letter case aside.

    A correlation has the logsources of the rules that it refers to.
    """

    product: str
    category: str
    service: str

    def __call__(self, rule: AnyRule, run: Run) -> bool:
        if isinstance(rule, Rule):
            return self.matches(rule.logsource)
        return any(map(self.matches, run.logsources))

    def matches(self, logsource: LogSource) -> bool:
        product, category, service = logsource.key
        return (
            _is(self.category, category)
            and _is(self.service, service)
            and _is(self.product, product)
        )


def _is(wanted: str, found: str | None) -> bool:
    return not wanted or found == wanted or (found is not None and _folded(found) == wanted)


def logsource(given: Parameters) -> LogsourceTest:
    """`category`, `product` and `service`, at least one of them."""
    wanted = [_folded(given.text(key, "")) for key in ("product", "category", "service")]
    if not any(wanted):
        raise given.fail(f"{given.what} needs a category, product or service")
    return LogsourceTest(*wanted)


def _folded(text: str) -> str:
    return text.lower() if text.isascii() else text


def contains_field(given: Parameters) -> RuleTest:
    """Some detection item asks for the field."""
    field = given.text("field")
    return lambda rule, run: any(item.field == field for item in all_items(rule))


def contains_detection_item(given: Parameters) -> RuleTest:
    """Some detection item asks for the field and has the value."""
    field = given.text("field")
    value = _sigma_value(given)

    def test(rule: AnyRule, run: Run) -> bool:
        return any(
            item.field == field and any(same(value, each) for each in leaves(item.values))
            for item in all_items(rule)
        )

    return test


def rule_attribute(given: Parameters) -> RuleTest:
    """An attribute of the rule, a custom one too, compares with a value; an attribute it does not
    have never does.
    """
    attribute = given.text("attribute")
    operator = given.choice("op", [*_COMPARISONS, "in", "not_in"], "eq")
    value = given.scalar("value")
    check = _attribute_test(given, attribute, operator, value)

    def test(rule: AnyRule, run: Run) -> bool:
        found = _attribute(rule.meta, attribute)
        return found is not None and check(found)

    return test


_LISTS = frozenset({"references", "fields", "falsepositives", "scope", "tags"})
_ORDERED = {"level": LEVELS, "status": STATUSES}
_ATTRIBUTES = frozenset(Metadata.__dataclass_fields__) - {"custom", "nodes", "related"}


def _attribute_test(
    given: Parameters, attribute: str, operator: str, value: Any
) -> Callable[[Any], bool]:
    node = given.optional("value")
    allowed = _operators(attribute)
    if operator not in allowed:
        hint = f"one of {', '.join(allowed)}"
        raise given.fail(
            f"`{attribute}` cannot be compared by `{operator}`", given.optional("op"), hint
        )
    if attribute in _ORDERED:
        order = _ORDERED[attribute]
        word = value.lower() if isinstance(value, str) else value
        if word not in order:
            hint = did_you_mean(str(value), order) or f"one of {', '.join(order)}"
            raise given.fail(f"there is no {attribute} `{str(value)[:60]}`", node, hint)
        return lambda found: _compare(operator, order.index(found), order.index(word))
    if attribute in ("date", "modified"):
        try:
            datetime.date.fromisoformat(str(value))
        except ValueError:
            raise given.fail(f"`{str(value)[:60]}` is no date", node, "write YYYY-MM-DD") from None
        return lambda found: _compare(operator, found, str(value))
    return lambda found: _compare(operator, found, value)


def _operators(attribute: str) -> tuple[str, ...]:
    if attribute in _ORDERED or attribute in ("date", "modified"):
        return tuple(_COMPARISONS)
    if attribute in _LISTS:
        return ("in", "not_in", "eq", "ne")
    if attribute in _ATTRIBUTES:
        return ("eq", "ne")
    return (*_COMPARISONS, "in", "not_in")


def _attribute(meta: Metadata, attribute: str) -> Any:
    if attribute in _ATTRIBUTES:
        return getattr(meta, attribute)
    return dict(meta.custom).get(attribute)


def tag(given: Parameters) -> RuleTest:
    """The rule has the tag."""
    wanted = given.text("tag")
    if "." not in wanted:
        raise given.fail(
            f"the tag `{wanted[:60]}` has no namespace", given.optional("tag"), "as attack.t1059"
        )
    return lambda rule, run: wanted in rule.meta.tags


def rule_was_processed(given: Parameters) -> RuleTest:
    """The processing item with the id was applied to the rule: its rule conditions held."""
    wanted = given.text("processing_item_id")
    return lambda rule, run: wanted in run.applied


def is_sigma_rule(given: Parameters) -> RuleTest:
    return lambda rule, run: isinstance(rule, Rule)


def is_sigma_correlation_rule(given: Parameters) -> RuleTest:
    return lambda rule, run: isinstance(rule, Correlation)


# On a detection item


def match_string(given: Parameters) -> ItemTest:
    """Strings that a regular expression matches from their start on."""
    found = matcher(given.regex("pattern"))
    negated = given.flag("negate")

    def matches(value: Value) -> bool:
        return (isinstance(value, Text) and found(PlainText(value.parts).text)) is not negated

    return _of_values(given, matches)


def match_value(given: Parameters) -> ItemTest:
    """A value that is exactly this, of the same type."""
    wanted = _sigma_value(given)
    return _of_values(given, lambda value: same(wanted, value))


def contains_wildcard(given: Parameters) -> ItemTest:
    """Strings with a wildcard, be it written or put there by `contains` and its like."""
    return _of_values(
        given, lambda value: isinstance(value, Text) and (ANY in value.parts or ONE in value.parts)
    )


def is_null(given: Parameters) -> ItemTest:
    return _of_values(given, lambda value: isinstance(value, Null))


def item_was_processed(given: Parameters) -> ItemTest:
    """The processing item with the id changed the detection item."""
    wanted = given.text("processing_item_id")
    return lambda item, run: wanted in item.applied


def _of_values(given: Parameters, matches: Callable[[Value], bool]) -> ItemTest:
    """`cond` says whether any or all of the values must match."""
    quantifier = any if given.choice("cond", ("any", "all")) == "any" else all
    return lambda item, run: quantifier(matches(value) for value in leaves(item.values))


# On a field name


def include_fields(given: Parameters) -> FieldTest:
    """The name is one of `fields`: as it stands, or matched from its start on by one of the regular
    expressions.
    """
    nodes = given.required("fields")
    names = given.names("fields")
    if given.choice("mode", ("plain", "re"), "plain") == "plain":
        known = frozenset(names)
        return lambda field, run: field.name in known
    patterns = [
        matcher(given.as_regex(node, "`fields`"))
        for node in (nodes.value if nodes.is_list else [nodes])
    ]
    return lambda field, run: field.name is not None and any(p(field.name) for p in patterns)


def exclude_fields(given: Parameters) -> FieldTest:
    """The opposite of `include_fields`."""
    included = include_fields(given)
    return lambda field, run: not included(field, run)


def field_was_processed(given: Parameters) -> FieldTest:
    """The processing item with the id gave the field its name."""
    wanted = given.text("processing_item_id")
    return lambda field, run: wanted in field.applied


# On anything


def processing_state(given: Parameters) -> Test[Any]:
    """What `set_state` set compares with a value; a key that was never set does not."""
    key = given.text("key")
    value = given.scalar("val")
    operator = given.choice("op", _COMPARISONS, "eq")
    return lambda subject, run: key in run.state and _compare(operator, run.state[key], value)


_COMPARISONS: Mapping[str, Callable[[Any, Any], bool]] = {
    "eq": lambda left, right: bool(left == right),
    "ne": lambda left, right: bool(left != right),
    "gte": lambda left, right: bool(left >= right),
    "gt": lambda left, right: bool(left > right),
    "lte": lambda left, right: bool(left <= right),
    "lt": lambda left, right: bool(left < right),
}


def _compare(operator: str, left: Any, right: Any) -> bool:
    """False where the two cannot be compared, such as a text with a number; lists only know
    membership.
    """
    if isinstance(left, (list, tuple)):
        present = right in left
        return {"in": present, "not_in": not present, "ne": True}.get(operator, False)
    if operator not in _COMPARISONS:
        return False
    numbers = isinstance(left, (int, float)) and isinstance(right, (int, float))
    if operator not in ("eq", "ne") and not numbers and type(left) is not type(right):
        return False
    if isinstance(left, dict):
        return operator == "ne"
    return left is not None and right is not None and _COMPARISONS[operator](left, right)


RULE_CONDITIONS: Mapping[str, Reader[AnyRule]] = {
    "logsource": logsource,
    "contains_detection_item": contains_detection_item,
    "contains_field": contains_field,
    "rule_attribute": rule_attribute,
    "tag": tag,
    "is_sigma_rule": is_sigma_rule,
    "is_sigma_correlation_rule": is_sigma_correlation_rule,
    "processing_item_applied": rule_was_processed,
    "processing_state": processing_state,
}
ITEM_CONDITIONS: Mapping[str, Reader[Item]] = {
    "match_string": match_string,
    "match_value": match_value,
    "contains_wildcard": contains_wildcard,
    "is_null": is_null,
    "processing_item_applied": item_was_processed,
    "processing_state": processing_state,
}
FIELD_CONDITIONS: Mapping[str, Reader[FieldName]] = {
    "include_fields": include_fields,
    "exclude_fields": exclude_fields,
    "processing_item_applied": field_was_processed,
    "processing_state": processing_state,
}


# Rules and values as conditions look at them


def all_items(rule: AnyRule) -> Iterable[Item]:
    """Every detection item of a rule and of its filters; a correlation has none."""
    return () if isinstance(rule, Correlation) else rule_items(rule)


def leaves(values: Iterable[Value]) -> Iterable[Value]:
    """The values one by one, alternatives opened."""
    for value in values:
        if isinstance(value, Alternatives):
            yield from leaves(value.values)
        else:
            yield value


def same(wanted: Value, found: Value) -> bool:
    """Whether two values of a rule are the same, `cased` aside."""
    if isinstance(wanted, Text) and isinstance(found, Text):
        return wanted.parts == found.parts
    return wanted == found


def _sigma_value(given: Parameters) -> Value:
    value = sigma_value(given.scalar("value"))
    assert isinstance(value, (Text, Number, Boolean, Null))
    return value


def sigma_value(raw: Any, *, keyword: bool = False) -> Value:
    """A scalar of a pipeline as the value of a detection item without modifiers.

    Raises `ModifierError`: a keyword cannot be empty.
    """
    return apply(None if keyword else "field", (), [raw]).values[0]
