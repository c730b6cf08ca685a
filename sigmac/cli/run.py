"""`sigmac run`: events in, matches out."""

from __future__ import annotations

import sys
import time
from collections import Counter
from functools import partial
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

import click
from click.exceptions import Exit

from sigmac.cli import completion
from sigmac.cli.command import Argument
from sigmac.cli.exit_status import ExitStatus
from sigmac.cli.options import (
    at_least,
    correlation_order,
    direct_pipeline,
    event_logsource,
    max_groups,
    max_hits,
    read_keys,
    say,
    timestamp_field,
    trusted_key,
)
from sigmac.cli.outputs import Output, refuse_overlap
from sigmac.cli.progress import watched_events
from sigmac.cli.project_options import project_file
from sigmac.cli.result_options import ResultOptions, ResultsCommand, result_options
from sigmac.cli.serve import run_service
from sigmac.runtime.errors import InputError

if TYPE_CHECKING:
    from sigmac.cli.outcome import Evaluation
    from sigmac.project.project import Project
    from sigmac.results.output_form import Form
    from sigmac.results.report_data import Kept

EXAMPLE = """Examples:

  sigmac run build/windows events.ndjson.zst -o matches.ndjson

  sigmac run rules/ logs/

  tail -F events.ndjson | sigmac run build/windows -

  sigmac run build/windows events.ndjson --explain --no-event

  sigmac run build/windows logs/ --min-level high --report report.html

  sigmac run build/windows events.ndjson --profile events.profile.json
"""


