"""A project as its file describes it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from sigmac.runtime.errors import SigmacError

Scalar = str | int | float
Value = bool | int | str | Path | tuple[str, ...] | tuple[Path, ...]  # of an option
Key = tuple[str, ...]  # of tables and the key in them, as ("build", "output")


class ProjectError(SigmacError):
    """The project file is wrong; the message names every mistake, one a line, with its place."""


@dataclass(frozen=True, slots=True)
class Project:
    """What a project file says; without one all is empty. Paths are absolute, and may lead to nothing.

    `pipelines` are names, or the paths of files. `options` are those of commands, by the command and by the long name
    of the option without its hyphens.
    """

    file: Path | None = None
    rules: tuple[Path, ...] = ()
    events: tuple[Path, ...] = ()
    pipelines: tuple[str, ...] = ()
    placeholders: Mapping[str, tuple[Scalar, ...]] = field(default_factory=dict)
    strict_logsource: bool = False
    required: tuple[str, ...] = ()  # keys of rules
    levels: Mapping[str, str] = field(default_factory=dict)  # of codes: error, warning, note, off
    tag_namespaces: Mapping[str, tuple[str, ...]] = field(default_factory=dict)  # what may follow
    options: Mapping[str, Mapping[str, Value]] = field(default_factory=dict)
    lines: Mapping[Key, int] = field(default_factory=dict)  # of keys as they stand in the file

    def where(self, *key: str) -> str:
        """Where a key stands, as `sigmac.toml:3`; its table, or the file alone, where that is not known."""
        line = line_of(self.lines, key)
        return f"{shown(self.file)}:{line}" if line else shown(self.file)


def line_of(lines: Mapping[Key, int], key: Key) -> int:
    """The line of a key, or of the closest table around it; 0 where there is none."""
    around = (key[:end] for end in range(len(key), 0, -1))
    return next((lines[each] for each in around if each in lines), 0)


def shown(path: Path | None) -> str:
    """A path as a user in the current folder names it."""
    return "" if path is None else os.path.relpath(path)
