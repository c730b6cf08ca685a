"""`sigmac shadow`: the Go engine and sigmac over the same events, and why they differ where they do."""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click
from click.exceptions import Exit

from sigmac.cli.command import Argument, Command
from sigmac.cli.exit_status import ExitStatus
from sigmac.cli.options import (
    COMPILER,
    Form,
    fail_on_any,
    failed_on,
    file_to_read,
    input_format,
    jobs,
    need,
    output_format,
    pipeline,
    select,
)

if TYPE_CHECKING:
    from sigmac.migration.go_configuration import GoConfiguration
    from sigmac.migration.side_by_side import Comparison

EXAMPLE = """Examples:

  sigmac shadow rules events.ndjson

  sigmac shadow rules logs/ --go-config program.yml --fail-on unknown

  zcat events.gz | sigmac shadow rules --format json | jq '.differences[] | .causes'
"""
FAILURES = ("difference", "unknown", "only-go", "only-sigmac")
MAX_LISTED = 20  # rules of each kind in the text; JSON has all


@click.command(cls=Command, epilog=EXAMPLE)
@click.argument(
    "rules",
    cls=Argument,
    type=click.Path(exists=True, file_okay=False),
    metavar="RULES",
    help="Folder of rules, as the Go program has it.",
)
@click.argument(
    "inputs",
    cls=Argument,
    nargs=-1,
    type=click.Path(),
    metavar="[FILE|-]...",
    help="Files and folders with events, as for `sigmac run`. Default: standard input.",
)
@click.option(
    "--go-config",
    type=file_to_read,
    metavar="FILE",
    help="Description of the Go program, as for `sigmac migrate`: noCollapseWS, keywords and fields are looked at.",
)
@pipeline
@input_format
@select
@jobs
@fail_on_any(FAILURES)
@output_format
def shadow(
    rules: str,
    inputs: tuple[str, ...],
    go_config: Path | None,
    pipeline: tuple[str, ...],
    input_format: str | None,
    select: str | None,
    jobs: int,
    fail_on: list[str],
    form: Form,
) -> None:
    """Ask go-sigma-rule-engine and sigmac about the same events, and say where they differ and why.

    The Go engine, version 0.3.0, is built with the Go tool chain of this machine once, and kept. Exit status 3 where
    there is what `--fail-on` names.
    """
    need("compiler", *COMPILER)
    from sigmac.cli.event_files import event_files, how_to_read
    from sigmac.cli.progress import watched_events
    from sigmac.cli.shadow_report import lines_of
    from sigmac.compat.go.go_engine import GoEngine, build_engine
    from sigmac.migration.go_configuration import GoConfiguration, read_go_configuration
    from sigmac.migration.side_by_side import SideBySide

    program = GoConfiguration() if go_config is None else read_go_configuration(go_config)
    reading = how_to_read(input_format, select, unwrap=False)
    names = event_files(inputs) or ["-"]
    if names == ["-"] and sys.stdin.isatty():
        raise click.BadParameter("name files with events, or pipe them in", param_hint="[FILE|-]…")
    with (
        GoEngine(build_engine()) as engine,
        _pipelines(pipeline, program) as pipelines,
    ):
        both = SideBySide(engine, [rules], program, pipelines, jobs)
        for name in names:
            for block in watched_events(name, reading, show=True):
                both.look(block)
        found = both.finish()
    if form is Form.json:
        print(json.dumps(found.plain(), indent=2))
    else:
        print(*lines_of(found, MAX_LISTED), sep="\n")
    sys.stdout.flush()
    if failed_on(fail_on, _failures(found)):
        raise Exit(ExitStatus.MATCHED)


@contextmanager
def _pipelines(given: tuple[str, ...], program: GoConfiguration) -> Iterator[tuple[str, ...]]:
    """The given pipelines, and that of the program, as `sigmac migrate` writes it."""
    from sigmac.migration.new_project import pipeline_of

    made = pipeline_of(program)
    if not made:
        yield given
        return
    with tempfile.TemporaryDirectory(prefix="sigmac-shadow-") as folder:
        file = Path(folder) / "pipeline.yml"
        file.write_text(json.dumps(made), "utf-8")
        yield (*given, str(file))


def _failures(found: Comparison) -> dict[str, int]:
    from sigmac.migration.difference_causes import UNKNOWN

    return {
        "difference": len(found.differences),
        "unknown": found.count(UNKNOWN),
        "only-go": len(found.only_go),
        "only-sigmac": len(found.only_sigmac),
    }
