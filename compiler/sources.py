"""Finds the rule files that a build's paths name."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from sigmac.runtime.errors import InputError

SUFFIXES = frozenset({".yml", ".yaml"})
MAX_FILES = 200_000


@dataclass(frozen=True, slots=True)
class SourceFile:
    """A rule file: `file` as the user would name it, `source` as the pack names it, whatever the current folder."""

    file: str
    source: str
    path: Path

    def read(self) -> bytes:
        """Raises `InputError` with one sentence."""
        try:
            return self.path.read_bytes()
        except OSError as error:
            raise InputError(f"{self.file}: {error.strerror or error}") from None


def find_sources(paths: Sequence[str | Path]) -> list[SourceFile]:
    """Every `.yml` and `.yaml` file of some files and folders, sorted by `source`, each once.

    Hidden files and folders are passed over. Raises `InputError` where a path does not exist or a folder holds no
    rules.
    """
    found: dict[str, SourceFile] = {}
    for given in [os.fspath(path) for path in paths]:
        real = os.path.realpath(given)
        if os.path.isdir(given):
            root = os.path.basename(real)
            inside = list(_below(given))
            for inner in inside:
                source = f"{root}/{inner.replace(os.sep, '/')}"
                file = os.path.join(given, inner)
                found.setdefault(os.path.join(real, inner), SourceFile(file, source, Path(file)))
            if not inside:
                raise InputError(f"{given}: the folder holds no .yml or .yaml file")
        elif os.path.exists(given):
            found.setdefault(real, SourceFile(given, os.path.basename(given), Path(given)))
        else:
            raise InputError(f"{given}: there is no such file or folder")
    if len(found) > MAX_FILES:
        raise InputError(f"{len(found)} files are more than {MAX_FILES}")
    return sorted(_told_apart(found), key=lambda each: each.source)


def _below(folder: str) -> Iterator[str]:
    """Rule files below a folder, by their path in it."""
    for where, folders, files in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        inside = os.path.relpath(where, folder)
        for name in sorted(files):
            if not name.startswith(".") and os.path.splitext(name)[1].lower() in SUFFIXES:
                yield name if inside == "." else os.path.join(inside, name)


def _told_apart(files: dict[str, SourceFile]) -> Iterator[SourceFile]:
    """The files, with a number in front of names that two of them share."""
    seen: dict[str, int] = {}
    for _, each in sorted(files.items(), key=lambda item: (item[1].source, item[0])):
        number = seen[each.source] = seen.get(each.source, 0) + 1
        if number > 1:
            yield SourceFile(each.file, f"{number}/{each.source}", each.path)
        else:
            yield each
