"""The report of `sigmac diff`: lines for people, and Markdown for a merge request."""

from __future__ import annotations

import html
import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from sigmac.cli.options import counted
from sigmac.runtime.printable import escaped, markdown_text, shortened

MAX_LISTED = 50  # rules of a list
MAX_CODE = 60  # lines
_WIDTH = 200  # characters of a sentence
_EVENT = 2000  # characters


def lines_of(report: Mapping[str, Any], *, code: bool) -> Iterator[str]:
    """The report for people. Of packs, of which nobody knows what was written, the code is always shown."""
    yield f"{escaped(report['old'])} → {escaped(report['new'])}: {_summary(report)}"
    for what in ("added", "removed"):
        if found := report[what]:
            yield f"\n{what}: {len(found):,}"
            yield from (f"  {_named(each)}" for each in found[:MAX_LISTED])
            yield from _rest(found, "  ")
    if found := report["changed"]:
        yield f"\nchanged: {len(found):,}"
        for each in found[:MAX_LISTED]:
            yield f"  {_named(each)}"
            yield from (f"    {shortened(said, _WIDTH)}" for said in each["words"])
            if code or not each["words"]:
                yield from (f"      {escaped(line)}" for line in _code(each["code"]))
        yield from _rest(found, "  ")
    if "matches" in report:
        yield f"\nmatches on {_of_events(report['matches'])}"
        yield from _samples(report["matches"]["rules"])
    if "alerts" in report:
        yield f"\nalerts: {_counts(report['alerts'])}"
        yield from _samples(report["alerts"]["correlations"])


def _samples(found: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    for each in found[:MAX_LISTED]:
        yield f"  +{each['gained']:,} -{each['lost']:,}  {_named(each)}"
        for what in ("gained", "lost"):
            if (sample := each[f"sample_{what}"]) is not None:
                yield f"    {what}: {escaped(sample['source'])}"
                yield from (f"      {shortened(why, _WIDTH)}" for why in sample["why"])
    yield from _rest(found, "  ")


def markdown_of(report: Mapping[str, Any], *, code: bool) -> Iterator[str]:
    """The report as Markdown, in which nothing that rules or events say is markup."""
    yield f"## Rules: {markdown_text(report['old'])} → {markdown_text(report['new'])}"
    yield f"\n{_summary(report)}"
    for what in ("added", "removed"):
        if found := report[what]:
            yield f"\n### {what.capitalize()}: {len(found):,}\n"
            yield from (f"- {_named(each, markdown_text)}" for each in found[:MAX_LISTED])
            yield from _rest(found, "- ")
    if found := report["changed"]:
        yield f"\n### Changed: {len(found):,}\n"
        for each in found[:MAX_LISTED]:
            yield f"- {_named(each, markdown_text)}"
            yield from (f"  - {markdown_text(said)}" for said in each["words"])
            if code or not each["words"]:
                yield from _fenced("diff", _code(each["code"]), "  ")
        yield from _rest(found, "- ")
    if "matches" in report:
        yield f"\n### Matches on {_of_events(report['matches'])}\n"
        yield from _markdown_samples("rule", report["matches"]["rules"])
    if "alerts" in report:
        yield f"\n### Alerts: {_counts(report['alerts'])}\n"
        yield from _markdown_samples("correlation", report["alerts"]["correlations"])


def _markdown_samples(noun: str, found: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    if not found:
        return
    yield f"| {noun} | gained | lost |\n| --- | ---: | ---: |"
    for each in found[:MAX_LISTED]:
        yield f"| {_named(each, markdown_text)} | {each['gained']:,} | {each['lost']:,} |"
    for each in found[:MAX_LISTED]:
        for what in ("gained", "lost"):
            if (sample := each[f"sample_{what}"]) is not None:
                yield f"\n<details><summary>{what}: {html.escape(each['title'])}</summary>\n"
                yield f"{markdown_text(sample['source'])}\n"
                yield from (f"- {markdown_text(why)}" for why in sample["why"])
                event = json.dumps(sample["event"], indent=2, default=str)[:_EVENT]
                yield from _fenced("json", event.splitlines(), "")
                yield "\n</details>"


def _summary(report: Mapping[str, Any]) -> str:
    rules = report["rules"]
    changes = ", ".join(f"{len(report[what]):,} {what}" for what in ("added", "removed", "changed"))
    return f"{rules['old']:,} → {counted(rules['new'], 'rule')}; {changes}"


def _of_events(found: Mapping[str, Any]) -> str:
    rejected = f", {found['rejected']:,} rejected" if found["rejected"] else ""
    return f"{counted(found['events'], 'event')}{rejected}: {_counts(found)}"


def _counts(found: Mapping[str, Any]) -> str:
    said = f"{found['gained']:,} gained, {found['lost']:,} lost, {found['both']:,} as before"
    if found.get("no_time"):
        said += f"; {counted(found['no_time'], 'hit')} without a time (--timestamp-field)"
    return said


def _named(each: Mapping[str, Any], shown: Callable[[str], str] = escaped) -> str:
    kind = "" if each["kind"] == "rule" else f"{each['kind']} "
    level = f" ({shown(str(each['level']))})" if each["level"] else ""
    return f"{kind}{shown(each['title'])}{level}"


def _code(lines: Sequence[str]) -> Sequence[str]:
    if len(lines) <= MAX_CODE:
        return lines
    return [*lines[:MAX_CODE], f"… and {len(lines) - MAX_CODE:,} more lines"]


def _rest(found: Sequence[Any], before: str) -> Iterator[str]:
    if len(found) > MAX_LISTED:
        yield f"{before}… and {len(found) - MAX_LISTED:,} more: --format json has all"


def _fenced(language: str, lines: Sequence[str], before: str) -> Iterator[str]:
    """A block of code; its fence is longer than any within."""
    ticks = max((len(each) for line in lines for each in re.findall("`+", line)), default=0)
    fence = "`" * max(3, ticks + 1)
    yield f"\n{before}{fence}{language}"
    yield from (f"{before}{escaped(line)}" for line in lines)
    yield f"{before}{fence}\n"
