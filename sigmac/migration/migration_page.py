"""The report on a migration, as Markdown."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence

from sigmac.migration.assessment import Assessed, Assessment
from sigmac.migration.causes import Cause
from sigmac.migration.go_rules import Outcome
from sigmac.runtime.printable import markdown_text

GUIDE = "docs/migration.md"
MAX_LISTED = 200  # rules under a heading; JSON has all

_OUTCOMES = {
    Outcome.OK: "evaluated",
    Outcome.FAILED: "left out as failed",
    Outcome.UNSUPPORTED: "left out as unsupported",
    Outcome.CRASHED: "end the program: `NewRuleset` panics",
}


def page(found: Assessment, written: Sequence[tuple[str, str]]) -> str:
    """The report; `written` are the files beside it, each with what it is for."""
    return "\n".join(_lines(found, written)) + "\n"


def _lines(found: Assessment, written: Sequence[tuple[str, str]]) -> Iterator[str]:
    yield "# From the Go engine to sigmac\n"
    yield from _summary(found)
    yield from _gained(found.gained)
    yield from _causes(found, certain=True)
    yield from _causes(found, certain=False)
    yield from _refused("Evaluated by the Go engine, and refused here", found.lost)
    yield from _refused("Evaluated by neither", found.neither)
    yield "\n## What was written\n"
    yield from (f"- `{name}`: {what}" for name, what in written)
    yield f"\n{GUIDE} of sigmac leads on, step by step, and has an example of each cause."


def _summary(found: Assessment) -> Iterator[str]:
    yield "| | files |\n| --- | ---: |"
    yield f"| in all | {len(found.files):,} |"
    for outcome, says in _OUTCOMES.items():
        if count := found.outcomes[outcome]:
            yield f"| {says} by the Go engine | {count:,} |"
    yield f"| left out there, and evaluated by sigmac | {len(found.gained):,} |"
    yield f"| evaluated there, and refused by sigmac in whole or in part | {len(found.lost):,} |"
    certain = {each.path for cause in Cause if cause.certain for each in found.with_cause(cause)}
    yield f"| evaluated by both, and read otherwise by the Go engine | {len(certain):,} |"
    rules = sum(each.evaluated for each in found.files)
    yield f"\nsigmac evaluates {rules:,} rules and correlations of these files; {found.filters:,} filters act on them."


def _gained(gained: Sequence[Assessed]) -> Iterator[str]:
    if not gained:
        return
    yield "\n## Left out by the Go engine, evaluated by sigmac\n"
    yield "These have never fired. They will where events fit them.\n"
    by_reason = defaultdict(list)
    for each in gained:
        by_reason[each.reason].append(each)
    for reason, files in sorted(by_reason.items(), key=lambda item: (-len(item[1]), item[0])):
        yield f"\n### {markdown_text(reason)} ({len(files):,})\n"
        yield from _listed(files)


def _causes(found: Assessment, *, certain: bool) -> Iterator[str]:
    causes = [each for each in Cause if each.certain is certain and found.with_cause(each)]
    if not causes:
        return
    if certain:
        yield "\n## Read otherwise by the Go engine\n"
        yield "What these rules say is not what they did there.\n"
        for cause in causes:
            files = found.with_cause(cause)
            yield f"\n### {cause.says} ({len(files):,})\n"
            yield from _listed(files)
    else:
        yield "\n## Where answers may differ, by event\n"
        yield "| cause | rules that may |\n| --- | ---: |"
        yield from (f"| {each.says} | {len(found.with_cause(each)):,} |" for each in causes)


def _refused(heading: str, files: Sequence[Assessed]) -> Iterator[str]:
    if not files:
        return
    yield f"\n## {heading}\n"
    yield "| file | why | what to do |\n| --- | --- | --- |"
    rows = [(each, fault) for each in files for fault in each.faults]
    for each, fault in rows[:MAX_LISTED]:
        why = f"{fault.code}: {fault.message}"
        cells = (each.path, why, fault.hint)
        yield f"| {' | '.join(map(markdown_text, cells))} |"
    yield from _rest(len(rows))


def _listed(files: Sequence[Assessed]) -> Iterator[str]:
    for each in files[:MAX_LISTED]:
        yield f"- {markdown_text(each.title or 'without a title')}: {markdown_text(each.path)}"
    yield from _rest(len(files))


def _rest(count: int) -> Iterator[str]:
    if count > MAX_LISTED:
        yield f"\n… and {count - MAX_LISTED:,} more: `--format json` has all"
