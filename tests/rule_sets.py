"""Rule sets as the references see them: the documents of one file, joined, mapped and checked against each other."""

from __future__ import annotations

from collections.abc import Sequence

from sigmac.compiler.meaning.correlation_reference import RuleSet
from sigmac.compiler.packaging.correlation_module import Linked
from sigmac.compiler.packaging.linked_rules import link_files
from sigmac.compiler.pipeline import load_pipelines
from sigmac.compiler.syntax.documents import read_file


def read_rule_set(data: bytes, pipelines: Sequence[str] = ()) -> tuple[RuleSet, Linked]:
    """What is sound in a file, for the reference and for the compiler."""
    contents = read_file(data, "rules.yml")
    made = link_files([contents], load_pipelines(pipelines), contents.diagnostics)
    variants = [{each.name: each.rule for each in forms} for forms in made.variants]
    correlations = [each for each, _ in made.linked.correlations]
    fields = [fields for _, fields in made.linked.correlations]
    return RuleSet(made.rules, variants, correlations, fields), made.linked
