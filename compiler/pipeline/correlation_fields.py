"""Pipelines over the correlations of a rule set: their field names are mapped as those of rules are.

Filters are kept as written: they are joined to rules before any pipeline runs.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from sigmac.compiler.diagnostics.diagnostic import Diagnostics, RuleError
from sigmac.compiler.pipeline import Pipelines
from sigmac.compiler.syntax.correlation import Correlation
from sigmac.compiler.syntax.rule import LogSource, Rule

Targets = Mapping[str, Rule | Correlation]


def map_correlations(
    correlations: Sequence[Correlation],
    rules: Sequence[Rule],
    pipelines: Pipelines,
    diagnostics: Diagnostics,
) -> tuple[list[Correlation], set[str]]:
    """The correlations after the pipelines, and the ids and names of those that one refuses.

    Conditions on a logsource look at the rules that a correlation refers to, by way of other
    correlations too.
    """
    everything: list[Rule | Correlation] = [*rules, *correlations]
    targets: dict[str, Rule | Correlation] = {}
    for each in everything:
        if each.meta.name:
            targets[each.meta.name] = each
    targets.update({each.meta.id.lower(): each for each in everything if each.meta.id})
    mapped: list[Correlation] = []
    refused: set[str] = set()
    for correlation in correlations:
        logsources = tuple(dict.fromkeys(_logsources(correlation, targets)))
        try:
            mapped.append(pipelines.apply_to_correlation(correlation, logsources))
        except RuleError as error:
            diagnostics.catch(error)
            refused |= {name for name in (correlation.meta.id, correlation.meta.name) if name}
    return mapped, refused


def _logsources(correlation: Correlation, targets: Targets) -> Iterator[LogSource]:
    seen: set[str] = set()
    waiting = [rule.text for rule in correlation.rules]
    while waiting:
        text = waiting.pop()
        target = targets.get(text.lower()) or targets.get(text)
        if target is None or text in seen:
            continue
        seen.add(text)
        if isinstance(target, Rule):
            yield target.logsource
        else:
            waiting += [rule.text for rule in target.rules]
