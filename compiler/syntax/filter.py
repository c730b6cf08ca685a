"""Filters: conditions that are added to other rules, made from YAML nodes.

Read, checked and kept as data; `references.py` checks what they refer to. Source: Sigma filters
specification 2.1.0.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from sigmac.compiler.diagnostics.diagnostic import Diagnostics, Place
from sigmac.compiler.syntax.condition import Condition
from sigmac.compiler.syntax.read_metadata import read_logsource, read_metadata
from sigmac.compiler.syntax.read_rule import read_search
from sigmac.compiler.syntax.reader import Reader
from sigmac.compiler.syntax.rule import AllOf, Detection, Item, LogSource, Metadata, Reference
from sigmac.compiler.syntax.yaml_nodes import Document, Node

_RESERVED = frozenset({"rules", "condition"})


@dataclass(frozen=True, slots=True)
class Filter:
    """A filter: the rules that it is for match only where its condition holds too.

    The condition is over the filter's own search identifiers. `rules` is empty where the filter is
    for any rule of its logsource.
    """

    meta: Metadata
    logsource: LogSource
    rules: tuple[Reference, ...]
    detections: dict[str, Detection]
    condition: Condition
    place: Place
    places: dict[str, Place] = field(default_factory=dict)  # of the search identifiers

    @property
    def label(self) -> str:
        """How messages call the filter: its id, else its title."""
        return self.meta.id or self.meta.title

    def covers(self, logsource: LogSource) -> bool:
        """Whether every key that the filter's logsource sets is set and equal in a rule's."""
        pairs = zip(self.logsource.key, logsource.key, strict=True)
        return all(mine is None or mine == theirs for mine, theirs in pairs)

    def plain(self) -> dict[str, Any]:
        """The filter as JSON types; items with field, modifiers and values as written."""
        return {
            **self.meta.plain(),
            "logsource": self.logsource.plain(),
            "rules": [rule.text for rule in self.rules] or "any",
            "detections": {name: _plain(each) for name, each in self.detections.items()},
            "condition": self.condition.text,
        }


def _plain(detection: Detection) -> dict[str, Any]:
    if isinstance(detection, Item):
        return {
            "field": detection.field,
            "modifiers": list(detection.modifiers),
            "values": list(detection.raw),
        }
    word = "all_of" if isinstance(detection, AllOf) else "any_of"
    return {word: [_plain(child) for child in detection.children]}


def read_filter(document: Document, diagnostics: Diagnostics) -> Filter:
    """A filter from its document; warnings go to `diagnostics`.

    Raises `RuleError` for what refuses the filter; where several things do, all but one are in
    `diagnostics`.
    """
    reader = Reader(document, diagnostics)
    root = document.root
    meta, logsource, (rules, detections, places, condition) = reader.attempt(
        lambda: read_metadata(reader, root, frozenset({"logsource", "filter"})),
        lambda: read_logsource(reader, root),
        lambda: _read_filter(reader, root.value["filter"]),
    )
    return Filter(meta, logsource, rules, detections, condition, reader.place(root), places)


def _read_filter(
    reader: Reader, node: Node
) -> tuple[tuple[Reference, ...], dict[str, Detection], dict[str, Place], Condition]:
    if not node.is_map:
        raise reader.fail("E_FILTER", "the filter must be a map", node)
    rules, _, (detections, places, (condition,)) = reader.attempt(
        lambda: _rules(reader, node),
        lambda: _refuse_many(reader, node.value.get("condition")),
        lambda: read_search(reader, node, _RESERVED),
    )
    return rules, detections, places, condition


def _rules(reader: Reader, node: Node) -> tuple[Reference, ...]:
    """The rules that a filter lists; none where it is for any."""
    child = node.value.get("rules")
    if child is None or child.value is None:
        message = "the filter does not say for which rules it is"
        raise reader.fail("E_FILTER", message, child or node, "add `rules: any`, or ids or names")
    if isinstance(child.value, str) and child.value.lower() == "any":
        return ()
    if child.is_list and not child.value:
        message = "the list of rules is empty"
        hint = "add ids or names; `any` is for every rule of the logsource"
        raise reader.fail("E_FILTER", message, child, hint)
    found: dict[str, Reference] = {}
    for rule in reader.references(child, "E_FILTER"):
        if found.setdefault(rule.text, rule) is not rule:
            message = f"`{rule.text[:80]}` is listed twice"
            reader.diagnostics.report("W_META", message, rule.place, "remove one")
    return tuple(found.values())


def _refuse_many(reader: Reader, condition: Node | None) -> None:
    if condition is not None and condition.is_list:
        message = "a filter has exactly one condition"
        raise reader.fail("E_FILTER", message, condition, "join them by `and` or `or`")
