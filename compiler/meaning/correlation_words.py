"""What correlations do, in words and as JSON: why an event is no hit, what a condition lacks, how long a time is."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from sigmac.compiler.meaning.correlation_moment import (
    Asked,
    GroupMoment,
    Moment,
    Problem,
    ReferenceTruth,
    StepTruth,
    leaves,
)
from sigmac.compiler.meaning.explanation import MAX_TEXT, Explanation, plain_term
from sigmac.runtime.correlation.alert import plain_number
from sigmac.runtime.correlation.definition import Correlation
from sigmac.runtime.correlation.exact import Number
from sigmac.runtime.correlation.hit import Hit
from sigmac.runtime.correlation.measures import bits
from sigmac.runtime.correlation.step import rules_of
from sigmac.runtime.correlation.timestamps import SECOND, shown

MAX_NAMED = 5  # values, fields or events that a sentence names
_MAX_WORD = 80  # characters of each
_YEAR_ONE = -62_135_596_800 * SECOND
_UNITS = (("d", 86_400), ("h", 3600), ("m", 60), ("s", 1))
_COUNTED = {"event_count": "hit", "value_count": "value", "temporal": "rule"}


@dataclass(frozen=True, slots=True)
class Missing:
    """What a condition that is false lacks: `kind` is count, value, rule, order or time."""

    kind: str
    text: str


def timespan_text(seconds: int) -> str:
    """A timespan as rules have it.

    >>> timespan_text(300), timespan_text(90), timespan_text(172_800)
    ('5m', '90s', '2d')
    """
    unit, size = next(each for each in _UNITS if seconds % each[1] == 0)
    return f"{seconds // size}{unit}"


def duration(microseconds: int) -> str:
    """How long a time is, exactly.

    >>> duration(12_000_000), duration(3_725_500_000), duration(1)
    ('12 s', '1 h 2 min 5.5 s', '0.000001 s')
    """
    minutes, rest = divmod(microseconds, 60 * SECOND)
    hours, minutes = divmod(minutes, 60)
    whole, part = divmod(rest, SECOND)
    seconds = f"{whole}.{part:06}".rstrip("0").rstrip(".")
    parts = [f"{hours:,} h"] * bool(hours) + [f"{minutes} min"] * bool(minutes)
    return " ".join([*parts, f"{seconds} s"] if rest or not parts else parts)


def time_text(time: int) -> str:
    """A time as alerts show it; a window may begin before the first year."""
    return shown(max(time, _YEAR_ONE))


def events_text(positions: Sequence[Any], count: int | None = None) -> str:
    """Some events by their positions, of so many in all.

    >>> events_text([7]), events_text([3, 17], 40)
    ('event 7', 'events 3, 17 and 38 more')
    """
    named = ", ".join(map(str, positions))
    more = (len(positions) if count is None else count) - len(positions)
    word = "event" if len(positions) == 1 and not more else "events"
    return f"{word} {named} and {more:,} more" if more else f"{word} {named}"


# Why there is no hit


def problem_text(problem: Problem, timestamp_fields: Sequence[str], *, values: bool = True) -> str:
    """Why an event is no hit, in words; without `values` in the same words for all events of one kind."""
    if problem.reason == "no_time":
        return f"no timestamp in {_listed(timestamp_fields, ', ')}"
    asked = problem.asked
    assert asked is not None
    fields = _listed(asked.fields, " and ")
    if not asked.present:
        return f"{fields} {'is' if len(asked.fields) == 1 else 'are'} absent"
    has = f"{fields} {'has' if len(asked.fields) == 1 else 'have'}"
    if problem.numeric:
        return f"{has} no number"
    if not asked.texts:
        return f"{has} no value"
    if not values:
        return f"{has} several values"
    return f"{has} {len(asked.texts)} values: {_listed(asked.texts, ', ')}"


def _listed(words: Sequence[str], between: str) -> str:
    named = [each if len(each) <= _MAX_WORD else f"{each[:_MAX_WORD]}…" for each in words]
    return between.join(named[:MAX_NAMED]) + (", …" if len(named) > MAX_NAMED else "")


# What is missing


def missing(definition: Correlation, moment: GroupMoment) -> tuple[Missing, ...]:
    """What a condition that was tested and is false lacks."""
    if moment.edge != "false":
        return ()
    if moment.term is not None:
        return tuple(_missing_words(definition, moment))
    found = [
        _missing_number(definition, moment.value or 0, word, number)
        for word, number, holds in moment.comparisons
        if not holds
    ]
    if not moment.comparisons:
        found += [Missing("rule", f"{name} is not seen") for name, seen in moment.rules if not seen]
    if moment.steps and (not moment.comparisons or any(m.kind == "count" for m in found)):
        found += [_missing_step(each) for each in moment.steps if each.hit is None]
    return tuple(found)


def _missing_number(definition: Correlation, value: Number, word: str, number: Number) -> Missing:
    noun = _COUNTED.get(definition.type) or (
        "step" if definition.type == "temporal_ordered" else None
    )
    if noun is None or word not in ("gt", "gte", "eq") or value > number:
        return Missing(
            "value" if noun is None else "count", f"{plain_number(value)} is not {word} {number}"
        )
    least = math.floor(number) + 1 if word == "gt" else math.ceil(number)
    more = least - int(value)
    return Missing("count", f"{more:,} more {noun}{'s' * (more != 1)}: {value:,} of {least:,}")


def _missing_step(step: StepTruth) -> Missing:
    if not step.elsewhere:
        return Missing("rule", f"{step.rule} is not seen")
    where = events_text([each.source for each in step.elsewhere[-MAX_NAMED:]])
    return Missing("order", f"{step.rule} is seen at {where}, not where the order asks for it")


def _missing_words(definition: Correlation, moment: GroupMoment) -> Iterator[Missing]:
    names = rules_of(definition)
    seen = {names[i]: hit for hit in moment.hits for i in bits(hit.seen)}
    for name, positive in dict.fromkeys(leaves(definition.expression)):
        if positive and name not in seen:
            yield Missing("rule", f"{name} is not seen")
        elif not positive and name in seen:
            yield Missing("rule", f"{name} is seen, last at event {seen[name].source}")


# As JSON


def plain_moment(moment: Moment, timestamp_fields: Sequence[str]) -> dict[str, Any]:
    """A correlation at one event as JSON types; `docs/explain.md` describes it."""
    return {
        "correlation": plain_correlation(moment.correlation),
        "event": moment.position,
        "time": None if moment.time is None else time_text(moment.time),
        "matched": moment.matched,
        "references": [_plain_reference(each, timestamp_fields) for each in moment.references],
        "problems": [plain_problem(each, timestamp_fields) for each in moment.problems],
        "groups": [_plain_group(moment.correlation, each) for each in moment.groups],
    }


def plain_correlation(definition: Correlation) -> dict[str, Any]:
    """What a correlation is."""
    return {
        "id": definition.id,
        "name": definition.name,
        "title": definition.title,
        "level": definition.level,
        "type": definition.type,
        "timespan": definition.timespan,
    }


def _plain_reference(each: ReferenceTruth, timestamp_fields: Sequence[str]) -> dict[str, Any]:
    made: dict[str, Any] = {"rule": each.name, "matched": each.matched}
    if each.rule is not None:
        made["variants"] = _plain_variants(each.rule)
    if each.child is not None:
        made["child"] = plain_moment(each.child, timestamp_fields)
    return made


def _plain_variants(explanation: Explanation) -> list[dict[str, Any]]:
    return [
        {
            "name": variant.name,
            "matched": variant.matched,
            "conditions": [
                {"condition": each.condition.text, "matched": each.matched}
                for each in variant.conditions
            ],
            "filters": [
                {
                    "id": each.filter.meta.id,
                    "title": each.filter.meta.title,
                    "matched": each.matched,
                }
                for each in variant.filters
            ],
        }
        for variant in explanation.variants
    ]


def plain_problem(problem: Problem, timestamp_fields: Sequence[str]) -> dict[str, Any]:
    """Why an event is no hit."""
    return {
        "reason": problem.reason,
        "rule": problem.rule,
        "text": problem_text(problem, timestamp_fields),
        "field": None if problem.asked is None else _plain_asked(problem.asked),
    }


def _plain_asked(asked: Asked) -> dict[str, Any]:
    return {
        "name": asked.name,
        "fields": list(asked.fields),
        "present": asked.present,
        "count": len(asked.texts),
        "texts": [text[:MAX_TEXT] for text in asked.texts[:MAX_NAMED]],
    }


def _plain_group(definition: Correlation, moment: GroupMoment) -> dict[str, Any]:
    return {
        "group": dict(zip(definition.group_by, moment.key, strict=True)),
        "names": [_plain_asked(each) for each in moment.group],
        "late": None if moment.late is None else moment.late / SECOND,
        "restarted": moment.restarted,
        "window": {"from": time_text(moment.begin), "to": time_text(moment.end)},
        "count": moment.count,
        "hits": [plain_hit(definition, each) for each in moment.hits],
        "value": None if moment.value is None else plain_number(moment.value),
        "thresholds": [
            {"operator": word, "number": number, "matched": holds}
            for word, number, holds in moment.comparisons
        ],
        "rules": [{"rule": name, "matched": seen} for name, seen in moment.rules],
        "steps": [
            {
                "rule": each.rule,
                "event": None if each.hit is None else each.hit.source,
                "elsewhere": [hit.source for hit in each.elsewhere],
            }
            for each in moment.steps
        ],
        "term": None if moment.term is None else plain_term(moment.term),
        "edge": moment.edge,
        "since": moment.since,
        "missing": [plain_missing(each) for each in missing(definition, moment)],
    }


def plain_missing(each: Missing) -> dict[str, str]:
    """What a condition lacks."""
    return {"kind": each.kind, "text": each.text}


def plain_hit(definition: Correlation, hit: Hit) -> dict[str, Any]:
    """A hit in its window."""
    return {
        "event": hit.source,
        "time": time_text(hit.time),
        "rules": seen_rules(definition, hit),
        "values": [_plain_value(each) for each in hit.values[:MAX_NAMED]],
    }


def seen_rules(definition: Correlation, hit: Hit) -> list[str]:
    """The rules that a hit sees, by their names."""
    names = rules_of(definition)
    return list(dict.fromkeys(names[i] for i in bits(hit.seen)))


def _plain_value(value: Any) -> Any:
    if isinstance(value, tuple):
        return [text[:MAX_TEXT] for text in value]
    return value[:MAX_TEXT] if isinstance(value, str) else value
