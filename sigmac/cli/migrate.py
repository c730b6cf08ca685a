"""`sigmac migrate`: what the rules of go-sigma-rule-engine did, what they will do here, and files to go on with."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from sigmac.cli.command import Argument, Command
from sigmac.cli.options import (
    COMPILER,
    Form,
    counted,
    file_to_read,
    jobs,
    need,
    output_format,
    say,
)

if TYPE_CHECKING:
    from sigmac.migration.assessment import Assessment

EXAMPLE = """Examples:

  sigmac migrate rules -o migration

  sigmac migrate --go-config program.yml -o migration

  sigmac migrate rules --format json | jq '.files[] | select(.go != "ok")'
"""


@click.command(cls=Command, epilog=EXAMPLE)
@click.argument(
    "directories",
    cls=Argument,
    nargs=-1,
    type=click.Path(exists=True, file_okay=False),
    metavar="[RULES]...",
    help="Folders of rules, as the Go program has them. Default: those of its description.",
)
@click.option(
    "--go-config",
    type=file_to_read,
    metavar="FILE",
    help="Description of the Go program, YAML or JSON: directory, noCollapseWS, keywords, fields and so on.",
)
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="New folder for the report, sigmac.toml, a service, CI files and, where one is needed, a pipeline.",
)
@jobs
@output_format
def migrate(
    directories: tuple[str, ...],
    go_config: Path | None,
    output: Path | None,
    jobs: int,
    form: Form,
) -> None:
    """Say what becomes of rules on the way from the Go engine to sigmac, and write files to go on with.

    That is go-sigma-rule-engine, version 0.3.0. No Go is needed: what it makes of a rule is known. Nothing is written
    over.
    """
    need("compiler", *COMPILER)
    from sigmac.migration.assessment import assess
    from sigmac.migration.go_configuration import GoConfiguration, read_go_configuration
    from sigmac.migration.new_project import check_new, write_project

    given = GoConfiguration() if go_config is None else read_go_configuration(go_config)
    folders = directories or given.directory
    if not folders:
        raise click.UsageError("give folders of rules, or a --go-config with `directory`")
    if output is not None:
        check_new(output)
    found = assess(folders, no_collapse_ws=given.no_collapse_ws, jobs=jobs)
    written = [] if output is None else write_project(output, folders, given, found)
    if form is Form.json:
        _print_json(found)
    else:
        _print_summary(found)
    for path in written:
        say(f"wrote {path}")


def _print_json(found: Assessment) -> None:
    import orjson

    sys.stdout.write(orjson.dumps(found.plain()).decode() + "\n")
    sys.stdout.flush()


def _print_summary(found: Assessment) -> None:
    from sigmac.migration.causes import Cause
    from sigmac.migration.go_rules import Outcome

    outcomes = found.outcomes
    left_out = [
        f"{outcomes[each]:,} {each}"
        for each in Outcome
        if each is not Outcome.OK and outcomes[each]
    ]
    told = f" ({', '.join(left_out)})" if left_out else ""
    print(
        f"the Go engine evaluates {outcomes[Outcome.OK]:,} of {counted(len(found.files), 'file')}{told}"
    )
    evaluated = sum(each.evaluated for each in found.files)
    print(f"sigmac evaluates {evaluated:,} rules and correlations in them:")
    print(f"  {len(found.gained):,} of the files were left out until now")
    print(f"  {len(found.lost):,} that the Go engine evaluates have errors")
    for cause in Cause:
        if cause.certain and (files := found.with_cause(cause)):
            print(f"  {len(files):,} read otherwise there: {cause.says}")
    sys.stdout.flush()
