"""The table of transformations, and processing items: one transformation with the conditions under
which it acts.

Source: the YAML format of pySigma's processing pipelines.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from sigmac.compiler.diagnostics.diagnostic import Diagnostics, Place, RuleError, did_you_mean
from sigmac.compiler.pipeline import field_changes as fields
from sigmac.compiler.pipeline import item_changes as items
from sigmac.compiler.pipeline import joined_changes as joined
from sigmac.compiler.pipeline import placeholder_changes as placeholders
from sigmac.compiler.pipeline import rule_changes as rules
from sigmac.compiler.pipeline import value_changes as texts
from sigmac.compiler.pipeline.conditions.joined_conditions import read_conditions
from sigmac.compiler.pipeline.conditions.parameters import Parameters
from sigmac.compiler.pipeline.conditions.processing_conditions import (
    FIELD_CONDITIONS,
    ITEM_CONDITIONS,
    RULE_CONDITIONS,
    LogsourceTest,
    RuleTest,
)
from sigmac.compiler.pipeline.conditions.processing_run import CannotAsk, Refusal, Run
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
from sigmac.compiler.syntax.correlation import Correlation
from sigmac.compiler.syntax.rule import LogSource, Rule
from sigmac.compiler.syntax.yaml_nodes import Document, Node

# Each type by what it acts on. `nest` is not here: it holds processing items itself, see `_nest`.
TRANSFORMATIONS: Mapping[str, TransformationType] = {
    "field_name_mapping": on_fields(fields.field_name_mapping),
    "field_name_prefix_mapping": on_fields(fields.field_name_prefix_mapping),
    "field_name_prefix": on_fields(fields.field_name_prefix),
    "field_name_suffix": on_fields(fields.field_name_suffix),
    "field_name_transform": on_fields(fields.field_name_transform),
    "drop_detection_item": on_items(items.drop_detection_item),
    "hashes_fields": on_items(items.hashes_fields),
    "keyword_field": on_items(items.keyword_field),
    "detection_item_failure": on_items(items.detection_item_failure),
    "joined_fields": on_items(joined.joined_fields, "first", "second", alone="second"),
    "registry_path": on_items(joined.registry_path, "key", "value_name", alone="key"),
    "registry_data": on_items(joined.registry_data, "data", "data_type", alone="data"),
    "replace_string": on_values(texts.replace_string),
    "map_string": on_values(texts.map_string),
    "map_words": on_values(texts.map_words),
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
    "extract_fields": "one value would ask for several fields; split it where the events are made",
    "file_placeholders": "a build does not read other files; give the values in `vars`",
    "http_placeholders": "a build does not use the network; give the values in `vars`",
    "command_placeholders": "a build does not run commands; give the values in `vars`",
}

# Types of pySigma that change nothing here: their parameters, each with its words, and why.
IGNORED: Mapping[str, tuple[Mapping[str, tuple[str, ...]], str]] = {
    "regex": (
        {"method": ("plain", "ignore_case_flag", "ignore_case_brackets")},
        "strings are compared without regard to letter case anyway",
    ),
}

MAX_LOGSOURCES = 1024  # remembered at a time


class FormError(RuleError):
    """The rule cannot be asked in one of its forms."""

    def __init__(self, error: RuleError):
        found = error.diagnostic
        super().__init__(found.code, found.message, found.place, found.hint)


@dataclass(frozen=True, slots=True)
class ProcessingItem:
    """One entry of `transformations`: acts on a rule where `condition` holds.

    `id` is the given one, else file and line.
    """

    id: str
    place: Place
    condition: RuleTest | None
    transformation: Transformation

    def on_rule(self, rule: Rule, run: Run) -> Rule:
        """The rule after this item. Raises `RuleError` where it refuses the rule."""
        if self.condition is not None and not self.condition(rule, run):
            return rule
        run.applied.add(self.id)
        run.item = self.place
        try:
            return self.transformation.rule(rule, run)
        except CannotAsk as refusal:
            raise FormError(self._error(refusal, rule)) from None
        except Refusal as refusal:
            raise self._error(refusal, rule) from None

    def on_correlation(self, correlation: Correlation, run: Run) -> Correlation:
        """The same for a correlation."""
        if self.condition is not None and not self.condition(correlation, run):
            return correlation
        run.applied.add(self.id)
        if self.transformation.correlation is None:
            return correlation
        try:
            return self.transformation.correlation(correlation, run)
        except Refusal as refusal:
            raise self._error(refusal, correlation) from None

    def _error(self, refusal: Refusal, refused: Rule | Correlation) -> RuleError:
        place = refusal.place or refused.place
        hint = refusal.hint or f"see the pipeline at {self.place}"
        return RuleError(refusal.code, refusal.message, place, hint)


@dataclass(frozen=True, slots=True)
class ProcessingItems:
    """Processing items in the order in which they run.

    There are many, most of them for one logsource: those that can act on it are looked up.
    """

    items: tuple[ProcessingItem, ...] = ()
    by_logsource: dict[tuple[str | None, ...], tuple[int, ...]] = field(
        default_factory=dict, compare=False, repr=False
    )

    def on_rule(self, rule: Rule, run: Run) -> Rule:
        """The rule after all items. Raises `RuleError` where one of them refuses it."""
        start = 0
        while start < len(self.items):
            logsource = rule.logsource
            for index in self._for_logsource(logsource):
                if index < start:
                    continue
                rule = self.items[index].on_rule(rule, run)
                if rule.logsource is not logsource:  # others act from here on
                    start = index + 1
                    break
            else:
                break
        return rule

    def _for_logsource(self, logsource: LogSource) -> tuple[int, ...]:
        found = self.by_logsource.get(logsource.key)
        if found is None:
            found = tuple(
                index
                for index, item in enumerate(self.items)
                if not isinstance(item.condition, LogsourceTest)
                or item.condition.matches(logsource)
            )
            if len(self.by_logsource) >= MAX_LOGSOURCES:
                self.by_logsource.clear()
            self.by_logsource[logsource.key] = found
        return found

    def on_correlation(self, correlation: Correlation, run: Run) -> Correlation:
        """The same for a correlation."""
        for item in self.items:
            correlation = item.on_correlation(correlation, run)
        return correlation


def read_processing_items(document: Document, node: Node, warnings: Diagnostics) -> ProcessingItems:
    """The processing items of a list.

    Raises `RuleError` (`E_PIPELINE`, or the code of a fault in a detection item of
    `add_condition`).
    """
    if not node.is_list:
        place = node.place(document.file, document.index)
        raise RuleError("E_PIPELINE", "transformations must be a list", place)
    return ProcessingItems(tuple(_read(document, child, warnings) for child in node.value))


def _read(document: Document, node: Node, warnings: Diagnostics) -> ProcessingItem:
    given = Parameters(document, node, "a transformation", warnings)
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
        transformation, selective = _nest(given), False
    elif kind in IGNORED:
        transformation, selective = _ignored(given, kind), True
    else:
        known = TRANSFORMATIONS[kind]
        transformation, selective = known.make(given, scope), known.selective
    given.finish()
    if not selective:
        _warn_of_idle_conditions(given, kind, scope)
    return ProcessingItem(own_id, place, condition, transformation)


def _check_type(given: Parameters, kind: str) -> None:
    node = given.optional("type")
    if kind in REFUSED:
        raise given.fail(f"the transformation `{kind}` is not supported: {REFUSED[kind]}", node)
    if kind not in TRANSFORMATIONS and kind not in IGNORED and kind != "nest":
        hint = did_you_mean(kind, [*TRANSFORMATIONS, "nest"]) or "docs/pipelines.md lists all"
        raise given.fail(f"there is no transformation `{kind[:60]}`", node, hint)


def _warn_of_idle_conditions(given: Parameters, kind: str, scope: Scope) -> None:
    for key, test in (
        ("detection_item_conditions", scope.items),
        ("field_name_conditions", scope.fields),
    ):
        if test is not None:
            message = f"`{key}` has no effect on `{kind}`"
            given.warn("W_PIPELINE", message, given.optional(key))


def _ignored(given: Parameters, kind: str) -> Transformation:
    """Nothing is changed, and said why; what is misspelt is an error all the same."""
    parameters, reason = IGNORED[kind]
    for key, words in parameters.items():
        given.choice(key, words, words[0])
    message = f"the transformation `{kind}` is ignored: {reason}"
    given.warn("W_PIPELINE", message, given.optional("type"))
    return Transformation(lambda rule, run: rule)


def _nest(given: Parameters) -> Transformation:
    """`items`, a list of processing items, run in turn where the conditions of this one hold."""
    nested = read_processing_items(given.document, given.required("items"), given.warnings)
    return Transformation(nested.on_rule, nested.on_correlation)
