"""The report of `sigmac coverage` as lines for people."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from sigmac.cli.options import LOGSOURCE_KEYS, counted
from sigmac.runtime.printable import shortened

MAX_LISTED = 20  # lines of a list; --all and JSON have all
_WIDTH = 100  # characters of a title or a tag
_BAR = 20  # characters


def lines_of(report: Mapping[str, Any], *, everything: bool) -> Iterator[str]:
    """The report as lines; of each list the first ones, where not everything is asked for."""
    most = None if everything else MAX_LISTED
    yield _head(report)
    yield from _tactics(report)
    yield from _table("level", [(each["level"], each) for each in report["levels"]], None)
    yield from _table("status", [(each["status"], each) for each in report["statuses"]], None)
    named = [
        ("/".join(filter(None, (each[key] for key in LOGSOURCE_KEYS))), each)
        for each in report["logsources"]
    ]
    yield from _table("logsource", named, most)
    untagged = [_place(each) for each in report["untagged"]]
    yield from _list("without a tag of ATT&CK", untagged, most)
    unknown = [
        f"{_text(each['tag'])}: {each['reason']} ({counted(len(each['rules']), 'rule')}, the first in "
        f"{_text(each['rules'][0]['source'])})"
        for each in report["unknown_tags"]
    ]
    yield from _list(f"tags that are none of ATT&CK {report['attack']}", unknown, most)


def _head(report: Mapping[str, Any]) -> str:
    covered = sum(1 for each in report["techniques"] if each["tactics"])
    said = (
        f"{counted(report['rules'], 'rule')}, {counted(covered, 'technique')} of ATT&CK "
        f"{report['attack']}"
    )
    fired = report.get("fired")
    if fired is None:
        return said
    others = fired["of_other_rules"]
    more = f", {others:,} of rules that are not among these" if others else ""
    return f"{said}; {counted(fired['rules'], 'rule')} fired, {counted(fired['results'], 'result')}{more}"


def _tactics(report: Mapping[str, Any]) -> Iterator[str]:
    fired = "fired" in report
    head = f"{'rules':>7}{'fired':>7}" if fired else f"{'rules':>7}"
    yield f"\n{head}  {'tactic':<22}techniques, without those below them"
    for each in report["tactics"]:
        share = each["techniques"] / each["of"] if each["of"] else 0
        bar = ("█" * round(share * _BAR)).ljust(_BAR, "░")
        of = f"{bar} {each['techniques']} of {each['of']}" if each["of"] else "not of this version"
        yield f"{_numbers(each)}  {each['tactic']:<22}{of}"


def _table(
    what: str, named: Sequence[tuple[str, Mapping[str, Any]]], most: int | None
) -> Iterator[str]:
    if not named:
        return
    fired = "fired" in named[0][1]
    yield f"\n{'rules':>7}{'fired':>7}  {what}" if fired else f"\n{'rules':>7}  {what}"
    for name, each in named[:most]:
        yield f"{_numbers(each)}  {_text(name) or 'none'}"
    yield from _rest(named, most)


def _list(what: str, lines: Sequence[str], most: int | None) -> Iterator[str]:
    if lines:
        yield f"\n{what}: {len(lines):,}"
        yield from (f"  {line}" for line in lines[:most])
        yield from _rest(lines, most)


def _rest(found: Sequence[Any], most: int | None) -> Iterator[str]:
    if most is not None and len(found) > most:
        yield f"  … and {len(found) - most:,} more: --all lists them"


def _numbers(each: Mapping[str, Any]) -> str:
    return f"{each['rules']:>7,}" + (f"{each['fired']:>7,}" if "fired" in each else "")


def _place(each: Mapping[str, Any]) -> str:
    return f"{_text(each['source'])} {_text(each['title'])}"


def _text(text: str) -> str:
    return shortened(text, _WIDTH)
