"""The documents of one side: what a pack holds of each, and what its author wrote where rules are given."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from sigmac.compiler.syntax.documents import FileContents
from sigmac.compiler.syntax.rule import plain_detection
from sigmac.runtime.pack.contents import Contents

RULE, CORRELATION, FILTER = "rule", "correlation", "filter"

# The kind, the id or (where there is none) the title, and which of several that are called so
Key = tuple[str, str, int]


@dataclass(frozen=True, slots=True)
class Written:
    """What the author of a rule or filter wrote: search identifiers as JSON types, and conditions."""

    detections: Mapping[str, Any]
    conditions: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Documented:
    """A document of a pack: its metadata there, its generated code, and what was written where that is known."""

    kind: str
    metadata: Mapping[str, Any]
    code: str = ""
    written: Written | None = None

    @property
    def title(self) -> str:
        return str(self.metadata.get("title", ""))

    def named(self) -> dict[str, Any]:
        """How reports call it."""
        named = {name: self.metadata.get(name) for name in ("title", "id", "level", "source")}
        return {"kind": self.kind, **named}


def documents_of(contents: Contents, files: Iterable[FileContents] = ()) -> dict[Key, Documented]:
    """The documents of a pack in its order; `files` are those that it was made of, where they are known."""
    written = dict(_keyed(_written(files)))
    found: dict[Key, Documented] = {}
    for key, document in _keyed(_packed(contents)):
        of_author = written.get(key)
        if of_author is not None and document.kind != CORRELATION:
            document = Documented(
                document.kind, document.metadata, document.code, of_author.written
            )
        found[key] = document
    return found


def _keyed(documents: Iterable[Documented]) -> Iterator[tuple[Key, Documented]]:
    seen: Counter[tuple[str, str]] = Counter()
    for each in documents:
        name = (each.kind, str(each.metadata.get("id") or each.title).lower())
        yield (*name, seen[name]), each
        seen[name] += 1


def _packed(contents: Contents) -> Iterator[Documented]:
    called = _called(contents)
    for rule in contents.rules:
        metadata = {key: value for key, value in rule.metadata.items() if key != "function"}
        yield Documented(RULE, metadata, _body(rule.function.source))
    for kind, name in ((CORRELATION, "correlations"), (FILTER, "filters")):
        for each in contents.documents.get(name, ()):
            if kind == FILTER:
                conditions = (str(each.get("condition", "")),)
                written = Written(dict(each.get("detections") or {}), conditions)
                metadata = {k: v for k, v in each.items() if k not in ("detections", "condition")}
                yield Documented(kind, metadata, written=written)
            else:
                metadata = {k: v for k, v in each.items() if k not in ("function", "digest")}
                yield Documented(kind, {**metadata, **_with_names(metadata, called)})


def _called(contents: Contents) -> dict[str, str]:
    """What rules and correlations are called by those who refer to them, by their names in the pack."""
    documents = [rule.metadata for rule in contents.rules]
    documents += contents.documents.get("correlations", ())
    return {
        str(each["function"]): str(each.get("name") or each.get("title"))
        for each in documents
        if "function" in each
    }


def _with_names(correlation: Mapping[str, Any], called: Mapping[str, str]) -> dict[str, Any]:
    """The parts of a correlation that name rules, as those are called: names in a pack tell where rules lie."""

    def renamed(node: Any) -> Any:
        if isinstance(node, Mapping):
            return {key: renamed(child) for key, child in node.items()}
        if isinstance(node, (list, tuple)):
            return [renamed(child) for child in node]
        return called.get(node, node) if isinstance(node, str) else node

    found: dict[str, Any] = {"rules": renamed(correlation["rules"])}
    condition, fields = correlation.get("condition"), correlation.get("fields")
    if isinstance(condition, Mapping) and "expression" in condition:
        found["condition"] = {"expression": renamed(condition["expression"])}
    if isinstance(fields, Mapping):
        found["fields"] = {
            name: {called.get(rule, rule): each for rule, each in by_rule.items()}
            for name, by_rule in fields.items()
            if isinstance(by_rule, Mapping)
        }
    return found


def _body(source: str) -> str:
    """A generated function without its name and its docstring, which say where the rule stands."""
    _, quotes, rest = source.partition('"""')
    return rest.partition('"""')[2].strip("\n") if quotes else source


def _written(files: Iterable[FileContents]) -> Iterator[Documented]:
    for contents in files:
        for rule in contents.rules:
            detections = {name: plain_detection(each) for name, each in rule.detections.items()}
            written = Written(detections, tuple(each.text for each in rule.conditions))
            metadata = {"title": rule.meta.title, "id": rule.meta.id}
            yield Documented(RULE, metadata, written=written)
