"""`sigmac build`: rules in, a pack or diagnostics out."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from sigmac.cli.exit_status import ExitStatus
from sigmac.cli.options import (
    COMPILER,
    DiagnosticFormat,
    Format,
    Ignore,
    Pipeline,
    Placeholder,
    Strict,
    StrictLogsource,
    counted,
    ignored,
    logsource,
    placeholders,
    read_source,
    say,
    wants_color,
)
from sigmac.cli.serve import need

if TYPE_CHECKING:
    from sigmac.compiler.diagnostics.diagnostic import Diagnostic
    from sigmac.compiler.packaging.build import BuildResult

EXAMPLE = """Examples:

  sigmac build rules/ -o build/windows --pipeline windows

  sigmac build rules/ --skip-errors --format sarif > findings.sarif

  sigmac build rules/ -o build/pack --explain-optimizer whoami_as_system.yml
"""


def build(
    paths: Annotated[list[str], typer.Argument(metavar="PATH...", help="Rule files and folders.")],
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="DIR", help="Folder of the pack.")
    ] = Path("build/pack"),
    name: Annotated[str, typer.Option(help="Name of the pack; by default the folder's.")] = "",
    pack_version: Annotated[str, typer.Option(help="Version of the pack.")] = "0.0.0",
    pipeline: Pipeline = None,
    placeholder: Placeholder = None,
    only: Annotated[
        list[str] | None,
        typer.Option(
            "--logsource",
            metavar="KEY=VALUE,…",
            help="Only rules of this logsource, as product=windows,category=dns_query. Repeatable.",
        ),
    ] = None,
    strict_logsource: StrictLogsource = False,
    skip_errors: Annotated[
        bool, typer.Option("--skip-errors", help="Build the rules that have no error.")
    ] = False,
    strict: Strict = False,
    ignore: Ignore = None,
    form: DiagnosticFormat = Format.text,
    wheel: Annotated[
        bool, typer.Option("--wheel", help="Also write an installable wheel beside the pack.")
    ] = False,
    sign: Annotated[
        Path | None,
        typer.Option(metavar="KEY", help="Sign with this Ed25519 private key (PEM).", exists=True),
    ] = None,
    jobs: Annotated[
        int, typer.Option("--jobs", "-j", min=0, help="Processes to use; 0: one a core.")
    ] = 0,
    optimize: Annotated[bool, typer.Option(help="Run the optimizer.")] = True,
    profile: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            exists=True,
            dir_okay=False,
            help="What real events do, from `sigmac run --profile FILE`: decides order, gates and what is remembered.",
        ),
    ] = None,
    cache: Annotated[bool, typer.Option(help="Use what earlier builds left.")] = True,
    cache_dir: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Where that is; by default the user's cache.")
    ] = None,
    explain_optimizer: Annotated[
        str | None,
        typer.Option(
            metavar="RULE",
            help="Print the rule with this id, title or file name after each pass; build nothing.",
        ),
    ] = None,
) -> None:
    """Compile rules to a pack.

    All problems of all files are reported in one run. With an error in any rule nothing is written, unless
    --skip-errors is given; a pack that is there stays as it is.
    """
    need("compiler", *COMPILER)
    from sigmac.compiler.diagnostics.diagnostic import RuleError
    from sigmac.compiler.packaging.build import BuildOptions, compile_sources
    from sigmac.compiler.packaging.build_cache import Cache, default_folder
    from sigmac.compiler.syntax.rule_files import find_sources

    started = time.perf_counter()
    unwanted = ignored(ignore)
    options = BuildOptions(
        name=_pack_name(name or output.resolve().name, given=bool(name)),
        version=_pack_version(pack_version),
        pipelines=tuple(pipeline or ()),
        placeholders=placeholders(placeholder),
        logsources=tuple(map(logsource, only or ())),
        strict_logsource=strict_logsource,
        optimize=optimize,
        profile=profile,
        skip_errors=skip_errors,
        jobs=jobs,
    )
    sources = find_sources(paths)
    try:
        if explain_optimizer is not None:
            from sigmac.compiler.packaging.optimizer_trace import print_trace

            print_trace(sources, options, explain_optimizer)
            return
        kept = Cache((cache_dir or default_folder()) if cache else None)
        # Signing and wheels need the files even where nothing changed.
        held = None if sign or wheel else output
        with _progress("compiling") as progress:
            result = compile_sources(sources, options, kept, held, progress)
    except RuleError as error:
        _report([error.diagnostic], form)
        raise typer.Exit(ExitStatus.FAILED) from None
    told = [each for each in result.diagnostics if each.code not in unwanted]
    _report(told, form)
    if not _written(result, options, output, sign, wheel):
        raise typer.Exit(ExitStatus.FAILED)
    _summarize(result, output, time.perf_counter() - started)
    if strict and any(each.severity == "warning" for each in told):
        say("sigmac: there are warnings, and --strict was given")
        raise typer.Exit(ExitStatus.FAILED)


def _pack_name(name: str, given: bool) -> str:
    import re

    if re.fullmatch(r"[A-Za-z][A-Za-z0-9_-]{0,99}", name):
        return name
    if given:
        message = "a pack's name is letters, digits, `_` and `-`, and begins with a letter"
        raise typer.BadParameter(message, param_hint="--name")
    return "pack"


def _pack_version(version: str) -> str:
    import re

    if not re.fullmatch(
        r"[0-9]+(\.[0-9]+)*((a|b|rc)[0-9]+)?(\.post[0-9]+)?(\.dev[0-9]+)?(\+[a-z0-9.]+)?", version
    ):
        raise typer.BadParameter("write it as 1.2.3 (PEP 440)", param_hint="--pack-version")
    return version


class _progress:
    """A progress bar on a terminal, nothing elsewhere."""

    def __init__(self, what: str):
        self.what = what
        self.bar: Any = None

    def __enter__(self) -> Callable[[int, int], None] | None:
        if not sys.stderr.isatty():
            return None
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeRemainingColumn

        columns = ("{task.description}", BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        # No thread draws the bar: it could hold a lock while worker processes are forked.
        self.bar = Progress(
            *columns, console=Console(stderr=True), transient=True, auto_refresh=False
        )
        self.bar.start()
        task = self.bar.add_task(self.what, total=None)
        return lambda done, total: self.bar.update(task, completed=done, total=total, refresh=True)

    def __exit__(self, *failure: object) -> None:
        if self.bar is not None:
            self.bar.stop()


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


def _report(diagnostics: list[Diagnostic], form: Format) -> None:
    from sigmac.compiler.checks.report import render_json, render_sarif, render_text

    if form is Format.json:
        print(render_json(diagnostics, read_source))
    elif form is Format.sarif:
        print(render_sarif(diagnostics, read_source))
    elif diagnostics:
        color = wants_color(sys.stderr)
        sys.stderr.write(render_text(_told_once(diagnostics), read_source, color=color))


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
    more = [counted(result.rules, "rule")]
    for count, what in ((result.correlations, "correlation"), (result.filters, "filter")):
        if count:
            more.append(f"{counted(count, what)} (not evaluated yet)")
    for count, what in ((result.refused, "refused"), (result.skipped, "of other logsources")):
        if count:
            more.append(f"{count:,} {what}")
    say(
        f"{state} {output}: {', '.join(more)} from {counted(result.files, 'file')} in {seconds:.1f} s"
    )
    if result.passes:
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
