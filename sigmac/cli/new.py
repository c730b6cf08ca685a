"""`sigmac new`: a first draft of a rule and its cases, from an event that it should match."""

from __future__ import annotations

import datetime
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from sigmac.cli.command import Argument, Command
from sigmac.cli.options import (
    COMPILER,
    at_least,
    counted,
    input_format,
    logsource,
    need,
    say,
    select,
)
from sigmac.cli.project_options import project_defaults
from sigmac.runtime.errors import InputError

if TYPE_CHECKING:
    from sigmac.compiler.drafts.draft import Draft
    from sigmac.runtime.reading.reading import Reading

EXAMPLE = """Examples:

  sigmac new event.json

  sigmac new attack.evtx --position 12 --corpus logs/ --title "Certutil Downloads"

  sigmac new event.json --logsource product=windows,category=process_creation -o rules
"""


@click.command(cls=Command, epilog=EXAMPLE)
@click.argument(
    "event",
    cls=Argument,
    type=click.Path(),
    metavar="EVENT",
    help="File with the event that the rule should match, of any format; `-` is standard input.",
)
@click.option(
    "--position",
    type=at_least(1),
    default=1,
    metavar="N",
    help="Which of the file's events it is, counted from 1.",
)
@click.option(
    "--corpus",
    multiple=True,
    type=click.Path(),
    metavar="PATH",
    help="Other events, among which what the rule asks for should be rare. Repeatable.",
)
@click.option("--title", metavar="TEXT", help="Title of the rule. Default: from what it asks for.")
@click.option("--author", metavar="TEXT", help="Author of the rule.")
@click.option(
    "--logsource",
    "given_logsource",
    metavar="KEY=VALUE,…",
    help="The rule's logsource, as product=windows,category=process_creation. Default: what the event says.",
)
@input_format
@select
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path, file_okay=False),
    metavar="DIR",
    help="Folder of rules that the rule and its cases are written into. Default: standard output, the rule alone.",
)
@project_defaults
def new(
    event: str,
    position: int,
    corpus: tuple[str, ...],
    title: str | None,
    author: str | None,
    given_logsource: str | None,
    input_format: str | None,
    select: str | None,
    output: Path | None,
) -> None:
    """Draft a rule, with its cases, from an event that it should match.

    It asks for what is rarest in other events; what comes out is a beginning, to be read and changed.
    """
    need("compiler", *COMPILER)
    from sigmac.cli.event_files import event_files, how_to_read
    from sigmac.compiler.drafts.draft import draft, rule_text, title_of
    from sigmac.compiler.drafts.told_logsource import told_logsource

    reading = how_to_read(input_format, select, False)
    found, told = _event(event, position, reading)
    source = (
        dict(logsource(given_logsource)) if given_logsource else {**told, **told_logsource(found)}
    )
    if not source:
        raise click.BadParameter(
            "the event does not say of which log it is: give product, category or service",
            param_hint="--logsource",
        )
    others = (each for each, _ in _events(event_files(corpus), reading))
    try:
        drafted = draft(found, source, others)
    except ValueError as error:
        raise InputError(f"{event}: {error}") from None
    name = title or title_of(drafted)
    text = rule_text(drafted, name, author, datetime.datetime.now(datetime.UTC).date())
    if output is None:
        sys.stdout.write(text)
    else:
        _write(output, drafted, name, text, found)
    sys.stdout.flush()
    if corpus:
        say(f"of {counted(drafted.corpus, 'other event')} it matches {drafted.matched:,}")


def _write(output: Path, drafted: Draft, title: str, text: str, event: Mapping[str, Any]) -> None:
    from sigmac.compiler.cases.write_cases import format_cases
    from sigmac.compiler.drafts.draft import file_name

    name = file_name(drafted, title)
    near = drafted.near_miss
    cases = format_cases(
        None,
        [("the event that it was made of", event)],
        [] if near is None else [("has some of what it asks for", near)],
    )
    for path, content in ((output / name, text), (output / "events" / name, cases)):
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("x", encoding="utf-8") as file:
                file.write(content)
        except FileExistsError:
            raise InputError(f"{path}: this file is there already; give another --title") from None
        except OSError as error:
            raise InputError(f"{path}: {error.strerror or error}") from None
        print(path)


def _event(name: str, position: int, reading: Reading) -> tuple[dict[str, Any], Mapping[str, str]]:
    """The event of a file, with what its format says it is."""
    last = 0
    for number, found in enumerate(_events([name], reading), 1):
        if number == position:
            return found
        last = number
    raise InputError(f"{name}: there is no event {position}, it holds {last:,}")


def _events(
    names: Sequence[str], reading: Reading
) -> Iterator[tuple[dict[str, Any], Mapping[str, str]]]:
    from sigmac.runtime.errors import EventError
    from sigmac.runtime.reading.reading import read_events
    from sigmac.runtime.scalar.json_record import parse_record, records_in

    for name in names:
        for block in read_events(name, reading):
            for _, _, text in records_in(block.data):
                try:
                    yield parse_record(text), block.logsource or {}
                except EventError:
                    continue  # a corpus may hold what is none; `sigmac run` tells of it
