"""What `sigmac check` looks at beyond what reading, lowering and pipelines report.

A check is a function from a rule, an item or a set of rules to diagnostics; its docstring begins
with its codes. To add one, write it in the module of its topic, name it in that module's tuple, and
describe its codes in `codes/<topic>.yml` with an example that shows them and one that does not: the
tests run both.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from sigmac.compiler.checks import among_rules as sets
from sigmac.compiler.checks import detections as conditions
from sigmac.compiler.checks import items as values
from sigmac.compiler.checks import lookalikes as text
from sigmac.compiler.checks import metadata, regexes
from sigmac.compiler.diagnostics.conventions import NO_CONVENTIONS, Conventions
from sigmac.compiler.diagnostics.diagnostic import Diagnostic, Place
from sigmac.compiler.ir.expressions import Expression
from sigmac.compiler.syntax.correlation import Correlation
from sigmac.compiler.syntax.documents import FileContents, Refused
from sigmac.compiler.syntax.rule import Filter, Rule, items

DOCUMENT_CHECKS = metadata.DOCUMENT_CHECKS
CONVENTION_CHECKS = metadata.CONVENTION_CHECKS
SELECTION_CHECKS = (*metadata.RULE_CHECKS, *text.RULE_CHECKS)
CONDITION_CHECKS = conditions.RULE_CHECKS
ITEM_CHECKS = (*values.ITEM_CHECKS, *text.ITEM_CHECKS, *regexes.ITEM_CHECKS)


def check_file(
    contents: FileContents, conventions: Conventions = NO_CONVENTIONS
) -> Iterator[Diagnostic]:
    """W_NO_RULE, and what there is to say about the correlations and filters of a file."""
    held = contents.rules or contents.correlations or contents.filters
    if not (held or contents.refused or contents.cases):
        message = "the file holds no rule, correlation or filter"
        hint = "remove it, or give it another name"
        yield Diagnostic("W_NO_RULE", message, Place(contents.file, 1), hint)
    for correlation in contents.correlations:
        yield from _check_document(correlation, conventions)
    for each in contents.filters:
        yield from _check_selections(each, conventions)


def check_rule(
    rule: Rule,
    expression: Expression | None = None,
    conventions: Conventions = NO_CONVENTIONS,
) -> Iterator[Diagnostic]:
    """What there is to say about one rule as it is written.

    `expression` is what its pipelines and lowering made of it; without it only the rule itself is
    looked at.
    """
    yield from check_writing(rule, conventions)
    yield from conditions.logic(rule, expression)


def check_writing(rule: Rule, conventions: Conventions = NO_CONVENTIONS) -> Iterator[Diagnostic]:
    """The part of it that asks for no more than a look at how the rule is written."""
    yield from _check_selections(rule, conventions)
    for check in CONDITION_CHECKS:
        yield from check(rule)


def cannot_match(rule: Rule, found: Sequence[Diagnostic]) -> bool:
    """Whether `check_rule` found that no condition of the rule can be true."""
    never = {each.place for each in found if each.code == "W_NEVER"}
    return all(condition.place in never for condition in rule.conditions)


def _check_document(document: metadata.Document, conventions: Conventions) -> Iterator[Diagnostic]:
    for check in DOCUMENT_CHECKS:
        yield from check(document)
    for check_convention in CONVENTION_CHECKS:
        yield from check_convention(document, conventions)


def _check_selections(rule: Rule | Filter, conventions: Conventions) -> Iterator[Diagnostic]:
    yield from _check_document(rule, conventions)
    for check_selections in SELECTION_CHECKS:
        yield from check_selections(rule)
    for detection in rule.detections.values():
        for item in items(detection):
            for check_item in ITEM_CHECKS:
                yield from check_item(item)


def check_set(
    rules: Sequence[Rule],
    correlations: Sequence[Correlation] = (),
    filters: Sequence[Filter] = (),
    refused: Sequence[Refused] = (),
    beside: Sequence[sets.Outline] = (),
) -> Iterator[Diagnostic]:
    """What there is to say about documents among each other, and beside others of which only outlines are known;
    `references.check_references` says the rest. Of those that an error leaves out, `refused`, only the metadata is
    looked at.
    """
    documents: list[metadata.Document] = [*rules, *correlations, *filters, *refused]
    yield from check_outlines([*beside, *map(sets.outline, documents)])


def check_outlines(documents: Sequence[sets.Outline]) -> Iterator[Diagnostic]:
    """What there is to say about documents among each other, from their outlines."""
    yield from sets.repeated_titles(documents)
    yield from sets.related_rules(documents)
    yield from sets.same_rules(documents)
    yield from sets.field_spellings(documents)
