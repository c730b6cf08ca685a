"""Where a pipeline means here something else than it means to pySigma, on purpose.

What a transformation sees of itself it says itself, by `Run.differs`; here is what only the whole
file shows. All of it is in the table of `docs/pipelines.md`.
"""

from __future__ import annotations

from collections.abc import Iterator

from sigmac.compiler.diagnostics.diagnostic import Diagnostics
from sigmac.compiler.syntax.yaml_nodes import Document, Node

# Types that to pySigma were applied to every value that they looked at, changed or not.
_LOOK = frozenset({"replace_string", "case", "set_value", "convert_type"})
_CONDITIONS = ("detection_item_conditions", "field_name_conditions")


def report_differences(document: Document, items: Node, warnings: Diagnostics) -> None:
    """Report the conditions that ask for the id of an item that changes values."""
    changing = {
        _text(node, "id"): _text(node, "type")
        for node in _items(items)
        if _text(node, "type") in _LOOK and _text(node, "id")
    }
    for condition in _conditions(items):
        asked = condition.value.get("processing_item_id")
        if _text(condition, "type") != "processing_item_applied" or asked is None:
            continue
        if isinstance(asked.value, str) and asked.value in changing:
            message = (
                f"`{asked.value[:60]}` counts as applied where it changed a value; "
                "pySigma counts every value that it looked at"
            )
            place = asked.place(document.file, document.index)
            hint = "ask for what it does by a condition of its own"
            warnings.report("W_PIPELINE_DIFFERS", message, place, hint)


def _items(node: Node) -> Iterator[Node]:
    for child in _children(node):
        if child.is_map:
            yield child
            if "items" in child.value:
                yield from _items(child.value["items"])


def _conditions(items: Node) -> Iterator[Node]:
    for item in _items(items):
        for key in _CONDITIONS:
            found = item.value.get(key)
            if found is not None:
                yield from (each for each in _children(found) if each.is_map)


def _children(node: Node) -> list[Node]:
    if node.is_list:
        return list(node.value)
    return list(node.value.values()) if node.is_map else []


def _text(node: Node, key: str) -> str:
    found = node.value.get(key)
    return found.value if found is not None and isinstance(found.value, str) else ""
