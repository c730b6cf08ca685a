"""Transformations of the rule as a whole and of its metadata."""

from __future__ import annotations

import re
from dataclasses import replace
from string import Template
from typing import Any

from sigmac.compiler.diagnostics.diagnostic import Diagnostics
from sigmac.compiler.ir.expressions import And, AtLeast, Expression, Not, Or, transform, walk
from sigmac.compiler.pipeline.conditions.parameters import Parameters
from sigmac.compiler.pipeline.conditions.processing_run import Refusal, Run
from sigmac.compiler.pipeline.levels import MetadataChange, RuleChange, RunChange
from sigmac.compiler.syntax.condition import Condition, Identifier, Quantifier, names_matching
from sigmac.compiler.syntax.read_rule import check_identifier, read_detection
from sigmac.compiler.syntax.reader import Reader
from sigmac.compiler.syntax.rule import Detection, LogSource, Metadata, Rule, all_items, items
from sigmac.compiler.syntax.yaml_nodes import Node

MAX_GENERATED = 100  # selections that pipelines add to one rule
_LOGSOURCE = ("category", "product", "service")


def add_condition(given: Parameters) -> RuleChange:
    """A generated selection of `conditions`, ANDed to each condition of the rule.

    `negated` puts a `not` before it. With `template`, `$category`, `$product` and `$service` in the
    values are the rule's.
    """
    node = given.required("conditions")
    if not node.is_map:
        raise given.fail("`conditions` must be a map of detection items", node)
    if None in node.value:
        hint = "keywords cannot be added; name the field that holds the text"
        raise given.fail("a key of `conditions` is null", (node.keys or {}).get(None), hint)
    negated = given.flag("negated")
    wanted = given.text("name", "")
    reader = Reader(given.document, Diagnostics())
    if wanted:
        check_identifier(reader, wanted, given.required("name"))
    detection = read_detection(reader, node)
    if given.flag("template"):
        return lambda rule, run: _added(
            rule,
            run,
            wanted,
            read_detection(reader, _filled(node, rule.logsource)),
            negated,
        )
    return lambda rule, run: _added(rule, run, wanted, detection, negated)


def _added(rule: Rule, run: Run, wanted: str, detection: Detection, negated: bool) -> Rule:
    if len(run.generated) >= MAX_GENERATED:
        raise Refusal(f"the pipelines add more than {MAX_GENERATED} conditions")
    name = wanted or _free_name(rule, run)
    if name in rule.detections:
        raise Refusal(
            f"the rule has a selection `{name[:60]}` already", hint="choose another `name`"
        )
    own = {key: each for key, each in rule.detections.items() if key not in run.generated}
    earlier = {key: each for key, each in rule.detections.items() if key in run.generated}
    names = list(rule.detections)
    run.generated.append(name)
    for condition in rule.conditions:
        if any(names_matching(each.target, [name]) for each in _quantifiers(condition)):
            message = f"a pattern of the condition does not mean `{name[:60]}`, which pipelines add"
            run.differs(f"{message}; to pySigma it does", condition.place)
    first = next(items(detection))
    leaf: Expression = Identifier(name)
    if negated:
        leaf = Not(leaf)
    return replace(
        rule,
        detections={**earlier, name: detection, **own},
        places={**rule.places, name: first.place},
        conditions=tuple(
            replace(
                condition,
                text=f"{'not ' if negated else ''}{name} and ({condition.text})",
                expression=And(leaf, *_operands(_unaware(condition.expression, name, names))),
            )
            for condition in rule.conditions
        ),
    )


def _free_name(rule: Rule, run: Run) -> str:
    number = len(run.generated) + 1
    while f"_cond_{number}" in rule.detections:
        number += 1
    return f"_cond_{number}"


def _quantifiers(condition: Condition) -> list[Quantifier]:
    return [each for each in walk(condition.expression) if isinstance(each, Quantifier)]


def _operands(expression: Expression) -> tuple[Expression, ...]:
    # Flat, so that many added conditions do not nest ever deeper.
    return expression.operands if isinstance(expression, And) else (expression,)


