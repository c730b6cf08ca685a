"""Options that several commands share, and what their values mean."""

from __future__ import annotations

import sys
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING

import click
from click.decorators import FC

from sigmac.cli import completion
from sigmac.cli.command import Argument
from sigmac.runtime.errors import InputError
from sigmac.runtime.printable import escaped

if TYPE_CHECKING:
    from sigmac.compiler.syntax.rule_files import SourceFile

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


def fail_on_any(known: Collection[str]) -> Callable[[FC], FC]:
    """The option `--fail-on WHAT,…`, for what a command may find; `failed_on` says what of it there is."""

    def names(_: click.Context, __: click.Parameter, given: Sequence[str]) -> list[str]:
        found = [name.strip() for each in given for name in each.split(",")]
        for name in found:
            if name not in known:
                raise click.BadParameter(f"{name!r} is not one of {', '.join(known)}")
        return found

    return click.option(
        "--fail-on",
        multiple=True,
        callback=names,
        metavar="WHAT,…",
        help=f"Exit with 3 on any of {', '.join(known)}. Repeatable.",
    )


rule_paths = click.argument(
    "paths",
    cls=Argument,
    nargs=-1,
    type=click.Path(),
    metavar="[PATH]...",
    help="Rule files and folders. Default: those of the project file.",
)
file_to_read = click.Path(exists=True, dir_okay=False, path_type=Path)


def at_least(minimum: int) -> click.IntRange:
    """A whole number from a minimum on."""
    number = click.IntRange(min=minimum)
    number.name = "whole number"  # messages: "'x' is not a valid whole number"
    return number


pipeline = click.option(
    "--pipeline",
    "-p",
    multiple=True,
    metavar="NAME_OR_FILE",
    help="Processing pipeline: a name, as `sigmac pipelines` lists them, or a YAML file. Repeatable.",
    shell_complete=completion.pipelines,
)
direct_pipeline = click.option(
    "--pipeline",
    "-p",
    multiple=True,
    metavar="NAME_OR_FILE",
    help="Where rules are given: a processing pipeline, as `sigmac pipelines` lists them, or a YAML file. Repeatable. "
    "Default: `auto`, those for the events; `none` takes none.",
    shell_complete=completion.pipelines,
)
input_format = click.option(
    "--input-format",
    metavar="NAME",
    help="What the inputs are, as `sigmac formats` lists them. Default: told by their content.",
)
select = click.option(
    "--select", metavar="PATH", help="Where the events stand in JSON that wraps them."
)
trusted_key = click.option(
    "--trusted-key",
    multiple=True,
    type=click.Path(exists=True, path_type=Path),
    metavar="FILE",
    help="The pack must be signed by this Ed25519 key. Repeatable.",
)
placeholder = click.option(
    "--placeholder",
    multiple=True,
    metavar="NAME=VALUE,…",
    help="Values for the placeholder %NAME% of `expand`. Repeatable.",
)
strict_logsource = click.option(
    "--strict-logsource/--no-strict-logsource",
    help="Refuse rules whose logsource no pipeline maps.",
)
skip_errors = click.option(
    "--skip-errors/--no-skip-errors",
    help="Take the rules that have no error, and leave the others out.",
)
jobs = click.option(
    "--jobs",
    "-j",
    type=at_least(0),
    default=0,
    metavar="N",
    help="Processes that compile rules; 0: one a core.",
)
event_logsource = click.option(
    "--logsource",
    "stream_logsource",
    metavar="KEY=VALUE,…",
    help="What the events are, as product=windows: rules of another logsource are not tried. "
    "Default: what their format says, or each event itself; `any` tries all rules.",
)
diagnostic_format = click.option(
    "--format",
    "form",
    type=click.Choice(Format),
    default=Format.text,
    help="Form of diagnostics; json and sarif go to standard output.",
)
ignore = click.option(
    "--ignore",
    multiple=True,
    metavar="CODE,…",
    help="Leave these warnings and notes out. Repeatable.",
    shell_complete=completion.codes,
)
output_format = click.option(
    "--format",
    "form",
    type=click.Choice(Form),
    default=Form.text,
    help="Form of what is printed.",
)
correlation_order = click.option(
    "--correlation-order",
    type=click.Choice(["time", "arrival"]),
    help="Correlate events by their timestamps, or as they come. Default: time; arrival for standard input alone.",
)
timestamp_field = click.option(
    "--timestamp-field",
    multiple=True,
    metavar="NAME",
    help="Field with an event's time; the first that has one counts. Repeatable. Default: @timestamp, timestamp, …",
)
max_groups = click.option(
    "--max-groups",
    type=at_least(1),
    default=100_000,
    metavar="N",
    help="Groups that a correlation remembers.",
)
max_hits = click.option(
    "--max-hits",
    type=at_least(1),
    default=100_000,
    metavar="N",
    help="Hits that a correlation remembers of a group.",
)
strict = click.option("--strict/--no-strict", help="Exit with 1 on warnings too.")


