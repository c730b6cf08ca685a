"""Files that rules and cases name: found near them, and nowhere outside the project."""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from sigmac.runtime.errors import InputError

_MOST_LEVELS = 64


def project_of(paths: Iterable[Path]) -> Path:
    """The folder that holds a project: that with `.git` above some files or folders, else the current one where it
    is above them, else the one above what they share.
    """
    real = [os.path.realpath(path) for path in paths] or [os.getcwd()]
    shared = os.path.commonpath(
        [each if os.path.isdir(each) else os.path.dirname(each) for each in real]
    )
    for folder in _up(shared, os.sep):
        if os.path.exists(os.path.join(folder, ".git")):
            return Path(folder)
    here = os.path.realpath(os.getcwd())
    beside = os.path.dirname(shared)
    return Path(
        here if os.path.commonpath([here, shared]) == here and len(here) < len(beside) else beside
    )


def folders_up(folder: str, top: str) -> Iterator[str]:
    """A folder and those above it, up to the top one; none where it is not below that."""
    if os.path.commonpath([folder, top]) == top:
        yield from _up(folder, top)


def _up(folder: str, top: str) -> Iterator[str]:
    for _ in range(_MOST_LEVELS):
        yield folder
        above = os.path.dirname(folder)
        if folder == top or above == folder:
            return
        folder = above


def find_named(name: str, folder: Path, project: Path, *, above: bool) -> Path:
    """The file that is named in a file of a folder: relative to that, with `above` to any folder above it.

    A recording of Windows (`.evtx`) that is not there, or that this installation cannot read, is the JSON of the same
    name. Raises `InputError` with one sentence where there is none, or it lies outside the project.
    """
    if os.path.isabs(name) or "\0" in name:
        raise InputError(f"`{name}` is no relative name of a file")
    top, start = os.path.realpath(project), os.path.realpath(folder)
    names = [name]
    if name.lower().endswith(".evtx"):
        names.append(f"{name[:-5]}.json")
        if importlib.util.find_spec("evtx") is None:
            names.reverse()
    for where in folders_up(start, top) if above else (start,):
        for each in names:
            path = os.path.realpath(os.path.join(where, each))
            if not os.path.exists(path):
                continue
            if os.path.commonpath([path, top]) != top:
                raise InputError(f"`{name}` lies outside the project, which is {top}")
            if not os.path.isfile(path):
                raise InputError(f"`{name}` is no file")
            return Path(path)
    raise InputError(f"there is no file `{name}`")
