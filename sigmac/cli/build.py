"""`sigmac build`: rules in, a pack or diagnostics out."""

from __future__ import annotations

import gc
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.exceptions import Exit

from sigmac.cli.build_proof import Proof, proof_as_json, prove, tell_proof, write_proof
from sigmac.cli.command import Command
from sigmac.cli.exit_status import ExitStatus
from sigmac.cli.options import (
    COMPILER,
    Format,
    counted,
    diagnostic_format,
    file_to_read,
    ignore,
    ignored,
    jobs,
    logsource,
    need,
    need_paths,
    pipeline,
    placeholder,
    placeholders,
    read_source,
    rule_paths,
    say,
    skip_errors,
    strict,
    strict_logsource,
    tell_unused,
    wants_color,
)
from sigmac.cli.outputs import refuse_nested, refuse_overlap
from sigmac.cli.progress import Progress
from sigmac.cli.project_options import conventions_of, placeholders_of, project_file
from sigmac.runtime.errors import InputError

if TYPE_CHECKING:
    from sigmac.compiler.diagnostics.diagnostic import Diagnostic
    from sigmac.compiler.packaging.build import BuildResult
    from sigmac.project.project import Project

EXAMPLE = """Examples:

  sigmac build rules/ -o build/windows --pipeline windows

  sigmac build rules/ -o build/windows --pipeline windows --verify

  sigmac build rules/ -o build/windows --pipeline windows --witnesses build/witnesses

  sigmac build rules/ --skip-errors --format sarif > findings.sarif

  sigmac build rules/ -o build/windows --pipeline windows --report build.html

  sigmac build rules/ -o build/pack --explain-optimizer whoami_as_system.yml
"""


