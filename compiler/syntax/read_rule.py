"""Detection rules from their documents: search identifiers, items, conditions.

A fault in `title`, `logsource` or `detection` refuses the rule.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import partial
from typing import Any

from sigmac.compiler.diagnostics.diagnostic import Diagnostics, Place
from sigmac.compiler.syntax import condition as conditions
from sigmac.compiler.syntax.condition import KEYWORDS, Condition
from sigmac.compiler.syntax.known_keys import SHARED, near
from sigmac.compiler.syntax.modifiers.apply_modifiers import MAX_COST, apply
from sigmac.compiler.syntax.modifiers.modifiers import ModifierError, split
from sigmac.compiler.syntax.read_metadata import (
    VERSION,
    declared_version,
    read_logsource,
    read_metadata,
)
from sigmac.compiler.syntax.reader import Reader
from sigmac.compiler.syntax.rule import AllOf, AnyOf, Detection, Item, Rule
from sigmac.compiler.syntax.yaml_nodes import Document, Node

IDENTIFIER = re.compile(r"[A-Za-z0-9_.-]+")
MAX_NAME = 1000
_RULE_KEYS = frozenset({"logsource", "detection"})
_RESERVED = frozenset({"condition", "timeframe"})


def read_rule(document: Document, diagnostics: Diagnostics) -> Rule:
    """A detection rule from its document; warnings go to `diagnostics`.

    Raises `RuleError` for what refuses the rule; where several things do, all but one are in `diagnostics`.
    """
    reader = Reader(document, diagnostics)
    root = document.root
    meta, logsource, (detections, places, made) = reader.attempt(
        lambda: read_metadata(reader, root, _RULE_KEYS),
        lambda: read_logsource(reader, root),
        lambda: _read_detection(reader, root),
    )
    return Rule(meta, logsource, detections, made, reader.place(root), places)


def _read_detection(
    reader: Reader, root: Node
) -> tuple[dict[str, Detection], dict[str, Place], tuple[Condition, ...]]:
    node = root.value.get("detection")
    if node is None or not node.is_map:
        message = "there is no detection" if node is None else "the detection must be a map"
        raise reader.fail(
            "E_DETECTION",
            message,
            node or root,
            "add `detection:` with a selection and a condition",
        )
    condition = node.value.get("condition")
    if condition is not None and condition.is_list and condition.value:
        message = "a list of conditions: the rule matches where any of them is true"
        reader.warn("N_SCHEMA", message, condition, "join them by `or`, for other tools")
    timeframe = node.value.get("timeframe")
    if timeframe is not None:
        message = "`timeframe` has no effect on a detection rule"
        reader.warn(
            "W_TIMEFRAME", message, node.keys["timeframe"], "write a correlation with `timespan`"
        )
    return read_search(reader, node, _RESERVED, str(timeframe.plain()) if timeframe else None)


def read_detections(
    reader: Reader, node: Node, reserved: frozenset[str]
) -> tuple[dict[str, Detection], dict[str, Place]]:
    """The search identifiers of a map; keys in `reserved` are not identifiers.

    All faulty identifiers are reported; raises the last one's `RuleError`.
    """
    names = [key for key in node.value if key not in reserved]
    key_nodes = {key: node.keys[key] if node.keys else node.value[key] for key in names}

    def read(key: Any) -> Detection:
        check_identifier(reader, key, key_nodes[key])
        _note_form(reader, key, node.value[key])
        return read_detection(reader, node.value[key])

    made = reader.attempt(*(partial(read, key) for key in names))
    places = {key: reader.place(key_nodes[key]) for key in names}
    return dict(zip(names, made, strict=True)), places


def check_identifier(reader: Reader, key: Any, node: Node) -> None:
    """Raises `RuleError` (`E_IDENT`) where a key cannot be a search identifier; unusual ones are reported."""
    if not isinstance(key, str) or not key:
        raise reader.fail(
            "E_IDENT", f"the search identifier `{key}` is not text", node, "put it in quotes"
        )
    if key.lower() in KEYWORDS or key.isdecimal():
        message = f"`{key[:60]}` cannot be a search identifier: conditions read it otherwise"
        raise reader.fail("E_IDENT", message, node, f"write `selection_{key[:60]}`")
    if len(key) > MAX_NAME:
        raise reader.fail("E_IDENT", f"a name is longer than {MAX_NAME} characters", node)
    if not re.fullmatch(r"[A-Za-z0-9_-]+", key):
        hint = "use letters, digits, `_` and `-`"
        if not IDENTIFIER.fullmatch(key):
            hint += "; a condition reaches this one by a pattern only"
        reader.warn("W_IDENT", f"the search identifier `{key[:60]}` is unusual", node, hint)


def _note_form(reader: Reader, key: str, node: Node) -> None:
    """N_SCHEMA: what stands under a search identifier is wider than the specification's JSON schema has it."""
    if node.is_scalar and node.value is not None:
        message = f"`{key[:60]}` is neither a list nor a map"
        reader.warn("N_SCHEMA", message, node, "write it as a list of one, for other tools")
    elif node.is_list:
        for child in node.value:
            value = child.value
            if isinstance(value, bool) or not isinstance(value, (str, int, dict)):
                message = f"`{key[:60]}` lists something else than texts, whole numbers and maps"
                hint = "put it in quotes, for other tools"
                if not child.is_scalar:
                    hint = "write its values into the outer list, for other tools"
                reader.warn("N_SCHEMA", message, child, hint)
                return


