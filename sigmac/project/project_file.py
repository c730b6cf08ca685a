"""Finds the project file of a folder, and reads it.

It is hostile until it is read: of bounded size, nothing in it is run, and what is written because of it stays below
its own folder.
"""

from __future__ import annotations

import difflib
import os
import re
import stat
import tomllib
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, TypeVar

from sigmac.project.project import Key, Project, ProjectError, Scalar, Value, line_of, shown
from sigmac.project.project_keys import COMMANDS, SHARED, Kind
from sigmac.project.toml_lines import key_lines
from sigmac.runtime.printable import escaped, shortened
from sigmac.runtime.regular_file import read_regular

NAME = "sigmac.toml"
SHARED_NAME = "pyproject.toml"  # of Python's tools: our part is the table `tool.sigmac`
_MAX_FILE = 1 << 20  # bytes
_MAX_DOTS = 1_000  # of a line: a name takes tomllib the square of its parts
_MAX_TOLD = 50  # mistakes
_MAX_SHOWN = 60  # characters of a key or value
_LEVELS = ("error", "warning", "note", "off")
_CODE = re.compile(r"[EWN]_[A-Z0-9_]+")
_NAMESPACE = re.compile(r"[a-z0-9_-]+")
_TAG = re.compile(r"[a-z0-9_.*?-]+")
_AT = re.compile(r" \(at line (\d+), column (\d+)\)\Z")  # as tomllib ends what it says
# Keys that only a configuration of `sigmac serve` has, which may be TOML too
_SERVICE_KEYS = frozenset({"packs", "source", "matches", "dead_letters"})
_ABSENT: Any = object()
_T = TypeVar("_T")


def read_project(start: Path) -> Project:
    """The project that a folder belongs to; one without a file where there is none.

    Raises `ProjectError` for a file that cannot be read, is no TOML, or has mistakes.
    """
    found = _find(Path(os.path.realpath(start)))
    if found is None:
        return Project()
    file, text, table = found
    return _Reader(file, text, table).project()


def _find(start: Path) -> tuple[Path, str, Key] | None:
    """The project file of a folder or the nearest above it, its text, and the table that is ours.

    The search ends with the folder that holds a repository (`.git`), and before one that everybody may write to, as
    `/tmp` is: what lies there may be anybody's.
    """
    for folder in (start, *start.parents):
        if folder != start and _is_anybodys(folder):
            return None
        if os.path.lexists(file := folder / NAME):
            return file, _text_of(file), ()
        if os.path.lexists(file := folder / SHARED_NAME) and "sigmac" in (text := _text_of(file)):
            tool = _parsed(file, text).get("tool")
            if isinstance(tool, dict) and "sigmac" in tool:
                return file, text, ("tool", "sigmac")
        if os.path.lexists(folder / ".git"):
            return None
    return None


def _is_anybodys(folder: Path) -> bool:
    """Whether everybody may write to a folder; one that cannot be looked at is no better."""
    try:
        return bool(os.stat(folder).st_mode & stat.S_IWOTH)
    except OSError:
        return True


def _text_of(file: Path) -> str:
    try:
        return read_regular(file, _MAX_FILE).decode("utf-8-sig")
    except OSError as error:
        raise ProjectError(f"{shown(file)}: {error.strerror or error}") from None
    except UnicodeDecodeError as error:
        raise ProjectError(f"{shown(file)}: byte {error.start} is no UTF-8 text") from None


def _parsed(file: Path, text: str) -> dict[str, Any]:
    for number, line in enumerate(text.split("\n"), 1):
        if line.count(".") > _MAX_DOTS:
            raise ProjectError(f"{shown(file)}:{number}: more than {_MAX_DOTS:,} dots in a line")
    try:
        return tomllib.loads(text)
    except ValueError as error:  # of numbers with thousands of digits too
        said = str(error)
        place = _AT.search(said)
        where = f":{place[1]}:{place[2]}" if place else ""
        told = escaped(_AT.sub("", said))
        raise ProjectError(f"{shown(file)}{where}: no TOML: {told}") from None
    except RecursionError:
        raise ProjectError(f"{shown(file)}: nested too deep") from None


