"""The metadata and the logsource of a document, made from YAML nodes.

A fault in metadata drops the value with a warning, because losing a detection over a bad date is worse.
"""

from __future__ import annotations

import datetime
import re
import uuid
from typing import Any

from sigmac.compiler.diagnostics.diagnostic import did_you_mean
from sigmac.compiler.syntax.known_keys import CASES_KEY, INSIDE, LOGSOURCE, near, remark
from sigmac.compiler.syntax.reader import Reader
from sigmac.compiler.syntax.rule import LEVELS, RELATIONS, STATUSES, LogSource, Metadata
from sigmac.compiler.syntax.yaml_nodes import Node

VERSION = 2  # the major version of the specification by which rules are read
_OTHERS = ("title", "logsource", "sigma-version")  # nodes that are kept besides
MAX_NAMES = 256  # characters of a title, a name, a taxonomy
MAX_TEXT = 65_535  # of any other text


def read_metadata(reader: Reader, root: Node, known: frozenset[str]) -> Metadata:
    """The shared keys; keys neither shared nor in `known` are custom attributes, but for the rule's cases.

    Raises `RuleError` (`E_TITLE`) where the title is missing or no text.
    """
    given: dict[str, Any] = {}
    custom: list[tuple[str, Any]] = []
    for key, node in root.value.items():
        if key in _METADATA:
            value = None if _is_empty(reader, key, node) else _METADATA[key](reader, key, node)
            if value is not None:
                given[key] = value
        elif key not in known and key not in ("title", CASES_KEY):
            custom.append((str(key), node.plain()))
            _remark(reader, key, root, known)
    given["title"] = _title(reader, root)
    nodes = {k: v for k, v in root.value.items() if k in _METADATA or k in _OTHERS}
    return Metadata(**given, custom=tuple(custom), nodes=nodes)


def _is_empty(reader: Reader, key: str, node: Node) -> bool:
    """Whether a key has no value, which counts as if the key were not there."""
    if node.value is None:
        message = f"`{key}` has no value"
        reader.warn("N_SCHEMA", message, node, "give it one, or remove the key")
    return node.value is None


def _remark(reader: Reader, key: Any, root: Node, known: frozenset[str]) -> None:
    """W_KEY: a custom key that was meant to be another, or stands at the wrong level."""
    if key == "sigma-version":
        if declared_version(root.value[key]) is None:
            message = "`sigma-version` should be a number"
            reader.warn("W_META", message, root.value[key], f"write `{VERSION}`")
        return
    kinds = [kind for kind in INSIDE if kind in known]
    if len(kinds) != 1 or not isinstance(key, str):
        return
    message, hint = remark(key, kinds[0])
    if message:
        reader.warn("W_KEY", message, root.keys[key] if root.keys else root.value[key], hint)


def declared_version(node: Node | None) -> int | None:
    """The major version that a `sigma-version` declares, as 3, "3" or "3.0.1"; None for anything else."""
    value = None if node is None else node.value
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        return None
    match = re.fullmatch(r"v?(\d{1,4})(?:\.\d+)*", str(value).strip())
    return int(match[1]) if match else None


def _title(reader: Reader, root: Node) -> str:
    title = root.value.get("title")
    if title is None or title.value is None:
        raise reader.fail("E_TITLE", "the rule has no title", title or root, "add `title: …`")
    if not isinstance(title.value, str):
        hint = "put it in quotes" if title.is_scalar else "write `title: …` with one text"
        raise reader.fail("E_TITLE", "the title must be text", title, hint)
    if not title.value.strip():
        raise reader.fail("E_TITLE", "the title is empty", title, "say what the rule finds")
    _bound(reader, "title", title, MAX_NAMES)
    return title.value


def _bound(reader: Reader, key: str, node: Node, most: int) -> None:
    if len(node.value) > most:
        reader.warn("W_META", f"`{key}` is longer than {most:,} characters", node)


def _text(reader: Reader, key: str, node: Node) -> str | None:
    if not isinstance(node.value, str):
        hint = "put it in quotes" if node.is_scalar else ""
        reader.warn("W_META", f"`{key}` should be text", node, hint)
        return None
    if len(node.value) > MAX_TEXT:
        reader.warn("W_META", f"`{key}` is longer than {MAX_TEXT:,} characters", node)
        return None
    return node.value


def _name(reader: Reader, key: str, node: Node) -> str | None:
    if not isinstance(node.value, str) or not node.value:
        reader.warn("W_META", "`name` should be a non-empty text", node)
        return None
    _bound(reader, key, node, MAX_NAMES)
    return node.value


def _taxonomy(reader: Reader, key: str, node: Node) -> str | None:
    if node.value != "sigma":
        message = "field names of another taxonomy are used literally"
        reader.warn("W_TAXONOMY", message, node, "translate them with a pipeline")
    if isinstance(node.value, str):
        _bound(reader, key, node, MAX_NAMES)
    return _text(reader, key, node)


