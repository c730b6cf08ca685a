"""Rule files as the Go engine finds them, and the document that a rule was made of."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from sigmac.compat.go.faults import BulkParseYaml, ParseYaml, fault_of
from sigmac.compiler.diagnostics.diagnostic import RuleError
from sigmac.compiler.syntax.documents import merged_documents
from sigmac.compiler.syntax.rule_files import SourceFile
from sigmac.runtime.errors import ConfigurationError

SUFFIX = "yml"
_TEXTS = ("author", "description", "id", "level", "title", "status")
_LISTS = ("falsepositives", "fields", "references", "tags")
_LOGSOURCE = ("product", "category", "service", "definition")
_KEYS = (
    "author",
    "description",
    "falsepositives",
    "fields",
    "id",
    "level",
    "title",
    "status",
    "references",
    "logsource",
    "detection",
    "tags",
)


class RuleHandle:
    """A rule's document, with where it comes from.

    `data` are the bytes of the file, `document` is the place of the rule among its documents, from 0. What a rule says
    are attributes, as it is written there; what it does not say is `None`.
    """

    def __init__(
        self,
        path: str,
        data: bytes,
        document: int = 0,
        *,
        no_collapse_ws: bool = False,
    ):
        self.path = path
        self.data = data
        self.document = document
        self.no_collapse_ws = no_collapse_ws

    @cached_property
    def rule(self) -> dict[str, Any]:
        """The document as JSON types and dates, `action` documents carried out. Raises `ParseYaml`."""
        made = self._documents.get(self.document)
        return made if isinstance(made, dict) else {}

    @property
    def multipart(self) -> bool:
        """Whether the file has several documents."""
        return len(self._documents) > 1

    @cached_property
    def _documents(self) -> dict[int, Any]:
        try:
            return {
                each.index: each.root.plain() for each in merged_documents(self.data, self.path)
            }
        except RuleError as error:
            raise fault_of(error.diagnostic) from None

    def __getattr__(self, name: str) -> Any:
        if name in _KEYS:
            return self.rule.get(name)
        raise AttributeError(name)

    def plain(self) -> dict[str, Any]:
        """With the keys, in the order, in which the Go engine writes a rule as JSON.

        Texts that are missing are empty and lists null, as there.
        """
        rule = self.rule
        made: dict[str, Any] = {}
        for key in _KEYS:
            value = rule.get(key)
            if key in _TEXTS:
                made[key] = "" if value is None else str(value)
            elif key in _LISTS:
                made[key] = [str(each) for each in value] if isinstance(value, list) else None
            elif key == "logsource":
                given = value if isinstance(value, dict) else {}
                made[key] = {name: str(given.get(name) or "") for name in _LOGSOURCE}
            else:
                made[key] = value
        return {
            **made,
            "path": self.path,
            "multipart": self.multipart,
            "noCollapseWS": self.no_collapse_ws,
        }

    def __repr__(self) -> str:
        return f"<RuleHandle {self.path}, document {self.document}>"


@dataclass(frozen=True, slots=True)
class GivenSource(SourceFile):
    """A rule file whose bytes are known."""

    data: bytes = b""

    @classmethod
    def of(cls, file: str) -> GivenSource:
        """A file, read. Raises `InputError` where it cannot be."""
        path = Path(file)
        return cls(file, file, path, data=SourceFile(file, file, path).read())

    def read(self) -> bytes:
        return self.data


def new_rule_file_list(directories: Sequence[str | Path]) -> list[str]:
    """The files below some folders whose names end in `yml`, in the order of the Go engine: each folder's names sorted.

    Hidden ones count, links to folders are not followed. Raises `ConfigurationError` where there is no such folder.
    """
    if not directories:
        raise ConfigurationError("there is no folder of rules: give `directory` one or more")
    found: list[str] = []
    for each in directories:
        given = os.fspath(each)
        if not os.path.isdir(given):
            what = "is no folder" if os.path.exists(given) else "does not exist"
            raise ConfigurationError(f"{given}: {what}")
        _walk(given, found)
    return found


def _walk(folder: str, found: list[str]) -> None:
    waiting = [folder]
    while waiting:
        path = waiting.pop()
        if os.path.isdir(path) and (path == folder or not os.path.islink(path)):
            waiting += [os.path.join(path, name) for name in sorted(os.listdir(path), reverse=True)]
        elif path.endswith(SUFFIX):
            found.append(path)


class RuleList(list[RuleHandle]):
    """Handles; `error` has the files that are left out because they are no YAML, None where there are none."""

    error: BulkParseYaml | None = None


def new_rule_list(
    files: Iterable[str | Path], *, skip: bool = True, no_collapse_ws: bool = False
) -> RuleList:
    """A handle for each document of some files.

    What is no YAML is left out with `skip`, and raised as `ParseYaml` without. Raises `InputError` for a file that
    cannot be read.
    """
    made = RuleList()
    faults: list[ParseYaml] = []
    for each in files:
        path = os.fspath(each)
        data = GivenSource.of(path).data
        try:
            documents = [one.index for one in merged_documents(data, path)]
        except RuleError as error:
            found = error.diagnostic
            fault = ParseYaml(found.code, found.message, found.place, found.hint)
            if not skip:
                raise fault from None
            faults.append(fault)
            continue
        made += [RuleHandle(path, data, one, no_collapse_ws=no_collapse_ws) for one in documents]
    if faults:
        made.error = BulkParseYaml(faults)
    return made
