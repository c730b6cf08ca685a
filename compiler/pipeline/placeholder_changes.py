"""Transformations of placeholders, and what becomes of those that no pipeline replaces."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

from sigmac.compiler.ir.values import ANY, Alternatives, Placeholder, Regex, Text, Value, Wildcard
from sigmac.compiler.pipeline.conditions.parameters import Parameters
from sigmac.compiler.pipeline.conditions.processing_conditions import all_items, leaves
from sigmac.compiler.pipeline.conditions.processing_run import Refusal, Run
from sigmac.compiler.pipeline.levels import ValueChange
from sigmac.compiler.pipeline.walk import change_items
from sigmac.compiler.syntax.modifiers.encodings import finish
from sigmac.compiler.syntax.modifiers.modifiers import ModifierError
from sigmac.compiler.syntax.modifiers.placeholders import placeholders, replace_placeholders
from sigmac.compiler.syntax.rule import Item, Rule

Replacement = Callable[[str], list[str | Wildcard] | None]


def value_placeholders(given: Parameters) -> ValueChange:
    """The values of `vars` in place of the placeholders; one without values waits."""
    handled = _handled(given)

    def change(value: Value, item: Item, run: Run) -> Value:
        return _replaced(
            value, item, run, lambda name: run.values_of(name) if handled(name) else None
        )

    return change


def wildcard_placeholders(given: Parameters) -> ValueChange:
    """`*` in place of the placeholders."""
    handled = _handled(given)

    def change(value: Value, item: Item, run: Run) -> Value:
        return _replaced(value, item, run, lambda name: [ANY] if handled(name) else None)

    return change


def _handled(given: Parameters) -> Callable[[str], bool]:
    include = given.optional_names("include")
    exclude = given.optional_names("exclude")
    if include is not None and exclude is not None:
        raise given.fail("`include` and `exclude` exclude each other", given.optional("exclude"))
    if include is not None:
        return lambda name: name in include
    return lambda name: exclude is None or name not in exclude


def _replaced(value: Value, item: Item, run: Run, replacement: Replacement) -> Value:
    if not placeholders(value):
        return value
    if isinstance(value, (Text, Regex)):
        _charge(value, run, replacement)
    try:
        return replace_placeholders(value, replacement)
    except ModifierError as error:
        raise _refusal(error, item) from None


def _refusal(error: ModifierError, item: Item) -> Refusal:
    return Refusal(error.message, item.place, error.code, error.hint)


def _charge(value: Text | Regex, run: Run, replacement: Replacement) -> None:
    # Before anything is made: the cross product of long values would not fit into memory.
    choices = [
        replacement(part.name) or [] for part in value.parts if isinstance(part, Placeholder)
    ]
    total = math.prod(len(choice) or 1 for choice in choices)
    longest = sum(max((len(str(each)) for each in choice), default=0) for choice in choices)
    own = sum(len(part) for part in value.parts if isinstance(part, str))
    run.charge(total, total * (longest + own))


def resolve(rule: Rule, run: Run) -> Rule:
    """The rule with the placeholders that no pipeline replaced filled from the given values.

    Raises `Refusal` (`E_PLACEHOLDER`) where some have no value.
    """
    if not any(map(_waits, all_items(rule))):
        return rule

    def change(item: Item) -> Item:
        if not _waits(item):
            return item
        return replace(item, values=tuple(resolve_value(v, item, run) for v in item.values))

    resolved = change_items(rule, change)
    _check(resolved)
    return resolved


def resolve_value(value: Value, item: Item, run: Run) -> Value:
    """A value with its placeholders filled, as far as they have values."""
    if isinstance(value, Alternatives):
        return Alternatives(tuple(resolve_value(each, item, run) for each in value.values))
    if isinstance(value, Text) and value.pending and not value.placeholders:
        try:  # a pipeline put something else in place of the placeholder
            return finish(value.parts, value.pending, value.cased)
        except ModifierError as error:
            raise _refusal(error, item) from None
    return _replaced(value, item, run, run.values_of)


def filled(value: Value, item: Item, run: Run) -> Value:
    """A value whose placeholders have been filled already, for what must see the whole text.

    Raises `Refusal` (`E_PLACEHOLDER`) where one has no value.
    """
    if not placeholders(value) and not (isinstance(value, Text) and value.pending):
        return value
    made = resolve_value(value, item, run)
    if left := placeholders(made):
        message = f"the placeholder `%{left[0][:60]}%` has no value"
        hint = "give values, or use a pipeline that has them in `vars`"
        raise Refusal(message, item.place, "E_PLACEHOLDER", hint)
    return made


def _waits(item: Item) -> bool:
    return "expand" in item.modifiers and any(
        placeholders(value) or (isinstance(value, Text) and value.pending)
        for value in leaves(item.values)
    )


def _check(rule: Rule) -> None:
    left = [
        (name, item.places[index] if item.places else item.place)
        for item in all_items(rule)
        for index, value in enumerate(item.values)
        for name in placeholders(value)
    ]
    if left:
        names = list(dict.fromkeys(f"`%{name[:60]}%`" for name, _ in left))
        what = "the placeholder" if len(names) == 1 else "the placeholders"
        verb = "has" if len(names) == 1 else "have"
        more = f" and {len(names) - 5} more" if len(names) > 5 else ""
        message = f"{what} {', '.join(names[:5])}{more} {verb} no value"
        hint = "give values, or use a pipeline that has them in `vars`"
        raise Refusal(message, left[0][1], "E_PLACEHOLDER", hint)
