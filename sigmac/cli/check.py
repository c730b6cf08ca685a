"""`sigmac check`: everything there is to say about rules, without building."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from sigmac.cli.exit_status import ExitStatus
from sigmac.cli.options import (
    COMPILER,
    DiagnosticFormat,
    Format,
    Ignore,
    Pipeline,
    Placeholder,
    Strict,
    StrictLogsource,
    ignored,
    placeholders,
    read_source,
    wants_color,
)
from sigmac.cli.serve import need

EXAMPLE = """Examples:

  sigmac check rules/

  sigmac check rules/ --pipeline windows --format sarif > findings.sarif

  sigmac check rules/ --strict --ignore W_BLANK,W_LS_UNMAPPED

  sigmac check --list
"""


def check(
    paths: Annotated[
        list[str] | None, typer.Argument(metavar="PATH...", help="Rule files and folders.")
    ] = None,
    pipeline: Pipeline = None,
    placeholder: Placeholder = None,
    strict_logsource: StrictLogsource = False,
    strict: Strict = False,
    ignore: Ignore = None,
    notes: Annotated[bool, typer.Option(help="Show notes: matters of style.")] = True,
    form: DiagnosticFormat = Format.text,
    listing: Annotated[
        bool, typer.Option("--list", help="List every check with an example, and exit.")
    ] = False,
) -> None:
    """Report errors, warnings and notes of rules."""
    need("compiler", *COMPILER)
    from sigmac.compiler.checks.report import (
        render_json,
        render_list,
        render_sarif,
        render_text,
    )

    if listing:
        print(render_list(form is Format.json))
        return
    if not paths:
        raise typer.BadParameter("name rule files or folders, or use --list", param_hint="PATH...")
    from sigmac.compiler.checks.checker import check_sources
    from sigmac.compiler.diagnostics.diagnostic import RuleError
    from sigmac.compiler.syntax.rule_files import find_sources

    unwanted = ignored(ignore)
    try:
        found = check_sources(
            find_sources(paths),
            tuple(pipeline or ()),
            placeholders(placeholder),
            strict_logsource=strict_logsource,
        )
    except RuleError as error:
        found = [error.diagnostic]
    found = [
        each for each in found if each.code not in unwanted and (notes or each.severity != "note")
    ]
    if form is Format.json:
        print(render_json(found, read_source))
    elif form is Format.sarif:
        print(render_sarif(found, read_source))
    else:
        sys.stdout.write(render_text(found, read_source, color=wants_color(sys.stdout)))
    severities = {each.severity for each in found}
    if "error" in severities or (strict and "warning" in severities):
        raise typer.Exit(ExitStatus.FAILED)
