"""Two packs compared and shown, for `sigmac diff` and for what `sigmac push` shows before a swap."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from sigmac.cli.options import say
from sigmac.runtime.errors import InputError, PackError

if TYPE_CHECKING:
    from sigmac.compiler.changes.documented import Documented, Key
    from sigmac.compiler.changes.sides import Side
    from sigmac.compiler.syntax.documents import FileContents
    from sigmac.runtime.inputs.lines import Block
    from sigmac.runtime.reading.reading import Reading

CHANGES = ("added", "removed", "changed", "gained", "lost")
MAX_REPORTED = 20  # inputs that cannot be read


class DiffForm(StrEnum):
    """How the difference is printed."""

    text = "text"
    markdown = "markdown"
    json = "json"


difference_format = click.option(
    "--format",
    "form",
    type=click.Choice(DiffForm),
    default=DiffForm.text,
    help="For people, for a merge request, or for programs.",
)


@dataclass(frozen=True, slots=True)
class PackRead:
    """A side as it was read: the pack's folder, its version, whose signatures it must have, its documents."""

    folder: Path
    version: str
    keys: list[bytes] | None
    documents: Mapping[Key, Documented]


def read_side(
    pack: str | Path, keys: list[bytes] | None, files: Iterable[FileContents] = ()
) -> PackRead:
    """What a pack holds, of which none of the code is run; `files` are those that it was made of, where they are known.

    Raises `PackError`.
    """
    from sigmac.compiler.changes.documented import documents_of
    from sigmac.runtime.pack.contents import read_contents

    contents = read_contents(pack, keys)
    if contents.problem is not None:
        raise PackError(contents.problem)
    version = str(contents.manifest.get("version", ""))
    return PackRead(contents.folder, version, keys, documents_of(contents, files))


@dataclass(frozen=True, slots=True)
class Events:
    """Inputs, how they are read, what they are, and where their time stands."""

    names: Sequence[str]
    reading: Reading
    logsource: str | None = None
    timestamp_fields: Sequence[str] = ()


def compared(before: PackRead, after: PackRead, events: Events) -> tuple[dict[str, Any], list[str]]:
    """The report on two sides, with events also on what they match, and why some events cannot be read."""
    from sigmac.compiler.changes.change_report import report
    from sigmac.compiler.changes.match_changes import compare

    found = None
    unreadable: list[str] = []
    if events.names:
        found = compare(
            _loaded(before),
            _loaded(after),
            _blocks(events, unreadable),
            _tag(events.logsource),
            events.timestamp_fields,
        )
    return report(before.documents, after.documents, found), unreadable


def _tag(logsource: str | None) -> Mapping[str, str] | None:
    from sigmac.cli import options

    if logsource is None:
        return None
    return {} if logsource == "any" else options.logsource(logsource)


def _loaded(read: PackRead) -> Side:
    from sigmac.compiler.changes.documented import CORRELATION, RULE
    from sigmac.compiler.changes.sides import Side
    from sigmac.runtime.pack.pack import load_pack

    # What was read may have been exchanged since: its signature is asked for again.
    pack = load_pack(read.folder, trusted_keys=read.keys)
    rules, correlations = (
        [key for key in read.documents if key[0] == kind] for kind in (RULE, CORRELATION)
    )
    return Side(pack, rules, correlations)


def _blocks(events: Events, unreadable: list[str]) -> Iterator[Block]:
    """The events of all inputs; of what cannot be read why."""
    from sigmac.runtime.reading.reading import read_events

    for name in events.names:
        try:
            yield from read_events(name, events.reading)
        except InputError as error:
            unreadable.append(str(error))


def show(told: Mapping[str, Any], unreadable: Sequence[str], form: DiffForm, *, code: bool) -> None:
    """Print the report, and say what could not be read."""
    from sigmac.cli.diff_report import lines_of, markdown_of

    if form is DiffForm.json:
        print(json.dumps(told, indent=2))
    else:
        lines = markdown_of if form is DiffForm.markdown else lines_of
        print(*lines(told, code=code), sep="\n")
    sys.stdout.flush()
    for each in unreadable[:MAX_REPORTED]:
        say(f"sigmac: {each}")


def counts_of(told: Mapping[str, Any]) -> dict[str, int]:
    """How many there are of each of `CHANGES`."""
    counts = {what: len(told[what]) for what in ("added", "removed", "changed")}
    for what in ("gained", "lost"):
        counts[what] = sum(told[each][what] for each in ("matches", "alerts") if each in told)
    return counts
