"""`sigmac explain`: why a rule matches an event or does not, why a correlation alerts or does not."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.exceptions import Exit

from sigmac.cli.command import Argument, Command
from sigmac.cli.exit_status import ExitStatus
from sigmac.cli.explanation_output import PICTURES, ExplainForm, Told
from sigmac.cli.options import (
    COMPILER,
    at_least,
    correlation_order,
    input_format,
    max_groups,
    max_hits,
    need,
    pipeline,
    placeholder,
    placeholders,
    read_keys,
    read_source,
    say,
    select,
    timestamp_field,
    trusted_key,
    wants_color,
)
from sigmac.cli.project_options import pipelines_of, placeholders_of, project_file
from sigmac.runtime.errors import EventError

if TYPE_CHECKING:
    from sigmac.cli.chosen_documents import ChosenDocuments
    from sigmac.cli.explained_events import Records
    from sigmac.project.project import Project

EXAMPLE = """Examples:

  sigmac explain whoami_as_system.yml event.json --pipeline windows

  sed -n 18p events.ndjson | sigmac explain 'rules.yml#Whoami As System' -

  sigmac explain rule.yml '{"Image": "C:\\\\Windows\\\\cmd.exe"}' --format json

  sigmac explain rules/whoami.yml event.json --with filters/

  sigmac explain rules/whoami.yml logs/ --misses 10

  sigmac explain build/windows#80167ada-7a12-41ed-b8e9-aa47195c66a1 event.json --format html > why.html

  sigmac explain 'rules.yml#Many Failed Logons' events.ndjson --position 41
