"""`sigmac test`: the cases beside rules, judged."""

from __future__ import annotations

import sys
from collections.abc import Callable
from enum import StrEnum
from typing import TYPE_CHECKING

import click
from click.exceptions import Exit

from sigmac.cli.command import Argument, Command
from sigmac.cli.exit_status import ExitStatus
from sigmac.cli.options import (
    COMPILER,
    correlation_order,
    event_logsource,
    jobs,
    need,
    pipeline,
    placeholder,
    placeholders,
    read_source,
    say,
    skip_errors,
    strict_logsource,
    timestamp_field,
    wants_color,
)
from sigmac.cli.result_options import rule_options
from sigmac.runtime.errors import InputError

if TYPE_CHECKING:
    from sigmac.results.rule_choice import Choice
    from sigmac.runtime.pack.pack import Pack
    from sigmac.verdicts.case_report import Report

EXAMPLE = """Examples:

  sigmac test rules/ --pipeline windows

  sigmac test rules/ --pipeline windows --require --format junit > cases.xml

  sigmac test rules/ --tag attack.t1059 -k powershell
"""


class _Form(StrEnum):
    text = "text"
    json = "json"
    junit = "junit"
    github = "github"
    gitlab = "gitlab"


@click.command(cls=Command, epilog=EXAMPLE)
@click.argument(
    "paths",
    cls=Argument,
    nargs=-1,
    required=True,
    type=click.Path(),
    metavar="PATH...",
    help="Rule files and folders.",
)
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
@click.option("--require", is_flag=True, help="A rule without a case fails.")
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
@jobs
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
    jobs: int,
) -> None:
    """Judge the cases beside rules: events that they must match, and events that they must not.

    Cases stand in folders `events` that mirror those of the rules, in a rule's key `cases`, and in the files that
    `regression_tests_path` names; docs/cases.md tells how to write them.
    """
    need("compiler", *COMPILER)
    from sigmac.cli.case_run import Asked, run_cases
    from sigmac.compiler.diagnostics.diagnostic import RuleError
    from sigmac.compiler.packaging.build import BuildOptions

    options = BuildOptions(
        "rules",
        pipelines=pipeline,
        placeholders=placeholders(placeholder),
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
    )
    try:
        report = run_cases(asked).report
    except RuleError as error:
        from sigmac.compiler.checks.report import render_text

        said = render_text([error.diagnostic], read_source, color=wants_color(sys.stderr))
        sys.stderr.write(said)
        raise Exit(ExitStatus.FAILED) from None
    if not report.verdicts and not report.errors:
        message = "no case has that text" if text else "no rule that is asked for has a case"
        raise InputError(f"{' '.join(paths)}: {message}; docs/cases.md tells how to write them")
    _write(report, form)
    if not pipeline:
        say("no pipeline was given, so rules look at events of any log: see --pipeline")
    if report.failed or report.errors:
        raise Exit(ExitStatus.FAILED)


def _write(report: Report, form: _Form) -> None:
    """The report on standard output; in a form for programs people get a summary on standard error."""
    from sigmac.compiler.checks.report import render_text as render_diagnostics
    from sigmac.verdicts.case_report import render_text

    if report.diagnostics:
        color = wants_color(sys.stderr)
        sys.stderr.write(render_diagnostics(report.diagnostics, read_source, color=color))
    if form is _Form.text:
        sys.stdout.write(render_text(report, color=wants_color(sys.stdout)))
        return
    from sigmac.verdicts.machine_forms import FORMS

    sys.stdout.write(FORMS[form](report))
    say(report.summary())
