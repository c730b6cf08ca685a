"""`sigmac config`: a configuration is checked before it runs, and editors are told what it may hold."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click
from click.exceptions import Exit

from sigmac.cli.command import Argument, Group
from sigmac.cli.exit_status import ExitStatus
from sigmac.cli.options import counted, say
from sigmac.runtime.errors import ConfigurationError

if TYPE_CHECKING:
    from sigmac.runtime.service.config.configuration import Settings

EXAMPLE = """Examples:

  sigmac config check sigmac.yml

  SIGMAC_DELIVERY=exactly-once sigmac config check sigmac.yml

  sigmac config schema > sigmac.schema.json
"""


@click.group(cls=Group, epilog=EXAMPLE)
def config() -> None:
    """Check a configuration of the service, or print its schema."""


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
