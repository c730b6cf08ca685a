"""Pipelines over the correlations of a rule set: which fields their names stand for in the events of each rule.

A name means what the field mappings make of it in a detection item of the rule that is referred to, so it may be two
different fields for a Windows and a Linux rule.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

from sigmac.compiler.diagnostics.diagnostic import Diagnostics, RuleError
from sigmac.compiler.pipeline import Pipelines
from sigmac.compiler.syntax.correlation import Correlation
from sigmac.compiler.syntax.links import Target, Targets
from sigmac.compiler.syntax.rule import LogSource, Reference, Rule

ByName = Mapping[str, Rule | Correlation]
# The fields that a name stands for; by the name of the variant where the variants of a rule differ
Names = tuple[str, ...] | dict[str, tuple[str, ...]]
NUMERIC = ("value_sum", "value_avg", "value_percentile", "value_median")


def map_correlations(
    correlations: Sequence[Correlation],
    rules: Sequence[Rule],
    pipelines: Pipelines,
    diagnostics: Diagnostics,
) -> tuple[list[Correlation], set[str]]:
    """The correlations with what pipelines say of them as a whole, and the ids and names of those that one refuses.

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


def _logsources(correlation: Correlation, targets: ByName) -> Iterator[LogSource]:
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


Fields = dict[str, dict[str, Names]]  # by name, then by reference


def map_fields(
    correlations: Sequence[Correlation],
    targets: Targets,
    pipelines: Pipelines,
    rule_of: Callable[[Rule], Rule],
    diagnostics: Diagnostics,
) -> list[tuple[Correlation, Fields]]:
    """Sound correlations with what their names stand for, those left out that cannot be asked, and all above them.

    `rule_of` gives the whole rule that an outline among the targets stands for.
    """
    reader = _FieldReader(targets, pipelines, rule_of)
    found: list[tuple[Correlation, Fields]] = []
    refused: set[int] = set()
    for each in correlations:
        try:
            found.append((each, reader.read(each)))
        except RuleError as error:
            diagnostics.catch(error)
            refused.add(id(each))
    kept = found
    while refused:
        found, kept = kept, []
        fallen: set[int] = set()
        for each, fields in found:
            faulty = next((r for r in each.rules if id(targets.one(r)) in refused), None)
            if faulty is None:
                kept.append((each, fields))
                continue
            message = f"`{faulty.text[:80]}` is refused"
            diagnostics.report("E_REFERENCE", message, faulty.place, "mend its errors first")
            fallen.add(id(each))
        refused = fallen
    return kept


class _FieldReader:
    """What the names of sound correlations stand for."""

    def __init__(
        self, targets: Targets, pipelines: Pipelines, rule_of: Callable[[Rule], Rule]
    ) -> None:
        self._targets = targets
        self._pipelines = pipelines
        self._rule_of = rule_of
        self._known: dict[tuple[int, str], dict[str | None, tuple[str, ...]]] = {}

    def read(self, correlation: Correlation) -> Fields:
        """For each name of `group-by` or `field` and each reference, its fields where they are not the name itself.

        Raises `RuleError`: `E_CORRELATION` where numbers would be looked for in several fields, and what a pipeline
        says of a rule.
        """
        found: Fields = {}
        for name in dict.fromkeys((*correlation.group_by, *correlation.looks_at)):
            for reference in correlation.rules:
                target = self._targets.one(reference)
                names = self._of(correlation, name, target)
                if correlation.type in NUMERIC and name in correlation.looks_at:
                    _check_single(correlation, reference, names)
                if names != (name,):
                    found.setdefault(name, {})[reference.text] = names
        return found

    def _of(self, correlation: Correlation, name: str, target: Target) -> Names:
        alias = next((each for each in correlation.aliases if each.name == name), None)
        written = name
        if alias is not None:
            fields = (field for rule, field in alias.fields if self._is(rule, target))
            covered = next(fields, None)
            if covered is None:
                return (name,)  # a correlation is asked for the alias itself
            written = covered
        if isinstance(target, Correlation):
            return self._of_correlation(target, written)
        by_variant = self._mapped(target, written)
        if len({*by_variant.values()}) == 1:
            return next(iter(by_variant.values()))
        return {str(variant): fields for variant, fields in by_variant.items()}

    def _is(self, reference: Reference, target: Target) -> bool:
        found = self._targets.find(reference)
        return len(found) == 1 and found[0] is target

    def _of_correlation(self, target: Correlation, name: str) -> tuple[str, ...]:
        """A name that a hit of a correlation has: of its group, else of the events of all rules below it."""
        if name in target.group_by:
            return (name,)
        fields: dict[str, None] = {}
        for rule in self._rules_below(target):
            for names in self._mapped(rule, name).values():
                fields.update(dict.fromkeys(names))
        return tuple(fields)

    def _rules_below(self, correlation: Correlation) -> Iterable[Rule]:
        found: dict[int, Rule] = {}
        waiting: list[Target] = [correlation]
        seen: set[int] = set()
        while waiting:
            target = waiting.pop()
            if id(target) in seen:
                continue
            seen.add(id(target))
            if isinstance(target, Rule):
                found[id(target)] = target
            else:
                waiting += [self._targets.one(each) for each in reversed(target.rules)]
        return found.values()

    def _mapped(self, rule: Rule, name: str) -> dict[str | None, tuple[str, ...]]:
        known = self._known.get((id(rule), name))
        if known is None:
            made = self._pipelines.fields_of(self._rule_of(rule), [name])
            known = {variant: names[name] for variant, names in made.items()}
            self._known[id(rule), name] = known
        return known


def _check_single(correlation: Correlation, reference: Reference, names: Names) -> None:
    for each in names.values() if isinstance(names, dict) else (names,):
        if len(each) > 1:
            fields = ", ".join(f"`{name[:60]}`" for name in each[:4])
            message = (
                f"{correlation.type} looks at one field, and the pipelines make {fields} of it"
            )
            hint = "write the name of the event's own field in an alias"
            raise RuleError("E_CORRELATION", message, reference.place, hint)
