"""What each document of a file is: rule, correlation or filter; legacy `action` documents merged.

Source: Sigma specification ("file structure") and, for `action`, the collections of the first Sigma tools.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from sigmac.compiler.diagnostics.diagnostic import Diagnostics, Place, RuleError
from sigmac.compiler.syntax.correlation import Correlation, read_correlation
from sigmac.compiler.syntax.filter import read_filter
from sigmac.compiler.syntax.read_metadata import read_metadata
from sigmac.compiler.syntax.read_rule import read_rule
from sigmac.compiler.syntax.reader import Reader
from sigmac.compiler.syntax.rule import Filter, Metadata, Rule
from sigmac.compiler.syntax.yaml_nodes import MAX_BYTES, Document, Node, documents

_CASES = frozenset({"match", "no_match", "sequences", "regression_tests_info"})
_RULE = frozenset({"title", "detection", "correlation", "filter", "logsource", "action"})


@dataclass(frozen=True, slots=True)
class Refused:
    """A document that an error leaves out: its metadata is still compared with that of others."""

    meta: Metadata
    place: Place


@dataclass(slots=True)
class FileContents:
    """The documents of one file that were read without an error, and what there was to say about all."""

    file: str
    rules: list[Rule] = field(default_factory=list)
    correlations: list[Correlation] = field(default_factory=list)
    filters: list[Filter] = field(default_factory=list)
    diagnostics: Diagnostics = field(default_factory=Diagnostics)
    refused: int = 0  # documents left out because of an error
    refused_names: list[str] = field(default_factory=list)  # their ids and names, where legible
    refused_documents: list[Refused] = field(default_factory=list)  # those that have a title
    cases: int = 0  # documents with cases for `sigmac test`, which say nothing else


def read_file(data: bytes, file: str) -> FileContents:
    """Everything that a file of rules says; a faulty document is refused alone, a faulty file as a whole.

    `file` is the name to report. Never raises for what stands in the file.
    """
    contents = FileContents(file)
    try:
        for document in _merged(list(documents(data, file)), contents):
            _read_document(document, contents)
    except RuleError as error:
        contents.diagnostics.catch(error)
        contents.refused += 1
    return contents


def merged_documents(data: bytes, file: str) -> Iterator[Document]:
    """The documents of a file that may be rules, correlations or filters, `action` carried out.

    Raises `RuleError` (`E_YAML`, `E_YAML_DUP`) for a file that is refused as a whole.
    """
    return _merged(list(documents(data, file)), FileContents(file))


def _read_document(document: Document, contents: FileContents) -> None:
    root = document.root
    try:
        kinds = [kind for kind in ("correlation", "filter", "detection") if kind in root.value]
        if len(kinds) > 1:
            key = root.keys[kinds[0]] if root.keys else root
            raise RuleError(
                "E_DOC_KIND",
                f"a document has one of {' and '.join(f'`{kind}`' for kind in kinds)}",
                key.place(document.file, document.index),
                "make a document of each, separated by `---`",
            )
        if "correlation" in kinds:
            contents.correlations.append(read_correlation(document, contents.diagnostics))
        elif "filter" in kinds:
            contents.filters.append(read_filter(document, contents.diagnostics))
        else:
            contents.rules.append(read_rule(document, contents.diagnostics))
    except RuleError as error:
        contents.diagnostics.catch(error)
        contents.refused += 1
        names = (root.value[key].value for key in ("id", "name") if key in root.value)
        contents.refused_names += (name for name in names if isinstance(name, str))
        contents.refused_documents += _legible(document)


def _legible(document: Document) -> Iterator[Refused]:
    # What its metadata has of faults was reported when it was read first.
    reader = Reader(document, Diagnostics())
    try:
        meta = read_metadata(reader, document.root, frozenset(document.root.value))
    except RuleError:
        return
    yield Refused(meta, reader.place(document.root))


def _merged(found: list[Document], contents: FileContents) -> Iterator[Document]:
    """The documents with `action: global`, `reset` and `repeat` carried out."""
    template: Node | None = None
    previous: Node | None = None
    merged = 0
    for document in found:
        root = document.root
        if is_case_document(root):
            contents.cases += 1
            continue
        if not root.is_map:
            contents.diagnostics.report(
                "E_DOC_TYPE",
                "a rule must be a map",
                root.place(document.file, document.index),
                "begin with `title: …`",
            )
            contents.refused += 1
            continue
        action = root.value.get("action")
        if action is not None:
            root = _without_action(root)
            if action.value == "global":
                template = root
                continue
            if action.value == "reset":
                template = None
                continue
            if action.value != "repeat" or previous is None:
                what, hint = "unknown action", "global, reset or repeat"
                if action.value == "repeat":
                    what = "there is no rule before this document to repeat"
                    hint = "leave `action: repeat` out"
                    if template is not None:
                        hint += ": what `action: global` says is part of every later rule anyway"
                place = action.place(document.file, document.index)
                contents.diagnostics.report("E_DOC_KIND", what, place, hint)
                contents.refused += 1
                continue
            root = _merge(previous, root)
            merged += _weight(root)
        if "correlation" not in root.value and "filter" not in root.value:
            if template is not None:
                root = _merge(root, template)
                merged += _weight(root)
            previous = root
        if merged > MAX_BYTES:
            place = root.place(document.file, document.index)
            raise RuleError(
                "E_YAML", "`action` makes too much of this file", place, "split the file"
            )
        yield Document(document.file, document.index, root)


def is_case_document(root: Node) -> bool:
    """Whether a document has cases of a rule, and is none itself."""
    return root.is_map and bool(_CASES & root.value.keys()) and not _RULE & root.value.keys()


def _without_action(node: Node) -> Node:
    value = {key: child for key, child in node.value.items() if key != "action"}
    return Node(value, node.line, node.column, node.width, node.keys)


def _weight(node: Node) -> int:
    """What a document adds to the work of a file: its characters, and a hundred for each node."""
    weight, stack = 0, [node]
    while stack:
        each = stack.pop()
        weight += 100
        if isinstance(each.value, dict):
            stack += each.value.values()
        elif isinstance(each.value, list):
            stack += each.value
        elif isinstance(each.value, str):
            weight += len(each.value)
    return weight


def _merge(under: Node, over: Node) -> Node:
    """Maps merged deeply; for anything else `over` wins."""
    if not (under.is_map and over.is_map):
        return over
    value = dict(under.value)
    for key, child in over.value.items():
        value[key] = _merge(value[key], child) if key in value else child
    keys = {**(under.keys or {}), **(over.keys or {})}
    return Node(value, under.line, under.column, under.width, keys)
