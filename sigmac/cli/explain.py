"""`sigmac explain`: why a rule matches an event or does not, why a correlation alerts or does not."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import click
from click.exceptions import Exit

from sigmac.cli.command import Argument, Command
from sigmac.cli.exit_status import ExitStatus
from sigmac.cli.options import (
    COMPILER,
    Form,
    at_least,
    correlation_order,
    max_groups,
    max_hits,
    need,
    output_format,
    pipeline,
    placeholder,
    placeholders,
    read_source,
    say,
    timestamp_field,
    wants_color,
)
from sigmac.cli.project_options import pipelines_of, placeholders_of, project_file

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from sigmac.cli.chosen_documents import ChosenDocuments
    from sigmac.cli.explain_correlations import ToldCorrelation
    from sigmac.cli.explanation_lines import Line
    from sigmac.compiler.diagnostics.diagnostic import Diagnostic
    from sigmac.compiler.meaning.explanation import Explanation
    from sigmac.compiler.pipeline import Pipelines
    from sigmac.compiler.syntax.rule import Rule
    from sigmac.project.project import Project

EXAMPLE = """Examples:

  sigmac explain whoami_as_system.yml event.json --pipeline windows

  sed -n 18p events.ndjson | sigmac explain 'rules.yml#Whoami As System' -

  sigmac explain rule.yml '{"Image": "C:\\\\Windows\\\\cmd.exe"}' --format json

  sigmac explain rules/whoami.yml event.json --with filters/

  sigmac explain 'rules.yml#Many Failed Logons' events.ndjson --position 41
"""


@click.command(cls=Command, epilog=EXAMPLE)
@click.argument(
    "rule",
    cls=Argument,
    type=click.Path(),
    metavar="RULE",
    help="Rule file; FILE#ID or FILE#TITLE for one of its rules or correlations.",
)
@click.argument(
    "event",
    cls=Argument,
    type=click.Path(),
    metavar="EVENT",
    help="File with one JSON object, for correlations one a line; - for standard input, or the JSON.",
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
@correlation_order
@timestamp_field
@max_groups
@max_hits
@pipeline
@placeholder
@click.option(
    "--evtx",
    is_flag=True,
    help='The event is EVTX as JSON, {"Event": {"System": …, "EventData": …}}.',
)
@output_format
@project_file
def explain(
    rule: str,
    event: str,
    others: tuple[str, ...],
    position: int | None,
    groups: int,
    correlation_order: str | None,
    timestamp_field: tuple[str, ...],
    max_groups: int,
    max_hits: int,
    pipeline: tuple[str, ...],
    placeholder: tuple[str, ...],
    evtx: bool,
    form: Form,
    project: Project,
) -> None:
    """Show which parts of a rule are true for an event, and what the event holds there.

    Of a correlation show the groups that came near, hit by hit, and what was missing, or what it made of one event.
    """
    need("compiler", *COMPILER)
    from sigmac.cli.chosen_documents import choose
    from sigmac.cli.explain_correlations import Settings, explain_correlations
    from sigmac.cli.explained_events import Records, read_event
    from sigmac.compiler.diagnostics.diagnostic import RuleError
    from sigmac.compiler.pipeline import load_pipelines
    from sigmac.runtime.correlation.correlator import Limits
    from sigmac.runtime.correlation.timestamps import FIELDS

    chosen, note = _fitting(choose(rule, others), event, position)
    explanations: list[Explanation] = []
    one: dict[str, Any] = {}
    told: list[ToldCorrelation] = []
    order = correlation_order or ("arrival" if event == "-" else "time")
    fields = timestamp_field or FIELDS
    records = Records(event, evtx)
    try:
        values = placeholders_of(project, placeholders(placeholder))
        pipelines = load_pipelines(pipeline or pipelines_of(project), values)
    except RuleError as error:
        errors = [error.diagnostic]
    else:
        errors = chosen.errors
        if chosen.rules or not chosen.correlations:
            one = read_event(event, evtx, position)
            explanations = _explain_rules(chosen.rules, pipelines, one, errors)
        if chosen.correlations:
            settings = Settings(position, order, fields, Limits(max_groups, max_hits), groups)
            told, faults = explain_correlations(chosen, pipelines, records, settings)
            errors += (each for each in faults if each not in errors)
    if note:
        say(note)
    if form is Form.json:
        _print_json(explanations, told, fields)
    else:
        _print_text(explanations, told, fields, one)
    if errors:
        from sigmac.compiler.checks.report import render_text

        sys.stdout.flush()
        sys.stderr.write(render_text(errors, read_source, color=wants_color(sys.stderr)))
    if errors or records.rejected:
        raise Exit(ExitStatus.FAILED)


def _fitting(
    chosen: ChosenDocuments, event: str, position: int | None
) -> tuple[ChosenDocuments, str]:
    """Of rules and correlations those that the events are for, one event for rules, several for correlations; and
    what there is to say of the others.
    """
    from dataclasses import replace

    from sigmac.cli.explained_events import are_several

    rules, correlations = len(chosen.rules), len(chosen.correlations)
    if not rules or not correlations or (position is not None and event != "-"):
        return chosen, ""
    file = chosen.files[0].file
    if are_several(event):  # standard input, which is read once, among them
        note = f"only correlations are explained; {rules} others are not: --position N is for all"
        return replace(chosen, rules=[]), f"sigmac: {file}: {note}"
    note = f"only detection rules are explained; {correlations} others are not"
    return replace(chosen, correlations=[]), f"sigmac: {file}: {note}"


def _explain_rules(
    rules: Sequence[Rule],
    pipelines: Pipelines,
    event: dict[str, Any],
    errors: list[Diagnostic],
) -> list[Explanation]:
    from sigmac.compiler.diagnostics.diagnostic import Diagnostics, RuleError
    from sigmac.compiler.meaning.explanation import explain_rule

    explanations = []
    for each in rules:
        try:
            variants = pipelines.apply(each, Diagnostics())
        except RuleError as error:
            errors.append(error.diagnostic)
        else:
            explanations.append(explain_rule(each, variants, event))
    return explanations


def _print_json(
    explanations: Sequence[Explanation], told: Sequence[ToldCorrelation], fields: Sequence[str]
) -> None:
    import json

    report = {
        "version": 1,
        "rules": [each.plain() for each in explanations],
        "correlations": [each.plain(fields) for each in told],
    }
    print(json.dumps(report, indent=2))


def _print_text(
    explanations: Sequence[Explanation],
    told: Sequence[ToldCorrelation],
    fields: Sequence[str],
    event: Mapping[str, Any],
) -> None:
    from sigmac.cli.explanation_lines import print_lines, rule_lines
    from sigmac.runtime.chances.names_in_event import names_of
    from sigmac.runtime.chances.nearest_field import FieldNames

    near = FieldNames(dict.fromkeys(names_of(event), 1)).nearest
    blocks: list[Iterable[Line]] = [rule_lines(each, near) for each in explanations]
    print_lines([*blocks, *(block for each in told for block in each.lines(fields))])
