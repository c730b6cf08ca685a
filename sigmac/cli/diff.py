"""`sigmac diff`: what differs between two packs, or sets of rules, and in what they match."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import click
from click.exceptions import Exit

from sigmac.cli import completion
from sigmac.cli.command import Argument, Command
from sigmac.cli.compared_packs import (
    CHANGES,
    DiffForm,
    Events,
    PackRead,
    compared,
    counts_of,
    difference_format,
    read_side,
    show,
)
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
    select,
    timestamp_field,
    trusted_key,
)
from sigmac.cli.project_options import pipelines_of, project_file

if TYPE_CHECKING:
    from sigmac.project.project import Project

EXAMPLE = """Examples:

  sigmac diff build/old build/new

  sigmac diff git:main rules/ events.ndjson --pipeline windows

  sigmac diff git:v1.2:rules git:v1.3:rules --format markdown

  sigmac diff git:main rules/ logs/ --fail-on removed,lost
"""


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
@difference_format
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
    from sigmac.cli.event_files import event_files, how_to_read

    need("compiler", *COMPILER)
    old, new, inputs = _sides(old, new, inputs, project)
    reading = how_to_read(input_format, select, False)
    names = event_files(inputs)
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
        events = Events(names, reading, stream_logsource, timestamp_field)
        found, unreadable = compared(before, after, events)
    told = {"old": old, "new": new, **found}
    show(told, unreadable, form, code=code)
    failed = failed_on(fail_on, counts_of(told))
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


def _read(
    place: str,
    pipelines: Sequence[str],
    project: Project,
    trusted_keys: Sequence[Path],
    stack: ExitStack,
) -> PackRead:
    """What a pack holds, or one that is made of rules. Raises `PackError`."""
    from sigmac.cli.direct_rules import pack_of_rules
    from sigmac.compiler.syntax.documents import read_file
    from sigmac.compiler.syntax.rule_files import find_sources

    if not _holds_rules(place):
        return read_side(place, read_keys(trusted_keys))
    pack = stack.enter_context(pack_of_rules([place], pipelines, project))
    files = [read_file(each.read(), each.file) for each in find_sources([place])]
    return read_side(pack, None, files)