def _unaware(expression: Expression, new: str, names: list[str]) -> Expression:
    """The same condition, patterns that would select the new name, as `_*`, written out before."""

    def change(node: Expression) -> Expression:
        if not isinstance(node, Quantifier) or not names_matching(node.target, [new]):
            return node
        chosen = [Identifier(name) for name in names_matching(node.target, names)]
        if node.count is None:
            return And(*chosen)
        return Or(*chosen) if node.count == 1 else AtLeast(node.count, *chosen)

    return transform(expression, change)


def _filled(node: Node, source: LogSource) -> Node:
    """A copy of the node with the parts of the logsource put into its texts."""
    if node.is_map:
        value: Any = {key: _filled(child, source) for key, child in node.value.items()}
    elif node.is_list:
        value = [_filled(child, source) for child in node.value]
    elif isinstance(node.value, str):
        value = _substituted(node.value, source)
    else:
        value = node.value
    return Node(value, node.line, node.column, node.width, node.keys)


def _substituted(text: str, source: LogSource) -> str:
    template = Template(text)
    for name in template.get_identifiers():
        if name in _LOGSOURCE and not getattr(source, name):
            hint = "give the item a `logsource` condition that asks for it"
            raise Refusal(f"the logsource has no {name} to put in place of `${name}`", hint=hint)
    # A logsource is plain text: a star in it is a star.
    parts = {name: re.sub(r"([*?\\])", r"\\\1", getattr(source, name) or "") for name in _LOGSOURCE}
    return template.safe_substitute(parts)


def change_logsource(given: Parameters) -> RuleChange:
    """The logsource becomes `category`, `product` and `service`, as far as they are given."""
    parts: Any = {key: given.text(key, "") or None for key in _LOGSOURCE}
    if not any(parts.values()):
        raise given.fail(f"{given.what} needs a category, product or service")

    def change(rule: Rule, run: Run) -> Rule:
        made = replace(rule.logsource, **parts)
        return rule if made == rule.logsource else replace(rule, logsource=made)

    return change


def strict_field_mapping_failure(given: Parameters) -> RuleChange:
    """The rule is refused where a field, but for those that pipelines added, has no mapping."""

    def change(rule: Rule, run: Run) -> Rule:
        missing = {
            item.field: item.place
            for item in all_items(rule, without=run.generated)
            if item.field is not None and item.field not in run.mapped
        }
        if missing:
            names = ", ".join(f"`{name[:60]}`" for name in sorted(missing)[:10])
            raise Refusal(f"no mapping of the fields {names}", min(missing.values()))
        return rule

    return change


def rule_failure(given: Parameters) -> RunChange:
    """The rule is refused with `message`."""
    message = given.text("message")

    def act(run: Run) -> None:
        raise Refusal(message)

    return act


def set_state(given: Parameters) -> RunChange:
    """`key` of the state becomes `val`, for the condition `processing_state`."""
    key = given.text("key")
    value = given.anything("val")

    def act(run: Run) -> None:
        run.state[key] = value

    return act


def set_custom_attribute(given: Parameters) -> MetadataChange:
    """`attribute` of the rule's custom attributes becomes `value`, whatever that is."""
    name = given.text("attribute")
    value = given.anything("value")

    def change(meta: Metadata) -> Metadata:
        return replace(meta, custom=tuple({**dict(meta.custom), name: value}.items()))

    return change


def add_field(given: Parameters) -> MetadataChange:
    """`field`, one or several, joins the rule's `fields`."""
    names = given.names("field")
    return lambda meta: replace(meta, fields=tuple(dict.fromkeys((*meta.fields, *names))))


def remove_field(given: Parameters) -> MetadataChange:
    """`field`, one or several, leaves the rule's `fields`."""
    names = given.names("field")
    return lambda meta: replace(meta, fields=tuple(f for f in meta.fields if f not in names))


def set_field(given: Parameters) -> MetadataChange:
    """`fields` are the rule's `fields`."""
    names = given.names("fields")
    return lambda meta: replace(meta, fields=names)
