"""Rules over events, for `sigmac explain`: each part of a rule over one, what keeps it from matching over several."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sigmac.cli.explained_events import Records
    from sigmac.compiler.diagnostics.diagnostic import Diagnostic
    from sigmac.compiler.meaning.explanation import Explanation
    from sigmac.compiler.meaning.near_misses import NearMisses
    from sigmac.compiler.meaning.rule_of_code import CodeVariant
    from sigmac.compiler.pipeline import Pipelines, Variant
    from sigmac.compiler.syntax.rule import Rule

    Piped = tuple[Rule, Sequence[Variant | CodeVariant]]


def variants_of(
    rules: Sequence[Rule], pipelines: Pipelines, errors: list[Diagnostic]
) -> list[Piped]:
    """Each rule as pipelines leave it; the errors of those that they refuse are added to `errors`."""
    from sigmac.compiler.diagnostics.diagnostic import Diagnostics, RuleError

    found: list[Piped] = []
    for each in rules:
        try:
            found.append((each, pipelines.apply(each, Diagnostics())))
        except RuleError as error:
            errors.append(error.diagnostic)
    return found


def explain_one(rules: Iterable[Piped], event: dict[str, Any]) -> list[Explanation]:
    """The truth of every part of some rules for an event."""
    from sigmac.compiler.meaning.explanation import explain_rule

    return [explain_rule(rule, variants, event) for rule, variants in rules]


def explain_several(rules: Iterable[Piped], records: Records) -> list[NearMisses]:
    """What keeps some rules from matching events. Raises `InputError` where these cannot be read."""
    from sigmac.compiler.meaning.near_misses import NearMisses
    from sigmac.runtime.chances.names_in_event import names_of

    found = [NearMisses(rule, variants, names_of) for rule, variants in rules]
    for source, event in records:
        for each in found:
            each.add(event, source)
    return found
