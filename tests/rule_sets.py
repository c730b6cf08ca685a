"""Rule sets as the references see them: the documents of one file, joined, mapped and checked against each other."""

from __future__ import annotations

from collections.abc import Sequence

from sigmac.compiler.diagnostics.diagnostic import RuleError
from sigmac.compiler.meaning.correlation_reference import RuleSet
from sigmac.compiler.packaging.correlation_module import Linked
from sigmac.compiler.pipeline import load_pipelines
from sigmac.compiler.pipeline.correlation_fields import map_correlations, map_fields
from sigmac.compiler.syntax.documents import read_file
from sigmac.compiler.syntax.filter import join
from sigmac.compiler.syntax.links import Targets, acting_filters, check_references
from sigmac.compiler.syntax.rule import Rule


def read_rule_set(data: bytes, pipelines: Sequence[str] = ()) -> tuple[RuleSet, Linked]:
    """What is sound in a file, for the reference and for the compiler."""
    contents = read_file(data, "rules.yml")
    found = contents.diagnostics
    refused = set(contents.refused_names)
    acting = acting_filters(contents.rules, contents.correlations, contents.filters, found, refused)
    loaded = load_pipelines(pipelines)
    rules: list[Rule] = []
    variants: list[dict[str | None, Rule]] = []
    for rule, filters in zip(contents.rules, acting.on, strict=True):
        try:
            made = loaded.apply(join(rule, filters), found)
        except RuleError:
            refused |= {name for name in (rule.meta.id, rule.meta.name) if name}
            continue
        rules.append(rule)
        variants.append({each.name: each.rule for each in made})
    correlations, gone = map_correlations(contents.correlations, rules, loaded, found)
    sound = check_references(rules, correlations, acting.filters, found, refused | gone)
    targets = Targets.of([*rules, *sound])
    mapped = map_fields(sound, targets, loaded, lambda rule: rule, found)
    kept = [each for each, _ in mapped]
    return RuleSet(rules, variants, kept, [fields for _, fields in mapped]), Linked(mapped, targets)
