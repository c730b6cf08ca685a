"""`sigmac check` without the command line: every diagnostic of a rule set."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from sigmac.compiler.checks import check_file, check_rule, check_set
from sigmac.compiler.diagnostics.diagnostic import Diagnostic, Diagnostics, RuleError
from sigmac.compiler.lowering.lower_rule import lower_rule
from sigmac.compiler.pipeline import load_pipelines
from sigmac.compiler.pipeline.correlation_fields import map_correlations
from sigmac.compiler.syntax.documents import Refused, read_file
from sigmac.compiler.syntax.links import check_references, report_not_evaluated
from sigmac.compiler.syntax.rule import Rule
from sigmac.compiler.syntax.rule_files import SourceFile


def check_sources(
    sources: Sequence[SourceFile],
    pipelines: Sequence[str] = (),
    placeholders: Mapping[str, Sequence[str | int | float]] = {},
    *,
    strict_logsource: bool = False,
) -> list[Diagnostic]:
    """Errors, warnings and notes of some files, in the order in which they are found.

    Raises `InputError` for a file that cannot be read and `RuleError` for a faulty pipeline.
    """
    loaded = load_pipelines(pipelines, placeholders)
    diagnostics = Diagnostics(list(loaded.warnings))
    rules, correlations, filters = [], [], []
    refused: set[str] = set()
    refused_documents: list[Refused] = []
    for source in sources:
        contents = read_file(source.read(), source.file)
        diagnostics.extend(contents.diagnostics)
        diagnostics.extend(check_file(contents))
        refused.update(contents.refused_names)
        refused_documents += contents.refused_documents
        rules += contents.rules
        correlations += contents.correlations
        filters += contents.filters
    sound: list[Rule] = []
    left_out = list(refused_documents)
    for rule in rules:
        expression = None
        try:
            variants = loaded.apply(rule, diagnostics, strict_logsource=strict_logsource)
            expression = lower_rule(variants)
            sound.append(rule)
        except RuleError as error:
            diagnostics.catch(error)
            refused.update(name for name in (rule.meta.id, rule.meta.name) if name)
            left_out.append(Refused(rule.meta, rule.place))
        diagnostics.extend(check_rule(rule, expression))
    mapped, others_refused = map_correlations(correlations, sound, loaded, diagnostics)
    refused |= others_refused
    checked = check_references(sound, mapped, filters, diagnostics, refused, left_out)
    report_not_evaluated(*checked, diagnostics)
    diagnostics.extend(check_set(rules, correlations, filters, refused_documents))
    return diagnostics.found
