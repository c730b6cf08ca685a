"""Mappings that run too early: before another pipeline adds the very field that they map."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from sigmac.compiler.diagnostics.diagnostic import Place
from sigmac.compiler.syntax.yaml_nodes import Document, Node

_PARTS = ("product", "category", "service")
Parts = frozenset[tuple[str, str]]  # of a logsource that is asked for


@dataclass(frozen=True, slots=True)
class Named:
    """A field that a pipeline names, where it stands, and for which logsources alone."""

    field: str
    place: Place
    logsource: Parts


def added_fields(document: Document, items: Node | None) -> tuple[Named, ...]:
    """The fields of the conditions that a pipeline adds."""
    return tuple(_named(document, items, "add_condition", "conditions"))


def mapped_fields(document: Document, items: Node | None) -> tuple[Named, ...]:
    """The fields to which a pipeline gives other names."""
    return tuple(_named(document, items, "field_name_mapping", "mapping"))


def too_early(mapped: Sequence[Named], added: Sequence[Named]) -> Iterator[Named]:
    """The mapped fields that are added later, for a logsource that both may act on."""
    for early in mapped:
        if any(
            late.field == early.field and _may_meet(early.logsource, late.logsource)
            for late in added
        ):
            yield early


def _may_meet(one: Parts, other: Parts) -> bool:
    known = dict(one)
    return all(known.get(key, value) == value for key, value in other)


def _named(document: Document, items: Node | None, kind: str, key: str) -> Iterator[Named]:
    for item, logsource in _items(items, frozenset()):
        found = item.value.get(key)
        if item.value["type"].value != kind or found is None or not found.is_map:
            continue
        for name, target in found.value.items():
            if isinstance(name, str) and name != target.plain():
                place = found.keys[name].place(document.file, document.index)
                yield Named(name.partition("|")[0], place, logsource)


def _items(node: Node | None, outer: Parts) -> Iterator[tuple[Node, Parts]]:
    """Every processing item, those of `nest` included, with the logsource that it asks for."""
    for item in node.value if node is not None and node.is_list else ():
        if item.is_map and "type" in item.value:
            asked = outer | _asked(item)
            yield item, asked
            yield from _items(item.value.get("items"), asked)


def _asked(item: Node) -> Parts:
    conditions = item.value.get("rule_conditions")
    if conditions is None or not conditions.is_list or len(conditions.value) != 1:
        return frozenset()
    condition = conditions.value[0]
    if "rule_cond_not" in item.value or condition.value["type"].value != "logsource":
        return frozenset()
    parts = ((part, condition.value.get(part)) for part in _PARTS)
    return frozenset((part, node.value.lower()) for part, node in parts if node is not None)
