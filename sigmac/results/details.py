"""What a result says of its event and of its rule, besides what every line has: on request, and in tables."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import orjson

from sigmac.results.host_and_user import HOSTS, USERS, first_text
from sigmac.results.rule_of import RuleOf
from sigmac.runtime.correlation.timestamps import FIELDS, event_time, shown
from sigmac.runtime.errors import SigmacError
from sigmac.runtime.match import Explanation, Rule
from sigmac.runtime.scalar.scalars import lookup

if TYPE_CHECKING:
    from sigmac.results.result import Result
    from sigmac.runtime.correlation.definition import Correlation
    from sigmac.runtime.pack.pack import Pack

# Where results look for a time when no field has one that correlations ask by default: Sentinel and Defender,
# Microsoft 365, Azure, Okta, Kubernetes, Zeek, Splunk
TIMES = (
    *FIELDS,
    *("TimeGenerated", "Timestamp", "CreationTime", "createdDateTime", "activityDateTime"),
    *("published", "requestReceivedTimestamp", "ts", "_time", "event.created"),
)
KEYWORDS = "keywords"  # the name in `fields` of what keywords found
_MOST_VALUES = 20  # of a field
# What explaining raises, for rules that a pack was not made to explain
FAULTS = (SigmacError, ValueError, TypeError, ArithmeticError, RecursionError)


def _logsource(rule: Rule | Correlation) -> dict[str, str] | None:
    if not isinstance(rule, Rule):
        return None
    source = rule.logsource
    found = {"product": source.product, "category": source.category, "service": source.service}
    return {key: value for key, value in found.items() if value}


_OF_RULES: Mapping[str, Callable[[Rule | Correlation], Any]] = {
    "logsource": _logsource,
    "file": lambda rule: rule.source,
    "description": lambda rule: rule.description,
    "status": lambda rule: rule.status,
    "author": lambda rule: rule.author,
    "references": lambda rule: list(rule.references),
    "falsepositives": lambda rule: list(rule.falsepositives),
}


class Details:
    """Looks things up for the results of a pack; `timestamp_fields` are those that are asked for a time."""

    def __init__(self, pack: Pack, timestamp_fields: Sequence[str] | None = None):
        self.rule_of = RuleOf(pack)
        self._explain = pack.explain
        self._times = timestamp_fields or TIMES

    def of_rule(self, key: int, names: Sequence[str]) -> dict[str, Any]:
        """What is asked of a rule, by its names among `OF_RULES`."""
        rule = self.rule_of(key)
        return {name: _OF_RULES[name](rule) for name in names}

    def of_event(
        self, result: Result, event: Mapping[str, Any], names: Sequence[str]
    ) -> dict[str, Any]:
        """What is asked of an event, by its names among `OF_EVENTS`."""
        found: dict[str, Any] = {}
        for name in names:
            if name == "time":
                time = self.time(event)
                found[name] = None if time is None else shown(time)
            elif name == "fields":
                found[name] = self.fields(result, event)
            else:
                found[name] = first_text(event, HOSTS if name == "host" else USERS)
        return found

    def time(self, event: Mapping[str, Any]) -> int | None:
        """When the event happened, in microseconds since 1970 (UTC)."""
        return event_time(event, self._times)

    def fields(self, result: Result, event: Mapping[str, Any]) -> dict[str, list[Any]]:
        """The fields by which a rule matched, with their values; the group of an alert."""
        if result.key < 0:
            group = correlation_of(result)["group"]
            return {name: [value] for name, value in group.items()}
        explanation = self.explanation(result, event)
        return {} if explanation is None else matched_fields(explanation, event)

    def explanation(self, result: Result, event: Mapping[str, Any]) -> Explanation | None:
        """Why a rule matched; None of an alert, and where that cannot be said."""
        if result.key < 0:
            return None
        try:
            return self._explain(result.key, dict(event))
        except FAULTS:
            return None


def event_of(result: Result) -> dict[str, Any]:
    """The event of a result; empty where it has none."""
    found = orjson.loads(result.event) if result.event else {}
    return found if isinstance(found, dict) else {}


def correlation_of(result: Result) -> dict[str, Any]:
    """What an alert says of its correlation."""
    found: dict[str, Any] = orjson.loads(result.more.partition(b":")[2])
    return found


def matched_fields(explanation: Explanation, event: Mapping[str, Any]) -> dict[str, list[Any]]:
    """The fields that true selections asked, where the answer was yes, with the scalars that the event has there."""
    found: dict[str, list[Any]] = {}
    for question in explanation.questions:
        if not question.answer or not explanation.selections.get(question.selection, True):
            continue
        if question.field:
            values = lookup(event, question.field) or ()
            scalars = [each for each in values if not isinstance(each, dict)]
            if scalars:
                found[question.field] = scalars[:_MOST_VALUES]
        else:
            held = found.setdefault(KEYWORDS, [])
            held += [each for each in question.held if each not in held][:_MOST_VALUES]
    return found