@click.command(cls=ResultsCommand, epilog=EXAMPLE)
@click.argument(
    "pack",
    cls=Argument,
    required=False,
    metavar="[PACK]",
    help="Folder or name of a rule pack, or rules. Default: the rules of the project file.",
    shell_complete=completion.packs,
)
@click.argument(
    "inputs",
    cls=Argument,
    nargs=-1,
    type=click.Path(),
    metavar="[FILE|-]...",
    help="Files and folders with events, of any format, compressed or not. Default: those of the project file, "
    "else standard input.",
)
@direct_pipeline
@click.option(
    "--output",
    "-o",
    type=click.Path(path_type=Path),
    metavar="OUT",
    help="File for the matches; `-` is standard output.",
)
@result_options
@click.option("--event/--no-event", default=True, help="Put the event into each match.")
@click.option("--explain", is_flag=True, help="Add which selections and fields made each match.")
@event_logsource
@click.option(
    "--format",
    "form",
    metavar="NAME",
    help="What the inputs are, as `sigmac formats` lists them. Default: told by their content.",
)
@click.option(
    "--select",
    metavar="PATH",
    help="Where the events stand in JSON that wraps them, as hits.hits[]._source.",
)
@click.option(
    "--evtx",
    is_flag=True,
    help="Look at every line of NDJSON for a record of EVTX or another wrapping, not at the first ones only.",
)
@click.option(
    "--keep-going/--no-keep-going",
    default=None,
    help="Exit with 0 although records were rejected. Default: only for standard input.",
)
@trusted_key
@click.option("--pack-name", metavar="NAME", help="The pack must have this name in its manifest.")
@click.option(
    "--least-version",
    metavar="VERSION",
    help="The pack must have this version or a later one.",
)
@click.option(
    "--memory-budget",
    type=at_least(1),
    default=64,
    metavar="MIB",
    help="Bound of all that is remembered about values, all workers together.",
)
@click.option(
    "--max-values",
    type=at_least(1),
    default=16_384,
    metavar="N",
    help="A record with more values, at any depth, is rejected.",
)
@click.option(
    "--workers",
    type=at_least(1),
    metavar="N",
    help="Threads that evaluate. Default: one a core for files of 32 MiB or more, else one.",
)
@click.option(
    "--max-record",
    type=at_least(1),
    default=16,
    metavar="MIB",
    help="A longer line ends the run of its file.",
)
@click.option(
    "--max-expansion",
    type=at_least(1),
    default=500,
    metavar="TIMES",
    help="A compressed file whose text is so many times as long is read no further.",
)
@correlation_order
@timestamp_field
@max_groups
@max_hits
@click.option(
    "--profile",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Write what the events do (of every fifth record) for `sigmac build --profile FILE`.",
)
@click.option(
    "--config",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Run over streams as this configuration says, as `sigmac serve FILE`.",
)
@click.option("--verbose", "-v", is_flag=True, help="Say what the batch engine did.")
@click.option(
    "--quiet",
    "-q",
    is_flag=True,
    help="No summary, no warnings of rules that could never match, no progress bar.",
)
@project_file
def run(
    pack: str | None,
    inputs: tuple[str, ...],
    pipeline: tuple[str, ...],
    output: Path | None,
    results: ResultOptions,
    event: bool,
    explain: bool,
    stream_logsource: str | None,
    form: str | None,
    select: str | None,
    evtx: bool,
    keep_going: bool | None,
    trusted_key: tuple[Path, ...],
    pack_name: str | None,
    least_version: str | None,
    memory_budget: int,
    max_values: int,
    workers: int | None,
    max_record: int,
    max_expansion: int,
    correlation_order: str | None,
    timestamp_field: tuple[str, ...],
    max_groups: int,
    max_hits: int,
    profile: Path | None,
    config: Path | None,
    verbose: bool,
    quiet: bool,
    project: Project,
) -> None:
    """Evaluate events and write what rules match and what correlations alert of.

    On a terminal that is a table, else one JSON object a line. A record that
    is no JSON object is reported with its line number and counted; the others are evaluated.
    """
    if config is not None:
        if pack is not None:
            raise click.BadParameter("the configuration names the packs", param_hint="PACK")
        run_service(config)
        return
    from sigmac.cli.chance_warnings import warnings_of
    from sigmac.cli.chosen_pipelines import first_events
    from sigmac.cli.direct_rules import files_of, load_pack_or_rules, pack_and_inputs
    from sigmac.cli.event_files import event_files, how_to_read, stream_tag
    from sigmac.cli.outcome import Evaluation
    from sigmac.cli.parallel import evaluate_all
    from sigmac.cli.run_summary import TOP_RULES, Tally, run_said, summarize, summarize_kinds
    from sigmac.results.details import Details
    from sigmac.runtime.inputs.lines import Buffers, LineNumbers, LineTooLong
    from sigmac.runtime.pack.pack import load_pack

    places, given_inputs = pack_and_inputs(pack, inputs, project)
    reading = how_to_read(form, select, evtx, max_record, max_expansion, Buffers())
    names = event_files(given_inputs) or ["-"]
    if not given_inputs and sys.stdin.isatty():
        raise click.BadParameter(
            "name files with events, or pipe them in", param_hint="[FILE|-]..."
        )
    if output == Path("-"):
        output = None
    outputs = {"--output": output, "--profile": profile, "--report": results.report}
    refuse_overlap(
        [*names, *chain.from_iterable(map(files_of, places)), *pipeline, *map(str, trusted_key)],
        outputs,
    )
    if profile is not None:
        # One that cannot be written is told before the work, not after it.
        profile.open("ab").close()
    count = _workers(workers, names, profile)
    load = partial(
        load_pack,
        trusted_keys=read_keys(trusted_key),
        name=pack_name,
        least_version=least_version,
        memory_budget=memory_budget << 20,
        workers=count,
        max_values=max_values,
    )
    signed = bool(trusted_key or pack_name or least_version)
    looked_at = partial(first_events, names, reading)
    loaded = load_pack_or_rules(places, pipeline, load, looked_at, project, signed=signed)
    tag = stream_tag(stream_logsource, loaded) if stream_logsource else None
    choice = results.choice(loaded)
    if choice.all_left_out:
        say(f"no rule of {loaded.name} is one that the options ask for: nothing can be found")
    details = Details(loaded, timestamp_field or None)
    terminal = output is None and sys.stdout.isatty()
    output_form = results.form(details, event=event, explain=explain, terminal=terminal)
    kept = results.kept(details)
    with_event = output_form.needs_event or kept is not None
    evaluation = Evaluation(
        loaded,
        tag,
        choice,
        event=with_event,
        explain=explain,
        hosts=not quiet,
        profile=profile is not None,
    )
    waits = results.output_format == "timeline"
    if loaded.correlations:
        from sigmac.cli.correlate import Correlating
        from sigmac.runtime.correlation.correlator import Limits

        order = correlation_order or ("arrival" if names == ["-"] else "time")
        waits = waits or order == "time"
        limits = Limits(max_groups, max_hits)
        evaluation.correlating = Correlating(
            loaded, order, timestamp_field or None, limits, choice, event=with_event
        )
    # Matches on a terminal are a sign of progress of their own, and a bar would run into them, unless all wait.
    show_bar = not quiet and (not terminal or waits)
    started = time.perf_counter()
    tally = Tally()
    if count > 1 and loaded.engines() is None:
        count = 1  # without kernels threads only wait for each other
    with Output(output, output_form.on_a_terminal) as out:
        out.write(output_form.start())
        try:
            for name in names:
                blocks = watched_events(name, reading, show=show_bar)
                lines = LineNumbers()
                try:
                    for read, made in evaluate_all(
                        blocks, evaluation.outcome, count, waits=not Path(name).is_file()
                    ):
                        block = lines.placed(read, made.lines)
                        tally.add(block, made)
                        _write(evaluation.results(block, made), output_form, kept, out)
                except InputError as error:
                    told = error.said(lines.next) if isinstance(error, LineTooLong) else error
                    say(f"sigmac: {told}")
                    tally.unreadable += 1
        except KeyboardInterrupt:
            _write_rest(evaluation, output_form, kept, out)
            raise
        _write_rest(evaluation, output_form, kept, out)
    seconds = time.perf_counter() - started
    if evaluation.profiler is not None and profile is not None:
        evaluation.profiler.write(profile)
    alerts = evaluation.correlating.alerts if evaluation.correlating is not None else Counter()
    if kept is not None and results.report is not None:
        from sigmac.results.html_report import write_report

        said = run_said(tally, names, kept.count)
        write_report(results.report, details, kept, f"Results of {loaded.name}", said)
    if not quiet:
        summarize(tally, loaded, seconds, verbose=verbose)
        if evaluation.correlating is not None:
            evaluation.correlating.summarize(TOP_RULES)
        summarize_kinds(tally, details, alerts)
        for line in warnings_of(tally, loaded):
            say(line)
    forgiven = keep_going if keep_going is not None else names == ["-"]
    if tally.unreadable or (tally.rejected and not forgiven):
        raise Exit(ExitStatus.FAILED)
    if any(results.fails_on(details.rule_of(key).level) for key in (*tally.rules, *alerts)):
        raise Exit(ExitStatus.MATCHED)


def _write(found: list[bytes], form: Form, kept: Kept | None, out: Output) -> None:
    if kept is not None:
        kept.add(found)
    out.write(form.shown(found))


def _write_rest(evaluation: Evaluation, form: Form, kept: Kept | None, out: Output) -> None:
    for found in evaluation.rest():
        _write(found, form, kept, out)
    for rest in form.end():
        out.write(rest)


def _workers(asked: int | None, names: list[str], profile: Path | None) -> int:
    """How many threads shall evaluate."""
    from sigmac.cli.parallel import MIN_PARALLEL
    from sigmac.runtime.processes import cores

    if profile is not None:
        return 1  # a profile is counted in one place
    if asked is not None:
        return asked
    sizes = [path.stat().st_size for name in names if (path := Path(name)).is_file()]
    return cores() if sum(sizes) >= MIN_PARALLEL else 1
