"""What `sigmac fields` tells: one report, as JSON types, and the same as lines for people."""

from __future__ import annotations

import importlib.util
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from sigmac.cli.options import LOGSOURCE_KEYS, counted
from sigmac.runtime.chances.chances import Chance
from sigmac.runtime.chances.event_shapes import EVTX, MESSAGE, SCHEMA, WRAPPED
from sigmac.runtime.chances.nearest_field import FieldNames
from sigmac.runtime.printable import escaped, shortened

if TYPE_CHECKING:
    from sigmac.runtime.chances.chances import Report, RuleChance
    from sigmac.runtime.chances.decision_graph import Question
    from sigmac.runtime.chances.event_fields import EventFields, Kind
    from sigmac.runtime.pack.pack import Pack

MAX_LISTED = 20  # lines of a list for people; JSON has all
_WIDTH = 100  # characters of a name or value in a line
_HEADS = {
    Chance.FIELDS: (
        "rule asks for fields that none of its events has",
        "rules ask for fields that none of their events has",
    ),
    Chance.VALUES: (
        "rule asks for events that did not occur",
        "rules ask for events that did not occur",
    ),
    Chance.LOGSOURCE: (
        "rule is for a logsource of which there is no event",
        "rules are for logsources of which there is no event",
    ),
    Chance.ALWAYS: (
        "rule matches every event that it looks at, as none has the fields by which it would exclude some",
        "rules match every event that they look at, as none has the fields by which they would exclude some",
    ),
}


def report_of(pack: Pack, seen: EventFields, found: Report, *, unused: bool) -> dict[str, Any]:
    """The report as JSON types; `docs/fields.md` describes it."""
    chances = Counter(each.chance for each in found.rules)
    names = FieldNames(seen.names)
    report: dict[str, Any] = {
        "version": 1,
        "pack": pack.name,
        "events": seen.events,
        "rules": {
            "all": len(found.rules),
            **{chance.value: chances[chance] for chance in Chance},
        },
        "fields": [*_fields(found.rules, names)],
        "values": [*_values(found.rules)],
        "logsources": [*_logsources(pack, found.rules)],
        "no_chance": [
            _rule(pack, each)
            for each in found.rules
            if each.chance not in (Chance.OPEN, Chance.ALWAYS)
        ],
        "always": [_rule(pack, each) for each in found.rules if each.chance == Chance.ALWAYS],
        "without_rule": {
            "events": sum(kind.events for kind in found.without_rule),
            "kinds": [*map(_kind, sorted(found.without_rule, key=lambda kind: -kind.events))],
        },
        "shapes": [
            {"shape": shape, "events": count, "advice": advice_for(shape)}
            for shape, count in seen.shapes.most_common()
        ],
    }
    if unused:
        report["unused"] = [
            {"field": name, "events": count}
            for name, count in _most(seen.names)
            if name not in seen.asked
        ]
    return report


def _most(counts: Mapping[str, int]) -> list[tuple[str, int]]:
    return sorted(counts.items(), key=lambda pair: (-pair[1], pair[0]))


def _of(rules: Iterable[RuleChance], chance: Chance) -> Iterator[RuleChance]:
    return (each for each in rules if each.chance == chance)


def _fields(rules: Iterable[RuleChance], names: FieldNames) -> Iterator[dict[str, Any]]:
    """The fields that rules ask for in vain, and what is near."""
    asked = Counter(field for rule in _of(rules, Chance.FIELDS) for field in _missing(rule))
    for field, count in _most(asked):
        near = names.nearest(field)
        yield {
            "field": field,
            "rules": count,
            "nearest": near,
            "events": None if near is None else names.events[near],
        }


def _missing(rule: RuleChance) -> list[str]:
    return [*dict.fromkeys(each.field for each in rule.missing)]


def _values(rules: Iterable[RuleChance]) -> Iterator[dict[str, Any]]:
    asked = Counter(each for rule in _of(rules, Chance.VALUES) for each in rule.missing)
    for question, count in sorted(asked.items(), key=lambda pair: (-pair[1], str(pair[0]))):
        yield {**_question(question), "rules": count}


def _logsources(pack: Pack, rules: Iterable[RuleChance]) -> Iterator[dict[str, Any]]:
    logsources = (pack.rules[each.rule].logsource for each in _of(rules, Chance.LOGSOURCE))
    asked = Counter((each.product, each.category, each.service) for each in logsources)
    for (product, category, service), count in asked.most_common():
        yield {"product": product, "category": category, "service": service, "rules": count}


def _rule(pack: Pack, each: RuleChance) -> dict[str, Any]:
    rule = pack.rules[each.rule]
    return {
        "id": rule.id,
        "title": rule.title,
        "level": rule.level,
        "source": rule.source,
        "chance": each.chance.value,
        "events": each.events,
        "missing": [*map(_question, each.missing)],
    }


def _question(question: Question) -> dict[str, Any]:
    plain: dict[str, Any] = {"field": question.field, "test": question.test}
    if question.arguments:
        plain["value"] = question.arguments[0]
    if question.other:
        plain["other"] = question.other
    return plain


def _kind(kind: Kind) -> dict[str, Any]:
    values = kind.values
    return {
        "logsource": dict(kind.logsource),
        "values": None
        if values is None
        else {name: [*value] for name, value in values.items() if value is not None},
        "events": kind.events,
    }


