"""Judges a sequence of events by a correlation: the alerts that come, beside those that must."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from sigmac.compiler.cases.case import ExpectedAlert, SequenceCase
from sigmac.runtime.correlation.alert import Alert
from sigmac.runtime.correlation.timestamps import FIELDS, shown
from sigmac.runtime.pack.pack_correlator import PackCorrelator
from sigmac.runtime.scalar.json_record import json_bytes
from sigmac.verdicts.verdict import JudgedRule, Verdict

if TYPE_CHECKING:
    from sigmac.runtime.correlation.definition import Correlation
    from sigmac.runtime.pack.pack import Pack

_MOST_SHOWN = 5  # alerts


def judge_sequence(
    pack: Pack,
    rule: JudgedRule,
    case: SequenceCase,
    timestamp_fields: Sequence[str],
    tag: Mapping[str, str] | None,
    *,
    by_time: bool,
) -> Verdict:
    """What the correlation makes of the events, which it is given in the order of their times or as they are listed."""
    name = [*pack.correlations][-1 - rule.key]
    fields = timestamp_fields or FIELDS
    below = _closure(pack.correlations, name)
    correlator = PackCorrelator(
        below, pack.manifest["rules"], pack.rules.place, pack.explain, None, fields
    )
    lines = b"\n".join(
        json_bytes(each.event if each.time is None else {**each.event, fields[0]: shown(each.time)})
        for each in case.events
    )
    result = pack.match_each(lines, logsource="auto" if tag is None else tag)
    observed = [
        each if each is None else each._replace(source=number)
        for number, each in correlator.observe(lines, result)
    ]
    if by_time:
        observed.sort(key=lambda each: each.time if each is not None else -1)
    made = [
        alert
        for each in observed
        for alert in correlator.take(each)
        if alert.correlation is below[name]
    ]
    alerts = [plain_alert(each) for each in sorted(made, key=lambda each: int(each.source))]
    wanted = case.alerts
    passed = wanted is not None and len(alerts) == len(wanted) and all(map(_fits, alerts, wanted))
    expected = (
        "alerts, which are not given"
        if wanted is None
        else _listed([each.given for each in wanted])
    )
    reasons = () if passed else _reasons(case, correlator, observed, name, below)
    return Verdict(rule, case, passed, expected, _listed(alerts), reasons, alerts)


def _closure(definitions: Mapping[str, Correlation], name: str) -> dict[str, Correlation]:
    """A correlation and those below it, in the order of the pack."""
    needed = {name}
    waiting = [name]
    while waiting:
        each = waiting.pop()
        new = {rule for rule in definitions[each].rules if rule in definitions} - needed
        needed |= new
        waiting += new
    return {each: known for each, known in definitions.items() if each in needed}


def plain_alert(alert: Alert) -> dict[str, Any]:
    """What a case may say of an alert."""
    said = alert.plain()["correlation"]
    return {
        "position": alert.source,
        "group": said["group"],
        "value": said["value"],
        "count": said["count"],
        "events": said["events"],
    }


def _fits(alert: Mapping[str, Any], wanted: ExpectedAlert) -> bool:
    return all(_plain(alert[key]) == _plain(value) for key, value in wanted.given.items())


def _plain(value: Any) -> Any:
    """Groups have texts, whatever type of scalar a case has."""
    if isinstance(value, Mapping):
        return {
            str(key): each if isinstance(each, str) else json_bytes(each).decode()
            for key, each in value.items()
        }
    return value


def _listed(alerts: Sequence[Mapping[str, Any]]) -> str:
    if not alerts:
        return "no alert"
    noun = "1 alert" if len(alerts) == 1 else f"{len(alerts):,} alerts"
    said = ", ".join(json_bytes(dict(each)).decode() for each in alerts[:_MOST_SHOWN])
    return f"{noun}: {said}{', …' if len(alerts) > _MOST_SHOWN else ''}"


def _reasons(
    case: SequenceCase,
    correlator: PackCorrelator,
    observed: Sequence[object],
    name: str,
    below: Mapping[str, Correlation],
) -> list[str]:
    rules = {rule for each in below.values() for rule in each.rules} - below.keys()
    counts = correlator.counts[name]
    of = "its rule" if len(rules) == 1 else "its rules"
    said = [f"{len(observed):,} of {len(case.events):,} events match {of}"]
    for number, what in (
        (correlator.no_time, "without a time"),
        (counts.no_group, "without a group"),
        (counts.no_value, "without a value"),
        (counts.late, "too late"),
    ):
        if number:
            said.append(f"{number:,} {what}")
    return ["; ".join(said)]
