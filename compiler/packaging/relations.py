"""What the documents of a whole rule set say of each other, from units and the few files that hold more than rules."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import Any

from sigmac.compiler.checks.among_rules import Outline, outline_of
from sigmac.compiler.diagnostics.diagnostic import Diagnostics, Place
from sigmac.compiler.pipeline import Pipelines
from sigmac.compiler.pipeline.correlation_fields import map_correlations
from sigmac.compiler.syntax.correlation import Correlation
from sigmac.compiler.syntax.documents import Refused, read_file
from sigmac.compiler.syntax.filter import Filter
from sigmac.compiler.syntax.links import check_references, report_not_evaluated
from sigmac.compiler.syntax.rule import LogSource, Metadata, Rule
from sigmac.compiler.syntax.rule_files import SourceFile
from sigmac.compiler.syntax.yaml_nodes import Node


@dataclass(frozen=True, slots=True)
class Documents:
    """The correlations and filters of a rule set whose references hold."""

    correlations: list[Correlation] = field(default_factory=list)
    filters: list[Filter] = field(default_factory=list)

    def plain(self) -> dict[str, Any]:
        """JSON files for the pack; none for a kind that does not occur."""
        made = {
            "correlations.json": [each.plain() for each in self.correlations],
            "filters.json": [each.plain() for each in self.filters],
        }
        return {name: content for name, content in made.items() if content}


def relate(
    rules: Sequence[dict[str, Any]],
    others: Sequence[tuple[SourceFile, bytes]],
    diagnostics: Diagnostics,
    refused: Collection[str] = (),
    pipelines: Pipelines | None = None,
    left_out: Sequence[Outline] = (),
) -> Documents:
    """Check the references between rules (as units), correlations and filters.

    `refused` are the ids and names of the rules that an error has left out, `left_out` the outlines of those that
    can be told. The field names of correlations are mapped by the pipelines.
    """
    known = [_outline(rule) for rule in rules]
    correlations: list[Correlation] = []
    filters: list[Filter] = []
    for source, data in others:
        contents = read_file(data, source.file)
        correlations += contents.correlations
        filters += contents.filters
    if pipelines is not None:
        correlations, others_refused = map_correlations(correlations, known, pipelines, diagnostics)
        refused = {*refused, *others_refused}
    gone = [Refused(_meta(each), each.places["title"]) for each in left_out]
    sound = Documents(*check_references(known, correlations, filters, diagnostics, refused, gone))
    report_not_evaluated(sound.correlations, sound.filters, diagnostics)
    return sound


def _outline(unit: dict[str, Any]) -> Rule:
    """As much of a rule as others can refer to."""
    product, category, service = unit["logsource"]
    meta = _meta(outline_of(unit["outline"]))
    return Rule(meta, LogSource(category, product, service), {}, (), Place(*unit["place"]))


def _meta(known: Outline) -> Metadata:
    nodes = {
        key: Node(None, place.line, place.column, place.width)
        for key, place in known.places.items()
    }
    return Metadata(known.title, known.id, known.name, nodes=nodes)
