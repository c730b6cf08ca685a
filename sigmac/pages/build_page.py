"""What the page of a build shows: its rules, what they cover of ATT&CK, what the optimizer did, diagnostics, fields."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import Any

from sigmac.attack.attack_table import shipped
from sigmac.attack.covered import LEVELS, NONE, CountedRule, covered
from sigmac.attack.tags import NO_TACTIC, TACTICS, tactics
from sigmac.compiler.diagnostics.diagnostic import Diagnostic
from sigmac.compiler.optimizer import PASSES
from sigmac.compiler.packaging.build import BuildOptions, BuildResult
from sigmac.compiler.packaging.built_documents import BuiltDocument
from sigmac.pages.html_page import render

_MOST_TEXT = 2_000  # characters of a description


def build_page(result: BuildResult, options: BuildOptions, told: Sequence[Diagnostic]) -> bytes:
    """The page of a build with the diagnostics that it told; the same for the same rules, options and sigmac."""
    title = f"Build of {options.name} {options.version}"
    return render("build", title, page_data(result, options, told))


def page_data(
    result: BuildResult, options: BuildOptions, told: Sequence[Diagnostic]
) -> dict[str, Any]:
    """The data of the page, as JSON types."""
    sources = {each.file: each.source for each in result.work}
    places: dict[tuple[str, int], list[int]] = defaultdict(list)  # diagnostics of each document
    for number, each in enumerate(told):
        places[each.place.file, each.place.document].append(number)
    fields, logsources = _Numbers(), _Numbers()
    rules, counted = [], []
    known = set()
    for document in result.built():
        said = places[document.place.file, document.place.document]
        known |= {*said}
        rules.append(_row(document, said, fields, logsources))
        if document.kind != "filter":
            counted.append(_counted(document))
    table = shipped()
    report = covered(counted, table)
    by_tactic = {each["tactic"]: each for each in report["tactics"]}
    return {
        "said": _sentence(result, options),
        "notes": list(_notes(result)),
        "noun": "rule" if len(rules) == result.rules else "document",
        "rules": rules,
        "fields": [*fields],
        "logsources": [*logsources],
        "attack": table.version,
        "tactics": [by_tactic.get(each, {"tactic": each}) for each in (*TACTICS, NO_TACTIC)],
        "unknown_tags": [{**each, "rules": len(each["rules"])} for each in report["unknown_tags"]],
        "passes": _passes(result),
        "codes": {each.code: each.severity for each in told},
        "diagnostics": [
            {
                "code": each.code,
                "place": _place(each, sources),
                "message": each.message,
                "hint": each.hint,
                "of_rule": number in known,
            }
            for number, each in enumerate(told)
        ],
    }


class _Numbers(dict[str, int]):
    """Texts by numbers, in the order in which they are first asked for."""

    def __missing__(self, text: str) -> int:
        self[text] = number = len(self)
        return number


def _row(
    document: BuiltDocument, said: list[int], fields: _Numbers, logsources: _Numbers
) -> dict[str, Any]:
    level = (document.level or "").lower()
    cells = shipped().cells(document.tags)
    logsource = "/".join(part for part in document.logsource if part)
    if document.kind != "rule":
        logsource = f"{document.kind} of {logsource}" if logsource else document.kind
    first = document.passes[0] if document.passes else ("", 0, 0)
    counts = document.kind != "filter"  # a filter finds nothing, so that it covers nothing
    return {
        "title": document.title,
        "id": document.id,
        "level": level if level in LEVELS else NONE,
        "status": document.status,
        "logsource": logsources[logsource or "none"],
        "tags": list(document.tags),
        "tactics": (tactics(document.tags) or sorted({each for each, _ in cells})) * counts,
        "cells": cells * counts,
        "untagged": counts and not any(tag.lower().startswith("attack.") for tag in document.tags),
        "file": document.source,
        "description": (document.description or "")[:_MOST_TEXT],
        "author": document.author,
        "filters": list(document.filters),
        "fields": [fields[each] for each in document.fields],
        "said": said,
        "before": [first[2], first[1]],
        "passes": _changes(document),
    }


_NUMBERS = {each.__name__: number for number, each in enumerate(PASSES)}


def _changes(document: BuiltDocument) -> list[list[int]]:
    """Of each pass that changed a rule: its number, and by how much predicates and nodes became more."""
    found: dict[int, list[int]] = {}
    for name, nodes, predicates, nodes_then, predicates_then, changed in document.passes:
        if changed:
            entry = found.setdefault(_NUMBERS[name], [0, 0])
            entry[0] += predicates_then - predicates
            entry[1] += nodes_then - nodes
    return [[number, *change] for number, change in sorted(found.items())]


def _passes(result: BuildResult) -> list[list[str]]:
    """Each pass with the first sentence of what it says of itself; none where the optimizer did not run."""
    if not result.passes:
        return []
    return [
        [each.__name__, " ".join((each.__doc__ or "").partition("\n\n")[0].split())]
        for each in PASSES
    ]


def _counted(document: BuiltDocument) -> CountedRule:
    parts = [part or "" for part in document.logsource]
    return CountedRule(
        document.title,
        document.id,
        document.level,
        document.status,
        document.tags,
        (parts[0], parts[1], parts[2]) if parts else None,
        document.source,
    )


def _place(diagnostic: Diagnostic, sources: dict[str, str]) -> str:
    """Where it stands, with the name that the file has in the pack."""
    place = diagnostic.place
    parts = (sources.get(place.file, place.file), *filter(None, (place.line, place.column)))
    return ":".join(map(str, parts))


def _sentence(result: BuildResult, options: BuildOptions) -> str:
    counts = [
        (result.rules, "rule"),
        (result.correlations, "correlation"),
        (result.filters, "filter"),
    ]
    made = ", ".join(_number(count, noun) for count, noun in counts if count) or "no rule"
    pipelines = ", ".join(options.pipelines) or "no pipeline"
    return f"{made} from {_number(result.files, 'file')}, with {pipelines}"


def _notes(result: BuildResult) -> Iterator[str]:
    if not result.rendered:
        yield "No pack was made."
    if result.refused:
        yield f"{_number(result.refused, 'document')} left out because of errors, which stand below."
    if result.skipped:
        yield f"{_number(result.skipped, 'rule')} of other logsources left out."
    if result.silent:
        yield f"{_number(result.silent, 'rule')} silent, as they count for correlations only."


def _number(count: int, noun: str) -> str:
    return f"{count:,} {noun}{'' if count == 1 else 's'}"
