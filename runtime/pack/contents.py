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
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from sigmac.runtime.errors import PackError
from sigmac.runtime.pack import seal
from sigmac.runtime.pack.pack import find_pack
from sigmac.runtime.scalar.vocabulary import load_arrays

MAX_MANIFEST = 256 << 20  # bytes of one that does not verify
_LOGSOURCE_KEYS = ("product", "category", "service")
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
    """A pack as it lies on the disk. `problem` says why it does not verify; `files` are empty then."""

    folder: Path
    manifest: Mapping[str, Any]
    signature: Signature | None
    problem: str | None
    files: Mapping[str, bytes]

    def rules(self) -> Iterator[PackedRule]:
        """The rules in their order; none where the pack does not verify."""
        if not self.files:
            return
        arrays = load_arrays(self.files["tables.npz"])
        lines = {
            name: data.decode("utf-8").splitlines(keepends=True)
            for name, data in self.files.items()
            if name.endswith(".py")
        }

        def function(module: int, first: int, last: int) -> Function:
            name = self.manifest["modules"][module]
            return Function(self.folder / name, first, "".join(lines[name][first - 1 : last]))

        shared = [function(*row[:3]) for row in arrays["logsources"].tolist()]
        spans = zip(arrays["functions"].tolist(), arrays["metadata"].tolist(), strict=True)
        for name, (row, (first, last)) in zip(self.manifest["rules"], spans, strict=True):
            metadata = _metadata("".join(lines["rules.py"][first - 1 : last]))
            own = function(*row[:3])
            guard = shared[row[3]] if row[3] >= 0 else None
            yield PackedRule({**metadata, "function": name}, own, guard)

    def documents(self, kind: str) -> list[dict[str, Any]]:
        """What the pack keeps of `correlations` or `filters`; empty where it does not verify."""
        found: list[dict[str, Any]] = json.loads(self.files.get(f"{kind}.json", b"[]"))
        return found

    def logsources(self) -> Counter[tuple[str, str, str]]:
        """How many rules are for each product, category and service."""
        listed = self.manifest.get("logsources")
        found: Counter[tuple[str, str, str]] = Counter()
        for each in listed if isinstance(listed, list) else ():
            if isinstance(each, list) and [type(part) for part in each] == [str] * 3:
                found[each[0], each[1], each[2]] += 1
        return found


def read_contents(pack: str | Path, trusted_keys: Sequence[bytes | str] = ()) -> Contents:
    """What lies in a pack's folder, or in an installed pack by its name.

    Raises `PackError` where there is no pack; a pack that does not verify has a `problem`.
    """
    folder = find_pack(pack)
    if not (folder / seal.MANIFEST).is_file():
        seal.read_manifest(folder)  # says what is wrong
    manifest: Mapping[str, Any] = {}
    files: Mapping[str, bytes] = {}
    problem = None
    signature = _signature(folder, trusted_keys)
    try:
        manifest, data = seal.read_manifest(folder)
        seal.check_signature(folder, data, trusted_keys)
        if signature is not None and signature.valid is False:
            raise PackError(f"{folder}: the signature does not belong to this pack")
        files = seal.read_files(folder, manifest)
    except PackError as error:
        problem = str(error)
        manifest = manifest or _legible(folder)
    return Contents(folder, manifest, signature, problem, files)


def _legible(folder: Path) -> Mapping[str, Any]:
    """A manifest that does not verify, empty where it is not even JSON."""
    try:
        with (folder / seal.MANIFEST).open("rb") as file:
            content = json.loads(file.read(MAX_MANIFEST))
    except (OSError, ValueError, RecursionError):
        return {}
    return content if isinstance(content, dict) else {}


def _signature(folder: Path, trusted_keys: Sequence[bytes | str]) -> Signature | None:
    """Who signed the pack, None where nobody did or where that cannot be read."""
    try:
        key = json.loads((folder / seal.SIGNATURE).read_bytes())["key"]
        manifest = (folder / seal.MANIFEST).read_bytes()
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return None
    if not isinstance(key, str) or not re.fullmatch(r"[0-9a-f]{64}", key):
        return None
    if importlib.util.find_spec("cryptography") is None:
        return Signature(key, None, trusted=False)
    trusted = bool(trusted_keys) and _accepted(folder, manifest, trusted_keys)
    return Signature(key, _accepted(folder, manifest, [key]), trusted)


def _accepted(folder: Path, manifest: bytes, keys: Sequence[bytes | str]) -> bool:
    try:
        seal.check_signature(folder, manifest, keys)
    except PackError:
        return False
    return True


def _metadata(source: str) -> dict[str, Any]:
    """The keywords of `name = Rule(…)`, evaluated as literals."""
    statement = ast.parse(source).body[0]
    assert isinstance(statement, ast.Assign)
    return _keywords(statement.value)


def _keywords(call: ast.expr) -> dict[str, Any]:
    assert isinstance(call, ast.Call)
    return {str(each.arg): _literal(each.value) for each in call.keywords}


def _literal(node: ast.expr) -> Any:
    if isinstance(node, ast.Call) and node.keywords:
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