def read_detection(reader: Reader, node: Node) -> Detection:
    """What stands under a search identifier; raises `RuleError` for what refuses the rule."""
    if node.value is None or node.value in ({}, []):
        raise reader.fail(
            "E_EMPTY", "the search identifier is empty", node, "give it items, or remove it"
        )
    if isinstance(node.value, dict):
        steps = (partial(_item, reader, key, child, node) for key, child in node.value.items())
        return AllOf(tuple(reader.attempt(*steps)))
    if not isinstance(node.value, list):
        return _keywords(reader, [node], node)
    if all(child.is_scalar for child in node.value):
        return _keywords(reader, node.value, node)
    return AnyOf(tuple(reader.attempt(*(partial(_element, reader, child) for child in node.value))))


def _element(reader: Reader, node: Node) -> Detection:
    """One element of a list that holds maps or lists."""
    return _keywords(reader, [node], node) if node.is_scalar else read_detection(reader, node)


def _keywords(reader: Reader, values: list[Node], node: Node) -> Item:
    return _make_item(reader, None, (), values, node)


def _item(reader: Reader, key: Any, node: Node, parent: Node) -> Item:
    key_node = parent.keys[key] if parent.keys else node
    if not isinstance(key, str):
        hint = "put the name of the field in quotes"
        raise reader.fail("E_IDENT", f"the field name `{key}` is not text", key_node, hint)
    name, names = split(key)
    if len(key) > MAX_NAME:
        raise reader.fail("E_IDENT", f"a field name is longer than {MAX_NAME} characters", key_node)
    if name and (selector := _SELECTOR.search(name)):
        _report_selector(reader, name, selector[0], key_node)
    values = node.value if isinstance(node.value, list) else [node]
    return _make_item(reader, name, names, values, key_node)


# As `pods[any]`, `argv[0]` and, where brackets are such selectors, `a\\[0\\]` for the name with brackets.
_SELECTOR = re.compile(r"\\?\[(?:any|all|all_or_empty|none|-?\d+)\\?\]")


def _report_selector(reader: Reader, name: str, selector: str, node: Node) -> None:
    """E_ARRAY_MATCHING where the rule surely means array members, W_ARRAY_MATCHING where it may."""
    plain = _SELECTOR.sub("", name)
    if (declared_version(reader.document.root.value.get("sigma-version")) or VERSION) > VERSION:
        message = f"`{selector}` selects members of an array in Sigma 3, which is not supported"
        hint = f"`{plain[:60]}` finds any member"
        raise reader.fail("E_ARRAY_MATCHING", message, node, hint)
    message = f"`{name[:60]}` is a field of just this name, brackets and all"
    hint = f"members of an array cannot be selected: `{plain[:60]}` finds any of them"
    reader.warn("W_ARRAY_MATCHING", message, node, hint)