def need_paths(paths: Sequence[str]) -> None:
    """Raises `click.BadParameter` where neither the command line nor a project file names rules."""
    if not paths:
        said = "name rule files or folders; a project file (sigmac.toml) may name them for good"
        raise click.BadParameter(said, param_hint="PATH...")


def need(extra: str, *packages: str) -> None:
    """Raises `ConfigurationError` where a package is not installed."""
    import importlib.util

    from sigmac.runtime.errors import ConfigurationError

    for name in packages:
        if importlib.util.find_spec(name) is None:
            raise ConfigurationError(
                f"this needs the package {name}, which is not installed: pip install 'sigmac[{extra}]'"
            )


def placeholders(given: Sequence[str]) -> dict[str, list[str | int | float]]:
    """`NAME=VALUE,…` options as a map. Raises `click.BadParameter`."""
    found: dict[str, list[str | int | float]] = {}
    for each in given:
        name, sign, values = each.partition("=")
        if not sign or not name or not values:
            raise click.BadParameter(f"{each!r} is not NAME=VALUE,…", param_hint="--placeholder")
        found.setdefault(name, []).extend(values.split(","))
    return found


def tell_unused(given: Collection[str], sources: Sequence[SourceFile]) -> None:
    """Say which placeholders stand in none of these rule files: a misspelt name would fill nothing, silently."""
    if not given or not all(source.path.is_file() for source in sources):
        return  # a pipe is read once
    missing = {name: f"%{name}%".encode("utf-8", "surrogateescape") for name in given}
    for source in sources:
        with suppress(InputError):  # which is told as an error of the rule
            text = source.read()
            missing = {name: sign for name, sign in missing.items() if sign not in text}
    for name in missing:
        say(f"sigmac: --placeholder {name}: no rule has %{name}%")


def logsource(given: str) -> Mapping[str, str]:
    """`product=windows,category=process_creation` as a map. Raises `click.BadParameter`."""
    found = {}
    for part in given.split(","):
        key, sign, value = (each.strip() for each in part.partition("="))
        if not sign or key not in LOGSOURCE_KEYS or not value:
            keys = ", ".join(LOGSOURCE_KEYS)
            message = f"{part!r} is not KEY=VALUE with KEY one of {keys}"
            raise click.BadParameter(message, param_hint="--logsource")
        found[key] = value
    return found


def ignored(given: Sequence[str]) -> frozenset[str]:
    """The codes of `--ignore CODE,…` options. Raises `click.BadParameter` for others and for errors."""
    codes = frozenset(code.strip() for each in given for code in each.split(","))
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
            raise click.BadParameter(message, param_hint="--ignore")
    return codes


def failed_on(asked: Sequence[str], found: Mapping[str, int]) -> bool:
    """Whether there is any of what `--fail-on` asks; says of what, and how many."""
    failed = [name for name in asked if found[name]]
    for name in failed:
        say(f"sigmac: --fail-on {name}: {found[name]:,}")
    return bool(failed)


def read_source(file: str) -> bytes | None:
    """The bytes of a file that diagnostics name, to show the line; None where it cannot be read, or was a pipe."""
    try:
        return Path(file).read_bytes() if Path(file).is_file() else None
    except OSError:
        return None


MAX_KEY = 64 << 10  # bytes of a file with a key


def read_keys(paths: Sequence[Path]) -> list[bytes] | None:
    """The keys of `--trusted-key` options, None where there is none. Raises `InputError`."""
    from sigmac.runtime.regular_file import read_regular

    try:
        return [read_regular(path, MAX_KEY) for path in paths] if paths else None
    except OSError as error:
        raise InputError(f"--trusted-key: {error.strerror or error}") from None


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