@click.command(cls=Command, epilog=EXAMPLE)
@rule_paths
@click.option(
    "--output",
    "-o",
    type=click.Path(path_type=Path),
    default=Path("build/pack"),
    metavar="DIR",
    help="Folder of the pack.",
)
@click.option("--name", metavar="NAME", help="Name of the pack; by default the folder's.")
@click.option("--pack-version", default="0.0.0", metavar="VERSION", help="Version of the pack.")
@pipeline
@placeholder
@click.option(
    "--logsource",
    "only",
    multiple=True,
    metavar="KEY=VALUE,…",
    help="Only rules of this logsource, as product=windows,category=dns_query. Repeatable.",
)
@strict_logsource
@skip_errors
@strict
@ignore
@diagnostic_format
@click.option("--wheel/--no-wheel", help="Also write an installable wheel beside the pack.")
@click.option(
    "--sign",
    type=click.Path(exists=True, path_type=Path),
    metavar="KEY",
    help="Sign with this Ed25519 private key (PEM).",
)
@jobs
@click.option("--optimize/--no-optimize", default=True, help="Run the optimizer.")
@click.option(
    "--profile",
    type=file_to_read,
    metavar="FILE",
    help="What real events do, from `sigmac run --profile FILE`: decides order, gates and what is remembered.",
)
@click.option(
    "--verify/--no-verify",
    help="Prove the pack on events made of each rule: a fault of sigmac refuses it.",
)
@click.option(
    "--witnesses",
    type=click.Path(path_type=Path, file_okay=False),
    metavar="DIR",
    help="With --verify, keep the events that tell most of each rule as cases for `sigmac test --cases DIR`.",
)
@click.option(
    "--report",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Write an HTML page on the build: rules, ATT&CK, optimizer, diagnostics, fields.",
)
@click.option("--cache/--no-cache", default=True, help="Use what earlier builds left.")
@click.option(
    "--cache-dir",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Where that is; by default the user's cache.",
)
@click.option(
    "--explain-optimizer",
    metavar="RULE",
    help="Print the rule with this id, title or file name after each pass; build nothing.",
)
@click.option(
    "--verbose",
    "-v",
    is_flag=True,
    help="Show what each pass of the optimizer did, and what --verify did not see.",
)
@project_file
def build(
    paths: tuple[str, ...],
    output: Path,
    name: str | None,
    pack_version: str,
    pipeline: tuple[str, ...],
    placeholder: tuple[str, ...],
    only: tuple[str, ...],
    strict_logsource: bool,
    skip_errors: bool,
    strict: bool,
    ignore: tuple[str, ...],
    form: Format,
    wheel: bool,
    sign: Path | None,
    jobs: int,
    optimize: bool,
    profile: Path | None,
    verify: bool,
    witnesses: Path | None,
    report: Path | None,
    cache: bool,
    cache_dir: Path | None,
    explain_optimizer: str | None,
    verbose: bool,
    project: Project,
) -> None:
    """Compile rules to a pack.

    All problems of all files are reported in one run. With an error in any rule nothing is written, unless
    --skip-errors is given; a pack that is there stays as it is.
    """
    need("compiler", *COMPILER)
    need_paths(paths)
    # Nearly all that is made lives until the process ends: looking for garbage in it was a fifth of a short build.
    gc.disable()
    from sigmac.compiler.diagnostics.diagnostic import RuleError
    from sigmac.compiler.packaging.build import BuildOptions, compile_sources
    from sigmac.compiler.packaging.build_cache import Cache, default_folder
    from sigmac.compiler.syntax.rule_files import find_sources

    started = time.perf_counter()
    unwanted = ignored(ignore)
    given = placeholders(placeholder)
    conventions = conventions_of(project)
    options = BuildOptions(
        name=_pack_name(name or output.resolve().name, given=bool(name)),
        version=_pack_version(pack_version),
        pipelines=pipeline,
        placeholders=placeholders_of(project, given),
        logsources=tuple(map(logsource, only)),
        strict_logsource=strict_logsource,
        optimize=optimize,
        profile=profile,
        skip_errors=skip_errors,
        conventions=conventions,
        jobs=jobs,
    )
    sources = find_sources(paths)
    if witnesses is not None:
        verify = True
        files = (Path(each) for each in pipeline)
        others = [
            *(each for each in files if each.exists()),
            *filter(None, (profile, sign, output)),
        ]
        _check_witnesses(witnesses, [*paths, *map(str, others)])
    if report is not None:
        read = [
            *(str(each.path) for each in sources),
            *pipeline,
            *map(str, filter(None, (sign, profile))),
        ]
        _check_report(report, read, output)
    try:
        if explain_optimizer is not None:
            from sigmac.compiler.packaging.optimizer_trace import print_trace

            print_trace(sources, options, explain_optimizer)
            return
        # What is signed is made of the rules alone: a cache is as good as everybody who could write it.
        kept = Cache((cache_dir or default_folder()) if cache and sign is None else None)
        # Signing, wheels, proofs and reports need the files even where nothing changed.
        held = None if sign or wheel or verify or report else output
        with Progress("compiling") as progress:
            result = compile_sources(sources, options, kept, held, progress)
    except RuleError as error:
        _report([error.diagnostic], form)
        raise Exit(ExitStatus.FAILED) from None
    if kept.problem is not None:
        say(f"sigmac: {kept.problem}")
    tell_unused(given, sources)
    told = [
        each
        for each in conventions.levelled(result.diagnostics)
        if each.code not in unwanted and each.severity != "note"
    ]
    if form is not Format.json:
        _report(told, form)
    raised = sorted({each.code for each in told if each.severity == "error" and not each.is_error})
    proof = None
    if verify and result.rendered and not raised:
        proof = prove(result, options, witnesses)
    if form is Format.json:
        _report(told, form, proof)
    if proof is not None:
        tell_proof(proof, verbose)
    made = not raised and _written(result, options, output, sign, wheel)
    if raised:
        say(f"sigmac: nothing was written: the project file makes {', '.join(raised)} an error")
    if report is not None:
        from sigmac.compiler.packaging.replace import replace_file
        from sigmac.pages.build_page import build_page

        replace_file(report, build_page(result, options, told))
        say(f"report: {report}")
    if not made:
        raise Exit(ExitStatus.FAILED)
    if proof is not None and witnesses is not None:
        write_proof(proof, witnesses)
    _summarize(result, output, time.perf_counter() - started)
    if verbose:
        _show_passes(result)
    if not options.pipelines:
        say("no pipeline was given, so rules look at events of any log: see --pipeline")
    if strict and any(each.severity == "warning" for each in told):
        say("sigmac: there are warnings, and --strict was given")
        raise Exit(ExitStatus.FAILED)


def _check_witnesses(witnesses: Path, others: Sequence[str]) -> None:
    """Raises before the work where witnesses would be written over something, or into what is read or written else."""
    from sigmac.compiler.validation.witnesses import check_folder

    refuse_nested("--witnesses", witnesses, others)
    check_folder(witnesses)


def _check_report(report: Path, read: Sequence[str], output: Path) -> None:
    """Raises before the work where a report cannot be written, or would be written over something."""
    refuse_overlap(read, {"--report": report})
    if output.resolve() in report.resolve().parents:
        raise click.BadParameter(
            "the folder of the pack holds nothing but the pack", param_hint="--report"
        )
    if not report.parent.is_dir():
        raise InputError(f"{report.parent}: there is no such folder for the report")
    if report.is_dir():
        raise InputError(f"{report}: is a folder; name a file for the report")