def _id(reader: Reader, key: str, node: Node) -> str | None:
    text = node.value if isinstance(node.value, str) else str(node.plain())
    if not _is_uuid(text):
        reader.warn("W_META", f"`{text[:60]}` is not a UUID", node)
    return text


def _texts(reader: Reader, key: str, node: Node) -> tuple[str, ...] | None:
    if not node.is_list:
        reader.warn(
            "W_META", f"`{key}` should be a list", node, f"write `{key}:` and `- …` below it"
        )
        return None
    for child in node.value:
        if not isinstance(child.value, str):
            hint = "put it in quotes" if child.is_scalar else ""
            reader.warn("W_META", f"`{key}` should hold text only", child, hint)
    return tuple(child.value for child in node.value if isinstance(child.value, str))


def _short_texts(reader: Reader, key: str, node: Node) -> tuple[str, ...] | None:
    """Texts of two characters at least; false positives may be one text too, the schema says."""
    if key == "falsepositives" and isinstance(node.value, str):
        texts: tuple[str, ...] | None = (node.value,)
        nodes = [node]
    else:
        texts = _texts(reader, key, node)
        nodes = node.value if node.is_list else []
    for child in nodes:
        if isinstance(child.value, str) and len(child.value) < 2:
            message = f"`{child.value}` says nothing as one of `{key}`"
            reader.warn("N_SCHEMA", message, child, "write two characters or more, or remove it")
    return texts


_TAG = re.compile(r"[^.\s]+\.\S+")


def _tags(reader: Reader, key: str, node: Node) -> tuple[str, ...] | None:
    tags = _texts(reader, key, node)
    if tags is None:
        return None
    for child in node.value:
        if isinstance(child.value, str) and not _TAG.fullmatch(child.value):
            reader.warn("W_META", _tag_fault(child.value), child, "as `attack.t1059`")
    return tuple(tag for tag in tags if _TAG.fullmatch(tag))


def _tag_fault(tag: str) -> str:
    namespace, dot, name = tag.partition(".")
    if re.search(r"\s", tag):
        return f"the tag `{tag[:60]}` holds a blank"
    if dot and namespace and not name:
        return f"the tag `{tag[:60]}` has nothing behind its namespace"
    return f"the tag `{tag[:60]}` has no namespace"


def _choice(reader: Reader, key: str, node: Node) -> str | None:
    known = STATUSES if key == "status" else LEVELS
    value = node.value if isinstance(node.value, str) else str(node.plain())
    folded = value.lower() if key == "level" else value
    if folded in known:
        if folded != value:
            reader.warn("N_SCHEMA", f"`{value}` is not in lower case", node, f"write `{folded}`")
        return folded
    hint = did_you_mean(value.lower(), known) or f"one of {', '.join(known)}"
    reader.warn("W_META", f"`{value[:60]}` is no {key}", node, hint)
    return None


def _date(reader: Reader, key: str, node: Node) -> str | None:
    value = node.value
    if isinstance(value, datetime.datetime):
        value = value.date()
    if isinstance(value, datetime.date):
        return value.isoformat()
    if not node.is_scalar:
        reader.warn("W_META", f"`{key}` should be a date", node, "write YYYY-MM-DD")
        return None
    match = re.fullmatch(r"(\d{4})-(\d\d)-(\d\d)|(\d{4})/(\d{1,2})/(\d{1,2})", str(value))
    try:
        if match and isinstance(value, str):
            made = datetime.date(*(int(part) for part in match.groups() if part)).isoformat()
            if "/" in value and not (key == "modified" and _has_old_date(reader)):
                message = f"`{value}` is the form that dates had in Sigma 1"
                reader.warn("N_SCHEMA", message, node, f"write `{made}`")
            return made
    except ValueError:
        pass  # said just below: the shape is right, the day does not exist
    reader.warn("W_META", f"`{str(value)[:60]}` is no date", node, "write YYYY-MM-DD")
    return None


def _has_old_date(reader: Reader) -> bool:
    """Whether the old form is told of `date` already."""
    date = reader.document.root.value.get("date")
    return date is not None and isinstance(date.value, str) and "/" in date.value


def _related(reader: Reader, key: str, node: Node) -> tuple[tuple[str, str], ...] | None:
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
            if not _is_uuid(entry["id"]):
                message = f"`{entry['id'][:60]}` is not a UUID"
                reader.warn("W_META", message, child.value["id"])
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
        if key not in LOGSOURCE:
            custom.append((str(key), child.plain()))
            known = near(key, LOGSOURCE) if isinstance(key, str) else ""
            if known:
                message = f"`{key[:60]}` is no key of a logsource, and nearly `{known}`"
                at = node.keys[key] if node.keys else child
                reader.warn("W_KEY", message, at, f"write `{known}`")
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
    "falsepositives": _short_texts,
    "scope": _short_texts,
    "tags": _tags,
    "related": _related,
}
