"""Rules given to `sigmac run` in place of a pack: built in memory, through the cache of builds."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from sigmac.cli.chosen_pipelines import chosen
from sigmac.cli.options import COMPILER, counted, need, say
from sigmac.runtime.errors import InputError, SigmacError

if TYPE_CHECKING:
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


def load_pack_or_rules(
    name: str,
    pipelines: Sequence[str],
    load: Callable[[str | Path], Pack],
    first_events: Callable[[], Iterable[Mapping[str, Any]]],
    *,
    signed: bool,
) -> Pack:
    """A pack by its folder or name, or one made of rules; `signed`: whether something is asked of who made it.

    `first_events` gives events by which pipelines are chosen where none, or `auto`, is given. Raises
    `click.BadParameter` where pipelines or signatures are not for what is given; else as `load_rules`.
    """
    if holds_rules(name):
        if signed:
            raise click.BadParameter("rules are no pack, and nobody signed them", param_hint="PACK")
        need("compiler", *COMPILER)
        return load_rules(name, chosen(pipelines, first_events), load)
    if pipelines:
        raise click.BadParameter(
            "a pack was built with its pipelines; rules are given some", param_hint="--pipeline"
        )
    return load(name)


def load_rules(name: str, pipelines: Sequence[str], load: Callable[[Path], Pack]) -> Pack:
    """A pack of the rules of a file or folder; those with errors are left out, and told of.

    `load` loads a pack from its folder. Raises `InputError` where no rule is left, `SigmacError` for a faulty pipeline.
    """
    with pack_of_rules(name, pipelines) as folder:
        return load(folder)


@contextmanager
def pack_of_rules(name: str, pipelines: Sequence[str]) -> Iterator[Path]:
    """The folder of a pack of rules, for as long as it is needed; as `load_rules`."""
    from sigmac.compiler.diagnostics.diagnostic import RuleError
    from sigmac.compiler.packaging.build import BuildOptions, compile_sources
    from sigmac.compiler.packaging.build_cache import Cache, default_folder
    from sigmac.compiler.syntax.rule_files import find_sources

    options = BuildOptions("rules", pipelines=tuple(pipelines), skip_errors=True)
    try:
        result = compile_sources(find_sources([name]), options, Cache(default_folder()))
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
