"""Options that several commands share, and what their values mean."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from sigmac.cli import completion
from sigmac.runtime.printable import escaped

COMPILER = ("jinja2", "lark", "ruff", "yaml")  # the packages that compiling needs
LOGSOURCE_KEYS = ("product", "category", "service")


class Format(StrEnum):
    """How diagnostics are printed."""

    text = "text"
    json = "json"
    sarif = "sarif"


class Form(StrEnum):
    """How anything else is printed."""

    text = "text"
    json = "json"


Pipeline = Annotated[
    list[str] | None,
    typer.Option(
        "--pipeline",
        "-p",
        metavar="NAME_OR_FILE",
        help="Processing pipeline: `windows`, `windows-audit` or a YAML file. Repeatable.",
        autocompletion=completion.pipelines,
    ),
]
Placeholder = Annotated[
    list[str] | None,
    typer.Option(
        metavar="NAME=VALUE,…", help="Values for the placeholder %NAME% of `expand`. Repeatable."
    ),
]
StrictLogsource = Annotated[
    bool, typer.Option(help="Refuse rules whose logsource no pipeline maps.")
]
DiagnosticFormat = Annotated[
    Format,
    typer.Option("--format", help="Form of diagnostics; json and sarif go to standard output."),
]
Ignore = Annotated[
    list[str] | None,
    typer.Option(
        metavar="CODE,…",
        help="Leave these warnings and notes out. Repeatable.",
        autocompletion=completion.codes,
    ),
]
OutputFormat = Annotated[Form, typer.Option("--format", help="Form of what is printed.")]
Strict = Annotated[bool, typer.Option("--strict", help="Exit with 1 on warnings too.")]


def placeholders(given: Sequence[str] | None) -> dict[str, list[str | int | float]]:
    """`NAME=VALUE,…` options as a map. Raises `typer.BadParameter`."""
    found: dict[str, list[str | int | float]] = {}
    for each in given or ():
        name, sign, values = each.partition("=")
        if not sign or not name or not values:
            raise typer.BadParameter(f"{each!r} is not NAME=VALUE,…", param_hint="--placeholder")
        found.setdefault(name, []).extend(values.split(","))
    return found


def logsource(given: str) -> Mapping[str, str]:
    """`product=windows,category=process_creation` as a map. Raises `typer.BadParameter`."""
    found = {}
    for part in given.split(","):
        key, sign, value = (each.strip() for each in part.partition("="))
        if not sign or key not in LOGSOURCE_KEYS or not value:
            keys = ", ".join(LOGSOURCE_KEYS)
            message = f"{part!r} is not KEY=VALUE with KEY one of {keys}"
            raise typer.BadParameter(message, param_hint="--logsource")
        found[key] = value
    return found


def ignored(given: Sequence[str] | None) -> frozenset[str]:
    """The codes of `--ignore CODE,…` options. Raises `typer.BadParameter` for others and for errors."""
    codes = frozenset(code.strip() for each in given or () for code in each.split(","))
    if codes:
        from sigmac.compiler.diagnostics.catalogue import catalogue
        from sigmac.compiler.diagnostics.diagnostic import did_you_mean

        for code in sorted(codes):
            if code not in catalogue():
                hint = did_you_mean(code, catalogue()) or "`sigmac check --list` has them"
                message = f"there is no check {code!r}; {hint}"
            elif code.startswith("E_"):
                message = f"{code} is an error, which refuses a rule whether it is told or not"
            else:
                continue
            raise typer.BadParameter(message, param_hint="--ignore")
    return codes


def read_source(file: str) -> bytes | None:
    """The bytes of a file that diagnostics name, to show the line; None where it cannot be read."""
    try:
        return Path(file).read_bytes()
    except OSError:
        return None


def counted(number: int, noun: str, plural: str = "") -> str:
    """A number with its noun, as `1 rule` or `2,000 rules`."""
    return f"{number:,} {noun if number == 1 else plural or noun + 's'}"


def say(text: str) -> None:
    """Lines on standard error; names of files and rules are shown, never obeyed by the terminal."""
    print(*map(escaped, text.split("\n")), sep="\n", file=sys.stderr)


def wants_color(stream: object) -> bool:
    """Whether a stream is a terminal that shows colour (https://no-color.org)."""
    import os

    return bool(getattr(stream, "isatty", bool)()) and "NO_COLOR" not in os.environ
