"""What commands take from the project file: options and arguments that the command line does not give."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import click
from click.core import ParameterSource
from click.decorators import FC
from click.exceptions import Exit

from sigmac.cli.exit_status import ExitStatus
from sigmac.cli.options import say

if TYPE_CHECKING:
    from sigmac.compiler.diagnostics.conventions import Conventions
    from sigmac.project.project import Project, ProjectError

# What the others evaluate may be a pack, which has its pipelines already: they ask the project where they need it.
_COMPILING = ("check", "build", "test")
_ARGUMENTS = {"base": "old"}  # of `sigmac diff`


def _read(ctx: click.Context, _: click.Parameter, unwanted: bool) -> Project:
    from sigmac.project.project import Project, ProjectError, shown

    if unwanted or ctx.resilient_parsing:
        return Project()
    from sigmac.project.project_file import read_project

    try:
        project = read_project(Path.cwd())
    except ProjectError as error:
        _refuse(error)
    if project.file is not None:
        if project.file.parent != Path.cwd():
            say(f"project file: {shown(project.file)}")
        ctx.default_map = _defaults(ctx.command, project)
    return project


def _refuse(error: ProjectError) -> NoReturn:
    say(str(error))
    raise Exit(ExitStatus.USAGE) from None


def _no_project(*, exposed: bool) -> Callable[[FC], FC]:
    return click.option(
        "--no-project",
        "project",
        is_flag=True,
        is_eager=True,
        expose_value=exposed,
        callback=_read,
        help="Take nothing from a project file (sigmac.toml).",
    )


# Both give a command the option `--no-project`, and defaults from the project file where it is not given; by the first
# the command gets the `Project` too, an empty one where there is none.
project_file = _no_project(exposed=True)
project_defaults = _no_project(exposed=False)


def _defaults(command: click.Command, project: Project) -> dict[str, Any]:
    """Values of parameters, as they would stand on the command line in the current folder."""
    from sigmac.project.project import shown

    made: dict[str, Any] = {}
    if command.name in _COMPILING:
        made = {
            "paths": project.rules,
            "pipeline": pipelines_of(project),
            "strict_logsource": project.strict_logsource,
        }
    named = {
        option.removeprefix("--"): each.name for each in command.params for option in each.opts
    }
    for key, value in project.options.get(command.name or "", {}).items():
        made[_ARGUMENTS.get(key) or named[key] or ""] = value
    return {name: _as_given(value, shown) for name, value in made.items()}


def _as_given(value: Any, shown: Callable[[Path], str]) -> Any:
    if isinstance(value, tuple):
        return [_as_given(each, shown) for each in value]
    return shown(value) if isinstance(value, Path) else value


def refuse_outside(project: Project, option: str) -> None:
    """Raises `click.BadParameter` where an option would write to files that a project file names, outside its folder.

    What the command line names is written to wherever it lies.
    """
    from sigmac.project.project import shown

    if project.file is None:
        return
    folder = os.path.realpath(project.file.parent)
    named = {"paths": project.rules, "others": project.options.get("test", {}).get("cases", ())}
    source = click.get_current_context().get_parameter_source
    for parameter, paths in named.items():
        if source(parameter) is not ParameterSource.DEFAULT_MAP or not isinstance(paths, tuple):
            continue
        for path in map(Path, paths):
            if not Path(os.path.realpath(path)).is_relative_to(folder):
                said = (
                    f"{shown(path)} lies outside of the project: name it, if it shall be written to"
                )
                raise click.BadParameter(said, param_hint=option)


def conventions_of(project: Project) -> Conventions:
    """What a project asks of its rules; ends the command where the project file is wrong about that."""
    from sigmac.project import rule_conventions
    from sigmac.project.project import ProjectError

    try:
        return rule_conventions.conventions_of(project)
    except ProjectError as error:
        _refuse(error)


def pipelines_of(project: Project) -> tuple[str, ...]:
    """The pipelines of a project, files as a user in the current folder names them."""
    return tuple(
        os.path.relpath(each) if os.path.isabs(each) else each for each in project.pipelines
    )


def placeholders_of(project: Project, given: Mapping[str, Sequence[Any]]) -> dict[str, list[Any]]:
    """The values of placeholders, those of the command line in place of the project's."""
    return {name: [*values] for name, values in {**project.placeholders, **given}.items()}
