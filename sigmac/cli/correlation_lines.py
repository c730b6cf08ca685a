"""The explanation of a correlation as lines of text: one event in its groups, and the groups that came near."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from sigmac.cli.explanation_lines import MAX_SHOWN, Line, Span
from sigmac.cli.options import counted
from sigmac.runtime.printable import escaped, shortened

if TYPE_CHECKING:
    from sigmac.compiler.meaning.correlation_moment import (
        Asked,
        GroupMoment,
        Moment,
        ReferenceTruth,
        StepTruth,
    )
    from sigmac.compiler.meaning.correlation_words import Missing
    from sigmac.compiler.meaning.explanation import Explanation, TermTruth
    from sigmac.compiler.meaning.nearest_groups import GroupStory, Outside, Overview
    from sigmac.runtime.correlation.definition import Correlation
    from sigmac.runtime.correlation.hit import Hit

_DEEPER = 5  # blanks: what is told of a correlation stands below its title
_MOST_NAME = 40  # characters of a name that is part of a sentence
_VALUES = 3  # of a hit


def overview_lines(overview: Overview, fields: Sequence[str]) -> Iterator[list[Line]]:
    """A block about all events, and one for each group that is shown."""
    from sigmac.compiler.meaning.correlation_words import events_text
    from sigmac.compiler.meaning.nearest_groups import MAX_LOOKED_AT

    definition, counts = overview.correlation, overview.counts
    said = f"{counted(overview.hits, 'hit')} in {counted(overview.groups, 'group')}"
    late = f", {counts.late:,} too late" if counts.late else ""
    gone = f", {counts.evicted_groups:,} groups forgotten" if counts.evicted_groups else ""
    gone += f", {counts.evicted_hits:,} hits forgotten" if counts.evicted_hits else ""
    more = overview.groups - len(overview.stories)
    unasked = counts.no_group + counts.no_value - MAX_LOOKED_AT
    hidden = f"; {len(overview.stories):,} of them shown" if more else ""
    yield [
        (0, bool(counts.alerts), _title(definition, "")),
        *(
            (
                _DEEPER,
                bool(count),
                [(_name(name), "bold"), (f"   {counted(count, 'event')}", "dim")],
            )
            for name, count in overview.references.items()
        ),
        _label("events", f"{said}, {_alerts(counts.alerts)}{late}{gone}{hidden}"),
        *(
            _label("no hit", f"{each.text}: {events_text(each.events, each.count)}")
            for each in overview.reasons
        ),
        *([_label("no hit", f"{unasked:,} further events")] if unasked > 0 else []),
    ]
    for story in overview.stories:
        yield [*_story_lines(definition, story, fields)]


def _alerts(count: int) -> str:
    return counted(count, "alert") if count else "no alert"


def _story_lines(
    definition: Correlation, story: GroupStory, fields: Sequence[str]
) -> Iterator[Line]:
    late = f", {story.late:,} too late" if story.late else ""
    said = f"{counted(story.hits, 'hit')}, {_alerts(story.alerts)}{late}"
    _, *lines = moment_lines(story.moment, fields, tell_missing=False)
    yield 0, bool(story.alerts), _title(definition, said)
    yield from lines
    yield from map(_missing_line, story.missing)
    for each in story.outside:
        yield _outside_line(definition, each)


def _outside_line(definition: Correlation, outside: Outside) -> Line:
    from sigmac.compiler.meaning.correlation_words import duration

    by = duration(outside.by)
    where = f"late by {by}" if outside.where == "late" else f"{by} {outside.where} the window"
    return _label("outside", f"{_hit_text(definition, outside.hit)}  {where}")


def moment_lines(
    moment: Moment, fields: Sequence[str], *, tell_missing: bool = True, indent: int = 0
) -> Iterator[Line]:
    """A correlation at one event; `fields` are those that are asked for a time."""
    from sigmac.compiler.meaning.correlation_words import problem_text

    definition = moment.correlation
    yield indent, moment.matched, _title(definition, f"event {moment.position}")
    inner = indent + _DEEPER
    width = max((len(_name(each.name)) for each in moment.references), default=0)
    for reference in moment.references:
        yield from _reference_lines(reference, moment.position, fields, width, inner)
    for problem in moment.problems:
        what = {"no_time": "time", "no_group": "group", "no_value": "field"}[problem.reason]
        several = problem.rule and len(moment.references) > 1
        through = f" (through {_name(problem.rule or '')})" if several else ""
        yield _label(what, problem_text(problem, fields) + through, inner)
    for group in moment.groups:
        yield from _group_lines(definition, group, tell_missing, inner)
    if not moment.groups:
        yield _label("edge", "not tested", inner)


def _label(label: str, text: str, indent: int = _DEEPER) -> Line:
    return indent, None, [(f"{label:<9}", "dim"), (escaped(text), "")]


def _name(name: str) -> str:
    return shortened(name, _MOST_NAME)


def _title(definition: Correlation, said: str) -> list[Span]:
    from sigmac.compiler.meaning.correlation_words import timespan_text

    kind = f"   {definition.type}, {timespan_text(definition.timespan)}"
    title = (shortened(definition.title, MAX_SHOWN), "bold")
    return [title, (kind, "cyan"), (f"   {said}" if said else "", "dim")]


# References


def _reference_lines(
    reference: ReferenceTruth, position: int, fields: Sequence[str], width: int, indent: int
) -> Iterator[Line]:
    if reference.child is not None:
        yield from moment_lines(reference.child, fields, tell_missing=True, indent=indent)
        return
    name = f"{_name(reference.name):<{width}}"
    at = f"   event {position}" if reference.matched else ""
    yield indent, reference.matched, [(name.rstrip() if not at else name, "bold"), (at, "dim")]
    if reference.rule is not None:
        yield from _filter_lines(reference.rule, indent + 2)


def _filter_lines(explanation: Explanation, indent: int) -> Iterator[Line]:
    """The filters of a rule; of one that does not match its conditions too, so that it is clear what it lacks."""
    for variant in explanation.variants:
        deeper = indent
        if variant.name is not None:
            yield indent, variant.matched, [("variant ", ""), (variant.name, "bold")]
            deeper += 2
        if not variant.matched:
            for condition in variant.conditions:
                text = shortened(" ".join(condition.condition.text.split()), MAX_SHOWN)
                yield deeper, condition.matched, [("condition ", ""), (text, "cyan")]
        for each in variant.filters:
            title = shortened(each.filter.meta.title, MAX_SHOWN)
            yield deeper, each.matched, [("filter ", ""), (title, "bold")]


# Groups


def _group_lines(
    definition: Correlation, group: GroupMoment, tell_missing: bool, indent: int
) -> Iterator[Line]:
    from sigmac.compiler.meaning.correlation_words import duration, missing

    yield _label("group", ", ".join(map(_asked_text, group.group)) or "all events", indent)
    if group.late is not None:
        set_aside = f", set aside ({group.aside} in a row)" if group.aside else ""
        yield _label("late", f"late by {duration(group.late)}{set_aside}", indent)
    if group.restarted:
        text = "begun anew, as three events in a row came too late"
        yield _label("restart", text, indent)
    yield _label("window", _window_text(group), indent)
    for hit in group.hits:
        yield _label("hit", _hit_text(definition, hit, group.end), indent)
    yield from _condition_lines(group, indent)
    edge = group.edge
    if edge == "true":
        edge = f"true since event {group.since}, no new alert"
    yield _label("edge", edge, indent)
    if tell_missing:
        for each in missing(definition, group):
            yield _missing_line(each, indent)


def _missing_line(missing: Missing, indent: int = _DEEPER) -> Line:
    return _label("missing", missing.text, indent)


def _asked_text(asked: Asked) -> str:
    text = shortened(asked.texts[0], MAX_SHOWN)
    if asked.fields == (asked.name,):
        return f"{_name(asked.name)} = {text}"
    return f"{_name(asked.name)} = {text} ({', '.join(map(_name, asked.fields))})"


def _window_text(group: GroupMoment) -> str:
    from sigmac.compiler.meaning.correlation_words import events_text, time_text

    begin, end = _clock(time_text(group.begin)), _clock(time_text(group.end))
    shown = f"{begin} to {end.removeprefix(begin[:11])}, {counted(group.count, 'hit')}"
    if not group.hits:
        return shown
    more = group.count - len(group.hits)
    older = f" and {more:,} older" if more else ""
    return f"{shown}: {events_text([hit.source for hit in group.hits])}{older}"


def _clock(time: str) -> str:
    return time.replace("T", " ").removesuffix("Z")


def _hit_text(definition: Correlation, hit: Hit, end: int | None = None) -> str:
    """A hit in one line; of the day of the window's end only the time of day."""
    from sigmac.compiler.meaning.correlation_words import seen_rules, time_text

    time = _clock(time_text(hit.time))
    if end is not None:
        time = time.removeprefix(_clock(time_text(end))[:11])
    rules = ", ".join(map(_name, seen_rules(definition, hit)))
    values = f"  {_values_text(hit)}" if hit.values else ""
    return f"event {hit.source}  {time}  {rules}{values}"


