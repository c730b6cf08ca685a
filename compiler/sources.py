"""Finds the rule files that a build's paths name."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
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

    Raises `InputError` where a path does not exist or a folder holds no rules.
    """
    found: dict[Path, SourceFile] = {}
    for given in paths:
        path = Path(given)
        if path.is_dir():
            before = len(found)
            for each in _below(path):
                name = f"{path.resolve().name}/{each.relative_to(path).as_posix()}"
                found.setdefault(each.resolve(), SourceFile(str(each), name, each))
            if len(found) == before:
                raise InputError(
                    f"{given}: the folder holds no .yml or .yaml file that is not named already"
                )
        elif path.exists():
            found.setdefault(path.resolve(), SourceFile(str(given), path.name, path))
        else:
            raise InputError(f"{given}: there is no such file or folder")
    if len(found) > MAX_FILES:
        raise InputError(f"{len(found)} files are more than {MAX_FILES}")
    return sorted(_told_apart(found.values()), key=lambda each: each.source)


def _below(folder: Path) -> Iterator[Path]:
    for path in sorted(folder.rglob("*")):
        hidden = any(part.startswith(".") for part in path.relative_to(folder).parts)
        if path.suffix.lower() in SUFFIXES and not hidden and path.is_file():
            yield path


def _told_apart(files: Iterable[SourceFile]) -> Iterator[SourceFile]:
    """The files, with a number in front of names that two of them share."""
    seen: dict[str, int] = {}
    for each in sorted(files, key=lambda each: (each.source, str(each.path.resolve()))):
        number = seen[each.source] = seen.get(each.source, 0) + 1
        if number > 1:
            yield SourceFile(each.file, f"{number}/{each.source}", each.path)
        else:
            yield each
