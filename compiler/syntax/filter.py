"""Filters: made from YAML nodes, and joined to the rules that they act on.

`links.py` says which rules a filter acts on; they carry it through the compiler. Source: Sigma
filters specification 2.1.0.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from sigmac.compiler.diagnostics.diagnostic import Diagnostics, Place, RuleError
from sigmac.compiler.syntax.condition import Condition
from sigmac.compiler.syntax.known_keys import near
from sigmac.compiler.syntax.read_metadata import read_logsource, read_metadata
from sigmac.compiler.syntax.read_rule import read_detections, read_search
from sigmac.compiler.syntax.reader import Reader
from sigmac.compiler.syntax.rule import Detection, Filter, Reference, Rule
from sigmac.compiler.syntax.yaml_nodes import Document, Node

MAX_FILTERS = 1000  # that act on one rule
_RESERVED = frozenset({"rules", "condition"})
_Search = tuple[dict[str, Detection], dict[str, Place], Condition]


def join(rule: Rule, filters: Sequence[Filter]) -> Rule:
    """The rule with the filters that act on it. Raises `RuleError` (`E_FILTER`) where they are too many."""
    if len(filters) > MAX_FILTERS:
        message = f"more than {MAX_FILTERS:,} filters act on the rule"
        raise RuleError("E_FILTER", message, rule.place, "join their selections to one filter")
    return replace(rule, filters=tuple(filters)) if filters else rule


def read_filter(document: Document, diagnostics: Diagnostics) -> Filter:
    """A filter from its document; warnings go to `diagnostics`.

    Raises `RuleError` for what refuses the filter; where several things do, all but one are in
    `diagnostics`.
    """
    reader = Reader(document, diagnostics)
    root = document.root
    meta, logsource, (rules, (detections, places, condition)) = reader.attempt(
        lambda: read_metadata(reader, root, frozenset({"logsource", "filter"})),
        lambda: read_logsource(reader, root),
        lambda: _read_filter(reader, root.value["filter"]),
    )
    return Filter(meta, logsource, rules, detections, condition, reader.place(root), places)


def _read_filter(reader: Reader, node: Node) -> tuple[tuple[Reference, ...], _Search]:
    if not node.is_map:
        raise reader.fail("E_FILTER", "the filter must be a map", node)
    rules, search = reader.attempt(
        lambda: _rules(reader, node),
        lambda: _read_search(reader, node, node.value.get("condition")),
    )
    return rules, search


def _rules(reader: Reader, node: Node) -> tuple[Reference, ...]:
    """The rules that a filter lists; none where it is for any."""
    child = node.value.get("rules")
    if child is None or child.value is None:
        message = "the filter does not say for which rules it is"
        raise reader.fail("E_FILTER", message, child or node, _rules_hint(reader, node))
    if isinstance(child.value, str) and child.value.lower() == "any":
        return ()
    if child.value == []:
        message = "the filter lists no rule, and so acts on any rule of its logsource"
        reader.diagnostics.report("W_META", message, reader.place(child), "write `any`")
    found: dict[str, Reference] = {}
    for rule in reader.references(child, "E_FILTER"):
        if found.setdefault(rule.text, rule) is not rule:
            message = f"`{rule.text[:80]}` is listed twice"
            reader.diagnostics.report("W_META", message, rule.place, "remove one")
    return tuple(found.values())


def _rules_hint(reader: Reader, node: Node) -> str:
    """Where the missing `rules` of a filter are, or how to write them."""
    outside = reader.document.root.value.get("rules")
    if outside is not None:
        return f"indent the `rules` of line {outside.line}: their place is inside `filter`"
    for name in node.value:
        if near(name, ("rules",)):
            return f"`{name[:60]}` is read as a search identifier: write `rules`"
    return "add `rules: any`, or ids or names"


def _read_search(reader: Reader, node: Node, condition: Node | None) -> _Search:
    if condition is None or condition.value is None or isinstance(condition.value, str):
        detections, places, (made,) = read_search(reader, node, _RESERVED)
        return detections, places, made
    message = "a filter has exactly one condition, a text"
    hint = "join them by `and` or `or`" if condition.is_list else ""
    wrong = reader.fail("E_FILTER", message, condition, hint)
    reader.attempt(lambda: read_detections(reader, node, _RESERVED), lambda: reader.refuse([wrong]))
    raise wrong
