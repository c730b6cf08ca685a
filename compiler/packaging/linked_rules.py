"""The documents of some files as a rule set in memory: filters joined, pipelines run, references found."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sigmac.compiler.diagnostics.diagnostic import Diagnostics, RuleError
from sigmac.compiler.packaging.correlation_module import Linked
from sigmac.compiler.pipeline import Pipelines, Variant
from sigmac.compiler.pipeline.correlation_fields import map_correlations, map_fields
from sigmac.compiler.syntax.documents import FileContents
from sigmac.compiler.syntax.filter import join
from sigmac.compiler.syntax.links import Targets, acting_in, check_references
from sigmac.compiler.syntax.rule import Rule


@dataclass(frozen=True, slots=True)
class LinkedRules:
    """What is sound of some files, in their order: rules with their filters, what pipelines make of each, and the
    correlations over them.
    """

    rules: list[Rule]
    variants: list[tuple[Variant, ...]]
    linked: Linked


def link_files(
    files: Sequence[FileContents], pipelines: Pipelines, diagnostics: Diagnostics
) -> LinkedRules:
    """The rule set of some files; what is wrong among them, or with a pipeline, is reported, what is wrong within
    them their contents tell.
    """
    refused = {name for file in files for name in file.refused_names}
    acting = acting_in(files, diagnostics)
    rules: list[Rule] = []
    variants: list[tuple[Variant, ...]] = []
    written = [rule for file in files for rule in file.rules]
    for rule, filters in zip(written, acting.on, strict=True):
        try:
            joined = join(rule, filters)
            variants.append(pipelines.apply(joined, diagnostics))
        except RuleError as error:
            diagnostics.catch(error)
            refused |= {name for name in (rule.meta.id, rule.meta.name) if name}
            continue
        rules.append(joined)
    correlations = [each for file in files for each in file.correlations]
    correlations, gone = map_correlations(correlations, rules, pipelines, diagnostics)
    sound = check_references(rules, correlations, acting.filters, diagnostics, refused | gone)
    targets = Targets.of([*rules, *sound])
    mapped = map_fields(sound, targets, pipelines, lambda rule: rule, diagnostics)
    return LinkedRules(rules, variants, Linked(mapped, targets))