def _make_item(
    reader: Reader, name: str | None, names: tuple[str, ...], values: list[Node], node: Node
) -> Item:
    try:
        raw = [child.value for child in values]
        applied = apply(name, names, raw, MAX_COST - reader.spent)
    except ModifierError as error:
        reader.refuse(
            [
                reader.fail(
                    each.code,
                    each.message,
                    node if each.index is None else values[each.index],
                    each.hint,
                )
                for each in (error, *error.others)
            ]
        )
        raise
    reader.spent += applied.cost
    for code, message, index in applied.warnings:
        reader.warn(code, message, values[index] if index is not None else node)
    places = tuple(reader.place(child) for child in values)
    return Item(
        name,
        names,
        applied.values,
        applied.all,
        applied.negated,
        reader.place(node),
        places,
        raw=tuple(raw),
    )


def read_search(
    reader: Reader, node: Node, reserved: frozenset[str], timeframe: str | None = None
) -> tuple[dict[str, Detection], dict[str, Place], tuple[Condition, ...]]:
    """The search identifiers of a map, their places, and its conditions over them.

    Raises `RuleError` for what refuses the rule; identifiers that no condition uses are reported.
    """
    names = [key for key in node.value if isinstance(key, str) and key not in reserved]

    made, (detections, places) = reader.attempt(
        lambda: _conditions(reader, node, names, timeframe),
        lambda: read_detections(reader, node, reserved),
    )
    used: set[str] = set()
    for each in made:
        conditions.report_remarks(each, reader.diagnostics)
        used |= conditions.names_used(each, names)
    for name in names:
        if name not in used:
            message = f"no condition uses `{name[:80]}`"
            hint = "use it in the condition or remove it"
            if name in SHARED or name == "logsource":
                hint = f"`{name}` belongs beside `detection`, not into it: indent it less"
            reader.diagnostics.report("W_UNUSED", message, places[name], hint)
    return detections, places, made


def _conditions(
    reader: Reader, node: Node, names: Sequence[str], timeframe: str | None
) -> tuple[Condition, ...]:
    """The conditions of a map over its search identifiers.

    Raises `RuleError` (`E_CONDITION`, `E_SELECTOR_EMPTY`, `E_AGGREGATION`).
    """
    condition = node.value.get("condition")
    if condition is None:
        raise reader.fail(
            "E_CONDITION", "there is no condition", node, _condition_hint(reader, names)
        )
    nodes = condition.value if condition.is_list else [condition]
    if not nodes:
        raise reader.fail("E_CONDITION", "the list of conditions is empty", condition)
    length = sum(len(each.value) for each in nodes if isinstance(each.value, str))
    if length > conditions.MAX_LENGTH:
        message = f"the conditions are longer than {conditions.MAX_LENGTH:,} characters together"
        raise reader.fail("E_CONDITION", message, condition, "split the rule")

    def parse(each: Node) -> Condition:
        if not isinstance(each.value, str):
            raise reader.fail("E_CONDITION", "a condition must be text", each)
        made = conditions.parse(each.value, reader.place(each), timeframe, each.raw)
        reader.refuse(list(conditions.name_faults(made, names)))
        return made

    return tuple(reader.attempt(*(partial(parse, each) for each in nodes)))


def _condition_hint(reader: Reader, names: Sequence[str]) -> str:
    """Where the missing condition of a rule is, or how to write it."""
    outside = reader.document.root.value.get("condition")
    if outside is not None:
        return f"indent the `condition` of line {outside.line}: it stands beside the search identifiers' map"
    for name in names:
        if near(name, ("condition",)):
            return f"`{name[:60]}` is read as a search identifier: write `condition`"
    return "add `condition: …`"
