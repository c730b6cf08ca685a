"""`sigmac check` without the command line: every diagnostic of a rule set."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from sigmac.compiler.cases.check_cases import check_cases
from sigmac.compiler.checks import cannot_match, check_file, check_rule, check_set
from sigmac.compiler.checks.among_rules import Outline
from sigmac.compiler.checks.ignore_comments import check_ignored
from sigmac.compiler.checks.unknown_fields import unknown_fields
from sigmac.compiler.checks.windows import check_correlations
from sigmac.compiler.diagnostics.conventions import NO_CONVENTIONS, Conventions
from sigmac.compiler.diagnostics.diagnostic import Diagnostic, Diagnostics, RuleError
from sigmac.compiler.ir.expressions import Expression
from sigmac.compiler.lowering.lower_rule import lower_rule
from sigmac.compiler.pipeline import Pipelines, load_pipelines
from sigmac.compiler.pipeline.correlation_fields import map_correlations, map_fields
from sigmac.compiler.syntax.documents import Refused, read_file
from sigmac.compiler.syntax.filter import join
from sigmac.compiler.syntax.links import Targets, acting_filters, check_references
from sigmac.compiler.syntax.rule import Filter, Rule, items
from sigmac.compiler.syntax.rule_files import SourceFile


def check_sources(
    sources: Sequence[SourceFile],
    pipelines: Sequence[str] = (),
    placeholders: Mapping[str, Sequence[str | int | float]] = {},
    *,
    strict_logsource: bool = False,
    conventions: Conventions = NO_CONVENTIONS,
) -> list[Diagnostic]:
    """Errors, warnings and notes of some files, in the order in which they are found.

    Raises `InputError` for a file that cannot be read and `RuleError` for a faulty pipeline.
    """
    loaded = load_pipelines(pipelines, placeholders)
    return check_loaded(sources, loaded, strict_logsource=strict_logsource, conventions=conventions)


def check_loaded(
    sources: Sequence[SourceFile],
    loaded: Pipelines,
    *,
    strict_logsource: bool = False,
    conventions: Conventions = NO_CONVENTIONS,
    beside: Sequence[Outline] = (),
) -> list[Diagnostic]:
    """The same with pipelines that are loaded. `beside` are documents of other files, which the documents of these are
    compared with.
    """
    diagnostics = Diagnostics(list(loaded.warnings))
    unknown: list[Diagnostic] = []  # fields
    renamed = {named.field for pipeline in loaded.pipelines for named in pipeline.maps}
    rules, correlations, filters = [], [], []
    refused: set[str] = set()
    refused_documents: list[Refused] = []
    data = [source.read() for source in sources]
    for source, content in zip(sources, data, strict=True):
        contents = read_file(content, source.file)
        diagnostics.extend(contents.diagnostics)
        diagnostics.extend(check_file(contents, conventions))
        refused.update(contents.refused_names)
        refused_documents += contents.refused_documents
        rules += contents.rules
        correlations += contents.correlations
        filters += contents.filters
        for found_filter in contents.filters:
            unknown.extend(unknown_fields(found_filter, renamed))
    lowered = [_lower(rule, (), loaded, strict_logsource) for rule in rules]
    # As in a build: filters refer to rules that are sound without them.
    sound = [i for i, each in enumerate(lowered) if each.expression is not None]
    acting = acting_filters(
        [rules[i] for i in sound], correlations, filters, diagnostics, refused | _names(lowered)
    )
    for i, on_it in zip(sound, acting.on, strict=True):
        if on_it:
            lowered[i] = _lower(rules[i], on_it, loaded, strict_logsource)
    never: set[int] = set()
    for each in lowered:
        diagnostics.extend(each.diagnostics)
        unknown.extend(unknown_fields(each.rule, each.mapped))
        said = [*check_rule(each.rule, each.expression, conventions)]
        diagnostics.extend(said)
        if cannot_match(each.rule, said):
            never.add(id(each.rule))
    known = [each.rule for each in lowered if each.expression is not None]
    left_out = [Refused(e.rule.meta, e.rule.place) for e in lowered if e.expression is None]
    mapped, others_refused = map_correlations(correlations, known, loaded, diagnostics)
    refused |= _names(lowered) | others_refused
    gone = [*refused_documents, *left_out]
    linked = check_references(known, mapped, filters, diagnostics, refused, gone)
    targets = Targets.of([*known, *linked])
    asked = map_fields(linked, targets, loaded, lambda rule: rule, diagnostics)
    kept = [correlation for correlation, _ in asked]
    diagnostics.extend(check_correlations(kept, targets, _fields_of, never))
    diagnostics.extend(check_set(rules, correlations, filters, refused_documents, beside))
    spelled = {each.place for each in diagnostics if each.code == "W_FIELD_CASE"}
    diagnostics.extend(each for each in unknown if each.place not in spelled)
    names = [each.meta for each in rules]
    names += [each.meta for each in correlations]
    names += [each.meta for each in refused_documents]
    check_cases(zip(sources, data, strict=True), names, diagnostics)
    files = (source.file for source in sources)
    found = check_ignored(diagnostics.found, dict(zip(files, data, strict=True)))
    return [*conventions.levelled(found)]


def _fields_of(rule: Rule) -> set[str]:
    """The fields that a rule asks for, as it is written."""
    found = (item.field for each in rule.detections.values() for item in items(each))
    return {name for name in found if name}


@dataclass(slots=True)
class _Lowered:
    """A rule with its filters; `expression` is None where something refuses it."""

    rule: Rule
    expression: Expression | None = None
    mapped: set[str] = field(default_factory=set)  # fields that have another name in a variant
    diagnostics: Diagnostics = field(default_factory=Diagnostics)


def _lower(rule: Rule, filters: Sequence[Filter], pipelines: Pipelines, strict: bool) -> _Lowered:
    made = _Lowered(rule)
    try:
        made.rule = join(rule, filters)
        variants = pipelines.apply(made.rule, made.diagnostics, strict_logsource=strict)
        asked = _fields_of(made.rule)
        made.mapped = asked.difference(*(_fields_of(each.rule) for each in variants))
        made.expression = lower_rule(variants)
    except RuleError as error:
        made.diagnostics.catch(error)
    return made


def _names(lowered: Iterable[_Lowered]) -> set[str]:
    """The ids and names of the rules that are refused."""
    refused = [each.rule.meta for each in lowered if each.expression is None]
    return {name for meta in refused for name in (meta.id, meta.name) if name}
