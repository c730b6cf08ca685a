"""`sigmac lsp`: the language server, which an editor starts."""

from __future__ import annotations

import logging
import sys

import click
from click.exceptions import Exit

from sigmac.cli.command import Command
from sigmac.cli.exit_status import ExitStatus
from sigmac.cli.options import (
    COMPILER,
    ignore,
    ignored,
    need,
    pipeline,
    placeholder,
    placeholders,
    strict_logsource,
)

EXAMPLE = """Examples:

  sigmac lsp

  sigmac lsp --pipeline windows --ignore W_BLANK
"""


@click.command(cls=Command, epilog=EXAMPLE)
@pipeline
@placeholder
@strict_logsource
@ignore
@click.option("--no-project", is_flag=True, help="Take nothing from a project file (sigmac.toml).")
def lsp(
    pipeline: tuple[str, ...],
    placeholder: tuple[str, ...],
    strict_logsource: bool,
    ignore: tuple[str, ...],
    no_project: bool,
) -> None:
    """Answer an editor over standard input and output, by the Language Server Protocol.

    It checks rules while they are written, completes and explains what stands in them; docs/editors.md tells how an
    editor starts it.
    """
    need("compiler", *COMPILER)
    need("lsp", "pygls")
    from sigmac.lsp.checking import Settings
    from sigmac.lsp.language_server import serve

    if sys.stdin.isatty():
        message = "an editor starts this, and speaks to it over standard input"
        raise click.UsageError(f"{message}; docs/editors.md shows how")
    logging.basicConfig(level=logging.ERROR)
    values = {name: tuple(map(str, given)) for name, given in placeholders(placeholder).items()}
    settings = Settings(pipeline, tuple(values.items()), strict_logsource, ignored(ignore))
    if not serve(settings, takes_project=not no_project):
        raise Exit(ExitStatus.FAILED)
