"""What `sigmac shadow` found, as text."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence

from sigmac.cli.options import counted
from sigmac.migration.causes import Cause
from sigmac.migration.difference_causes import OWN_CAUSES
from sigmac.migration.side_by_side import (
    GO,
    SIGMAC,
    Comparison,
    Difference,
    LeftOut,
)
from sigmac.runtime.printable import escaped, shortened

_LONGEST = 300  # characters of a sample
SAYS = {**{each.name.lower(): each.says for each in Cause}, **OWN_CAUSES}


def lines_of(found: Comparison, most: int) -> Iterator[str]:
    """A summary, the differences by their causes, and the rules that differ, `most` of each kind."""
    rules, events = counted(found.rules, "rule"), counted(found.events, "event")
    yield f"{rules} in both engines, {events}, {found.rejected:,} rejected"
    yield f"matches: {found.matches[GO]:,} of the Go engine, {found.matches[SIGMAC]:,} of sigmac"
    if found.crashes:
        yield f"the Go engine crashed over {counted(found.crashes, 'rule and event', 'rules and events')}"
    if not found.differences:
        yield "no match differs"
    for cause in SAYS:
        if count := found.count(cause):
            paths = {each.path for each in found.differences.values() if cause in each.causes}
            yield f"  {counted(count, 'match', 'matches')} of {counted(len(paths), 'rule')}: {SAYS[cause]}"
    for each in found.found[:most]:
        yield from _difference(each)
    yield from _more(len(found.found), most)
    yield from _left_out("evaluated by the Go engine alone", found.only_go, most)
    frequent = sorted(found.only_sigmac, key=lambda each: -each.matches)
    yield from _left_out("evaluated by sigmac alone", frequent, most)


def _difference(each: Difference) -> Iterator[str]:
    who = "the Go engine" if each.only == GO else "sigmac"
    causes = ", ".join(cause.replace("_", " ") for cause in each.causes)
    yield ""
    yield f"{escaped(each.title)}  ({escaped(each.path)})"
    yield f"  {counted(each.count, 'match', 'matches')} by {who} alone: {causes}"
    sample = each.sample
    fields = shortened(json.dumps(sample["fields"], ensure_ascii=False), _LONGEST)
    yield f"  {escaped(str(sample['name']))}:{sample['position'] + 1}: {escaped(fields)}"


def _left_out(what: str, rules: Sequence[LeftOut], most: int) -> Iterator[str]:
    if not rules:
        return
    yield ""
    yield f"{counted(len(rules), 'rule')} {what}:"
    for each in rules[:most]:
        matches = f", {counted(each.matches, 'match', 'matches')}" if each.matches else ""
        yield f"  {escaped(each.title)}  ({escaped(each.path)}): {escaped(shortened(each.reason, _LONGEST))}{matches}"
    yield from _more(len(rules), most)


def _more(count: int, most: int) -> Iterator[str]:
    if count > most:
        yield f"  and {count - most:,} more; --format json has all"
