"""The files that a command's inputs name: files themselves, and all that lie in folders."""

from __future__ import annotations

import os
from collections.abc import Sequence

from sigmac.runtime.errors import InputError

MAX_FILES = 1_000_000


def event_files(inputs: Sequence[str]) -> list[str]:
    """Files as they are named, those in folders sorted by their paths; hidden ones there are passed over.

    A folder without files stays, so that it is told when it is read. Raises `InputError` where one cannot be looked
    into.
    """
    found: list[str] = []
    for name in inputs:
        if not os.path.isdir(name):
            found.append(name)
            continue
        found += sorted(_below(name)) or [name]
    return found


def _below(folder: str) -> list[str]:
    found: list[str] = []

    def fail(error: OSError) -> None:
        raise InputError(f"{error.filename}: {error.strerror}")

    for where, folders, files in os.walk(folder, onerror=fail):
        folders[:] = [name for name in folders if not name.startswith(".")]
        found += [os.path.join(where, name) for name in files if not name.startswith(".")]
        if len(found) > MAX_FILES:
            raise InputError(f"{folder}: more than {MAX_FILES:,} files")
    return [path for path in found if os.path.isfile(path)]
