"""`sigmac pipelines`: the pipelines that are shipped, and what for."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import TYPE_CHECKING

import click

from sigmac.cli import completion
from sigmac.cli.command import Argument, Group
from sigmac.cli.options import COMPILER, Form, need, output_format
from sigmac.runtime.errors import InputError

if TYPE_CHECKING:
    from sigmac.compiler.pipeline.shipped_pipelines import Shipped

EXAMPLE = """Examples:

  sigmac pipelines

  sigmac pipelines show windows > my-windows.yml
"""


@click.group(cls=Group, epilog=EXAMPLE, invoke_without_command=True)
@output_format
@click.pass_context
def pipelines(context: click.Context, form: Form) -> None:
    """List the pipelines that are shipped, or show one.

    Each has the name that `--pipeline` takes, its priority (lower ones run first), what it is for, and other names.
    """
    if context.invoked_subcommand is not None:
        return
    need("compiler", *COMPILER)
    from sigmac.compiler.pipeline import load_pipelines
    from sigmac.compiler.pipeline.shipped_pipelines import shipped

    listed = [
        (each, load_pipelines([each.name]).pipelines[-1].priority) for each in shipped().values()
    ]
    if form is Form.json:
        plain = [
            {
                "name": each.name,
                "aliases": each.aliases,
                "for": each.purpose,
                "priority": priority,
            }
            for each, priority in listed
        ]
        click.echo(json.dumps({"version": 1, "pipelines": plain}, indent=2))
        return
    for line in _lines(listed):
        click.echo(line)


def _lines(listed: Iterable[tuple[Shipped, int]]) -> Iterable[str]:
    rows = [*listed]
    width = max(len(each.name) for each, _ in rows)
    for each, priority in rows:
        yield f"{each.name:{width}}  {priority:>3}  {each.purpose}"
        if each.aliases:
            yield f"{'':{width}}       also {', '.join(each.aliases)}"


@pipelines.command()
@click.argument(
    "name",
    cls=Argument,
    metavar="NAME",
    help="A pipeline that is shipped, or another name for one.",
    shell_complete=completion.shipped_pipelines,
)
def show(name: str) -> None:
    """Print the file of a pipeline that is shipped, to read it, or to copy and change it."""
    need("compiler", *COMPILER)
    from sigmac.compiler.pipeline.shipped_pipelines import find_shipped, hint_for

    found = find_shipped(name)
    if found is None:
        raise InputError(f"no pipeline `{name}` is shipped: {hint_for(name)}")
    click.echo(found.contents(), nl=False)
