"""The table of transformations, and processing items: one transformation with the conditions under which it acts.

Source: the YAML format of pySigma's processing pipelines.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeVar

from sigmac.compiler.correlation import Correlation
from sigmac.compiler.diagnostics import Diagnostics, Place, RuleError, did_you_mean
from sigmac.compiler.pipeline import fields, items, placeholders, rules, texts
from sigmac.compiler.pipeline.conditions import (
    FIELD_CONDITIONS,
    ITEM_CONDITIONS,
    RULE_CONDITIONS,
    RuleTest,
    read_conditions,
)
from sigmac.compiler.pipeline.levels import (
    Scope,
    Transformation,
    TransformationType,
    on_fields,
    on_items,
    on_metadata,
    on_rules,
    on_run,
    on_values,
)
from sigmac.compiler.pipeline.parameters import Parameters
from sigmac.compiler.pipeline.run import Refusal, Run
from sigmac.compiler.rule import Rule
from sigmac.compiler.source import Document, Node

# Each type by what it acts on. `nest` is not here: it holds processing items itself, see `_nest`.
TRANSFORMATIONS: Mapping[str, TransformationType] = {
    "field_name_mapping": on_fields(fields.field_name_mapping),
    "field_name_prefix_mapping": on_fields(fields.field_name_prefix_mapping),
    "field_name_prefix": on_fields(fields.field_name_prefix),
    "field_name_suffix": on_fields(fields.field_name_suffix),
    "field_name_transform": on_fields(fields.field_name_transform),
    "drop_detection_item": on_items(items.drop_detection_item),
    "hashes_fields": on_items(items.hashes_fields),
    "detection_item_failure": on_items(items.detection_item_failure),
    "replace_string": on_values(texts.replace_string),
    "map_string": on_values(texts.map_string),
    "set_value": on_values(texts.set_value),
    "convert_type": on_values(texts.convert_type),
    "case": on_values(texts.case),
    "value_placeholders": on_values(placeholders.value_placeholders),
    "wildcard_placeholders": on_values(placeholders.wildcard_placeholders),
    "add_condition": on_rules(rules.add_condition),
    "change_logsource": on_rules(rules.change_logsource),
    "strict_field_mapping_failure": on_rules(rules.strict_field_mapping_failure),
    "set_custom_attribute": on_metadata(rules.set_custom_attribute),
    "add_field": on_metadata(rules.add_field),
    "remove_field": on_metadata(rules.remove_field),
    "set_field": on_metadata(rules.set_field),
    "set_state": on_run(rules.set_state),
    "rule_failure": on_run(rules.rule_failure),
}

# Types of pySigma that are refused, and why.
REFUSED: Mapping[str, str] = {
    "query_expression_placeholders": "it writes text into a query, and there is no query here",
    "regex": "strings are compared without regard to letter case anyway",
    "extract_fields": "it is no part of the supported format; map the fields when the events are made",
    "file_placeholders": "a build does not read other files; give the values in `vars`",
    "http_placeholders": "a build does not use the network; give the values in `vars`",
    "command_placeholders": "a build does not run commands; give the values in `vars`",
}

_R = TypeVar("_R", Rule, Correlation)


@dataclass(frozen=True, slots=True)
class ProcessingItem:
    """One entry of `transformations`: acts where `condition` holds. `id` is the given one, else file and line."""

    id: str
    place: Place
    condition: RuleTest | None
    transformation: Transformation


def process(processing_items: tuple[ProcessingItem, ...], rule: _R, run: Run) -> _R:
    """The rule after all items in their order.

    Raises `RuleError` where one of them refuses it.
    """
    for item in processing_items:
        if item.condition is not None and not item.condition(rule, run):
            continue
        run.applied.add(item.id)
        try:
            if isinstance(rule, Rule):
                rule = item.transformation.rule(rule, run)
            elif item.transformation.correlation is not None:
                rule = item.transformation.correlation(rule, run)
        except Refusal as refusal:
            hint = refusal.hint or f"the pipeline says so: {item.place}"
            place = refusal.place or rule.place
            raise RuleError(refusal.code, refusal.message, place, hint) from None
    return rule


def read_processing_items(
    document: Document, node: Node, warnings: Diagnostics
) -> tuple[ProcessingItem, ...]:
    """The processing items of a list.

    Raises `RuleError` (`E_PIPELINE`, or the code of a fault in a detection item of `add_condition`).
    """
    if not node.is_list:
        place = node.place(document.file, document.index)
        raise RuleError("E_PIPELINE", "transformations must be a list", place)
    return tuple(_read(document, child, warnings) for child in node.value)


def _read(document: Document, node: Node, warnings: Diagnostics) -> ProcessingItem:
    given = Parameters(document, node, "a transformation")
    kind = given.text("type")
    _check_type(given, kind)
    given.what = f"`{kind}`"
    place = given.place()
    own_id = given.text("id", "") or f"{place.file}:{place.line}"
    condition = read_conditions(given, "rule", RULE_CONDITIONS)
    scope = Scope(
        own_id,
        read_conditions(given, "detection_item", ITEM_CONDITIONS),
        read_conditions(given, "field_name", FIELD_CONDITIONS),
    )
    if kind == "nest":
        transformation, selective = _nest(given, warnings), False
    else:
        known = TRANSFORMATIONS[kind]
        transformation, selective = known.make(given, scope), known.selective
    given.finish()
    if not selective:
        _warn_of_idle_conditions(given, kind, scope, warnings)
    return ProcessingItem(own_id, place, condition, transformation)


def _check_type(given: Parameters, kind: str) -> None:
    node = given.optional("type")
    if kind in REFUSED:
        raise given.fail(f"the transformation `{kind}` is not supported: {REFUSED[kind]}", node)
    if kind not in TRANSFORMATIONS and kind != "nest":
        hint = did_you_mean(kind, [*TRANSFORMATIONS, "nest"]) or "docs/pipelines.md lists all"
        raise given.fail(f"there is no transformation `{kind[:60]}`", node, hint)


def _warn_of_idle_conditions(
    given: Parameters, kind: str, scope: Scope, warnings: Diagnostics
) -> None:
    for key, test in (
        ("detection_item_conditions", scope.items),
        ("field_name_conditions", scope.fields),
    ):
        if test is not None:
            place = given.place(given.optional(key))
            warnings.report("W_PIPELINE", f"`{key}` has no effect on `{kind}`", place)


def _nest(given: Parameters, warnings: Diagnostics) -> Transformation:
    """`items`, a list of processing items, run in turn where the conditions of this one hold."""
    nested = read_processing_items(given.document, given.required("items"), warnings)
    return Transformation(
        lambda rule, run: process(nested, rule, run),
        lambda correlation, run: process(nested, correlation, run),
    )
