"""`sigmac diff`: what differs between two packs, or sets of rules, and in what they match."""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING

import click
from click.exceptions import Exit

from sigmac.cli import completion
from sigmac.cli.command import Argument, Command
from sigmac.cli.exit_status import ExitStatus
from sigmac.cli.options import (
    COMPILER,
    direct_pipeline,
    event_logsource,
    fail_on_any,
    failed_on,
    input_format,
    need,
    read_keys,
    say,
    select,
    timestamp_field,
    trusted_key,
)
from sigmac.cli.project_options import pipelines_of, project_file
from sigmac.runtime.errors import InputError, PackError

if TYPE_CHECKING:
    from sigmac.compiler.changes.documented import Documented, Key
    from sigmac.compiler.changes.match_changes import MatchChanges
    from sigmac.compiler.changes.sides import Side
    from sigmac.compiler.syntax.documents import FileContents
    from sigmac.project.project import Project
    from sigmac.runtime.inputs.lines import Block
    from sigmac.runtime.reading.reading import Reading

EXAMPLE = """Examples:

  sigmac diff build/old build/new

  sigmac diff git:main rules/ events.ndjson --pipeline windows

  sigmac diff git:v1.2:rules git:v1.3:rules --format markdown

  sigmac diff git:main rules/ logs/ --fail-on removed,lost
"""
CHANGES = ("added", "removed", "changed", "gained", "lost")
MAX_REPORTED = 20  # inputs that cannot be read


class DiffForm(StrEnum):
    """How the difference is printed."""

    text = "text"
    markdown = "markdown"
    json = "json"


@click.command(cls=Command, epilog=EXAMPLE)
@click.argument(
    "old",
    cls=Argument,
    required=False,
    metavar="[OLD]",
    help="Folder or name of a rule pack, or rules; git:REV[:PATH] for rules of a revision, without PATH those of NEW. "
    "Default: the base of the project file.",
    shell_complete=completion.packs,
)
@click.argument(
    "new",
    cls=Argument,
    required=False,
    metavar="[NEW]",
    help="The same, as it is now. Default: the rules of the project file.",
    shell_complete=completion.packs,
)
@click.argument(
    "inputs",
    cls=Argument,
    nargs=-1,
    type=click.Path(),
    metavar="[FILE]...",
    help="Files and folders with events, as for `sigmac run`: tell which matches and alerts are gained and lost. "
    "Default: those of the project file.",
)
@direct_pipeline
@event_logsource
@input_format
@select
@timestamp_field
@click.option("--code", is_flag=True, help="Show what changed in the generated code.")
@fail_on_any(CHANGES)
@trusted_key
@click.option(
    "--format",
    "form",
    type=click.Choice(DiffForm),
    default=DiffForm.text,
    help="For people, for a merge request, or for programs.",
)
@project_file
def diff(
    old: str | None,
    new: str | None,
    inputs: tuple[str, ...],
    pipeline: tuple[str, ...],
    stream_logsource: str | None,
    input_format: str | None,
    select: str | None,
    timestamp_field: tuple[str, ...],
    code: bool,
    fail_on: list[str],
    trusted_key: tuple[Path, ...],
    form: DiffForm,
    project: Project,
) -> None:
    """Show what differs between two packs or sets of rules, and in what they match.

    Rules are told apart by their ids, without one by their titles. Exit status 1 where events cannot be read, 3 where
    there is what `--fail-on` names.
    """
    from sigmac.cli.chosen_pipelines import NONE, chosen, first_events
    from sigmac.cli.diff_report import lines_of, markdown_of
    from sigmac.cli.event_files import event_files, how_to_read
    from sigmac.compiler.changes.change_report import report

    need("compiler", *COMPILER)
    old, new, inputs = _sides(old, new, inputs, project)
    reading = how_to_read(input_format, select, False)
    names = event_files(inputs)
    found: MatchChanges | None = None
    unreadable: list[str] = []
    with ExitStack() as stack:
        places = [_checked_out(given, other, stack) for given, other in ((old, new), (new, old))]
        if any(map(_holds_rules, places)):
            given = pipeline or pipelines_of(project) or (() if names else (NONE,))
            pipelines = chosen(given, lambda: first_events(names, reading))
        elif pipeline:
            raise click.BadParameter(
                "packs were built with theirs; rules are given some", param_hint="--pipeline"
            )
        else:
            pipelines = ()
        before, after = (_read(place, pipelines, project, trusted_key, stack) for place in places)
        if names:
            blocks = _blocks(names, reading, unreadable)
            found = _compared(before, after, blocks, stream_logsource, timestamp_field)
    told = {"old": old, "new": new, **report(before.documents, after.documents, found)}
    if form is DiffForm.json:
        print(json.dumps(told, indent=2))
    else:
        lines = (
            markdown_of(told, code=code) if form is DiffForm.markdown else lines_of(told, code=code)
        )
        print(*lines, sep="\n")
    sys.stdout.flush()
    for each in unreadable[:MAX_REPORTED]:
        say(f"sigmac: {each}")
    counts = {what: len(told[what]) for what in ("added", "removed", "changed")}
    for what in ("gained", "lost"):
        counts[what] = sum(told[each][what] for each in ("matches", "alerts") if each in told)
    failed = failed_on(fail_on, counts)
    if unreadable:
        raise Exit(ExitStatus.FAILED)
    if failed:
        raise Exit(ExitStatus.MATCHED)


