"""The description of a program that uses the Go engine: a small YAML or JSON file, with the names of Go's `Config`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sigmac.compiler.diagnostics.diagnostic import RuleError, did_you_mean
from sigmac.compiler.syntax.yaml_nodes import Node, documents
from sigmac.runtime.errors import ConfigurationError

_LIST = "a text or a list of texts"
_FLAG = "true or false"
# Each key with what its value is.
KEYS: Mapping[str, str] = {
    "directory": _LIST,
    "failOnRuleParse": _FLAG,
    "failOnYamlParse": _FLAG,
    "noCollapseWS": _FLAG,
    "keywords": "the name of a field",
    "fields": "a map from names of fields in rules to those in events",
    "files": _LIST,
    "brokers": "a text",
    "topics": _LIST,
    "group": "a text",
}
_BY_NAME = {name.lower(): name for name in KEYS}


@dataclass(frozen=True, slots=True)
class GoConfiguration:
    """What a Go program says of its rules and events.

    `keywords` is the field that its events give as keywords, `fields` what their `Select` makes of names; `files`, or
    `brokers`, `topics` and `group`, are where events come from.
    """

    directory: tuple[str, ...] = ()
    fail: bool = False  # on a rule that cannot be used
    no_collapse_ws: bool = False
    keywords: str = ""
    fields: Mapping[str, str] = field(default_factory=dict)
    files: tuple[str, ...] = ()
    brokers: str = ""
    topics: tuple[str, ...] = ()
    group: str = ""


def read_go_configuration(file: Path) -> GoConfiguration:
    """The description in a file. Raises `ConfigurationError` with a line for each fault, `OSError` as reading does."""
    try:
        (root,) = documents(file.read_bytes(), str(file))
    except RuleError as error:
        raise ConfigurationError(f"{error.diagnostic.place}: {error.diagnostic.message}") from None
    except ValueError:
        raise ConfigurationError(
            f"{file}: one document is wanted, with keys of a Go program"
        ) from None
    if not root.root.is_map:
        raise ConfigurationError(f"{file}: this is no map; its keys are {', '.join(KEYS)}")
    faults: list[str] = []
    found: dict[str, Any] = {}
    for key, node in root.root.value.items():
        name = _BY_NAME.get(str(key).lower())
        where = f"{file}:{node.line}"
        if name is None:
            hint = did_you_mean(str(key), KEYS)
            faults.append(
                f"{where}: there is no key `{str(key)[:60]}`" + (f"; {hint}" if hint else "")
            )
            continue
        try:
            found[name] = _value(name, node)
        except ValueError:
            faults.append(f"{where}: {name}: this is {KEYS[name]}")
    if bool(found.get("topics")) is not bool(found.get("brokers")):
        faults.append(f"{file}: `topics` and `brokers` go together")
    if found.get("files") and found.get("topics"):
        faults.append(f"{file}: events come from `files` or from `topics`")
    if faults:
        raise ConfigurationError("\n".join(faults))
    return GoConfiguration(
        directory=tuple(str(file.parent / each) for each in found.get("directory", ())),
        fail=bool(found.get("failOnRuleParse") or found.get("failOnYamlParse")),
        no_collapse_ws=found.get("noCollapseWS", False),
        keywords=found.get("keywords", ""),
        fields=found.get("fields", {}),
        files=found.get("files", ()),
        brokers=found.get("brokers", ""),
        topics=found.get("topics", ()),
        group=found.get("group", ""),
    )


def _value(name: str, node: Node) -> Any:
    """The value of a key. Raises `ValueError` where it is something else."""
    kind = KEYS[name]
    value = node.plain()
    if kind is _FLAG and isinstance(value, bool):
        return value
    if kind is _LIST:
        values = value if isinstance(value, list) else [value]
        if values and all(isinstance(each, str) and each for each in values):
            return tuple(values)
    elif name == "fields":
        if isinstance(value, dict) and all(
            isinstance(x, str) and x for pair in value.items() for x in pair
        ):
            return value
    elif kind is not _FLAG and isinstance(value, str) and value:
        return value
    raise ValueError(name)
