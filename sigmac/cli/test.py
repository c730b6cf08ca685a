"""`sigmac test`: the cases beside rules, judged."""

from __future__ import annotations

import sys
import time
from dataclasses import replace
from pathlib import Path
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
from sigmac.runtime.errors import InputError

if TYPE_CHECKING:
    from sigmac.compiler.diagnostics.diagnostic import Diagnostic

EXAMPLE = """Examples:

  sigmac test rules/ --pipeline windows

  sigmac test rules/windows/whoami.yml --cases more-cases/
"""


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
@event_logsource
@correlation_order
@timestamp_field
@jobs
def test(
    paths: tuple[str, ...],
    others: tuple[str, ...],
    pipeline: tuple[str, ...],
    placeholder: tuple[str, ...],
    strict_logsource: bool,
    skip_errors: bool,
    require: bool,
    stream_logsource: str | None,
    correlation_order: str | None,
    timestamp_field: tuple[str, ...],
    jobs: int,
) -> None:
    """Judge the cases beside rules: events that they must match, and events that they must not.

    Cases stand in folders `events` that mirror those of the rules, in a rule's key `cases`, and in the files that
    `regression_tests_path` names; docs/cases.md tells how to write them.
    """
    need("compiler", *COMPILER)
    from sigmac.cli.direct_rules import load_rendered
    from sigmac.cli.event_files import stream_tag
    from sigmac.compiler.cases.find_cases import find_cases
    from sigmac.compiler.cases.named_files import project_of
    from sigmac.compiler.checks.report import render_text as render_diagnostics
    from sigmac.compiler.diagnostics.diagnostic import RuleError
    from sigmac.compiler.packaging.build import BuildOptions, compile_sources
    from sigmac.compiler.packaging.build_cache import Cache, default_folder
    from sigmac.compiler.pipeline import load_pipelines
    from sigmac.compiler.syntax.rule_files import find_sources
    from sigmac.runtime.pack.pack import load_pack
    from sigmac.verdicts.case_report import Report, render_text
    from sigmac.verdicts.judge import Judge, Settings
    from sigmac.verdicts.reasons import Reasons
    from sigmac.verdicts.rule_set import RuleSet

    started = time.perf_counter()
    sources = find_sources(paths)
    project = project_of([*map(Path, paths), *map(Path, others)])
    cases = find_cases(sources, find_sources(others) if others else (), project)
    options = BuildOptions(
        "rules",
        pipelines=pipeline,
        placeholders=placeholders(placeholder),
        strict_logsource=strict_logsource,
        skip_errors=True,
        jobs=jobs,
    )
    try:
        result = compile_sources(cases.rules, options, Cache(default_folder()))
        pipelines = load_pipelines(options.pipelines, options.placeholders)
    except RuleError as error:
        sys.stderr.write(
            render_diagnostics([error.diagnostic], read_source, color=wants_color(sys.stderr))
        )
        raise Exit(ExitStatus.FAILED) from None
    diagnostics: list[Diagnostic] = [] if skip_errors else list(result.errors)
    diagnostics += cases.diagnostics
    verdicts = []
    if result.rendered:
        pack = load_rendered(result.rendered, load_pack)
        rules = RuleSet.of(pack, cases.rules)
        found = cases.diagnostics
        found.found.clear()
        bound = rules.bind(cases.found, found)
        tag = stream_tag(stream_logsource, pack) if stream_logsource else None
        judge = Judge(pack, Settings(project, tag, timestamp_field, correlation_order != "arrival"))
        verdicts = judge.judge(bound)
        reasons = Reasons(cases.rules, pipelines)
        for number, unexpected in judge.unexpected.items():
            each = verdicts[number]
            said = reasons.of(each.rule, unexpected.event, matched=unexpected.matched)
            verdicts[number] = replace(each, reasons=said)
        diagnostics += [*found, *judge.diagnostics]
        if require:
            verdicts += rules.without_case(bound)
    if not verdicts and not any(each.is_error for each in diagnostics):
        raise InputError(
            f"{' '.join(paths)}: no rule has a case; docs/cases.md tells how to write them"
        )
    report = Report(verdicts, list(dict.fromkeys(diagnostics)), time.perf_counter() - started)
    if report.diagnostics:
        sys.stderr.write(
            render_diagnostics(report.diagnostics, read_source, color=wants_color(sys.stderr))
        )
    sys.stdout.write(render_text(report, color=wants_color(sys.stdout)))
    if not pipeline:
        say("no pipeline was given, so rules look at events of any log: see --pipeline")
    if report.failed or report.errors:
        raise Exit(ExitStatus.FAILED)
