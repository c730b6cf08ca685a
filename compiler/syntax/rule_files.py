"""Finds the rule files that a build's paths name, and exchanges the content of one."""

from __future__ import annotations

import os
import stat
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NoReturn

from sigmac.compiler.syntax.yaml_nodes import MAX_BYTES
from sigmac.runtime.errors import InputError

SUFFIXES = frozenset({".yml", ".yaml"})
MAX_FILES = 200_000


@dataclass(frozen=True, slots=True)
class SourceFile:
    """A rule file: `file` as the user would name it, `source` as the pack names it, whatever the current folder.

    One that was named itself, not found in a folder, may be a pipe: `sigmac check <(make-rules)`.
    """

    file: str
    source: str
    path: Path
    named: bool = False

    def read(self) -> bytes:
        """The bytes of the file, of a file that is too large no more than tells so.

        Raises `InputError` with one sentence.
        """
        try:
            # Opened without waiting: a pipe among the rules that nobody writes to must not hold up the build.
            handle = os.open(self.path, os.O_RDONLY | (0 if self.named else os.O_NONBLOCK))
            try:
                status = os.fstat(handle)
                if stat.S_ISREG(status.st_mode):
                    return _read(handle, status.st_size)
                if self.named and stat.S_ISFIFO(status.st_mode):
                    return _read(handle, 0)
                raise InputError(f"{self.file}: this is no regular file")
            finally:
                os.close(handle)
        except OSError as error:
            raise InputError(f"{self.file}: {error.strerror or error}") from None


def _read(handle: int, size: int) -> bytes:
    """The bytes of a file, of about this size, up to what tells that it is too large."""
    # To ask for more than there is would take as much memory: cut back, each file's would be a mapping of its own, of
    # which a process has 65,530.
    found = os.read(handle, min(size, MAX_BYTES) + 1)
    if len(found) == size:
        return found
    parts, count = [found], len(found)
    while parts[-1] and count <= MAX_BYTES:
        parts.append(os.read(handle, min(1 << 16, MAX_BYTES + 1 - count)))
        count += len(parts[-1])
    return b"".join(parts)


def replace_file(file: str | Path, data: bytes) -> None:
    """Write a file anew in one step, by one of a name that nobody can have laid a link under.

    Owner and mode stay, and so do links to the file. Raises `OSError`; the file is as it was then.
    """
    real = os.path.realpath(file)
    before = os.stat(real)
    handle, name = tempfile.mkstemp(prefix=".sigmac-", dir=os.path.dirname(real))
    try:
        with open(handle, "wb") as new:
            new.write(data)
        if (before.st_uid, before.st_gid) != (os.geteuid(), os.getegid()):
            with suppress(PermissionError):
                os.chown(name, before.st_uid, before.st_gid)
        os.chmod(name, stat.S_IMODE(before.st_mode))
        os.replace(name, real)
    except BaseException:
        os.unlink(name)
        raise


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
            inside = list(files_below(given, _refuse))
            for inner in inside:
                source = f"{root}/{inner.replace(os.sep, '/')}"
                file = os.path.join(given, inner)
                _add(found, os.path.join(real, inner), file, source)
            if not inside:
                raise InputError(f"{given}: the folder holds no .yml or .yaml file")
        elif os.path.exists(given):
            _add(found, real, given, os.path.basename(given), named=True)
        else:
            raise InputError(f"{given}: there is no such file or folder")
    if len(found) > MAX_FILES:
        raise InputError(f"{len(found)} files are more than {MAX_FILES}")
    return sorted(_told_apart(found), key=lambda each: each.source)


def _add(
    found: dict[str, SourceFile], real: str, file: str, source: str, *, named: bool = False
) -> None:
    """Note a file; one that is given twice has the longer of its names, in whatever order they come."""
    made = SourceFile(_text(file), _text(source), Path(file), named)
    known = found.get(real)
    if known is None or (len(known.source), known.source) < (len(made.source), made.source):
        found[real] = made


def _text(name: str) -> str:
    """A file's name as text; bytes in it that are no UTF-8 are written `\\xff`."""
    return os.fsencode(name).decode("utf-8", "backslashreplace")


def files_below(folder: str, tell: Callable[[OSError], None]) -> Iterator[str]:
    """Rule files below a folder, by their path in it; links to folders are followed, each folder is entered once.

    `tell` is called for a folder that cannot be read, which is passed over where it does not raise.
    """
    entered = {_identity(folder)}

    def is_entered(path: str) -> bool:
        known = len(entered)
        entered.add(_identity(path))
        return len(entered) > known

    for where, folders, files in os.walk(folder, onerror=tell, followlinks=True):
        shown = sorted(name for name in folders if not name.startswith("."))
        folders[:] = [name for name in shown if is_entered(os.path.join(where, name))]
        inside = os.path.relpath(where, folder)
        for name in sorted(files):
            if not name.startswith(".") and os.path.splitext(name)[1].lower() in SUFFIXES:
                yield name if inside == "." else os.path.join(inside, name)


def _refuse(error: OSError) -> NoReturn:
    raise InputError(f"{_text(error.filename)}: {error.strerror}")


def _identity(folder: str) -> tuple[int, int]:
    status = os.stat(folder)
    return status.st_dev, status.st_ino


def _told_apart(files: dict[str, SourceFile]) -> Iterator[SourceFile]:
    """The files, with a number in front of names that two of them share."""
    seen: dict[str, int] = {}
    for _, each in sorted(files.items(), key=lambda item: (item[1].source, item[0])):
        number = seen[each.source] = seen.get(each.source, 0) + 1
        if number > 1:
            yield replace(each, source=f"{number}/{each.source}")
        else:
            yield each