def advice_for(shape: str) -> str:
    """What to do about events that look so, in one clause."""
    if shape == EVTX:
        return "they look like EVTX that is not flat: give --evtx"
    if shape == MESSAGE:
        return "their fields stand in the text of Message only: export XML or EVTX instead of objects of PowerShell"
    if shape.startswith(WRAPPED):
        return f"they look like events in a wrapping: give --select '{shape.removeprefix(WRAPPED)}'"
    name = shape.removeprefix(SCHEMA)
    return f"they look like those that the pipeline {name} is for: build with --pipeline {name}"


def schemas(pack: Pack) -> dict[str, Sequence[Sequence[str]]]:
    """By which fields the events of shipped pipelines are told, but for those that a pack was built with.

    Nothing where the pack has a pipeline of its own, which may do what a shipped one does, or without the compiler.
    """
    if importlib.util.find_spec("yaml") is None:
        return {}
    from sigmac.compiler.pipeline.shipped_pipelines import find_shipped, shipped

    built_with = [
        find_shipped(str(name)) for name in pack.manifest.get("options", {}).get("pipelines", [])
    ]
    if None in built_with:
        return {}
    used = [each for each in built_with if each is not None]
    # Events of Sysmon for Linux have the fields by which those of Windows are told, with other values.
    met = {frozenset(sign) for each in used for sign in each.signs}
    others = {name: each for name, each in shipped().items() if each not in used}
    found = {
        name: [names for names in each.events if frozenset(names) not in met]
        for name, each in others.items()
    }
    return {name: signs for name, signs in found.items() if signs}


# As text


def lines_of(report: Mapping[str, Any], first: int | None, *, rules: bool) -> Iterator[str]:
    """The report for people; with `rules` each rule that has no chance has a line."""
    counts = report["rules"]
    hopeless = sum(counts[each] for each in (Chance.FIELDS, Chance.VALUES, Chance.LOGSOURCE))
    events = counted(report["events"], "event")
    if first is not None and report["events"] == first:
        events = f"the first {events}"
    yield (
        f"{events}, {counted(counts['all'], 'rule')}:"
        f" {counts['all'] - hopeless:,} can match, {hopeless:,} cannot"
    )
    fields = [(each["rules"], each["field"], _near(each)) for each in report["fields"]]
    yield from _section(Chance.FIELDS, counts, fields)
    values = [(each["rules"], f"{each['field']}: {_value(each)}", "") for each in report["values"]]
    yield from _section(Chance.VALUES, counts, values)
    logsources = [
        (each["rules"], "/".join(filter(None, map(each.get, LOGSOURCE_KEYS))), "")
        for each in report["logsources"]
    ]
    yield from _section(Chance.LOGSOURCE, counts, logsources)
    always = [(each["events"], each["title"], _asked(each)) for each in report["always"]]
    yield from _section(Chance.ALWAYS, counts, always)
    yield from _without_rule(report["without_rule"])
    if report["shapes"]:
        yield ""
        yield "what events look like"
        yield from _listed([(each["events"], each["advice"], "") for each in report["shapes"]])
    if "unused" in report:
        yield ""
        yield "fields that no rule asks for, and how many events have them"
        yield from _listed([(each["events"], each["field"], "") for each in report["unused"]])
    if rules and report["no_chance"]:
        yield ""
        yield "rules that cannot match"
        for each in report["no_chance"]:
            title, source = shortened(each["title"], _WIDTH), escaped(each["source"])
            yield f"  {each['chance']:<9}  {title}  {source}{_asked(each, ': ')}"


def _section(
    chance: Chance, counts: Mapping[str, int], rows: Sequence[tuple[int, str, str]]
) -> Iterator[str]:
    count = counts[chance]
    if count:
        yield ""
        yield f"{count:,} {_HEADS[chance][count != 1]}"
        yield from _listed(rows)


def _listed(rows: Sequence[tuple[int, str, str]]) -> Iterator[str]:
    shown = [(count, shortened(name, _WIDTH), more) for count, name, more in rows[:MAX_LISTED]]
    width = max((len(name) for _, name, more in shown if more), default=0)
    for count, name, more in shown:
        yield f"  {count:>9,}  {name:{width}}  {more}".rstrip()
    if len(rows) > MAX_LISTED:
        yield f"             and {len(rows) - MAX_LISTED:,} more (--format json has all)"


def _near(each: Mapping[str, Any]) -> str:
    near = each["nearest"]
    if near is None:
        return ""
    if near == each["field"]:
        return "only other events have it"
    return f"did you mean {shortened(near, _WIDTH)} ({counted(each['events'], 'event')})?"


def _value(each: Mapping[str, Any]) -> str:
    value = shortened(str(each.get("value", "")), _WIDTH)
    return value if each["test"] in ("equals", "number") else f"{each['test']} {value}".rstrip()


def _asked(rule: Mapping[str, Any], before: str = "") -> str:
    asked = dict.fromkeys(
        f"{each['field']}: {_value(each)}" if rule["chance"] == Chance.VALUES else each["field"]
        for each in rule["missing"]
    )
    return before + ", ".join(shortened(each, _WIDTH) for each in asked) if asked else ""


def _without_rule(without: Mapping[str, Any]) -> Iterator[str]:
    if without["events"]:
        yield ""
        yield f"{counted(without['events'], 'event has', 'events have')} no rule that looks at them"
        yield from _listed([(each["events"], _kind_name(each), "") for each in without["kinds"]])


def _kind_name(kind: Mapping[str, Any]) -> str:
    if kind["values"] is None:
        return "of further kinds"
    parts = [f"{key} {value}" for key, value in kind["logsource"].items()]
    for name, values in kind["values"].items():
        parts.append(f"{name}: {', '.join(map(str, values))}")
    return ", ".join(parts) or "of no known logsource"
