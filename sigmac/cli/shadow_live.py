"""`sigmac shadow-live`: what the Go program and sigmac write of the same topics, compared while both run."""

from __future__ import annotations

import contextlib
import sqlite3
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click
from click.exceptions import Exit

from sigmac.cli.command import Argument, Command
from sigmac.cli.exit_status import ExitStatus
from sigmac.cli.options import COMPILER, counted, fail_on_any, failed_on, file_to_read, need, say
from sigmac.cli.outputs import refuse_overlap

if TYPE_CHECKING:
    from sigmac.migration.live.live_comparison import LiveComparison, Report
    from sigmac.migration.live.live_settings import LiveSettings
    from sigmac.migration.live.pairing import Counted, Side
    from sigmac.migration.live.shadow_metrics import ShadowMetrics

EXAMPLE = """Examples:

  sigmac shadow-live shadow.yml -o differences.ndjson

  sigmac shadow-live shadow.yml --for 3600 --fail-on difference

  sigmac shadow-live shadow.yml --until-end | jq -r .rule.title | sort | uniq -c
"""
FAILURES = ("difference", "only-go", "only-sigmac")
_MOST_LISTED = 20  # rules of the last summary
_MOST_SAID = 5  # lines of a side that say no match
_SHOWN_EVERY = 1.0  # seconds between two reports for metrics


@click.command(cls=Command, epilog=EXAMPLE)
@click.argument(
    "config",
    cls=Argument,
    type=file_to_read,
    metavar="CONFIG",
    help="Description of the topics and of both programs, YAML or TOML.",
)
@click.option(
    "--output",
    "-o",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="File for the differences, one JSON object a line; a restart goes on in it. Default: standard output.",
)
@click.option(
    "--for",
    "seconds",
    type=click.FloatRange(min=0, min_open=True),
    metavar="SECONDS",
    help="End after so many seconds.",
)
@click.option(
    "--until-end",
    is_flag=True,
    help="End when all is decided that the topics held at the start.",
)
@click.option(
    "--every",
    type=click.FloatRange(min=1),
    default=60,
    metavar="SECONDS",
    help="Seconds between two lines on standard error.",
)
@fail_on_any(FAILURES)
def shadow_live(
    config: Path,
    output: Path | None,
    seconds: float | None,
    until_end: bool,
    every: float,
    fail_on: list[str],
) -> None:
    """Compare the matches that the Go program and sigmac write of the same topics, while both run.

    A difference is told when both programs are past its event. It runs until SIGTERM or Ctrl-C, and goes on where it
    was when it is started again. Exit status 3 where there is what `--fail-on` names, counted from the first run on.
    """
    need("compiler", *COMPILER)
    need("service", "pydantic", "structlog", "yaml", "prometheus_client")
    need("kafka", "confluent_kafka")
    from sigmac.migration.live.difference_log import DifferenceLog
    from sigmac.migration.live.live_causes import LiveCauses
    from sigmac.migration.live.live_comparison import LiveComparison, what_is_compared
    from sigmac.migration.live.live_settings import load_live_settings
    from sigmac.migration.live.pairing import Pairing
    from sigmac.runtime.errors import StreamError
    from sigmac.runtime.processes import signals_to

    settings = load_live_settings(config)
    refuse_overlap([str(config)], {"--output": output, "state": settings.state})
    _logs(settings)
    causes = LiveCauses(settings)
    with contextlib.ExitStack() as stack:
        stop: list[int] = []  # signals; the round in work is finished
        stack.enter_context(signals_to(stop.append))
        pairing = Pairing(settings.state, what_is_compared(settings))
        stack.callback(pairing.close)
        log = DifferenceLog(output, pairing)
        stack.callback(log.close)
        live = LiveComparison(settings, pairing, log.write, _passed_over(), causes)
        stack.callback(live.close)
        metrics = _metrics(settings, live.report(), stack)
        if until_end:
            live.until_the_end()
        end = None if seconds is None else time.monotonic() + seconds
        try:
            _run(live, stop, end, every, metrics)
        except sqlite3.OperationalError as error:  # the disk is full, or broken
            raise StreamError(f"{settings.state}: {error}") from None
        found = live.report()
    for line in _summary(found):
        say(line)
    if failed_on(fail_on, _failures(found.counted)):
        raise Exit(ExitStatus.MATCHED)


