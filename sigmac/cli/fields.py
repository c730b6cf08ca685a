"""`sigmac fields`: which rules can never match some events, and what of the events keeps them from it."""

from __future__ import annotations

import contextlib
import json
import sys
from collections.abc import Generator, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.exceptions import Exit

from sigmac.cli import completion
from sigmac.cli.command import Argument, Command
from sigmac.cli.exit_status import ExitStatus
from sigmac.cli.options import (
    Form,
    at_least,
    direct_pipeline,
    event_logsource,
    fail_on_any,
    failed_on,
    input_format,
    output_format,
    read_keys,
    say,
    select,
    trusted_key,
)
from sigmac.cli.project_options import project_file
from sigmac.runtime.errors import EventError, InputError

if TYPE_CHECKING:
    from sigmac.project.project import Project
    from sigmac.runtime.chances.event_fields import EventFields
    from sigmac.runtime.inputs.lines import Block
    from sigmac.runtime.reading.reading import Reading

EXAMPLE = """Examples:

  sigmac fields build/windows logs/

  sigmac fields rules/ events.ndjson --pipeline windows --rules

  sigmac fields build/windows events.ndjson --fail-on fields,no-rule
"""
MAX_REPORTED = 20  # of what cannot be read; all is counted
# What `--fail-on` takes: where the report has it
FAILURES = {
    "fields": ("rules", "fields"),
    "values": ("rules", "values"),
    "logsource": ("rules", "logsource"),
    "always": ("rules", "always"),
    "no-rule": ("without_rule", "events"),
    "shape": ("shapes",),
}

# An event with what its format says it is, or why something is none
Read = tuple[dict[str, Any], Mapping[str, str] | None] | str


@click.command(cls=Command, epilog=EXAMPLE)
@click.argument(
    "pack",
    cls=Argument,
    required=False,
    metavar="[PACK]",
    help="Folder or name of a rule pack, or rules. Default: the rules of the project file.",
    shell_complete=completion.packs,
)
@click.argument(
    "inputs",
    cls=Argument,
    nargs=-1,
    type=click.Path(),
    metavar="[FILE|-]...",
    help="Files and folders with events, as for `sigmac run`. Default: those of the project file, else "
    "standard input.",
)
@direct_pipeline
@event_logsource
@input_format
@select
@click.option("--evtx", is_flag=True, help="Look at every line for a record of EVTX.")
@click.option("--first", type=at_least(1), metavar="N", help="Look at the first N events only.")
@click.option("--rules", is_flag=True, help="List the rules that cannot match.")
@click.option("--unused", is_flag=True, help="List the fields of events that no rule asks for.")
@fail_on_any(FAILURES)
@trusted_key
@output_format
@project_file
def fields(
    pack: str | None,
    inputs: tuple[str, ...],
    pipeline: tuple[str, ...],
    stream_logsource: str | None,
    input_format: str | None,
    select: str | None,
    evtx: bool,
    first: int | None,
    rules: bool,
    unused: bool,
    fail_on: list[str],
    trusted_key: tuple[Path, ...],
    form: Form,
    project: Project,
) -> None:
    """Show which rules can never match these events, and which fields or values they ask for in vain.

    Exit status 1 where events cannot be read, 3 where there is what `--fail-on` names.
    """
    from sigmac.cli.chosen_pipelines import first_events
    from sigmac.cli.direct_rules import load_pack_or_rules, pack_and_inputs
    from sigmac.cli.event_files import event_files, how_to_read, stream_tag
    from sigmac.cli.fields_report import lines_of, report_of, schemas
    from sigmac.runtime.chances.chances import Chances
    from sigmac.runtime.chances.event_shapes import EventShapes
    from sigmac.runtime.pack.pack import load_pack

    reading = how_to_read(input_format, select, evtx)
    places, given_inputs = pack_and_inputs(pack, inputs, project)
    if not given_inputs and sys.stdin.isatty():
        raise click.BadParameter("name files with events, or pipe them in", param_hint="[FILE|-]…")
    load = partial(load_pack, trusted_keys=read_keys(trusted_key))
    names = event_files(given_inputs) or ["-"]
    looked_at = partial(first_events, names, reading)
    loaded = load_pack_or_rules(
        places, pipeline, load, looked_at, project, signed=bool(trusted_key)
    )
    tag = stream_tag(stream_logsource, loaded) if stream_logsource else None
    chances = Chances(loaded)
    seen = chances.event_fields()
    seen.look_at_shape = EventShapes(seen.asked, schemas(loaded)).shape_of
    with contextlib.closing(_read(names, reading, loaded.dispatch.most_values)) as events:
        unreadable = _look(seen, events, tag, first)
    report = report_of(loaded, seen, chances.of_events(seen), unused=unused)
    report["unreadable"] = unreadable
    if form is Form.json:
        print(json.dumps(report, indent=2))
    else:
        print(*lines_of(report, first, rules=rules), sep="\n")
    sys.stdout.flush()
    failed = failed_on(fail_on, {name: _has(report, name) for name in FAILURES})
    if unreadable:
        raise Exit(ExitStatus.FAILED)
    if failed:
        raise Exit(ExitStatus.MATCHED)


def _has(report: Mapping[str, Any], failure: str) -> int:
    found: Any = report
    for key in FAILURES[failure]:
        found = found[key]
    return found if isinstance(found, int) else len(found)


def _look(
    seen: EventFields, events: Iterator[Read], tag: Mapping[str, str] | None, first: int | None
) -> int:
    """Look at all events, or at the first ones; how much could not be read."""
    unreadable = looked = 0
    for each in events:
        if isinstance(each, str):
            unreadable += 1
            if unreadable <= MAX_REPORTED:
                say(each)
            elif unreadable == MAX_REPORTED + 1:
                say("what else cannot be read is counted only")
            continue
        event, logsource = each
        seen.look(event, tag if tag is not None else logsource or None)
        looked += 1
        if looked == first:
            break
    return unreadable


def _read(names: Sequence[str], reading: Reading, most_values: int) -> Generator[Read, None, None]:
    """The events of inputs with what their format says they are; of what cannot be read the reason."""
    from sigmac.runtime.reading.reading import read_events

    for name in names:
        try:
            for block in read_events(name, reading):
                for position, reason in block.unreadable:
                    yield f"{block.name}:{position + 1}: rejected: {reason}"
                yield from _events_in(block, most_values)
        except InputError as error:
            yield f"sigmac: {error}"


def _events_in(block: Block, most_values: int) -> Iterator[Read]:
    from sigmac.runtime.scalar.json_record import check_values, parse_record, records_in

    for number, _, text in records_in(block.data):
        try:
            event = parse_record(text)
            check_values(event, most_values, len(text))
            yield event, block.logsource
        except EventError as error:
            yield f"{block.name}:{block.position(number) + 1}: rejected: {error}"
