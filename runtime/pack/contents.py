"""What is inside a pack, read without running any of its code.

A pack that does not verify is described by its manifest as far as that can be read, and by nothing else.
"""

from __future__ import annotations

import ast
import importlib.util
import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from sigmac.runtime.errors import PackError
from sigmac.runtime.pack import seal
from sigmac.runtime.pack.correlation_module import FILE as CORRELATIONS
from sigmac.runtime.pack.finding import find_pack
from sigmac.runtime.pack.lazy_source import LazySource
from sigmac.runtime.pack.parts import RULES, read_tables

FILTERS = "filters.json"
# Questions of generated code. A quotation mark within a literal is escaped, so that none looks so.
_QUESTION = re.compile(r'event\.\w+\(\s*(r?"(?:[^"\\]|\\.)*")')


@dataclass(frozen=True, slots=True)
class Signature:
    """`key` is the public key that `manifest.sig` names, in hexadecimal.

    `valid`: the signature is that key's and of this manifest, None where the package `cryptography`
    is missing. `trusted`: the key is one of those that were given.
    """

    key: str
    valid: bool | None
    trusted: bool


@dataclass(frozen=True, slots=True)
class Function:
    """A generated function: its file, its first line, its text."""

    path: Path
    line: int
    source: str


@dataclass(frozen=True, slots=True)
class PackedRule:
    """A rule in a pack: its metadata as in `rules.py`, and its functions.

    `logsource_function` is the condition that it shares with other rules of its logsource.
    """

    metadata: Mapping[str, Any]
    function: Function
    logsource_function: Function | None

    @property
    def fields(self) -> frozenset[str]:
        """The fields that the rule asks of an event; `""` stands for keywords."""
        asked = _fields(self.function.source)
        return asked | (
            _fields(self.logsource_function.source) if self.logsource_function else set()
        )

    def is_called(self, wanted: str) -> bool:
        """Whether an id (in any letter case), a title, a name or a function's name is the rule's."""
        meta = self.metadata
        named = (meta.get("title"), meta.get("name"), meta.get("function"))
        return wanted in named or wanted.lower() == str(meta.get("id", "")).lower()


@dataclass(frozen=True, slots=True)
class Contents:
    """A pack as it lies on the disk. `problem` says why it does not verify; all else but the manifest is empty then."""

    folder: Path
    manifest: Mapping[str, Any]
    signature: Signature | None
    problem: str | None
    files: Mapping[str, bytes]
    rules: tuple[PackedRule, ...] = ()
    documents: Mapping[str, list[dict[str, Any]]] = field(
        default_factory=dict
    )  # correlations, filters

    def logsources(self) -> Counter[tuple[str, str, str]]:
        """How many rules are for each product, category and service."""
        listed = self.manifest.get("logsources")
        found: Counter[tuple[str, str, str]] = Counter()
        for each in listed if isinstance(listed, list) else ():
            if isinstance(each, list) and [type(part) for part in each] == [str] * 3:
                found[each[0], each[1], each[2]] += 1
        return found


def read_contents(pack: str | Path, trusted_keys: Sequence[bytes | str] | None = None) -> Contents:
    """What lies in a pack's folder, or in an installed pack by its name.

    Raises `PackError` where there is no pack; a pack that does not verify has a `problem`.
    """
    folder = find_pack(pack)
    if not (folder / seal.MANIFEST).is_file():
        seal.read_manifest(folder)  # says what is wrong
    manifest: Mapping[str, Any] = {}
    signature = _signature(folder, trusted_keys)
    try:
        manifest, data = seal.read_manifest(folder)
        seal.check_signature(folder, data, trusted_keys)
        if signature is not None and signature.valid is False:
            raise PackError(f"{folder}: the signature does not belong to this pack")
        files = seal.read_files(folder, manifest)
        try:
            rules = tuple(_packed_rules(folder, manifest, files))
            documents = {"correlations": _correlations(manifest, files), "filters": _filters(files)}
        except PackError as error:
            raise PackError(f"{folder}: {error}") from None
    except PackError as error:
        return Contents(folder, manifest or _legible(folder), signature, str(error), {})
    return Contents(folder, manifest, signature, None, files, rules, documents)


def _packed_rules(
    folder: Path, manifest: Mapping[str, Any], files: Mapping[str, bytes]
) -> Iterator[PackedRule]:
    """The rules in their order. Raises `PackError` where the parts of the pack do not fit together."""
    arrays = read_tables(manifest, files)
    sources = {name: LazySource(files[name], name, name) for name in (*manifest["modules"], RULES)}

    def function(module: int, first: int, last: int) -> Function:
        name = manifest["modules"][module]
        return Function(folder / name, first, sources[name].lines(first, last))

    shared = [function(*row[:3]) for row in arrays["logsources"].tolist()]
    spans = zip(arrays["functions"].tolist(), arrays["metadata"].tolist(), strict=True)
    for name, (row, (first, last)) in zip(manifest["rules"], spans, strict=True):
        metadata = _metadata(name, sources[RULES].lines(first, last))
        own = function(*row[:3])
        guard = shared[row[3]] if row[3] >= 0 else None
        yield PackedRule({**metadata, "function": name}, own, guard)


