"""YAML text → nodes that know their file, line and column.

PyYAML composes (with libyaml where it is built in) and resolves tags as its `SafeLoader` does, that is
YAML 1.1; this module turns its nodes into ours. Hostile documents are refused before they cost anything:
depth and node counts are bounded, aliases counted as often as they are used.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import yaml

from sigmac.compiler.diagnostics.diagnostic import LINE_BREAK, Place, RuleError
from sigmac.compiler.syntax.yaml_errors import explained

MAX_DEPTH = 100
MAX_NODES = 10_000  # of a document, after alias expansion (semantics, documents)
MAX_DOCUMENTS = 10_000  # of a file
MAX_BYTES = 16 << 20  # of a file, and of a document's text after alias expansion
MAX_RAW = 200_000  # characters of a scalar that are kept as they are written
MAX_NUMBER = 1000  # characters: reading and printing a number costs the square of its length

Scalar = Any  # str, int, float, bool, None, date, datetime or bytes

_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_TIMESTAMP = "tag:yaml.org,2002:timestamp"
_STR = "tag:yaml.org,2002:str"
_NUMBERS = frozenset({"tag:yaml.org,2002:int", "tag:yaml.org,2002:float"})
_COLLECTIONS = frozenset({"tag:yaml.org,2002:seq", "tag:yaml.org,2002:map"})
_MERGE = "tag:yaml.org,2002:merge"
_NESTING = (b"[", b"{", b"- ", b"-\t", b"? ", b"?\t")


@dataclass(slots=True)
class Node:
    """One YAML node: its value and where it stands.

    `value` is a Python scalar, a list of nodes, or a dict from key to node; `keys` are a map's key nodes in
    the same order. Line and column count from 1. `raw` is how a scalar is written, where that is more than its value
    and quotes: over several lines, with escapes.
    """

    value: Any
    line: int
    column: int
    width: int
    keys: dict[Any, Node] | None = None
    raw: str = ""

    def place(self, file: str, document: int = 0) -> Place:
        return Place(file, self.line, self.column, self.width, document)

    @property
    def is_map(self) -> bool:
        return isinstance(self.value, dict)

    @property
    def is_list(self) -> bool:
        return isinstance(self.value, list)

    @property
    def is_scalar(self) -> bool:
        return not isinstance(self.value, (dict, list))

    def plain(self) -> Any:
        """The same without positions: dicts, lists and scalars."""
        if isinstance(self.value, dict):
            return {key: node.plain() for key, node in self.value.items()}
        if isinstance(self.value, list):
            return [node.plain() for node in self.value]
        return self.value


def place_inside(scalar: Place, value: str, raw: str, position: int, width: int = 1) -> Place:
    """The place of a character of a scalar's text, given the scalar's place and its `Node.raw`.

    The scalar's own where it cannot be told: behind an escape such as `\x41`.
    """
    if not raw:
        quotes = scalar.width - len(value)
        if quotes < 0:
            return scalar
        return scalar._replace(column=scalar.column + quotes // 2 + position, width=width)
    at = _written(raw, value[:position], value[position:])
    if at is None:
        return scalar
    *lines, last = LINE_BREAK.split(raw[:at])
    column = len(last) + (1 if lines else scalar.column)
    return scalar._replace(line=scalar.line + len(lines), column=column, width=width)


def _written(raw: str, before: str, rest: str) -> int | None:
    """Where in what is written the rest of a value begins; None where escapes hide it.

    Folding changes nothing but white space, so the other characters come in their order.
    """
    block = LINE_BREAK.search(raw) if raw[0] in "|>" else None
    at = block.end() if block else 0
    for char in (*before.split(), rest[:1].strip()):
        found = raw.find(char, at)
        if found < 0 or raw[at:found].strip(" \t\r\n\x85\u2028\u2029\"'\\"):
            return None
        at = found + len(char)
    return at - len(rest[:1].strip())


@dataclass(frozen=True, slots=True)
class Document:
    """One document of a file."""

    file: str
    index: int
    root: Node


def decode(data: bytes, file: str) -> str:
    """UTF-8 text of a source file, a byte-order mark tolerated.

    Raises `RuleError` (`E_YAML`) where the bytes are no UTF-8 or no text that YAML allows.
    """
    if len(data) > MAX_BYTES:
        raise RuleError("E_YAML", f"the file is larger than {MAX_BYTES >> 20} MiB", Place(file))
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        before = data[: error.start]
        place = Place(file, before.count(b"\n") + 1, len(before) - before.rfind(b"\n"))
        hint = "it looks like a binary file" if b"\0" in data[:4096] else "save it as UTF-8"
        raise RuleError("E_YAML", "the file is not UTF-8 text", place, hint) from None


def documents(data: bytes, file: str, max_nodes: int = MAX_NODES) -> Iterator[Document]:
    """The non-empty documents of a file in order, each of at most `max_nodes` nodes.

    Raises `RuleError` with code `E_YAML` (not YAML, too deep, too large) or `E_YAML_DUP` (a key twice in one map).
    """
    text = decode(data, file)
    bound_depth(data, text, file)
    try:
        yield from _documents(text, file, max_nodes)
    except yaml.YAMLError as error:
        raise explained(error, text, file) from None


def _documents(text: str, file: str, max_nodes: int) -> Iterator[Document]:
    loader = _Loader(text)
    try:
        index = 0
        while loader.check_node():
            if index == MAX_DOCUMENTS:
                raise RuleError(
                    "E_YAML",
                    f"more than {MAX_DOCUMENTS:,} documents",
                    Place(file),
                    "split the file",
                )
            composed = loader.get_node()
            root = _Builder(file, index, text, loader, max_nodes).build(composed)
            if root.value is not None:
                yield Document(file, index, root)
            index += 1
    finally:
        loader.dispose()


def bound_depth(data: bytes, text: str, file: str) -> None:
    """Raises `RuleError` (`E_YAML`) where a document is nested too deeply to be composed."""
    # libyaml's composer recurses in C: nesting is measured on the event stream first, wherever it could be deep.
    if sum(map(data.count, _NESTING)) < MAX_DEPTH and len(data) < 1 << 20:
        return
    depth = found = 0
    try:
        for event in yaml.parse(text, Loader=_Loader):
            found += isinstance(event, yaml.DocumentStartEvent)
            if found > MAX_DOCUMENTS:
                return  # said by the loop over the documents
            if isinstance(event, (yaml.SequenceStartEvent, yaml.MappingStartEvent)):
                depth += 1
                if depth > MAX_DEPTH:
                    mark = event.start_mark
                    place = Place(file, mark.line + 1, mark.column + 1) if mark else Place(file)
                    raise RuleError("E_YAML", f"nested deeper than {MAX_DEPTH} levels", place)
            elif isinstance(event, (yaml.SequenceEndEvent, yaml.MappingEndEvent)):
                depth -= 1
    except yaml.YAMLError:
        return  # said with its place by the composer


class _Builder:
    """Turns PyYAML's nodes of one document into ours."""

    def __init__(self, file: str, index: int, text: str, loader: Any, max_nodes: int):
        self.file = file
        self.index = index
        self.text = text
        self.loader = loader
        self.max_nodes = max_nodes
        self.count = 0
        self.characters = 0
        self.merged = 0
        self.open: set[int] = set()

    def build(self, node: Any) -> Node:
        self.count += 1
        if self.count > self.max_nodes:
            self.fail(node, "E_YAML", f"more than {self.max_nodes} nodes after expanding aliases")
        start, end = node.start_mark, node.end_mark
        width = end.column - start.column if end.line == start.line else 1
        made = Node(None, start.line + 1, start.column + 1, max(width, 1))
        tag = node.tag
        if isinstance(node, yaml.ScalarNode):
            self.characters += len(node.value)
            if self.characters > MAX_BYTES:
                self.fail(
                    node, "E_YAML", f"more than {MAX_BYTES} characters after expanding aliases"
                )
            made.value = node.value if tag == _STR else self.scalar(node)
            written = end.index - start.index
            if width != written or written - len(node.value) not in (0, 2):
                made.raw = self.text[start.index : min(end.index, start.index + MAX_RAW)]
        elif tag not in _COLLECTIONS:
            self.unknown_tag(node)
        elif id(node) in self.open:
            self.fail(node, "E_YAML", "an alias refers to the node that it stands in")
        elif len(self.open) >= MAX_DEPTH:
            self.fail(node, "E_YAML", f"nested deeper than {MAX_DEPTH} levels")
        else:
            self.open.add(id(node))
            if isinstance(node, yaml.SequenceNode):
                made.value = [self.build(child) for child in node.value]
            else:
                self.mapping(node, made)
            self.open.discard(id(node))
        return made

    def scalar(self, node: Any) -> Any:
        if node.tag in _NUMBERS and len(node.value) > MAX_NUMBER:
            self.fail(node, "E_YAML", f"a number of more than {MAX_NUMBER} characters")
        if node.tag not in self.loader.yaml_constructors:
            self.unknown_tag(node)
        # libyaml gives an empty scalar as ""; SafeLoader resolves it to null.
        try:
            return self.loader.construct_object(node)
        except yaml.YAMLError as error:
            self.fail(node, "E_YAML", getattr(error, "problem", None) or str(error))
        except (ValueError, OverflowError) as error:
            # PyYAML lets int(), float() and date() speak for themselves, as for 2024-99-01.
            if node.tag == _TIMESTAMP:
                return node.value
            self.fail(node, "E_YAML", f"not a valid value: {error}")
        except (LookupError, AttributeError):
            # It also trusts an explicit tag to fit, as in `!!bool maybe` or `!!int ""`.
            self.fail(
                node, "E_YAML", f"not a valid {node.tag.rpartition(':')[2]}: `{node.value[:60]}`"
            )

    def mapping(self, node: Any, made: Node) -> None:
        seen: set[Any] = set()
        for key, _ in node.value:
            if key.tag == _MERGE:
                continue
            name = (key.tag, key.value) if isinstance(key, yaml.ScalarNode) else id(key)
            if name in seen:
                self.fail(
                    key, "E_YAML_DUP", f"the key `{str(key.value)[:60]}` stands twice in one map"
                )
            seen.add(name)
        self.bound_merge(node)
        self.loader.flatten_mapping(node)
        made.value, made.keys = {}, {}
        for key, value in node.value:
            key_node = self.build(key)
            if not key_node.is_scalar:
                self.fail(key, "E_YAML", "a key must be a scalar")
            made.value[key_node.value] = self.build(value)
            made.keys[key_node.value] = key_node

    def bound_merge(self, node: Any) -> None:
        # flatten_mapping copies merged pairs, so chained merges could double a map at every step: flattened from the
        # inside here, with every copy counted.
        for key, value in node.value:
            if key.tag != _MERGE:
                continue
            for part in value.value if isinstance(value, yaml.SequenceNode) else [value]:
                if not isinstance(part, yaml.MappingNode):
                    continue  # flatten_mapping says what is wrong with it
                if id(part) in self.open:
                    self.fail(key, "E_YAML", "a map is merged into itself")
                if len(self.open) >= MAX_DEPTH:
                    self.fail(key, "E_YAML", f"merged over more than {MAX_DEPTH} levels")
                self.open.add(id(part))
                self.bound_merge(part)
                self.open.discard(id(part))
                self.loader.flatten_mapping(part)
                self.merged += len(part.value)
                if self.merged > self.max_nodes:
                    message = f"merges expand to more than {self.max_nodes} nodes"
                    self.fail(key, "E_YAML", message)

    def unknown_tag(self, node: Any) -> None:
        message = f"the tag `{node.tag[:60]}` means nothing in a rule"
        self.fail(node, "E_YAML", message, "a value that begins with ! must be quoted")

    def fail(self, node: Any, code: str, message: str, hint: str = "") -> Any:
        mark = node.start_mark
        place = Place(self.file, mark.line + 1, mark.column + 1, 1, self.index)
        raise RuleError(code, message, place, hint)