def _run(
    live: LiveComparison,
    stop: Sequence[int],
    end: float | None,
    every: float,
    metrics: ShadowMetrics,
) -> None:
    shown = said = time.monotonic()
    while not stop:
        live.round()
        now = time.monotonic()
        if live.finished() or (end is not None and now >= end):
            return
        if now >= shown + _SHOWN_EVERY:
            shown = now
            metrics.take(live.report())
        if now >= said + every:
            said = now
            say("; ".join(_state(live.report())))


def _logs(settings: LiveSettings) -> None:
    """What librdkafka has to say is told as logs are, with secrets masked."""
    from sigmac.runtime.service.config.sections import LogSettings
    from sigmac.runtime.service.observe.logs import configure, secrets_of

    configure(LogSettings(level="warning"), {"service": "shadow-live"}, secrets_of(settings))


def _metrics(settings: LiveSettings, first: Report, stack: contextlib.ExitStack) -> ShadowMetrics:
    from sigmac.migration.live.shadow_metrics import ShadowMetrics
    from sigmac.runtime.service.observe.http import HttpServer

    metrics = ShadowMetrics(first)
    if settings.http is not None:
        server = HttpServer(metrics, settings.http, metrics.exposition)
        stack.callback(server.close)
    return metrics


def _passed_over() -> Callable[[Side, str], None]:
    """Says of the first lines of each side why they are passed over; all are counted."""
    said: dict[Side, int] = {}

    def tell(side: Side, reason: str) -> None:
        said[side] = said.get(side, 0) + 1
        if said[side] <= _MOST_SAID:
            more = "; further ones are only counted" if said[side] == _MOST_SAID else ""
            say(f"sigmac: a line of {side} is passed over: {reason}{more}")

    return tell


def _state(report: Report) -> Iterator[str]:
    found = report.counted
    yield (
        f"{found.agreed:,} agreed, {found.only_go:,} only of the Go program, {found.only_sigmac:,} only of sigmac, "
        f"{found.waiting:,} waiting"
    )
    for side, progress in report.progress.items():
        if progress.behind:
            stands = f", and stands for {progress.standing:.0f} s" if progress.standing >= 1 else ""
            yield f"{side} is {counted(progress.behind, 'record')} behind{stands}"
        if progress.trouble:
            yield f"{side}: {progress.trouble}"


def _summary(report: Report) -> Iterator[str]:
    """What is said at the end: the sums, what was strange of lines, and the rules that differ."""
    yield from _state(report)
    for side, tallies in report.counted.lines.items():
        strange = {what: number for what, number in tallies.items() if number and what != "matches"}
        if strange:
            told = ", ".join(
                f"{number:,} {what.replace('_', ' ')}" for what, number in strange.items()
            )
            yield f"{side}: {counted(tallies['matches'], 'match', 'matches')} read; {told}"
    differing = [each for each in report.counted.rules if each.only_go or each.only_sigmac]
    for each in differing[:_MOST_LISTED]:
        yield f"  {each.title}: {each.only_go:,} only of the Go program, {each.only_sigmac:,} only of sigmac"
    if len(differing) > _MOST_LISTED:
        yield f"  and {len(differing) - _MOST_LISTED:,} rules more"


def _failures(found: Counted) -> dict[str, int]:
    return {
        "difference": found.only_go + found.only_sigmac,
        "only-go": found.only_go,
        "only-sigmac": found.only_sigmac,
    }
