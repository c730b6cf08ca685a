"""`sigmac config`: a configuration of the service is checked before it runs; what a project file says is shown."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.exceptions import Exit

from sigmac.cli.command import Argument, Group
from sigmac.cli.exit_status import ExitStatus
from sigmac.cli.options import Form, counted, output_format, say
from sigmac.cli.project_options import conventions_of, pipelines_of, project_file
from sigmac.runtime.errors import ConfigurationError

if TYPE_CHECKING:
    from sigmac.project.project import Project
    from sigmac.runtime.service.config.configuration import Settings

EXAMPLE = """Examples:

  sigmac config check sigmac.yml

  SIGMAC_DELIVERY=exactly-once sigmac config check sigmac.yml

  sigmac config schema > sigmac.schema.json

  sigmac config show
"""


@click.group(cls=Group, epilog=EXAMPLE)
def config() -> None:
    """Check a configuration of the service, print its schema, or show the project file."""


@config.command()
@click.argument(
    "file",
    cls=Argument,
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Configuration, YAML or TOML.",
)
def check(file: Path) -> None:
    """Name every mistake in a configuration, one a line, with its place.

    Variables SIGMAC_… of the environment count, and secrets must be there, as when the service starts. Nothing is
    connected. Exit status 1 where there is a mistake.
    """
    _model()
    from sigmac.runtime.service.config.configuration import load_settings

    try:
        settings = load_settings(file)
    except ConfigurationError as error:
        say(str(error))
        raise Exit(ExitStatus.FAILED) from None
    print(f"{file}: no mistakes: {_summary(settings)}")


@config.command()
def schema() -> None:
    """Print the JSON Schema of the configuration: editors complete and check by it."""
    settings = _model()
    print(
        json.dumps(
            {
                "$schema": "https://json-schema.org/draft/2020-12/schema",
                **settings.model_json_schema(),
                "title": "Configuration of sigmac serve",
            },
            indent=2,
        )
    )


@config.command()
@project_file
@output_format
def show(project: Project, form: Form) -> None:
    """Show the project file that commands read here, and what it says.

    That is sigmac.toml, or the table tool.sigmac of pyproject.toml, in this folder or the nearest above it.
    """
    if project.levels or project.required:
        conventions_of(project)  # which tells its mistakes
    if form is Form.json:
        print(json.dumps(_plain_project(project), indent=2))
    elif project.file is None:
        print("there is no project file here")
    else:
        for name, value in _plain_project(project).items():
            print(f"{name}: {json.dumps(value, ensure_ascii=False)}")


def _plain_project(project: Project) -> dict[str, Any]:
    """What a project file says as JSON types, with its own names; paths as a user in the current folder names them."""
    from sigmac.project.project import shown
    from sigmac.project.project_keys import SHARED

    def plain(value: Any) -> Any:
        if isinstance(value, Mapping):
            return {name: plain(each) for name, each in value.items()}
        if isinstance(value, tuple):
            return [plain(each) for each in value]
        return shown(value) if isinstance(value, Path) else value

    values = {name: getattr(project, name.replace("-", "_")) for name in SHARED}
    values["pipelines"] = pipelines_of(project)
    given = {name: value for name, value in values.items() if value} | dict(project.options)
    return {"file": shown(project.file) or None, **plain(given)}


def _summary(settings: Settings) -> str:
    """What the configuration asks for, in one line."""
    source = _given(settings.source)[0]
    letters = settings.dead_letters
    return (
        f"{source} ({counted(len(settings.inputs), 'input')}) to {', '.join(_given(settings.matches))}; "
        f"dead letters: {letters if isinstance(letters, str) else _given(letters)[0]}; {settings.delivery}"
    )


def _given(section: object) -> list[str]:
    kinds = ("kafka", "files", "stdin", "file", "stdout", "webhook")
    return [kind for kind in kinds if getattr(section, kind, None) is not None]


def _model() -> type[Settings]:
    try:
        from sigmac.runtime.service.config.configuration import Settings
    except ModuleNotFoundError as error:
        raise ConfigurationError(
            f"this needs the package {error.name}, which is not installed: pip install 'sigmac[service]'"
        ) from None
    return Settings
