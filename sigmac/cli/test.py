"""`sigmac test`: the cases beside rules, judged."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from enum import StrEnum
from typing import TYPE_CHECKING

import click
from click.exceptions import Exit

from sigmac.cli.command import Command
from sigmac.cli.exit_status import ExitStatus
from sigmac.cli.options import (
    COMPILER,
    correlation_order,
    counted,
    event_logsource,
    jobs,
    need,
    need_paths,
    pipeline,
    placeholder,
    placeholders,
    read_source,
    rule_paths,
    say,
    skip_errors,
    strict_logsource,
    timestamp_field,
    wants_color,
)
from sigmac.cli.project_options import placeholders_of, project_file, refuse_outside
from sigmac.cli.result_options import rule_options
from sigmac.runtime.errors import InputError

if TYPE_CHECKING:
    from sigmac.compiler.diagnostics.diagnostic import Diagnostic
    from sigmac.project.project import Project
    from sigmac.results.rule_choice import Choice
    from sigmac.runtime.pack.pack import Pack
    from sigmac.verdicts.case_report import Report

EXAMPLE = """Examples:

  sigmac test rules/ --pipeline windows

  sigmac test rules/ --pipeline windows --require --format junit > cases.xml

  sigmac test rules/ --tag attack.t1059 -k powershell

  sigmac test rules/ --pipeline windows --watch
"""


class _Form(StrEnum):
    text = "text"
    json = "json"
    junit = "junit"
    github = "github"
    gitlab = "gitlab"


@click.command(cls=Command, epilog=EXAMPLE)
@rule_paths
@click.option(
    "--cases",
    "others",
    multiple=True,
    type=click.Path(),
    metavar="PATH",
    help="File or folder with more cases, which say whose they are or mirror the rules. Repeatable.",
)
@pipeline
@placeholder
@strict_logsource
@skip_errors
@click.option("--require/--no-require", help="A rule without a case fails.")
@rule_options
@click.option(
    "-k",
    "text",
    default="",
    metavar="TEXT",
    help="Only cases with this text in their reason, or in the title or file of their rule.",
)
@event_logsource
@correlation_order
@timestamp_field
@click.option(
    "--format",
    "form",
    type=click.Choice(_Form),
    default=_Form.text,
    help="Form of the report: for people, JSON, JUnit's XML, annotations of GitHub, code quality of GitLab.",
)
@click.option(
    "--update", is_flag=True, help="Write what came out into the cases that failed, for review."
)
@click.option("--watch", is_flag=True, help="Judge again what changes, until Ctrl-C.")
@jobs
@project_file
def test(
    paths: tuple[str, ...],
    others: tuple[str, ...],
    pipeline: tuple[str, ...],
    placeholder: tuple[str, ...],
    strict_logsource: bool,
    skip_errors: bool,
    require: bool,
    choose: Callable[[Pack], Choice],
    text: str,
    stream_logsource: str | None,
    correlation_order: str | None,
    timestamp_field: tuple[str, ...],
    form: _Form,
    update: bool,
    watch: bool,
    jobs: int,
    project: Project,
) -> None:
    """Judge the cases beside rules: events that they must match, and events that they must not.

    Cases stand in folders `events` that mirror those of the rules, in a rule's key `cases`, and in the files that
    `regression_tests_path` names; docs/cases.md tells how to write them.
    """
    need("compiler", *COMPILER)
    need_paths(paths)
    if update and watch:
        raise click.BadParameter(
            "a change that is written would be judged again", param_hint="--update"
        )
    if update:
        refuse_outside(project, "--update")
    from sigmac.cli.case_run import Asked, run_again, run_cases
    from sigmac.compiler.diagnostics.diagnostic import RuleError
    from sigmac.compiler.packaging.build import BuildOptions

    given = placeholders(placeholder)
    options = BuildOptions(
        "rules",
        pipelines=pipeline,
        placeholders=placeholders_of(project, given),
        strict_logsource=strict_logsource,
        skip_errors=True,
        jobs=jobs,
    )
    asked = Asked(
        paths,
        others,
        options,
        choose,
        skip_errors,
        require,
        stream_logsource,
        timestamp_field,
        correlation_order != "arrival",
        text,
        tuple(given),
    )
    if watch:
        for each in run_again(asked):
            _write(each, form)
    try:
        report = run_cases(asked).report
    except RuleError as error:
        _tell([error.diagnostic])
        raise Exit(ExitStatus.FAILED) from None
    if not report.verdicts and not report.errors:
        message = "no case has that text" if text else "no rule that is asked for has a case"
        raise InputError(f"{' '.join(paths)}: {message}; docs/cases.md tells how to write them")
    _write(report, form)
    if not pipeline:
        say("no pipeline was given, so rules look at events of any log: see --pipeline")
    left = len(report.failed) if not update else _update(report)
    if left or report.errors:
        raise Exit(ExitStatus.FAILED)


def _update(report: Report) -> int:
    """Write what came out; the number of cases that were left as they are."""
    from sigmac.verdicts.written_back import write_back

    done = write_back(report.failed)
    for file, number in done.changed.items():
        say(f"updated {file}: {counted(number, 'case')}; see what changed before you keep it")
    for each in done.left:
        say(f"{each.place.file}:{each.place.line}: left as it is, change it by hand: {each.why}")
    return len(done.left)


def _tell(diagnostics: Sequence[Diagnostic]) -> None:
    from sigmac.compiler.checks.report import render_text

    sys.stderr.write(render_text(diagnostics, read_source, color=wants_color(sys.stderr)))


def _write(report: Report, form: _Form) -> None:
    """The report on standard output; in a form for programs people get a summary on standard error."""
    from sigmac.verdicts.case_report import render_text

    if report.diagnostics:
        _tell(report.diagnostics)
    if form is _Form.text:
        sys.stdout.write(render_text(report, color=wants_color(sys.stdout)))
        sys.stdout.flush()
        return
    from sigmac.verdicts.machine_forms import FORMS

    sys.stdout.write(FORMS[form](report))
    sys.stdout.flush()
    say(report.summary())
