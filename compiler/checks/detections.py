"""Checks of conditions and search identifiers: what cannot be, what is always so, what makes no
difference.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from dataclasses import replace
from itertools import islice

from sigmac.compiler.checks.items import asks_for_array
from sigmac.compiler.checks.logic import MAX_NAMES, contradicts_itself, truth_table
from sigmac.compiler.diagnostics.diagnostic import Diagnostic, Place, RuleError
from sigmac.compiler.ir.expressions import (
    And,
    Expression,
    Named,
    Not,
    children,
    distinct_predicates,
    walk,
)
from sigmac.compiler.lowering.lower_rule import lower_detection
from sigmac.compiler.meaning.reference import matches
from sigmac.compiler.syntax.condition import (
    Condition,
    Identifier,
    Quantifier,
    names_matching,
    resolve,
)
from sigmac.compiler.syntax.modifiers.placeholders import placeholders
from sigmac.compiler.syntax.rule import Rule, items

_MOST_LISTS = 50  # of values, of a rule, each value a question of its own


def names(rule: Rule) -> Iterator[Diagnostic]:
    """W_IDENT_CASE: search identifiers that differ by letter case only."""
    first: dict[str, str] = {}
    for name in rule.detections:
        other = first.setdefault(name.lower(), name)
        if other != name and name in rule.places:
            message = f"`{name[:60]}` and `{other[:60]}` are two search identifiers"
            yield Diagnostic("W_IDENT_CASE", message, rule.places[name], "give one another name")


def quantifiers(rule: Rule) -> Iterator[Diagnostic]:
    """W_QUANTIFIER and W_THEM_FILTER: `1 of` where there is one, `them` where filters are among
    them.
    """
    identifiers = list(rule.detections)
    for condition in rule.conditions:
        for leaf in walk(condition.expression):
            if not isinstance(leaf, Quantifier):
                continue
            chosen = names_matching(leaf.target, identifiers)
            place = condition.place_of(leaf.target)
            filters = [name for name in chosen if name.lower().startswith("filter")]
            if leaf.target == "them" and filters and len(filters) < len(chosen):
                message = f"`them` takes in `{filters[0][:60]}`, which is named as a filter"
                hint = "name what is meant, as `all of selection_* and not 1 of filter_*`"
                yield Diagnostic("W_THEM_FILTER", message, place, hint)
            elif len(chosen) == 1 and (leaf.target == "them" or "*" not in leaf.target):
                message = f"`{leaf!r}` is one search identifier"
                yield Diagnostic("W_QUANTIFIER", message, place, f"write `{chosen[0][:60]}` alone")


def filters(rule: Rule) -> Iterator[Diagnostic]:
    """N_FILTER: a search identifier named as a filter that no condition negates."""
    identifiers = list(rule.detections)
    wanted: set[str] = set()
    negated: set[str] = set()
    for condition in rule.conditions:
        stack = [(condition.expression, True)]
        while stack:
            node, sign = stack.pop()
            if isinstance(node, Identifier):
                (wanted if sign else negated).add(node.name)
            elif isinstance(node, Quantifier) and node.target != "them":
                (wanted if sign else negated).update(names_matching(node.target, identifiers))
            stack.extend((each, sign is not isinstance(node, Not)) for each in children(node))
    for name in rule.detections:
        if re.match(r"filter(_|\d|$)", name, re.IGNORECASE) and name in wanted - negated:
            message = f"`{name[:60]}` is named as a filter, and the rule asks for it"
            hint = "write `not` before it, or name it `selection_…`"
            yield Diagnostic("N_FILTER", message, rule.places.get(name, rule.place), hint)


def logic(rule: Rule, expression: Expression | None) -> Iterator[Diagnostic]:
    """W_NEVER, W_ALWAYS, W_ARRAY_ONLY, W_NO_EFFECT, W_SELECTION_TWICE and W_EMPTY_EVENT.

    `expression` is what pipelines and lowering made of the rule; without it the rule alone decides.
    """
    always = False
    # What a placeholder stands for may decide.
    if not any(
        placeholders(v) for d in rule.detections.values() for i in items(d) for v in i.values
    ):
        for found in _contradictions(rule, expression):
            always = always or (found.code, found.place) == ("W_ALWAYS", rule.conditions[0].place)
            yield found
    if not always and matches(rule, {}):
        message = "the rule matches every event that has none of its fields"
        hint = "add a selection that says which events are meant"
        yield Diagnostic("W_EMPTY_EVENT", message, rule.conditions[0].place, hint)


def _contradictions(rule: Rule, expression: Expression | None) -> Iterator[Diagnostic]:
    try:
        meanings = _meanings(rule, expression)
    except RuleError:
        return  # a value that is too large, which whoever lowered the rule has said
    arrays = {
        item.field
        for detection in rule.detections.values()
        for item in items(detection)
        if item.field and asks_for_array(item)
    }
    constant = False
    for name, meaning in meanings.items():
        place = rule.places.get(name, rule.place)
        for found in _constant(meaning, arrays, f"`{name[:60]}`", place):
            constant = True
            yield found
    yield from _same_meaning(rule, meanings)
    if constant:
        return  # which the condition is too, or is wrong about
    added = "its filters and the pipelines add" if rule.filters else "the pipelines add"
    for condition in rule.conditions:
        lowered = expression if len(rule.conditions) == 1 else None
        found_here = list(_condition(condition, meanings, arrays, lowered, added))
        yield from found_here
        if not found_here:
            # That a filter keeps out one of several things is what it may be for.
            whole = None if rule.filters else lowered
            yield from _dead_parts(rule, condition, meanings, arrays, whole)
            if whole is not None:
                yield from _dead_values(rule, condition, arrays, whole)


def _meanings(rule: Rule, expression: Expression | None) -> dict[str, Expression]:
    """What each search identifier means: taken from the lowered rule where all of them are found in
    it.
    """
    found: dict[str, Expression] = {}
    stack = [expression] if expression is not None and len(rule.conditions) == 1 else []
    while stack:
        node = stack.pop()
        if isinstance(node, Named):
            found[node.name] = node.operand
        else:
            stack.extend(children(node))
    if all(name in found for name in rule.detections):
        return {name: found[name] for name in rule.detections}
    return {name: lower_detection(detection) for name, detection in rule.detections.items()}


def _condition(
    condition: Condition,
    meanings: dict[str, Expression],
    arrays: Collection[str],
    lowered: Expression | None,
    added: str,
) -> Iterator[Diagnostic]:
    names = list(meanings)
    table = truth_table(condition.expression, names)
    if table is not None and table.constant is not None:
        code, word = ("W_ALWAYS", "always") if table.constant else ("W_NEVER", "never")
        message = f"the condition is {word} true, whatever its search identifiers are"
        yield Diagnostic(code, message, condition.place, "look for a `not` or a bracket too many")
        return
    constant = False
    alone_named = isinstance(condition.expression, Identifier)  # of which it is said already
    if not (alone_named and (lowered is None or isinstance(lowered, Named))):
        alone = resolve(condition.expression, names, meanings.__getitem__)
        for found in _constant(lowered or alone, arrays, "the condition", condition.place):
            constant = True
            if lowered is not None and not any(_constant(alone, arrays, "", condition.place)):
                message = f"with what {added}, {found.message}"
                found = replace(found, message=message)
            yield found
    if not constant and table is not None:
        for name in table.without_effect:
            message = f"`{name[:60]}` makes no difference to the condition"
            hint = "the condition is true or false whatever it is: look for a missing bracket"
            yield Diagnostic("W_NO_EFFECT", message, condition.place_of(name), hint)


def _dead_parts(
    rule: Rule,
    condition: Condition,
    meanings: dict[str, Expression],
    arrays: Collection[str],
    lowered: Expression | None,
) -> Iterator[Diagnostic]:
    """Search identifiers that cannot be true where the rule matches, though the rule itself can: one of
    alternatives. Without arrays; what a condition negates is let alone.
    """
    names = list(meanings)
    if len(names) > MAX_NAMES:
        return  # each is a question of its own
    whole = lowered or resolve(condition.expression, names, meanings.__getitem__)
    needed = _needed(whole)  # with them the whole says what it says without: it was asked already
    for name, signs in _signs(condition, names).items():
        meaning = meanings[name]
        if signs != {True} or name not in rule.places or meaning in needed:
            continue
        both = And(meaning, whole)
        if contradicts_itself(both):
            hint = "remove it, or look for the part that contradicts it"
            message = f"`{name[:60]}` can never be true where the rule matches"
            yield Diagnostic("W_NEVER", message, rule.places[name], hint)
        elif contradicts_itself(both, single_valued=True, arrays=arrays):
            message = f"`{name[:60]}` asks for another value than the rest of the rule"
            if lowered is not None:
                message += " and its pipelines do"
            hint = "only an array can satisfy both: remove it, or mend the value or the logsource"
            yield Diagnostic("W_ARRAY_ONLY", message, rule.places[name], hint)


def _needed(whole: Expression) -> set[Expression]:
    """The parts of which an expression is the And, through names and Ands of Ands."""
    found: set[Expression] = set()
    stack = [whole]
    while stack:
        node = stack.pop()
        if node not in found:
            found.add(node)
            if isinstance(node, (And, Named)):
                stack.extend(node.operands)
    return found


def _dead_values(
    rule: Rule, condition: Condition, arrays: Collection[str], lowered: Expression
) -> Iterator[Diagnostic]:
    """Values of a list that what pipelines add excludes, though others of the list may hold."""
    added = _added_fields(rule, lowered)
    signs = _signs(condition, list(rule.detections))
    lists = (
        item
        for name, detection in rule.detections.items()
        if added and signs.get(name) == {True}
        for item in items(detection)
        if item.field in added and not (item.all or item.negated)
        if 1 < len(item.values) <= MAX_NAMES and len(item.places) == len(item.values)
    )
    for item in islice(lists, _MOST_LISTS):
        parts = [lower_detection(replace(item, values=(value,))) for value in item.values]
        dead = [
            place
            for part, place in zip(parts, item.places, strict=True)
            if contradicts_itself(And(part, lowered), single_valued=True, arrays=arrays)
        ]
        if len(dead) < len(parts):  # of all it is said already
            for place in dead:
                message = (
                    f"with what the pipelines add, `{str(item.field)[:60]}` never has this value"
                )
                hint = (
                    "only an array can satisfy both: remove it, or mend the value or the logsource"
                )
                yield Diagnostic("W_ARRAY_ONLY", message, place, hint)


def _added_fields(rule: Rule, lowered: Expression) -> set[str]:
    """The fields of search identifiers that pipelines have added to a rule."""
    found: set[str] = set()
    stack = [lowered]
    while stack:
        node = stack.pop()
        if isinstance(node, Named):
            if node.name not in rule.detections:
                found |= {each.field for each in distinct_predicates(node.operand) if each.field}
        else:
            stack.extend(children(node))
    return found


def _signs(condition: Condition, names: Collection[str]) -> dict[str, set[bool]]:
    """Of each search identifier that a condition names, whether it is asked for, negated, or both."""
    found: dict[str, set[bool]] = {}
    stack = [(condition.expression, True)]
    while stack:
        node, sign = stack.pop()
        if isinstance(node, Identifier):
            found.setdefault(node.name, set()).add(sign)
        elif isinstance(node, Quantifier):
            for name in names_matching(node.target, list(names)):
                found.setdefault(name, set()).add(sign)
        stack.extend((each, sign is not isinstance(node, Not)) for each in children(node))
    return found


def _constant(
    meaning: Expression, arrays: Collection[str], what: str, place: Place
) -> Iterator[Diagnostic]:
    """What an expression always is, where it is always so."""
    if contradicts_itself(meaning):
        hint = "two of its parts contradict each other"
        yield Diagnostic("W_NEVER", f"{what} can never be true", place, hint)
    elif contradicts_itself(Not(meaning)):
        hint = "it says nothing about the event"
        yield Diagnostic("W_ALWAYS", f"{what} is always true", place, hint)
    elif contradicts_itself(meaning, single_valued=True, arrays=arrays):
        message = f"{what} asks one field for two values that exclude each other"
        hint = "only an array can satisfy both; write a list of values where one of them is enough"
        yield Diagnostic("W_ARRAY_ONLY", message, place, hint)


def _same_meaning(rule: Rule, meanings: dict[str, Expression]) -> Iterator[Diagnostic]:
    first: dict[Expression, str] = {}
    for name, meaning in meanings.items():
        other = first.setdefault(meaning, name)
        if other != name and name in rule.places:
            message = f"`{name[:60]}` says the same as `{other[:60]}`"
            yield Diagnostic("W_SELECTION_TWICE", message, rule.places[name], "remove one")


RULE_CHECKS = (names, quantifiers, filters)
