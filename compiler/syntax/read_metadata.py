"""The metadata and the logsource of a document, made from YAML nodes.

A fault in metadata drops the value with a warning, because losing a detection over a bad date is worse.
"""

from __future__ import annotations

import datetime
import re
import uuid
from typing import Any

from sigmac.compiler.diagnostics.diagnostic import did_you_mean
from sigmac.compiler.syntax.reader import Reader
from sigmac.compiler.syntax.rule import LEVELS, RELATIONS, STATUSES, LogSource, Metadata
from sigmac.compiler.syntax.yaml_nodes import Node


def read_metadata(reader: Reader, root: Node, known: frozenset[str]) -> Metadata:
    """The shared keys; keys neither shared nor in `known` are custom attributes.

    Raises `RuleError` (`E_TITLE`) where the title is missing or no text.
    """
    given: dict[str, Any] = {}
    custom: list[tuple[str, Any]] = []
    for key, node in root.value.items():
        if key in _METADATA:
            value = _METADATA[key](reader, key, node)
            if value is not None:
                given[key] = value
        elif key not in known and key != "title":
            custom.append((str(key), node.plain()))
    title = root.value.get("title")
    if title is None or not isinstance(title.value, str) or not title.value.strip():
        raise reader.fail("E_TITLE", "the rule has no title", title or root, "add `title: …`")
    if len(title.value) > 256:
        reader.warn("W_META", "the title is longer than 256 characters", title)
    given["title"] = title.value
    nodes = {k: v for k, v in root.value.items() if k in _METADATA or k in ("title", "logsource")}
    return Metadata(**given, custom=tuple(custom), nodes=nodes)


def _text(reader: Reader, key: str, node: Node) -> str | None:
    if node.value is None:
        return None
    if not isinstance(node.value, str):
        reader.warn("W_META", f"`{key}` should be text", node)
        return None
    if len(node.value) > 65_535:
        reader.warn("W_META", f"`{key}` is longer than 65,535 characters", node)
        return None
    return node.value


def _name(reader: Reader, key: str, node: Node) -> str | None:
    if isinstance(node.value, str) and node.value:
        return node.value
    reader.warn("W_META", "`name` should be a non-empty text", node)
    return None


def _taxonomy(reader: Reader, key: str, node: Node) -> str | None:
    if node.value != "sigma":
        message = "field names of another taxonomy are used literally"
        reader.warn("W_TAXONOMY", message, node, "translate them with a pipeline")
    return _text(reader, key, node)


def _id(reader: Reader, key: str, node: Node) -> str | None:
    if node.value is None:
        return None
    text = node.value if isinstance(node.value, str) else str(node.plain())
    if not _is_uuid(text):
        reader.warn("W_META", f"`{text[:60]}` is not a UUID", node)
    return text


def _texts(reader: Reader, key: str, node: Node) -> tuple[str, ...] | None:
    if node.value is None:
        return None
    if not node.is_list:
        reader.warn(
            "W_META", f"`{key}` should be a list", node, f"write `{key}:` and `- …` below it"
        )
        return None
    for child in node.value:
        if not isinstance(child.value, str):
            reader.warn("W_META", f"`{key}` should hold text only", child)
    return tuple(child.value for child in node.value if isinstance(child.value, str))


def _tags(reader: Reader, key: str, node: Node) -> tuple[str, ...] | None:
    tags = _texts(reader, key, node)
    if tags is None:
        return None
    for child in node.value:
        if isinstance(child.value, str) and not re.fullmatch(r"[^.\s]+\.\S+", child.value):
            reader.warn(
                "W_META",
                f"the tag `{child.value[:60]}` has no namespace",
                child,
                "as `attack.t1059`",
            )
    return tuple(tag for tag in tags if re.fullmatch(r"[^.\s]+\.\S+", tag))


def _choice(reader: Reader, key: str, node: Node) -> str | None:
    known = STATUSES if key == "status" else LEVELS
    if node.value is None:
        return None
    value = node.value if isinstance(node.value, str) else str(node.plain())
    folded = value.lower() if key == "level" else value
    if folded in known:
        return folded
    hint = did_you_mean(value.lower(), known) or f"one of {', '.join(known)}"
    reader.warn("W_META", f"`{value[:60]}` is no {key}", node, hint)
    return None


def _date(reader: Reader, key: str, node: Node) -> str | None:
    value = node.value
    if value is None:
        return None
    if isinstance(value, datetime.datetime):
        value = value.date()
    if isinstance(value, datetime.date):
        return value.isoformat()
    match = re.fullmatch(r"(\d{4})-(\d\d)-(\d\d)|(\d{4})/(\d{1,2})/(\d{1,2})", str(value))
    try:
        if match and isinstance(value, str):
            return datetime.date(*(int(part) for part in match.groups() if part)).isoformat()
    except ValueError:
        pass  # said just below: the shape is right, the day does not exist
    reader.warn("W_META", f"`{str(value)[:60]}` is no date", node, "write YYYY-MM-DD")
    return None


def _related(reader: Reader, key: str, node: Node) -> tuple[tuple[str, str], ...] | None:
    if node.value is None:
        return None
    if not node.is_list:
        reader.warn("W_META", "`related` should be a list of `id` and `type`", node)
        return None
    found = []
    for child in node.value:
        entry = child.plain() if child.is_map else {}
        if set(entry) != {"id", "type"} or not all(isinstance(v, str) for v in entry.values()):
            reader.warn("W_META", "`related` should hold maps of `id` and `type`", child)
        elif entry["type"] not in RELATIONS:
            hint = did_you_mean(entry["type"], RELATIONS) or f"one of {', '.join(RELATIONS)}"
            reader.warn("W_META", f"`{entry['type'][:60]}` is no relation", child, hint)
        else:
            found.append((entry["id"], entry["type"]))
    return tuple(found)


def read_logsource(reader: Reader, root: Node) -> LogSource:
    """Raises `RuleError` (`E_LOGSOURCE`)."""
    node = root.value.get("logsource")
    if node is None:
        raise reader.fail(
            "E_LOGSOURCE", "there is no logsource", root, "add `logsource: {product: …}`"
        )
    if not node.is_map:
        raise reader.fail("E_LOGSOURCE", "the logsource must be a map", node)
    given: dict[str, str] = {}
    custom: list[tuple[str, Any]] = []
    for key, child in node.value.items():
        if key not in ("category", "product", "service", "definition"):
            custom.append((str(key), child.plain()))
        elif child.value is not None:
            if not isinstance(child.value, str):
                raise reader.fail("E_LOGSOURCE", f"`{key}` must be text", child)
            given[key] = child.value
    if not any(given.get(key) for key in ("category", "product", "service")):
        hint = "give at least one of them"
        raise reader.fail(
            "E_LOGSOURCE", "the logsource has no category, product or service", node, hint
        )
    return LogSource(
        given.get("category") or None,
        given.get("product") or None,
        given.get("service") or None,
        given.get("definition"),
        tuple(custom),
    )


def _is_uuid(text: str) -> bool:
    try:
        return str(uuid.UUID(text)) == text.lower()
    except ValueError:
        return False


_METADATA: dict[str, Any] = {
    "id": _id,
    "name": _name,
    "status": _choice,
    "level": _choice,
    "description": _text,
    "license": _text,
    "author": _text,
    "date": _date,
    "modified": _date,
    "taxonomy": _taxonomy,
    "references": _texts,
    "fields": _texts,
    "falsepositives": _texts,
    "scope": _texts,
    "tags": _tags,
    "related": _related,
}