def _pack_name(name: str, given: bool) -> str:
    import re

    if re.fullmatch(r"[A-Za-z][A-Za-z0-9_-]{0,99}", name):
        return name
    if given:
        message = "a pack's name is letters, digits, `_` and `-`, and begins with a letter"
        raise click.BadParameter(message, param_hint="--name")
    return "pack"


def _pack_version(version: str) -> str:
    import re

    if not re.fullmatch(
        r"[0-9]+(\.[0-9]+)*((a|b|rc)[0-9]+)?(\.post[0-9]+)?(\.dev[0-9]+)?(\+[a-z0-9.]+)?", version
    ):
        raise click.BadParameter("write it as 1.2.3 (PEP 440)", param_hint="--pack-version")
    return version


def _written(
    result: BuildResult, options: Any, output: Path, sign: Path | None, wheel: bool
) -> bool:
    if result.unchanged:
        return True
    if not result.rendered:
        if result.errors:
            say(
                f"sigmac: nothing was built: errors in {counted(result.refused, 'document')}; "
                "--skip-errors builds the other rules"
            )
        else:
            say(f"sigmac: nothing was built: {_why_no_rule(result)}")
        return False
    from sigmac.compiler.packaging.writer import write_pack

    write_pack(result.rendered, output, sign.read_bytes() if sign else None)
    if wheel:
        from sigmac.compiler.packaging.wheel import write_wheel

        say(f"wheel: {write_wheel(output, options.name, options.version)}")
    return True


def _why_no_rule(result: BuildResult) -> str:
    if result.refused:
        return "no rule is without an error"
    if result.skipped:
        return f"no rule has the logsource asked for; {counted(result.skipped, 'rule')} left out"
    return f"there is no detection rule in {counted(result.files, 'file')}"


def _report(diagnostics: list[Diagnostic], form: Format, proof: Proof | None = None) -> None:
    from sigmac.compiler.checks.report import render_json, render_sarif, render_text

    if form is Format.json:
        more = {} if proof is None else {"verification": proof_as_json(proof)}
        print(render_json(diagnostics, read_source, more))
    elif form is Format.sarif:
        print(render_sarif(diagnostics, read_source))
    elif diagnostics:
        shown = _told_once(diagnostics)
        if shown:
            color = wants_color(sys.stderr)
            sys.stderr.write(render_text(shown, read_source, color=color))


def _told_once(diagnostics: list[Diagnostic]) -> list[Diagnostic]:
    """The same with many rules of missing placeholders as one line: that is a setting to make, not rules to mend."""
    missing = [each for each in diagnostics if each.code == "E_PLACEHOLDER"]
    if len(missing) <= 3:
        return diagnostics
    say(
        f"{len(missing)} rules are left out because their placeholders have no value: "
        "give them with --placeholder or the `vars` of a pipeline (--format json lists them)"
    )
    return [each for each in diagnostics if each.code != "E_PLACEHOLDER"]


def _summarize(result: BuildResult, output: Path, seconds: float) -> None:
    state = "unchanged" if result.unchanged else "built"
    silent = f" ({result.silent:,} silent, as they count for correlations)" if result.silent else ""
    more = [counted(result.rules, "rule") + silent]
    for number, word in ((result.correlations, "correlation"), (result.filters, "filter")):
        if number:
            more.append(counted(number, word))
    for number, what in (
        (result.refused, "refused"),
        (result.skipped, "of other logsources"),
    ):
        if number:
            more.append(f"{number:,} {what}")
    say(
        f"{state} {output}: {', '.join(more)} from {counted(result.files, 'file')} in {seconds:.1f} s"
    )


def _show_passes(result: BuildResult) -> None:
    """What each pass of the optimizer did to all rules."""
    if not result.passes:
        return
    width = max(len(each.name) for each in result.passes)
    first, last = result.passes[0], result.passes[-1]
    say(f"{'pass':{width}}  {'predicates':>17}  {'nodes':>17}")
    for each in result.passes:
        say(f"{each.name:{width}}  {_change(each.predicates)}  {_change(each.nodes)}")
    total = (first.predicates[0], last.predicates[1]), (first.nodes[0], last.nodes[1])
    say(f"{'in all':{width}}  {_change(total[0])}  {_change(total[1])}")


def _change(before_after: tuple[int, int]) -> str:
    before, after = before_after
    return f"{before:>7,} → {after:>7,}"