"""


@click.command(cls=Command, epilog=EXAMPLE)
@click.argument(
    "rule",
    cls=Argument,
    type=click.Path(),
    metavar="RULE",
    help="Rule file; FILE#ID or FILE#TITLE for one of its rules or correlations; PACK#ID for a rule of a pack.",
)
@click.argument(
    "events",
    cls=Argument,
    nargs=-1,
    required=True,
    type=click.Path(),
    metavar="EVENT...",
    help="Files and folders with events, as for `sigmac run`; - for standard input, or the JSON of one event.",
)
@click.option(
    "--with",
    "others",
    multiple=True,
    type=click.Path(),
    metavar="PATH",
    help="File or folder of the same rule set: filters that act on the rule, rules of correlations. Repeatable.",
)
@click.option(
    "--position",
    type=at_least(0),
    metavar="N",
    help="Explain the event in this line, counted from 0 as matches and alerts do.",
)
@click.option(
    "--groups",
    type=at_least(1),
    default=10,
    metavar="N",
    help="Groups of a correlation that are shown, the nearest to an alert first.",
)
@click.option(
    "--misses",
    type=at_least(1),
    default=5,
    metavar="N",
    help="Of several events: the nearest misses of a rule that are shown.",
)
@correlation_order
@timestamp_field
@max_groups
@max_hits
@pipeline
@placeholder
@click.option(
    "--evtx",
    is_flag=True,
    help='Each line is EVTX as JSON, {"Event": {"System": …, "EventData": …}}, or wrapped otherwise.',
)
@input_format
@select
@trusted_key
@click.option(
    "--format",
    "form",
    type=click.Choice(ExplainForm),
    default=ExplainForm.text,
    help="For people, for programs, or a picture of one event as a flowchart or an HTML page.",
)
@project_file
def explain(
    rule: str,
    events: tuple[str, ...],
    others: tuple[str, ...],
    position: int | None,
    groups: int,
    misses: int,
    correlation_order: str | None,
    timestamp_field: tuple[str, ...],
    max_groups: int,
    max_hits: int,
    pipeline: tuple[str, ...],
    placeholder: tuple[str, ...],
    evtx: bool,
    input_format: str | None,
    select: str | None,
    trusted_key: tuple[Path, ...],
    form: ExplainForm,
    project: Project,
) -> None:
    """Show which parts of a rule are true for an event, and what the event holds there.

    Of several events show what keeps the rule from matching them: the nearest misses, how often, and with which values.
    Of a correlation show the groups that came near, hit by hit, and what was missing, or what it made of one event.
    """
    need("compiler", *COMPILER)
    from sigmac.cli.explain_correlations import Settings, explain_correlations
    from sigmac.cli.explained_events import STDIN
    from sigmac.cli.explained_rules import explain_one, explain_several, variants_of
    from sigmac.compiler.diagnostics.diagnostic import RuleError
    from sigmac.compiler.pipeline import load_pipelines
    from sigmac.runtime.correlation.correlator import Limits
    from sigmac.runtime.correlation.timestamps import FIELDS

    chosen, packed = _chosen(rule, others, trusted_key, pipeline)
    records = _records(events, input_format, select, evtx=evtx)
    if position is not None and len(records.given) > 1:
        raise click.BadParameter(
            "give one input, in which it is a position", param_hint="--position"
        )
    chosen, note, several = _fitting(chosen, records, position)
    if form in PICTURES and (several or chosen.correlations):
        raise click.BadParameter(
            "a picture is of a rule over one event; --position N chooses one", param_hint="--format"
        )
    found = Told(timestamp_field or FIELDS)
    order = correlation_order or ("arrival" if records.given == [STDIN] else "time")
    try:
        values = placeholders_of(project, placeholders(placeholder))
        pipelines = load_pipelines(
            () if packed else pipeline or pipelines_of(project), {} if packed else values
        )
    except RuleError as error:
        errors = [error.diagnostic]
    else:
        errors = chosen.errors
        rules = variants_of(chosen.rules, pipelines, errors)
        if several:
            found.misses = explain_several(rules, records)
        elif chosen.rules or not chosen.correlations:
            found.event = _one(records, position)
            found.rules = explain_one(rules, found.event)
        if chosen.correlations:
            settings = Settings(position, order, found.fields, Limits(max_groups, max_hits), groups)
            found.correlations, faults = explain_correlations(chosen, pipelines, records, settings)
            errors += (each for each in faults if each not in errors)
    if note:
        say(note)
    found.show(form, misses)
    if errors:
        from sigmac.compiler.checks.report import render_text

        sys.stdout.flush()
        sys.stderr.write(render_text(errors, read_source, color=wants_color(sys.stderr)))
    if errors or records.rejected:
        raise Exit(ExitStatus.FAILED)


def _chosen(
    rule: str, others: tuple[str, ...], trusted_keys: Sequence[Path], pipelines: Sequence[str]
) -> tuple[ChosenDocuments, bool]:
    """The rules and correlations that are meant, and whether they are of a pack."""
    from sigmac.cli.chosen_documents import choose
    from sigmac.cli.packed_documents import choose_packed, split_pack

    in_pack = None if Path(rule).exists() else split_pack(rule)
    if in_pack is None:
        if trusted_keys:
            raise click.BadParameter(
                "a rule file is no pack, and nobody signed it", param_hint="RULE"
            )
        return choose(rule, others), False
    if pipelines or others:
        raise click.BadParameter(
            "a pack was built with its pipelines and filters; rules are given some",
            param_hint="--pipeline" if pipelines else "--with",
        )
    return choose_packed(*in_pack, read_keys(trusted_keys)), True


def _records(events: Sequence[str], form: str | None, select: str | None, *, evtx: bool) -> Records:
    from sigmac.cli.event_files import event_files, how_to_read
    from sigmac.cli.explained_events import MAX_EVENT, Records, is_text

    reading = how_to_read(form, select, evtx, MAX_EVENT)
    texts = [each for each in events if is_text(each)]
    if texts and len(events) > 1:
        raise click.BadParameter("give files, or one event as JSON", param_hint="EVENT...")
    return Records(texts or event_files(events), reading)


def _fitting(
    chosen: ChosenDocuments, records: Records, position: int | None
) -> tuple[ChosenDocuments, str, bool]:
    """Of rules and correlations those that the events are for, one event for rules, several for correlations; what
    there is to say of the others; and whether rules are explained over several.
    """
    from dataclasses import replace

    from sigmac.cli.explained_events import STDIN

    rules, correlations = len(chosen.rules), len(chosen.correlations)
    several = bool(rules) and position is None and len(records.first(2)) > 1
    if not rules or not correlations:
        return chosen, "", several
    file = chosen.files[0].file
    if several or records.given == [STDIN]:  # which is read once
        note = f"only correlations are explained; {rules} others are not: --position N is for all"
        return replace(chosen, rules=[]), f"sigmac: {file}: {note}", False
    if position is not None:
        return chosen, "", False
    note = f"only detection rules are explained; {correlations} others are not"
    return replace(chosen, correlations=[]), f"sigmac: {file}: {note}", False


def _one(records: Records, position: int | None) -> dict[str, Any]:
    """The event that is given, or that at a position. Raises `EventError` or `InputError`."""
    from dataclasses import replace

    if position is not None:
        return replace(records, quiet=True).at(position)
    found = records.first(1)
    if not found:
        raise EventError(
            records.faults[0] if records.faults else f"{records.names}: there is no event"
        )
    return found[0]
