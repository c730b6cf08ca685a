"""`sigmac explain`: why a rule matches an event or does not, why a correlation alerts or does not."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
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
    from sigmac.cli.explain_correlations import CorrelationSet, Settings
    from sigmac.cli.explained_events import Records
    from sigmac.cli.explained_rules import Piped
    from sigmac.cli.packed_documents import PackedDocuments
    from sigmac.compiler.diagnostics.diagnostic import Diagnostic
    from sigmac.project.project import Project

    Chosen = ChosenDocuments | PackedDocuments

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
    help="Rule file; FILE#ID or FILE#TITLE for one of its rules or correlations; PACK#ID for one of a pack.",
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
    from sigmac.cli.explained_rules import explain_one, explain_several
    from sigmac.runtime.correlation.correlator import Limits
    from sigmac.runtime.correlation.timestamps import FIELDS

    of_build = {"--pipeline": pipeline, "--placeholder": placeholder, "--with": others}
    given = {option: bool(values) for option, values in of_build.items()}
    chosen = _chosen(rule, others, trusted_key, given)
    records = _records(events, input_format, select, evtx=evtx)
    if position is not None and len(records.given) > 1:
        raise click.BadParameter(
            "give one input, in which it is a position", param_hint="--position"
        )
    chosen, note, several = _fitting(rule, chosen, records, position)
    if form in PICTURES and (several or chosen.correlations):
        raise click.BadParameter(
            "a picture is of a rule over one event; --position N chooses one", param_hint="--format"
        )
    found = Told(timestamp_field or FIELDS)
    order = correlation_order or ("arrival" if records.given == [STDIN] else "time")
    settings = Settings(position, order, found.fields, Limits(max_groups, max_hits), groups)
    values = placeholders_of(project, placeholders(placeholder))
    linked = _linked(chosen, pipeline or pipelines_of(project), values, settings)
    if linked.is_sound:
        if several:
            found.misses = explain_several(linked.rules, records)
        elif chosen.rules or not chosen.correlations:
            found.event = _one(records, position)
            found.rules = explain_one(linked.rules, found.event)
        if linked.correlations is not None:
            found.correlations = explain_correlations(linked.correlations, records, settings)
    errors = linked.errors
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
    rule: str, others: tuple[str, ...], trusted_keys: Sequence[Path], of_build: Mapping[str, bool]
) -> Chosen:
    """The rules and correlations that are meant, of a rule file or of a pack.

    `of_build` are the options that say how rules are built, and whether they are given.
    """
    from sigmac.cli.chosen_documents import choose
    from sigmac.cli.packed_documents import choose_packed, split_pack

    in_pack = None if Path(rule).exists() else split_pack(rule)
    if in_pack is None:
        if trusted_keys:
            raise click.BadParameter(
                "a rule file is no pack, and nobody signed it", param_hint="RULE"
            )
        return choose(rule, others)
    for option, is_given in of_build.items():
        if is_given:
            message = (
                "a pack was built with its pipelines, values and filters; rules are given some"
            )
            raise click.BadParameter(message, param_hint=option)
    return choose_packed(*in_pack, read_keys(trusted_keys))


@dataclass(slots=True)
class _Linked:
    """Rules as pipelines left them, correlations with what they stand on, and errors; not sound without pipelines."""

    rules: Sequence[Piped] = ()
    correlations: CorrelationSet | None = None
    errors: list[Diagnostic] = field(default_factory=list)
    is_sound: bool = True


def _linked(
    chosen: Chosen,
    pipelines: Sequence[str],
    values: Mapping[str, Sequence[str | int | float]],
    settings: Settings,
) -> _Linked:
    """What is explained; a pack has its pipelines and values already."""
    from sigmac.cli.explain_correlations import of_files, of_pack
    from sigmac.cli.explained_rules import variants_of
    from sigmac.cli.packed_documents import PackedDocuments
    from sigmac.compiler.diagnostics.diagnostic import RuleError
    from sigmac.compiler.pipeline import load_pipelines

    if isinstance(chosen, PackedDocuments):
        known = of_pack(chosen, settings) if chosen.correlations else None
        return _Linked(chosen.rules, known)
    try:
        loaded = load_pipelines(pipelines, values)
    except RuleError as error:
        return _Linked(errors=[error.diagnostic], is_sound=False)
    made = _Linked(errors=chosen.errors)
    made.rules = variants_of(chosen.rules, loaded, made.errors)
    if chosen.correlations:
        made.correlations, faults = of_files(chosen, loaded, settings)
        made.errors += (each for each in faults if each not in made.errors)
    return made


def _records(events: Sequence[str], form: str | None, select: str | None, *, evtx: bool) -> Records:
    from sigmac.cli.event_files import event_files, how_to_read
    from sigmac.cli.explained_events import MAX_EVENT, Records, is_text

    reading = how_to_read(form, select, evtx, MAX_EVENT)
    texts = [each for each in events if is_text(each)]
    if texts and len(events) > 1:
        raise click.BadParameter("give files, or one event as JSON", param_hint="EVENT...")
    return Records(texts or event_files(events), reading)


def _fitting(
    rule: str, chosen: Chosen, records: Records, position: int | None
) -> tuple[Chosen, str, bool]:
    """Of rules and correlations those that the events are for, one event for rules, several for correlations; what
    there is to say of the others; and whether rules are explained over several.
    """
    from sigmac.cli.explained_events import STDIN

    rules, correlations = len(chosen.rules), len(chosen.correlations)
    several = bool(rules) and position is None and len(records.first(2)) > 1
    if not rules or not correlations:
        return chosen, "", several
    if several or records.given == [STDIN]:  # which is read once
        note = f"only correlations are explained; {rules} others are not: --position N is for all"
        return chosen.without_rules(), f"sigmac: {rule}: {note}", False
    if position is not None:
        return chosen, "", False
    note = f"only detection rules are explained; {correlations} others are not"
    return chosen.without_correlations(), f"sigmac: {rule}: {note}", False


def _one(records: Records, position: int | None) -> dict[str, Any]:
    """The event that is given, or that at a position. Raises `EventError` or `InputError`."""
    from sigmac.cli.explained_events import Records

    if position is not None:
        # Read apart from what correlations read, which tells of what is no event.
        return Records(records.given, records.reading, quiet=True).at(position)
    found = records.first(1)
    if not found:
        raise EventError(
            records.faults[0] if records.faults else f"{records.names}: there is no event"
        )
    return found[0]