def _checked_out(given: str, other: str, stack: ExitStack) -> str:
    from sigmac.compiler.changes.git_revision import PREFIX, check_out

    if not given.startswith(PREFIX):
        return given
    folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="sigmac-git-"))
    return check_out(given, other, Path(folder))


def _sides(
    old: str | None, new: str | None, inputs: tuple[str, ...], project: Project
) -> tuple[str, str, tuple[str, ...]]:
    """What is compared, and events, where the project names what is not given."""
    from sigmac.project.project import shown

    if old is None:
        said = "name what to compare with; a project file (sigmac.toml) may name it as `base`"
        raise click.BadParameter(said, param_hint="OLD")
    if new is None:
        if len(project.rules) != 1:
            said = "name what to compare; of a project file it is the one folder of `rules`"
            raise click.BadParameter(said, param_hint="NEW")
        new = shown(project.rules[0])
    return old, new, inputs or tuple(map(shown, project.events))


def _holds_rules(place: str) -> bool:
    from sigmac.cli.direct_rules import holds_rules

    return holds_rules(place)


@dataclass(frozen=True, slots=True)
class _Read:
    """A side as it was read: the pack's folder, whose signatures it must have, its documents."""

    folder: Path
    keys: list[bytes] | None
    documents: Mapping[Key, Documented]


def _read(
    place: str,
    pipelines: Sequence[str],
    project: Project,
    trusted_keys: Sequence[Path],
    stack: ExitStack,
) -> _Read:
    """What a pack holds, or one that is made of rules. Raises `PackError`."""
    from sigmac.cli.direct_rules import pack_of_rules
    from sigmac.compiler.changes.documented import documents_of
    from sigmac.compiler.syntax.documents import read_file
    from sigmac.compiler.syntax.rule_files import find_sources
    from sigmac.runtime.pack.contents import read_contents

    files: list[FileContents] = []
    pack: str | Path = place
    keys = read_keys(trusted_keys)
    if _holds_rules(place):
        pack = stack.enter_context(pack_of_rules([place], pipelines, project))
        files = [read_file(each.read(), each.file) for each in find_sources([place])]
        keys = None
    contents = read_contents(pack, keys)
    if contents.problem is not None:
        raise PackError(contents.problem)
    return _Read(contents.folder, keys, documents_of(contents, files))


def _compared(
    before: _Read,
    after: _Read,
    blocks: Iterator[Block],
    stream_logsource: str | None,
    timestamp_fields: Sequence[str],
) -> MatchChanges:
    from sigmac.cli.options import logsource
    from sigmac.compiler.changes.match_changes import compare

    tag: Mapping[str, str] | None = None
    if stream_logsource is not None:
        tag = {} if stream_logsource == "any" else logsource(stream_logsource)
    return compare(_loaded(before), _loaded(after), blocks, tag, timestamp_fields)


def _loaded(read: _Read) -> Side:
    from sigmac.compiler.changes.documented import CORRELATION, RULE
    from sigmac.compiler.changes.sides import Side
    from sigmac.runtime.pack.pack import load_pack

    # What was read may have been exchanged since: its signature is asked for again.
    pack = load_pack(read.folder, trusted_keys=read.keys)
    rules, correlations = (
        [key for key in read.documents if key[0] == kind] for kind in (RULE, CORRELATION)
    )
    return Side(pack, rules, correlations)


def _blocks(names: Sequence[str], reading: Reading, unreadable: list[str]) -> Iterator[Block]:
    """The events of all inputs; of what cannot be read why."""
    from sigmac.runtime.reading.reading import read_events

    for name in names:
        try:
            yield from read_events(name, reading)
        except InputError as error:
            unreadable.append(str(error))
