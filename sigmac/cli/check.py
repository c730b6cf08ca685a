"""`sigmac check`: everything there is to say about rules, without building."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click
from click.exceptions import Exit

from sigmac.cli.command import Command
from sigmac.cli.exit_status import ExitStatus
from sigmac.cli.options import (
    COMPILER,
    Format,
    diagnostic_format,
    ignore,
    ignored,
    need,
    need_paths,
    pipeline,
    placeholder,
    placeholders,
    read_source,
    rule_paths,
    strict,
    strict_logsource,
    tell_unused,
    wants_color,
)
from sigmac.cli.project_options import conventions_of, placeholders_of, project_file, refuse_outside

if TYPE_CHECKING:
    from sigmac.project.project import Project

EXAMPLE = """Examples:

  sigmac check rules/

  sigmac check rules/ --pipeline windows --format sarif > findings.sarif

  sigmac check rules/ --strict --ignore W_BLANK,W_LS_UNMAPPED

  sigmac check rules/ --diff

  sigmac check rules/ --fix

  sigmac check --list
"""


@click.command(cls=Command, epilog=EXAMPLE)
@rule_paths
@pipeline
@placeholder
@strict_logsource
@strict
@ignore
@click.option("--notes/--no-notes", default=True, help="Show notes: matters of style.")
@click.option(
    "--fix",
    is_flag=True,
    help="Mend what has one right answer, in the files themselves, and report what is left.",
)
@click.option("--diff", is_flag=True, help="Show what --fix would change, and change nothing.")
@diagnostic_format
@click.option("--list", "listing", is_flag=True, help="List every check with an example, and exit.")
@project_file
def check(
    paths: tuple[str, ...],
    pipeline: tuple[str, ...],
    placeholder: tuple[str, ...],
    strict_logsource: bool,
    strict: bool,
    ignore: tuple[str, ...],
    notes: bool,
    fix: bool,
    diff: bool,
    form: Format,
    listing: bool,
    project: Project,
) -> None:
    """Report errors, warnings and notes of rules, and mend what has one right answer.

    Exit status 1 where there is an error, with --strict a warning; with --diff where there is something to mend.
    """
    need("compiler", *COMPILER)
    from sigmac.cli.mended_files import mend_files, show_mended
    from sigmac.compiler.checks.report import (
        render_json,
        render_list,
        render_sarif,
        render_text,
    )

    if listing:
        print(render_list(form is Format.json))
        return
    need_paths(paths)
    from sigmac.compiler.checks.checker import check_sources
    from sigmac.compiler.diagnostics.diagnostic import Diagnostic, RuleError
    from sigmac.compiler.syntax.rule_files import find_sources

    unwanted = ignored(ignore)
    if diff and form is not Format.text:
        raise click.BadParameter("a difference has no such form", param_hint="--format")
    if fix:
        refuse_outside(project, "--fix")
    given = placeholders(placeholder)
    values = placeholders_of(project, given)
    conventions = conventions_of(project)

    def is_told(each: Diagnostic) -> bool:
        return each.code not in unwanted and (notes or each.severity != "note")

    try:
        sources = find_sources(paths)
        if diff:
            would_change = show_mended(sources, paths, is_told, conventions)
            raise Exit(ExitStatus.FAILED if would_change else ExitStatus.OK)
        if fix:
            mend_files(sources, paths, is_told, conventions)
        found = check_sources(
            sources, pipeline, values, strict_logsource=strict_logsource, conventions=conventions
        )
        tell_unused(given, sources)
    except RuleError as error:
        found = [error.diagnostic]
    found = [each for each in found if is_told(each)]
    if form is Format.json:
        print(render_json(found, read_source))
    elif form is Format.sarif:
        print(render_sarif(found, read_source))
    else:
        sys.stdout.write(render_text(found, read_source, color=wants_color(sys.stdout)))
    severities = {each.severity for each in found}
    if "error" in severities or (strict and "warning" in severities):
        raise Exit(ExitStatus.FAILED)
