"""What a build made, one document after the other: what people ask of it, and what the optimizer did to it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from sigmac.compiler.diagnostics.diagnostic import Place
from sigmac.compiler.packaging.relations import Documents
from sigmac.compiler.syntax.correlation import Correlation
from sigmac.compiler.syntax.rule import Filter


@dataclass(frozen=True, slots=True)
class BuiltDocument:
    """A rule of a pack, or a correlation or filter over them; `kind` says which.

    `source` is file and line as the pack has them, `place` those that diagnostics name. A `logsource` has product,
    category and service; a correlation has none. Of a rule `fields` are those that it asks for (`""`: all of them),
    `filters` the titles of the filters that act on it, and `passes` each run of an optimizer's pass: its name, nodes
    and predicates before, nodes and predicates after, and whether it changed anything.
    """

    kind: str
    title: str
    id: str | None
    level: str | None
    status: str | None
    tags: tuple[str, ...]
    description: str | None
    author: str | None
    source: str
    place: Place
    logsource: tuple[str | None, ...] = ()
    fields: tuple[str, ...] = ()
    filters: tuple[str, ...] = ()
    passes: Sequence[tuple[str, int, int, int, int, bool]] = ()


def built_documents(
    units: Sequence[dict[str, Any]], documents: Documents
) -> Iterator[BuiltDocument]:
    """Those of the units of rules, in their order, then correlations and filters."""
    sources = documents.linked.sources
    for unit in units:
        place, about = Place(*unit["place"]), unit["about"]
        asked = unit["questions"]["fields"]
        yield BuiltDocument(
            "rule",
            unit["title"],
            unit["id"],
            about.get("level"),
            about.get("status"),
            tuple(about.get("tags", ())),
            about.get("description"),
            about.get("author"),
            f"{sources[place.file]}:{place.line}",
            place,
            tuple(unit["logsource"]),
            tuple(sorted({*asked, *unit["guard_fields"]})),
            tuple(about["filters"]),
            [tuple(each) for each in unit["passes"]],
        )
    for correlation, _ in documents.linked.correlations:
        yield _other("correlation", correlation, sources[correlation.place.file])
    for each in documents.filters:
        yield _other("filter", each, sources[each.place.file], each.logsource.key)


def _other(
    kind: str, document: Correlation | Filter, source: str, logsource: tuple[str | None, ...] = ()
) -> BuiltDocument:
    meta, place = document.meta, document.place
    about = meta.id, meta.level, meta.status, meta.tags, meta.description, meta.author
    return BuiltDocument(kind, meta.title, *about, f"{source}:{place.line}", place, logsource)