def _correlations(manifest: Mapping[str, Any], files: Mapping[str, bytes]) -> list[dict[str, Any]]:
    """The definitions of `correlations.py` as literals, in the order of the manifest. Raises `PackError`."""
    names: list[str] = manifest.get("correlations", [])
    if not names:
        return []
    found: dict[str, dict[str, Any]] = {}
    try:
        for statement in ast.parse(files.get(CORRELATIONS, b"")).body:
            if isinstance(statement, ast.Assign) and isinstance(statement.targets[0], ast.Name):
                found[statement.targets[0].id] = _keywords(statement.value)
    except _NO_LITERALS:
        pass
    made = [{"function": name, **found.get(name, {})} for name in names]
    if not all(map(_is_document, made)):
        raise PackError(f"{CORRELATIONS} does not define what it should; build the pack again")
    return made


def _filters(files: Mapping[str, bytes]) -> list[dict[str, Any]]:
    """The filters of a pack as they are written. Raises `PackError`."""
    try:
        found: list[dict[str, Any]] = json.loads(files.get(FILTERS, b"[]"))
    except (ValueError, RecursionError):
        raise PackError(f"{FILTERS} is no JSON; build the pack again") from None
    if not isinstance(found, list) or not all(map(_is_document, found)):
        raise PackError(f"{FILTERS} holds no filters; build the pack again")
    return found


def _is_document(document: Any) -> bool:
    if not isinstance(document, dict) or not isinstance(document.get("title"), str):
        return False
    rules = document.get("rules")
    named = rules if isinstance(rules, (list, tuple)) else [rules]
    return all(isinstance(each, str) for each in (*named, document.get("type", "")))


def _legible(folder: Path) -> Mapping[str, Any]:
    """A manifest that does not verify, empty where it is not even JSON."""
    try:
        content = json.loads(seal.read_member(folder, seal.MANIFEST))
    except (OSError, PackError, ValueError, RecursionError):
        return {}
    return content if isinstance(content, dict) else {}


def _signature(folder: Path, trusted_keys: Sequence[bytes | str] | None) -> Signature | None:
    """Who signed the pack, None where nobody did or where that cannot be read."""
    try:
        key = json.loads(seal.read_member(folder, seal.SIGNATURE))["key"]
        manifest = seal.read_member(folder, seal.MANIFEST)
    except (OSError, PackError, ValueError, KeyError, TypeError, RecursionError):
        return None
    if not isinstance(key, str) or not re.fullmatch(r"[0-9a-f]{64}", key):
        return None
    if importlib.util.find_spec("cryptography") is None:
        return Signature(key, None, trusted=False)
    trusted = _accepted(folder, manifest, trusted_keys) if trusted_keys else False
    return Signature(key, _accepted(folder, manifest, [key]), trusted)


def _accepted(folder: Path, manifest: bytes, keys: Sequence[bytes | str]) -> bool:
    try:
        seal.check_signature(folder, manifest, keys)
    except PackError:
        return False
    return True


# Of the metadata of a rule: what is one text, and what is a sequence of them
_TEXTS = ("title", "id", "name", "level", "status", "description", "author", "date", "source")
_LISTS = ("tags", "references", "falsepositives", "fields", "scope", "filters", "variants")


def _metadata(name: str, source: str) -> dict[str, Any]:
    """The keywords of `name = Rule(…)`, evaluated as literals. Raises `PackError` where the source is another one."""
    try:
        statement = ast.parse(source).body[0]
        found = _keywords(statement.value) if isinstance(statement, ast.Assign) else {}
    except _NO_LITERALS:
        found = {}
    logsource = found.get("logsource")
    sound = (
        {"title", "source"} <= found.keys()
        and all(isinstance(found.get(key, ""), str) for key in _TEXTS)
        and all(_are_texts(found.get(key, ())) for key in _LISTS)
        and _are_related(found.get("related", ()))
        and isinstance(logsource, dict)
        and _are_texts(tuple(logsource.values()))
    )
    if not sound:
        raise PackError(f"{RULES} says nothing of the rule {name}; build the pack again")
    return found


# What Python raises of source that is not a few literals
_NO_LITERALS = (IndexError, MemoryError, RecursionError, SyntaxError, TypeError, ValueError)


def _are_texts(values: Any) -> bool:
    return isinstance(values, tuple) and all(isinstance(each, str) for each in values)


def _are_related(values: Any) -> bool:
    return isinstance(values, tuple) and all(map(_are_texts, values))


def _keywords(call: ast.expr) -> dict[str, Any]:
    if not isinstance(call, ast.Call) or call.args:
        raise ValueError("no call with keywords")
    return {str(each.arg): _literal(each.value) for each in call.keywords}


def _literal(node: ast.expr) -> Any:
    if isinstance(node, ast.Call) and not node.args:
        return _keywords(node)
    try:
        return ast.literal_eval(node)
    except ValueError:
        return ast.unparse(node)  # float("inf"), which only a custom key can hold


@cache
def _field(literal: str) -> str:
    return str(ast.literal_eval(literal))


def _fields(source: str) -> frozenset[str]:
    return frozenset(map(_field, _QUESTION.findall(source)))
