"""A rule file as the Go engine reads it: its first document, by the YAML of gopkg.in/yaml.v2.

What a plain scalar is differs from PyYAML (`y` and `n` are booleans, `12:30` and dates are texts), and so does what is
an error: a key that stands twice is none.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import yaml

from sigmac.compiler.diagnostics.diagnostic import RuleError
from sigmac.compiler.syntax.yaml_nodes import MAX_DEPTH, bound_depth, decode

MAX_NODES = 100_000  # of a document, aliases and merge keys expanded
_TEXTS = frozenset({"author", "description", "id", "level", "title", "status"})
_LISTS = frozenset({"falsepositives", "fields", "references", "tags"})
_LOGSOURCE = frozenset({"product", "category", "service", "definition"})

_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_STR = "tag:yaml.org,2002:str"
_TRUE = frozenset(["y", "Y", "yes", "Yes", "YES", "true", "True", "TRUE", "on", "On", "ON"])
_FALSE = frozenset(["n", "N", "no", "No", "NO", "false", "False", "FALSE", "off", "Off", "OFF"])
_NULL = frozenset({"", "~", "null", "Null", "NULL"})
_DATE = re.compile(
    r"\d{4}-\d{1,2}-\d{1,2}([Tt ]\d{1,2}:\d{1,2}:\d{1,2}(\.\d+)?(Z|[+-]\d\d:\d\d)?)?", re.ASCII
)
_INTEGER = re.compile(r"[-+]?(0[xX][0-9a-fA-F]+|0[oO]?[0-7]+|0[bB][01]+|[1-9][0-9]*|0)", re.ASCII)
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?", re.ASCII)


class GoYamlError(Exception):
    """What the Go engine cannot read as a rule."""


class Wide(int):
    """A whole number beyond 63 bits, of which the Go engine makes another type."""


@dataclass(frozen=True, slots=True)
class GoRule:
    """What the Go engine takes from a file: `detection` is None where there is none; its values have Go's types.

    Maps are dicts with texts as keys. `title` is as written, `documents` says whether others follow.
    """

    title: str
    detection: dict[str, Any] | None
    documents: bool


def read_go_rule(data: bytes, file: str) -> GoRule:
    """The rule of a file. Raises `GoYamlError`."""
    try:
        text = decode(data, file)
        bound_depth(data, text, file)
    except RuleError as error:
        raise GoYamlError(error.diagnostic.message) from None
    loader = _Loader(text)
    try:
        if not loader.check_node():
            return GoRule("", None, False)
        root = loader.get_node()
        rule = _Reader(loader).rule(root)
        return GoRule(rule["title"], rule["detection"], _more(loader))
    except yaml.YAMLError as error:
        raise GoYamlError(str(getattr(error, "problem", None) or "no YAML")) from None
    finally:
        loader.dispose()


def _more(loader: Any) -> bool:
    """Whether another document follows; what is no YAML there does not matter, as nobody reads it."""
    try:
        return bool(loader.check_node()) and loader.get_node() is not None
    except yaml.YAMLError:
        return True


class _Reader:
    def __init__(self, loader: Any):
        self.loader = loader
        self.count = 0
        self.open: set[int] = set()

    def rule(self, root: Any) -> dict[str, Any]:
        found: dict[str, Any] = {"title": "", "detection": None}
        for name, node in self.struct(root, "a rule"):
            if name in _TEXTS:
                found[name] = self.text(node, name)
            elif name in _LISTS:
                self.texts(node, name)
            elif name == "logsource" and not self.is_null(node):
                for key, value in self.struct(node, name):
                    if key in _LOGSOURCE:
                        self.text(value, f"logsource.{key}")
            elif name == "detection":
                found[name] = None if self.is_null(node) else self.detection(node)
        return found

    def struct(self, node: Any, what: str) -> Iterator[tuple[str, Any]]:
        """The keys and nodes of a map, merged ones in their place."""
        if self.is_null(node):
            return
        if not isinstance(node, yaml.MappingNode):
            raise GoYamlError(f"{what} is no map")
        with self.entered(node):
            for key, value in node.value:
                self.spend()
                if self.is_merge(key):
                    for part in self.merged(value):
                        yield from self.struct(part, what)
                else:
                    yield self.text(key, "a key"), value

    def detection(self, node: Any) -> dict[str, Any]:
        if not isinstance(node, yaml.MappingNode):
            raise GoYamlError("detection is no map")
        found: dict[str, Any] = {}
        with self.entered(node):
            for key, value in node.value:
                self.spend()
                if self.is_merge(key):
                    for part in self.merged(value):
                        found |= self.detection(part)
                else:
                    found[self.text(key, "a search identifier")] = self.value(value)
        return found

    def value(self, node: Any) -> Any:
        """A value as it is where no type is asked for."""
        self.spend()
        if isinstance(node, yaml.ScalarNode):
            return self.scalar(node)
        with self.entered(node):
            if isinstance(node, yaml.SequenceNode):
                return [self.value(child) for child in node.value]
            found: dict[str, Any] = {}
            for key, value in node.value:
                self.spend()
                if self.is_merge(key):
                    for part in self.merged(value):
                        found |= self.value(part)
                elif isinstance(key, yaml.ScalarNode):
                    found[_shown(self.scalar(key))] = self.value(value)
                else:
                    raise GoYamlError("a key is a list or a map")
            return found

    def spend(self) -> None:
        """Count what is looked at: aliases and merge keys could make any number of it."""
        self.count += 1
        if self.count > MAX_NODES:
            raise GoYamlError("too many aliases")

    def entered(self, node: Any) -> _Entered:
        return _Entered(self, node)

    def merged(self, node: Any) -> list[Any]:
        """The maps that a merge key names, those that count less first."""
        parts = list(reversed(node.value)) if isinstance(node, yaml.SequenceNode) else [node]
        if not all(isinstance(part, yaml.MappingNode) for part in parts):
            raise GoYamlError("a merge key wants maps")
        return parts

    def is_merge(self, node: Any) -> bool:
        return isinstance(node, yaml.ScalarNode) and node.value == "<<" and not node.style

    def is_null(self, node: Any) -> bool:
        return isinstance(node, yaml.ScalarNode) and self.scalar(node) is None

    def text(self, node: Any, what: str) -> str:
        """Any scalar as it is written; null is the empty text."""
        if not isinstance(node, yaml.ScalarNode):
            kind = "list" if isinstance(node, yaml.SequenceNode) else "map"
            raise GoYamlError(f"{what} is a {kind}, and should be a text")
        return "" if self.scalar(node) is None else str(node.value)

    def texts(self, node: Any, what: str) -> None:
        if self.is_null(node):
            return
        if not isinstance(node, yaml.SequenceNode):
            kind = "map" if isinstance(node, yaml.MappingNode) else "text"
            raise GoYamlError(f"{what} is a {kind}, and should be a list")
        with self.entered(node):
            for child in node.value:
                self.text(child, what)

    def scalar(self, node: Any) -> Any:
        if node.style:
            return node.value
        if (
            node.tag == _STR
            and self.loader.resolve(yaml.ScalarNode, node.value, (True, False)) != _STR
        ):
            return node.value  # !!str
        return resolve(node.value)


class _Entered:
    """A collection while it is read: one within itself is refused, as is one too deep within others."""

    def __init__(self, reader: _Reader, node: Any):
        self.reader, self.key = reader, id(node)

    def __enter__(self) -> None:
        if self.key in self.reader.open:
            raise GoYamlError("an alias refers to the node that it stands in")
        if len(self.reader.open) >= MAX_DEPTH:
            raise GoYamlError("nested too deeply to be looked at")
        self.reader.open.add(self.key)

    def __exit__(self, *failure: object) -> None:
        self.reader.open.discard(self.key)


def resolve(text: str) -> Any:
    """What a plain scalar is.

    >>> [resolve(text) for text in ("y", "12:30", "010", "2024-01-01", "1e3", "~", "0x1F", "1_000")]
    [True, '12:30', 8, '2024-01-01', 1000.0, None, 31, 1000]
    """
    if text in _TRUE:
        return True
    if text in _FALSE:
        return False
    if text in _NULL:
        return None
    if text.lower() in (".nan", ".inf", "+.inf", "-.inf") and text not in ("+.nan",):
        return float(text.lower().replace(".", ""))
    if text[0] == ".":
        return float(text) if _FLOAT.fullmatch(text) else text
    if text[0] not in "+-0123456789" or _DATE.fullmatch(text):
        return text
    plain = text.replace("_", "")
    if _INTEGER.fullmatch(plain) and len(plain) < 100:
        return _integer(plain, text)
    return float(plain) if _FLOAT.fullmatch(plain) and abs(float(plain)) < float("inf") else text


def _integer(plain: str, text: str) -> Any:
    digits = plain.lstrip("+-").lower()
    base = 16 if digits[:2] == "0x" else 2 if digits[:2] == "0b" else 8 if digits[0] == "0" else 10
    number = int(digits.removeprefix("0x").removeprefix("0b").removeprefix("0o"), base)
    if plain[0] == "-":
        number = -number
    if -(2**63) <= number < 2**63:
        return number
    if 0 <= number < 2**64 and plain[0] != "+":
        return Wide(number)
    return float(plain) if _FLOAT.fullmatch(plain) else text


def _shown(key: Any) -> str:
    if key is None:
        return "<nil>"
    return str(key).lower() if isinstance(key, bool) else str(key)
