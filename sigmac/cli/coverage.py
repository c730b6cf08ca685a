"""`sigmac coverage`: what rules, or a pack, cover of ATT&CK, and what of it fired."""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.exceptions import Exit

from sigmac.cli import completion
from sigmac.cli.command import Argument, Command
from sigmac.cli.exit_status import ExitStatus
from sigmac.cli.options import (
    COMPILER,
    Form,
    counted,
    fail_on_any,
    failed_on,
    file_to_read,
    need,
    output_format,
    read_keys,
    say,
    trusted_key,
)
from sigmac.cli.outputs import refuse_overlap
from sigmac.cli.project_options import project_file
from sigmac.runtime.errors import InputError, PackError

if TYPE_CHECKING:
    from sigmac.attack.covered import CountedRule
    from sigmac.compiler.diagnostics.diagnostic import Place
    from sigmac.compiler.syntax.rule import LogSource, Metadata
    from sigmac.project.project import Project

EXAMPLE = """Examples:

  sigmac coverage rules/

  sigmac coverage build/windows --layer windows.json

  sigmac coverage build/windows --fired matches.ndjson --layer fired.json
"""
FAILURES = {"untagged": "untagged", "unknown-tags": "unknown_tags"}


@click.command(cls=Command, epilog=EXAMPLE)
@click.argument(
    "pack",
    cls=Argument,
    required=False,
    metavar="[PACK]",
    help="Folder or name of a rule pack, or rules. Default: the rules of the project file.",
    shell_complete=completion.packs,
)
@click.option(
    "--fired",
    multiple=True,
    type=file_to_read,
    metavar="FILE",
    help="Results as `sigmac run` writes them (NDJSON): tell what of the rules fired. Repeatable.",
)
@click.option(
    "--layer",
    type=click.Path(path_type=Path),
    metavar="OUT",
    help="Write a layer of the ATT&CK Navigator; `-` is standard output.",
)
@click.option(
    "--attack",
    multiple=True,
    type=file_to_read,
    metavar="FILE",
    help="STIX bundle of ATT&CK, as enterprise-attack.json, in place of the version that comes along. Repeatable.",
)
@click.option("--all", "everything", is_flag=True, help="List all, not the first ones only.")
@fail_on_any(FAILURES)
@trusted_key
@output_format
@project_file
def coverage(
    pack: str | None,
    fired: tuple[Path, ...],
    layer: Path | None,
    attack: tuple[Path, ...],
    everything: bool,
    fail_on: list[str],
    trusted_key: tuple[Path, ...],
    form: Form,
    project: Project,
) -> None:
    """Show what rules cover of MITRE ATT&CK, and what of it fired.

    By tactic, level, status and logsource; with rules that have no tag of ATT&CK, and tags that ATT&CK has not.
    Exit status 3 where there is what `--fail-on` names.
    """
    from sigmac.attack.attack_table import read_bundles, shipped
    from sigmac.attack.covered import covered
    from sigmac.attack.navigator_layer import layer as layer_of
    from sigmac.cli.coverage_report import lines_of
    from sigmac.cli.direct_rules import files_of, holds_rules, pack_or_rules

    places = pack_or_rules(pack, project)
    if layer is not None and str(layer) != "-":
        read = [
            *map(str, (*fired, *attack, *trusted_key)),
            *chain.from_iterable(map(files_of, places)),
        ]
        refuse_overlap(read, {"--layer": layer})
    if len(places) > 1 or holds_rules(places[0]):
        if trusted_key:
            raise click.BadParameter("rules are no pack, and nobody signed them", param_hint="PACK")
        need("compiler", *COMPILER)
        rules = list(_rules_of_files(places))
    else:
        rules = list(_rules_of_pack(places[0], trusted_key))
    table = read_bundles(attack) if attack else shipped()
    results = _fired(fired) if fired else None
    report = covered(rules, table, results)
    if layer is not None:
        made = json.dumps(
            layer_of(Path(places[0]).name or places[0], rules, table, results), indent=2
        )
        _write(layer, made + "\n")
    if form is Form.json:
        print(json.dumps(report, indent=2))
    elif layer is None or str(layer) != "-":
        print(*lines_of(report, everything=everything), sep="\n")
    sys.stdout.flush()
    if failed_on(fail_on, {name: len(report[key]) for name, key in FAILURES.items()}):
        raise Exit(ExitStatus.MATCHED)


def _rules_of_files(places: Sequence[str]) -> Iterator[CountedRule]:
    """The rules and correlations that can be read; what cannot is told of."""
    from sigmac.attack.covered import CountedRule
    from sigmac.compiler.syntax.documents import read_file
    from sigmac.compiler.syntax.rule_files import find_sources

    refused = 0
    for each in find_sources(places):
        found = read_file(each.read(), each.file)
        refused += found.refused
        documents: list[tuple[Metadata, Place, LogSource | None]] = [
            *((rule.meta, rule.place, rule.logsource) for rule in found.rules),
            *((other.meta, other.place, None) for other in found.correlations),
        ]
        for meta, place, logsource in documents:
            product, category, service = logsource.key if logsource else (None, None, None)
            yield CountedRule(
                meta.title,
                meta.id,
                meta.level,
                meta.status,
                tuple(meta.tags),
                (product or "", category or "", service or "") if logsource else None,
                f"{each.file}:{place.line}",
            )
    if refused:
        said = f"{counted(refused, 'rule')} left out because of errors"
        say(f"{said}: see `sigmac check {' '.join(places)}`")


def _rules_of_pack(pack: str, trusted_keys: Sequence[Path]) -> Iterator[CountedRule]:
    """The rules and correlations of a pack, none of whose code is run. Raises `PackError` where it does not verify."""
    from sigmac.runtime.pack.contents import read_contents

    contents = read_contents(pack, read_keys(trusted_keys))
    if contents.problem is not None:
        raise PackError(contents.problem)
    logsources = contents.manifest["logsources"]
    for rule, logsource in zip(contents.rules, logsources, strict=True):
        yield _counted_rule(rule.metadata, tuple(logsource))
    for correlation in contents.documents["correlations"]:
        yield _counted_rule(correlation, None)


def _counted_rule(
    metadata: Mapping[str, Any], logsource: tuple[str, str, str] | None
) -> CountedRule:
    from sigmac.attack.covered import CountedRule

    def text(key: str) -> str | None:
        value = metadata.get(key)
        return value if isinstance(value, str) else None

    tags = metadata.get("tags")
    named = tuple(map(str, tags)) if isinstance(tags, (list, tuple)) else ()
    title = text("title") or ""
    source = text("source") or ""
    return CountedRule(title, text("id"), text("level"), text("status"), named, logsource, source)


def _fired(files: Sequence[Path]) -> Counter[tuple[str, str]]:
    """How many results are of each rule. Raises `InputError` for what is no result."""
    import orjson

    found: Counter[tuple[str, str]] = Counter()
    for path in files:
        with path.open("rb") as file:
            for number, line in enumerate(file, 1):
                if not line.strip():
                    continue
                try:
                    rule = orjson.loads(line)["rule"]
                    found[str(rule["id"] or "").lower(), str(rule["title"])] += 1
                except (ValueError, TypeError, KeyError):
                    raise InputError(
                        f"{path}:{number}: this is no result as `sigmac run` writes them (--output-format ndjson)"
                    ) from None
    return found


def _write(path: Path, text: str) -> None:
    if str(path) == "-":
        sys.stdout.write(text)
        return
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise InputError(f"{path}: {error.strerror or error}") from None
