"""Rule → IR: every detection item becomes predicates, every search identifier a `Named` expression."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from sigmac.compiler.diagnostics.diagnostic import Place, RuleError
from sigmac.compiler.ir.expressions import (
    ADDED,
    COMPARISONS,
    FALSE,
    FILTER,
    INTERNAL,
    And,
    Expression,
    Named,
    Not,
    Op,
    Or,
    Predicate,
    children,
)
from sigmac.compiler.ir.values import (
    ANY,
    Alternatives,
    Boolean,
    Compare,
    Exists,
    FieldRef,
    Network,
    Null,
    Number,
    Part,
    Placeholder,
    Regex,
    Text,
    TimePart,
    Value,
    glob,
)
from sigmac.compiler.syntax.condition import resolve
from sigmac.compiler.syntax.modifiers.modifiers import ModifierError
from sigmac.compiler.syntax.modifiers.regex_values import MAX_PROGRAM, check_regex
from sigmac.compiler.syntax.rule import AllOf, AnyOf, Detection, Filter, Item, Rule
from sigmac.runtime.scalar.folding import default_fold
from sigmac.runtime.scalar.globs import plan, regex_of

MAX_TITLE = 60  # characters of a filter's title in the names of its search identifiers
MAX_WILDCARDS = 1000  # in a value: each takes RE2 a few steps a character of an event, at worst


class RuleVariant(Protocol):
    """A rule as pipelines left it; `name` tells the variants of one rule apart."""

    @property
    def name(self) -> str | None: ...
    @property
    def rule(self) -> Rule: ...


def lower_rule(variants: Sequence[RuleVariant]) -> Expression:
    """The expression of a rule: the Or of its variants, each the Or of its conditions and its filters.

    Search identifiers are `Named`, and so are conditions where there are several; where there are several variants
    each is `Named` and its identifiers carry its name in front. Raises `RuleError` (`E_VALUE_TYPE`) for a
    value that is too long for its wildcards.
    """
    if len(variants) == 1:
        return _variant(variants[0].rule, "")
    return Or(
        *(
            Named(f"{INTERNAL}variant {each.name}", _variant(each.rule, f"{each.name}_"))
            for each in variants
        )
    )


def _variant(rule: Rule, prefix: str) -> Expression:
    names = list(rule.detections)
    meanings = {
        name: Named(name if name.startswith(ADDED) else prefix + name, lower_detection(detection))
        for name, detection in rule.detections.items()
    }
    made = [resolve(each.expression, names, meanings.__getitem__) for each in rule.conditions]
    if rule.filters:
        filters = [lower_filter(each, prefix) for each in rule.filters]
        made = [_filtered(each, filters) for each in made]
    if len(made) == 1:
        return made[0]
    return Or(*(Named(f"{INTERNAL}{prefix}condition {i}", each) for i, each in enumerate(made)))


def _filtered(condition: Expression, filters: Sequence[Expression]) -> Expression:
    # Flat, so that what pipelines have added still stands on top.
    own = condition.operands if isinstance(condition, And) else (condition,)
    return And(*own, *filters)


def lower_filter(joined: Filter, prefix: str = "") -> Expression:
    """The expression of a filter's condition, its search identifiers `Named` so that no rule's is called alike."""
    title = joined.meta.title.lower().removeprefix("filter").strip()[:MAX_TITLE]
    meanings = {
        name: Named(f"{FILTER}{title} {prefix}{name}", lower_detection(detection))
        for name, detection in joined.detections.items()
    }
    return resolve(joined.condition.expression, list(meanings), meanings.__getitem__)


def lower_detection(detection: Detection) -> Expression:
    """The expression of what stands under a search identifier."""
    if isinstance(detection, AllOf):
        return _joined(And, [lower_detection(child) for child in detection.children])
    if isinstance(detection, AnyOf):
        return _joined(Or, [lower_detection(child) for child in detection.children])
    return _item(detection)


def _joined(kind: type[And] | type[Or], operands: list[Expression]) -> Expression:
    return operands[0] if len(operands) == 1 else kind(*operands)


def _item(item: Item) -> Expression:
    made = [_value(item.field, value) for value in item.tests]
    for each in made:
        _check_size(each, item.place)
    found = _joined(And if item.all else Or, made)
    return Not(found) if item.negated else found


def _check_size(expression: Expression, place: Place) -> None:
    """Raise `RuleError` where a value has more wildcards, or more text around them, than RE2 should be given."""
    for each in children(expression) or (expression,):
        if not isinstance(each, Predicate) or each.op is not Op.LIKE:
            continue
        if sum(not isinstance(part, str) for part in each.argument) > MAX_WILDCARDS:
            message = f"a value with more than {MAX_WILDCARDS:,} wildcards"
            raise RuleError("E_VALUE_TYPE", message, place, "use `re`")
        text = glob(each.argument)
        # A character takes up to 9 instructions.
        if len(text) * 9 > MAX_PROGRAM and (each.cased or not plan(text).test):
            try:
                check_regex(regex_of(text))
            except ModifierError as error:
                message = f"the value is too long for wildcards inside it: {error.message}"
                raise RuleError("E_VALUE_TYPE", message, place, "shorten it") from None


def _value(field: str | None, value: Value) -> Expression:
    match value:
        case Alternatives(values):
            return _joined(Or, [_value(field, each) for each in values]) if values else FALSE
        case Text():
            return text_predicate(field, value)
        case Number(number):
            return Predicate(field, Op.NUMBER, number)
        case Boolean(truth):
            # Only a boolean and a string can have this text, which is what the table of values asks for.
            return Predicate(field, Op.EQUALS, "true" if truth else "false")
        case Null():
            return Predicate(field, Op.NULL)
        case Regex():
            return Predicate(field, Op.REGEX, value.pattern)
        case Network(cidr):
            return Predicate(field, Op.CIDR, cidr)
        case Compare(operator, number):
            return Predicate(field, COMPARISONS[operator], number)
        case TimePart(part, operator, number):
            return Predicate(field, Op.TIME, (part, operator, number))
        case Exists(present):
            exists = Predicate(field, Op.EXISTS)
            return exists if present else Not(exists)
        case FieldRef(other, placement, cased):
            return Predicate(field, Op.SAME, (other, placement), cased)


def text_predicate(field: str | None, text: Text) -> Predicate:
    """The predicate of a Sigma string: a plain comparison where its wildcards stand at the ends only."""
    fold = default_fold()
    parts: tuple[Part, ...] = tuple(
        fold(part) if isinstance(part, str) and not text.cased else part for part in text.parts
    )
    assert not any(isinstance(part, Placeholder) for part in parts), (
        "placeholders are replaced before"
    )
    match parts:
        case ():
            return Predicate(field, Op.EQUALS, "", text.cased)
        case (str() as literal,):
            return Predicate(field, Op.EQUALS, literal, text.cased)
        case (a,) if a is ANY:
            return Predicate(field, Op.CONTAINS, "", text.cased)
        case (a, str() as literal) if a is ANY:
            return Predicate(field, Op.ENDSWITH, literal, text.cased)
        case (str() as literal, a) if a is ANY:
            return Predicate(field, Op.STARTSWITH, literal, text.cased)
        case (a, str() as literal, b) if a is ANY and b is ANY:
            return Predicate(field, Op.CONTAINS, literal, text.cased)
    return Predicate(field, Op.LIKE, parts, text.cased)