def _values_text(hit: Hit) -> str:
    shown = ", ".join(map(_value_text, hit.values[:_VALUES]))
    more = len(hit.values) - _VALUES
    return f"{shown} and {more:,} more" if more > 0 else shown


def _value_text(value: Any) -> str:
    if isinstance(value, tuple):
        return f"({', '.join(map(_value_text, value))})"
    return shortened(value, MAX_SHOWN, '"') if isinstance(value, str) else str(value)


# Conditions


def _condition_lines(group: GroupMoment, indent: int) -> Iterator[Line]:
    for step in group.steps:
        yield _step_line(step, indent)
    for name, seen in group.rules:
        yield indent, seen, [("seen ", ""), (_name(name), "bold")]
    if group.term is not None:
        yield from _term_lines(group.term, indent)
    if group.value is not None and group.term is None:
        yield _label("value", f"{_number(group.value)}:  {_thresholds(group)}", indent)


def _number(value: int | float) -> str:
    from sigmac.runtime.correlation.alert import plain_number

    return str(plain_number(value))


def _thresholds(group: GroupMoment) -> str:
    if group.comparisons:
        return ", ".join(
            f"{word} {number}  {'yes' if holds else 'no'}"
            for word, number, holds in group.comparisons
        )
    asked = len(group.steps) or len(group.rules)
    return f"all {asked} {'steps' if group.steps else 'rules'}  {'yes' if group.value == asked else 'no'}"


def _step_line(step: StepTruth, indent: int) -> Line:
    from sigmac.compiler.meaning.correlation_words import events_text

    if step.hit is not None:
        said = f"   event {step.hit.source}"
    elif step.elsewhere:
        said = f"   {events_text([hit.source for hit in step.elsewhere])} out of order"
    else:
        said = ""
    return indent, step.hit is not None, [("step ", ""), (_name(step.rule), "bold"), (said, "dim")]


def _term_lines(term: TermTruth, indent: int) -> Iterator[Line]:
    stack = [(indent, term)]
    while stack:
        indent, term = stack.pop()
        yield indent, term.matched, [(shortened(term.text, MAX_SHOWN), "")]
        stack += [(indent + 2, operand) for operand in reversed(term.operands)]
