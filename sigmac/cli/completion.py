"""What the shell is offered when a word is completed; imports nothing that is slow."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import click

_COMPILER = Path(__file__).parents[1] / "compiler"
_SHIPPED = _COMPILER / "pipeline" / "shipped"
_INDEX = "index"  # the list of them
_CODES = _COMPILER / "diagnostics" / "codes"
_MANIFEST = "manifest.json"
# What a shell would read as more than a name is not offered.
_PLAIN = re.compile(r"[\w./@%+=~ -]+")


def packs(_: click.Context, __: click.Parameter, incomplete: str) -> list[str]:
    """Folders; where one is left that is no pack, the folders in it too, so that the shell waits."""
    found = list(_folders(incomplete))
    if len(found) == 1 and not Path(found[0], _MANIFEST).is_file():
        found += _folders(found[0])
    return found


def pipelines(_: click.Context, __: click.Parameter, incomplete: str) -> list[str]:
    """The shipped pipelines, and YAML files."""
    return shipped_pipelines(_, __, incomplete) + [
        path for path, is_folder in _entries(incomplete) if is_folder or _is_yaml(path)
    ]


def shipped_pipelines(_: click.Context, __: click.Parameter, incomplete: str) -> list[str]:
    """The shipped pipelines alone."""
    found = sorted(file.stem for file in _SHIPPED.glob("*.yml") if file.stem != _INDEX)
    return [name for name in found if name.startswith(incomplete)]


def words(known: Sequence[str]) -> Callable[[click.Context, click.Parameter, str], list[str]]:
    """What completes one of these words, behind those that are given already."""

    def completed(_: click.Context, __: click.Parameter, incomplete: str) -> list[str]:
        given, comma, begun = incomplete.rpartition(",")
        return [f"{given}{comma}{word}" for word in known if word.startswith(begun)]

    return completed


def codes(_: click.Context, __: click.Parameter, incomplete: str) -> list[str]:
    """The codes of warnings and notes, behind those that are given already."""
    given, comma, begun = incomplete.rpartition(",")
    known = (
        re.findall("^([WN]_[A-Z_]+):", file.read_text(), re.M) for file in _CODES.glob("*.yml")
    )
    found = sorted(code for each in known for code in each if code.startswith(begun))
    return [f"{given}{comma}{code}" for code in found]


def _is_yaml(path: str) -> bool:
    return path.endswith((".yml", ".yaml"))


def _folders(incomplete: str) -> Iterator[str]:
    return (path for path, is_folder in _entries(incomplete) if is_folder)


def _entries(incomplete: str) -> Iterator[tuple[str, bool]]:
    """What lies on the disk under names that begin so: path (a folder's ends in `/`), is a folder."""
    begun = incomplete.rpartition("/")[2]
    prefix = incomplete.removesuffix(begun)
    try:
        entries = sorted(os.scandir(prefix or "."), key=lambda entry: entry.name)
    except OSError:
        return  # nothing can be offered there
    for entry in entries:
        hidden = entry.name.startswith(".") and not begun.startswith(".")
        if entry.name.startswith(begun) and not hidden and _PLAIN.fullmatch(entry.name):
            is_folder = entry.is_dir()
            yield f"{prefix}{entry.name}{'/' * is_folder}", is_folder
