"""What the documents of a whole rule set say of each other, from units and the few files that hold more than rules."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sigmac.compiler.checks.among_rules import Outline, outline_of
from sigmac.compiler.checks.windows import check_correlations
from sigmac.compiler.diagnostics.diagnostic import Diagnostics, Place
from sigmac.compiler.packaging.correlation_module import Linked
from sigmac.compiler.pipeline import Pipelines
from sigmac.compiler.pipeline.correlation_fields import map_correlations, map_fields
from sigmac.compiler.syntax.correlation import Correlation
from sigmac.compiler.syntax.documents import Refused, read_file
from sigmac.compiler.syntax.links import Targets, acting_filters, check_references
from sigmac.compiler.syntax.rule import Filter, LogSource, Metadata, Rule
from sigmac.compiler.syntax.yaml_nodes import Node


@dataclass(frozen=True, slots=True)
class Documents:
    """The correlations and filters of a rule set whose references hold; `outlines` are those of its rules."""

    linked: Linked = field(default_factory=Linked)
    filters: list[Filter] = field(default_factory=list)
    outlines: list[Rule] = field(default_factory=list)

    def plain(self) -> dict[str, Any]:
        """JSON files for the pack; none for a kind that does not occur."""
        made = {"filters.json": [each.plain() for each in self.filters]}
        return {name: content for name, content in made.items() if content}


def read_others(
    files: Sequence[tuple[str, bytes]],
) -> tuple[list[Correlation], list[Filter]]:
    """The correlations and the filters of some files, given as name and data."""
    contents = [read_file(data, file) for file, data in files]
    return (
        [each for file in contents for each in file.correlations],
        [each for file in contents for each in file.filters],
    )


# For each unit: by a rule's document the numbers of the filters that act on it.
Filtered = dict[int, tuple[int, ...]]


def relate_filters(
    units: Sequence[dict[str, Any]],
    correlations: Sequence[Correlation],
    filters: Sequence[Filter],
    diagnostics: Diagnostics,
) -> tuple[list[Filter], list[Filtered]]:
    """The filters whose references to the rules of some units are sound, and where they act."""
    rules = [(i, rule) for i, unit in enumerate(units) for rule in unit["rules"]]
    outlines = [outline for unit in units for outline in outlines_of(unit)[0]]
    refused = {name for unit in units for name in unit["refused_names"]}
    known = [_rule_of(rule, each) for (_, rule), each in zip(rules, outlines, strict=True)]
    acting = acting_filters(known, correlations, filters, diagnostics, refused)
    number = {id(each): i for i, each in enumerate(filters)}
    found: list[Filtered] = [{} for _ in units]
    for (i, rule), on_it in zip(rules, acting.on, strict=True):
        if on_it:
            found[i][rule["document"]] = tuple(number[id(each)] for each in on_it)
    return acting.filters, found


def needed_rules(
    units: Sequence[dict[str, Any]], correlations: Sequence[Correlation]
) -> tuple[list[Correlation], list[list[int]]]:
    """The correlations that concern rules of the wanted logsources, and by unit the documents of other rules they need.

    A correlation of other logsources alone is left out as its rules are.
    """
    wanted = {
        name
        for unit in units
        for rule in unit["rules"]
        for name in ((rule["id"] or "").lower(), rule["rule_name"])
        if name
    }
    skipped = {name for unit in units for _, *names in unit["skipped"] for name in names if name}
    known = {name: each for each in correlations for name in (each.meta.name, each.meta.id) if name}
    kept: list[Correlation] = []
    needed: set[str] = set()
    for each in correlations:
        below = _texts_below(each, known)
        if below & wanted or not below & skipped:
            kept.append(each)
            needed |= below
    documents = [
        [document for document, *names in unit["skipped"] if needed.intersection(names) - {""}]
        for unit in units
    ]
    return kept, documents


def _texts_below(correlation: Correlation, known: Mapping[str, Correlation]) -> set[str]:
    """How a correlation refers to rules, by way of others too: names as written, and ids in lower case."""
    found: set[str] = set()
    waiting = [correlation]
    while waiting:
        for reference in waiting.pop().rules:
            if reference.text in found:
                continue
            found |= {reference.text, reference.text.lower()}
            if reference.text in known:
                waiting.append(known[reference.text])
    return found


def outlines_of(unit: dict[str, Any]) -> tuple[list[Outline], list[Outline]]:
    """The outline of each rule of a unit, with what filters add, and those of all its rules as they are written."""
    written = [outline_of(each) for each in unit["outlines"]["rules"]]
    joined = [
        written[each] if isinstance(each, int) else outline_of(each)
        for each in (rule["outline"] for rule in unit["rules"])
    ]
    return joined, written


def relate(
    rules: Sequence[dict[str, Any]],
    outlines: Sequence[Outline],
    correlations: list[Correlation],
    filters: Sequence[Filter],
    diagnostics: Diagnostics,
    read: Callable[[int], Rule],
    pipelines: Pipelines,
    refused: Collection[str] = (),
    left_out: Sequence[Outline] = (),
) -> tuple[Linked, list[Rule]]:
    """The correlations whose references to rules (as units, with their outlines) and to each other are sound, and as
    much of the rules as others can refer to.

    `refused` are the ids and names of the rules that an error has left out, `left_out` the outlines of those that
    can be told; `read` gives the whole rule of a unit, by its place among `rules`.
    """
    known = [_rule_of(*each) for each in zip(rules, outlines, strict=True)]
    correlations, others_refused = map_correlations(correlations, known, pipelines, diagnostics)
    refused = {*refused, *others_refused}
    gone = [Refused(_meta(each), each.places["title"]) for each in left_out]
    sound = check_references(known, correlations, filters, diagnostics, refused, gone)
    targets = Targets.of([*known, *sound])
    places = {id(outline): i for i, outline in enumerate(known)}
    mapped = map_fields(sound, targets, pipelines, lambda rule: read(places[id(rule)]), diagnostics)
    fields = {id(each): outline.fields for each, outline in zip(known, outlines, strict=True)}
    never = {id(each) for each, rule in zip(known, rules, strict=True) if rule["never"]}
    kept = [each for each, _ in mapped]
    found = check_correlations(kept, targets, lambda rule: fields[id(rule)], never)
    diagnostics.extend(each for each in found if each.severity != "note")
    return Linked(mapped, targets), known


def _rule_of(unit: dict[str, Any], outline: Outline) -> Rule:
    """As much of a rule as others can refer to."""
    product, category, service = unit["logsource"]
    return Rule(
        _meta(outline), LogSource(category, product, service), {}, (), Place(*unit["place"])
    )


def _meta(known: Outline) -> Metadata:
    nodes = {
        key: Node(None, place.line, place.column, place.width)
        for key, place in known.places.items()
    }
    return Metadata(known.title, known.id, known.name, nodes=nodes)