class _Reader:
    """Reads the table of a project file, and gathers what is wrong with it."""

    def __init__(self, file: Path, text: str, table: Key):
        self.file, self.folder = file, file.parent
        self.table: Any = _parsed(file, text)
        for name in table:
            self.table = self.table[name]
        found = key_lines(text)
        self.lines = {
            key[len(table) :]: n for key, n in found.items() if key[: len(table)] == table
        }
        self.mistakes: list[tuple[int, str]] = []

    def project(self) -> Project:
        """The project. Raises `ProjectError` that names every mistake."""
        if not isinstance(self.table, dict):
            raise ProjectError(f"{shown(self.file)}: `tool.sigmac` is no table")
        options = {
            command: {
                name: made
                for name, kind in keys.items()
                if (made := self._take((command, name), kind)) is not None
            }
            for command, keys in COMMANDS.items()
            if self._is_table((command,))
        }
        shared = {
            name.replace("-", "_"): made
            for name, kind in SHARED.items()
            if (made := self._take((name,), kind)) is not None
        }
        self._refuse_unknown((), self.table, (*SHARED, *COMMANDS))
        for command in options:
            self._refuse_unknown((command,), self.table[command], COMMANDS[command])
        if isinstance(pack := options.get("build", {}).get("output"), Path):
            self._refuse_overlap(pack, shared.get("rules", ()))
        if self.mistakes:
            ordered = sorted(self.mistakes, key=lambda each: each[0])
            told = [said for _, said in ordered[:_MAX_TOLD]]
            if more := len(ordered) - len(told):
                told.append(f"and {more:,} more")
            raise ProjectError("\n".join(told))
        return Project(self.file, options=options, lines=self.lines, **shared)

    def _is_table(self, key: Key) -> bool:
        value = self._value(key)
        if value is not _ABSENT and not isinstance(value, dict):
            self._wrong(key, "this is a table of options")
        return isinstance(value, dict)

    def _value(self, key: Key) -> Any:
        value = self.table
        for name in key:
            value = value.get(name, _ABSENT)
        return value

    def _wrong(self, key: Key, said: str) -> None:
        line = line_of(self.lines, key)
        name = ".".join(shortened(part, _MAX_SHOWN) for part in key)
        where = f"{shown(self.file)}:{line}" if line else shown(self.file)
        self.mistakes.append((line, f"{where}: {name}: {said}"))

    def _refuse_unknown(self, around: Key, given: Mapping[str, Any], known: Iterable[str]) -> None:
        for name in given:
            if name in known:
                continue
            said = f"there is no such key{_near(name, known)}"
            if not around and name in _SERVICE_KEYS:
                said = f"a configuration of the service needs another name than {NAME}"
            self._wrong((*around, name), said)

    def _take(self, key: Key, kind: Kind) -> Any:
        """The value of a key; None where it is absent, or wrong, which is told."""
        value = self._value(key)
        if value is _ABSENT:
            return None
        match kind:
            case Kind.PLACEHOLDERS:
                return self._table(key, value, kind, self._scalars)
            case Kind.LEVELS:
                return self._table(key, value, kind, self._level)
            case Kind.NAMESPACES:
                if isinstance(value, list) and _are_texts(value):
                    value = dict.fromkeys(value, "*")
                return self._table(key, value, kind, self._patterns)
            case _:
                return self._option(key, value, kind)

    def _option(self, key: Key, value: Any, kind: Kind) -> Value | None:
        match kind:
            case Kind.FLAG if isinstance(value, bool):
                return value
            case Kind.NUMBER if type(value) is int and value >= 0:
                return value
            case Kind.TEXT if isinstance(value, str) and _are_texts([value]):
                return value
            case Kind.TEXTS if (texts := _texts(value)) is not None:
                return texts
            case Kind.PATH if isinstance(value, str) and _are_texts([value]):
                return self._path(value)
            case Kind.PATHS if (texts := _texts(value)) is not None:
                return tuple(map(self._path, texts))
            case Kind.PIPELINES if (texts := _texts(value)) is not None:
                return tuple(map(self._pipeline, texts))
            case Kind.OUTPUT | Kind.PACK if isinstance(value, str) and _are_texts([value]):
                return self._output(key, value, kind)
        self._wrong(key, f"this is {kind.value}")
        return None

    def _table(
        self, key: Key, value: Any, kind: Kind, take: Callable[[Key, Any], _T | None]
    ) -> dict[str, _T] | None:
        if not isinstance(value, dict):
            self._wrong(key, f"this is {kind.value}")
            return None
        taken = {name: take((*key, name), each) for name, each in value.items()}
        return {name: each for name, each in taken.items() if each is not None}

    def _scalars(self, key: Key, value: Any) -> tuple[Scalar, ...] | None:
        values = value if isinstance(value, list) else [value]
        if values and all(type(each) in (str, int, float) for each in values):
            return tuple(values)
        self._wrong(key, "a placeholder has a text, a number, or a list of them")
        return None

    def _level(self, key: Key, value: Any) -> str | None:
        code = key[-1]
        if not _CODE.fullmatch(code):
            self._wrong(key, "this is no code of a check, as W_TAG is one")
        elif code.startswith("E_"):
            self._wrong(key, "an error refuses a rule, whether it is told or not")
        elif value not in _LEVELS:
            near = _near(value, _LEVELS) if isinstance(value, str) else ""
            self._wrong(key, f"the level of a code is one of {', '.join(_LEVELS)}{near}")
        else:
            return str(value)
        return None

    def _patterns(self, key: Key, value: Any) -> tuple[str, ...] | None:
        patterns = _texts(value)
        if not _NAMESPACE.fullmatch(key[-1]):
            self._wrong(key, "a namespace of tags has small letters, digits, `_` and `-`")
        elif not patterns or not all(map(_TAG.fullmatch, patterns)):
            self._wrong(key, "what may follow the dot: tags in small letters, `*` and `?` in them")
        else:
            return patterns
        return None

    def _path(self, text: str) -> Path:
        return Path(os.path.normpath(self.folder / text))

    def _pipeline(self, text: str) -> str:
        """A name as it is; what has a folder or the ending of a file is a path."""
        is_path = "/" in text or text.lower().endswith((".yml", ".yaml"))
        return str(self._path(text)) if is_path else text

    def _output(self, key: Key, text: str, kind: Kind) -> Path | None:
        path = self._path(text)
        real = Path(os.path.realpath(path))
        if not real.is_relative_to(self.folder) or (kind is Kind.PACK and real == self.folder):
            self._wrong(key, f"it must lie below the folder of {self.file.name}")
            return None
        return path

    def _refuse_overlap(self, pack: Path, rules: Iterable[Path]) -> None:
        """A pack takes the place of what is in its folder: no rules must lie there."""
        real = os.path.realpath(pack)
        if any(Path(os.path.realpath(each)).is_relative_to(real) for each in rules):
            self._wrong(
                ("build", "output"), "the rules lie in this folder, which a pack takes for itself"
            )


def _are_texts(values: list[Any]) -> bool:
    return all(isinstance(each, str) and each and "\0" not in each for each in values)


def _texts(value: Any) -> tuple[str, ...] | None:
    """A text or a list of texts, none of them empty, as texts."""
    values = value if isinstance(value, list) else [value]
    return tuple(values) if _are_texts(values) else None


def _near(name: str, known: Iterable[str]) -> str:
    found = difflib.get_close_matches(name[:_MAX_SHOWN].lower(), [*known], 1)
    return f"; did you mean `{found[0]}`?" if found else ""
