"""What `sigmac run` and others evaluate: a pack, or rules, given or of a project, built through the cache of builds."""

from __future__ import annotations

import os
import stat
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from sigmac.cli.chosen_pipelines import chosen
from sigmac.cli.options import COMPILER, counted, need, say
from sigmac.cli.project_options import pipelines_of, placeholders_of
from sigmac.runtime.errors import InputError, SigmacError

if TYPE_CHECKING:
    from sigmac.project.project import Project
    from sigmac.runtime.pack.pack import Pack

_SUFFIXES = (".yml", ".yaml")
_MANIFEST = "manifest.json"


def holds_rules(name: str) -> bool:
    """Whether a name is that of a rule file, or of a folder that is no pack and has rule files in it."""
    if os.path.isfile(name):
        return name.lower().endswith(_SUFFIXES)
    return not _is_pack(name) and any(True for _ in files_of(name))


def files_of(name: str) -> Iterator[str]:
    """The file of a rule, or those of rules or of a pack in a folder; none of a pack by its name."""
    if os.path.isfile(name):
        yield name
    whole = _is_pack(name)
    for folder, _, files in os.walk(name):
        for file in files:
            if whole or file.lower().endswith(_SUFFIXES):
                yield os.path.join(folder, file)


def _is_pack(folder: str) -> bool:
    return os.path.exists(os.path.join(folder, _MANIFEST))


def pack_and_inputs(
    pack: str | None, inputs: Sequence[str], project: Project
) -> tuple[list[str], list[str]]:
    """What is to be evaluated, as `pack_or_rules`, and files with events; the project names what is not given.

    In a project with rules a first argument that is there and is neither a pack nor rules is a file with events.
    """
    from sigmac.project.project import shown

    found = [*inputs]
    if pack is not None and project.rules and _is_there(pack) and not _holds_either(pack):
        found = [pack, *found]
        pack = None
    if not found and project.events:
        if _is_piped():
            say(f"standard input is not read, as {project.where('events')} names events: give -")
        found = [shown(each) for each in project.events]
    return pack_or_rules(pack, project), found


def pack_or_rules(pack: str | None, project: Project) -> list[str]:
    """A pack or rules as they are given, else the rules of the project.

    Raises `click.BadParameter` where it has none.
    """
    from sigmac.project.project import shown

    if pack is not None:
        return [pack]
    if not project.rules:
        said = "name a rule pack or rules; a project file (sigmac.toml) may name them for good"
        raise click.BadParameter(said, param_hint="PACK")
    return [shown(each) for each in project.rules]


def _holds_either(name: str) -> bool:
    return _is_pack(name) or holds_rules(name)


def _is_there(name: str) -> bool:
    return name == "-" or os.path.exists(name)


def _is_piped() -> bool:
    """Whether standard input is a pipe or a file."""
    try:
        mode = os.fstat(sys.stdin.fileno()).st_mode
    except (OSError, ValueError):
        return False
    return stat.S_ISFIFO(mode) or stat.S_ISREG(mode)


def load_pack_or_rules(
    places: Sequence[str],
    pipelines: Sequence[str],
    load: Callable[[str | Path], Pack],
    first_events: Callable[[], Iterable[Mapping[str, Any]]],
    project: Project,
    *,
    signed: bool,
) -> Pack:
    """A pack by its folder or name, or one made of the rules of some places; `signed`: whether something is asked of
    who made it.

    `first_events` gives events by which pipelines are chosen where none, or `auto`, is given, nor by the project.
    Raises `click.BadParameter` where pipelines or signatures are not for what is given; else as `load_rules`.
    """
    if len(places) > 1 or holds_rules(places[0]):
        if signed:
            raise click.BadParameter("rules are no pack, and nobody signed them", param_hint="PACK")
        need("compiler", *COMPILER)
        given = chosen(pipelines or pipelines_of(project), first_events)
        return load_rules(places, given, project, load)
    if pipelines:
        raise click.BadParameter(
            "a pack was built with its pipelines; rules are given some", param_hint="--pipeline"
        )
    return load(places[0])


def load_rules(
    places: Sequence[str], pipelines: Sequence[str], project: Project, load: Callable[[Path], Pack]
) -> Pack:
    """A pack of the rules of files and folders; those with errors are left out, and told of.

    `load` loads a pack from its folder. Raises `InputError` where no rule is left, `SigmacError` for a faulty pipeline.
    """
    with pack_of_rules(places, pipelines, project) as folder:
        return load(folder)


@contextmanager
def pack_of_rules(
    places: Sequence[str], pipelines: Sequence[str], project: Project
) -> Iterator[Path]:
    """The folder of a pack of rules, for as long as it is needed; as `load_rules`."""
    from sigmac.compiler.diagnostics.diagnostic import RuleError
    from sigmac.compiler.packaging.build import BuildOptions, compile_sources
    from sigmac.compiler.packaging.build_cache import Cache, default_folder
    from sigmac.compiler.syntax.rule_files import find_sources

    options = BuildOptions(
        "rules",
        pipelines=tuple(pipelines),
        placeholders=placeholders_of(project, {}),
        strict_logsource=project.strict_logsource,
        skip_errors=True,
    )
    name = " ".join(places)
    try:
        result = compile_sources(find_sources(places), options, Cache(default_folder()))
    except RuleError as error:
        raise SigmacError(str(error.diagnostic)) from None
    if result.refused:
        say(
            f"{counted(result.refused, 'rule')} left out because of errors: see `sigmac check {name}`"
        )
    if not result.rendered:
        raise InputError(f"{name}: there is no rule without an error; see `sigmac check {name}`")
    with written(result.rendered) as folder:
        yield folder


def load_rendered(rendered: dict[str, bytes], load: Callable[[Path], Pack]) -> Pack:
    """A pack of the files that a build made, kept nowhere."""
    with written(rendered) as folder:
        return load(folder)


@contextmanager
def written(rendered: dict[str, bytes]) -> Iterator[Path]:
    """The folder of a pack of the files that a build made, for as long as it is needed."""
    from sigmac.compiler.packaging.writer import write_pack

    with tempfile.TemporaryDirectory(prefix="sigmac-rules-") as folder:
        write_pack(rendered, Path(folder) / "pack")
        yield Path(folder) / "pack"
