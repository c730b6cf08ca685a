"""The files that a command's inputs name, files themselves and all that lie in folders, and how they are read."""

from __future__ import annotations

import difflib
import os
from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from sigmac.cli.options import logsource
from sigmac.runtime.errors import InputError

if TYPE_CHECKING:
    from sigmac.runtime.inputs.lines import Buffers
    from sigmac.runtime.pack.pack import Pack
    from sigmac.runtime.reading.reading import Reading

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


def how_to_read(
    form: str | None,
    select: str | None,
    unwrap: bool,
    max_record: int = 16,
    max_expansion: int = 500,
    buffers: Buffers | None = None,
) -> Reading:
    """How the inputs are read; `max_record` in MiB, `buffers` as of `Reading`.

    Raises `click.BadParameter` for a format that there is not.
    """
    from sigmac.runtime.reading.known_formats import formats
    from sigmac.runtime.reading.reading import Reading

    if form is not None and form not in formats():
        near = difflib.get_close_matches(form, formats(), 1)
        hint = f"; did you mean `{near[0]}`?" if near else "; `sigmac formats` lists them"
        raise click.BadParameter(f"there is no format `{form}`{hint}")
    return Reading(
        form,
        select,
        unwrap,
        max_record=max_record << 20,
        max_expansion=max_expansion,
        buffers=buffers,
    )


def stream_tag(given: str, pack: Pack) -> dict[str, str]:
    """What `--logsource` says; a value that no rule of the pack has is a mistake, or nothing that it can find."""
    if given == "any":
        return {}
    tag = dict(logsource(given))
    for key, value in tag.items():
        known = pack.logsource_values(key)
        if known and value.lower() not in known:
            near = difflib.get_close_matches(value.lower(), known, 1)
            hint = f"; did you mean `{near[0]}`?" if near else f"; it has {', '.join(known[:12])}"
            raise click.BadParameter(
                f"no rule of {pack.name} is for {key} `{value}`{hint}", param_hint="--logsource"
            )
    return tag
