"""The laws of correlations: the engine says what the reference says, and nothing else makes a difference.

What rules match is asked of their reference on both sides; `test_pack_equivalence.py` is about that.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import pytest
from hypothesis import given

from sigmac.compiler.meaning import correlation_reference, reference
from sigmac.compiler.meaning.correlation_reference import Found, RuleSet
from sigmac.compiler.packaging import correlation_module
from sigmac.compiler.packaging.correlation_module import Linked
from sigmac.runtime.correlation.alert import Alert
from sigmac.runtime.correlation.correlator import Correlator, Limits
from sigmac.runtime.correlation.definition import Correlation
from sigmac.runtime.correlation.observation import Observation
from sigmac.runtime.scalar.json_record import json_bytes, parse_record
from tests.examples import examples
from tests.property.correlation_cases import Case, Event, Style, cases
from tests.rule_sets import read_rule_set

Plain = dict[str, Any]


def source_of(linked: Linked, names: Mapping[int, str], digests: Mapping[int, str]) -> str:
    """The definitions as a pack has them, but for the layout of the text."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(correlation_module, "format_source", str)
        return correlation_module.render_correlations(linked, names, digests).decode()


@dataclass(frozen=True)
class Compiled:
    """A rule set, and the definitions that the compiler makes of its correlations."""

    case: Case
    rule_set: RuleSet
    definitions: dict[str, Correlation]

    @classmethod
    def of(cls, case: Case, style: Style | None = None) -> Compiled:
        rule_set, linked = read_rule_set(case.written(style), case.pipelines)
        names = {
            id(each): str(each.meta.name) for each in (*rule_set.rules, *rule_set.correlations)
        }
        defined: Plain = {}
        exec(source_of(linked, names, names), defined)
        definitions = {
            name: defined[name] for each in rule_set.correlations if (name := each.meta.name)
        }
        return cls(case, rule_set, definitions)

    @property
    def by_variant(self) -> set[str]:
        """The rules of whose variants the names of a correlation mean different fields."""
        return {
            rule
            for each in self.definitions.values()
            for by_rule in each.fields.values()
            for rule, fields in by_rule.items()
            if isinstance(fields, Mapping)
        }

    def correlator(self) -> Correlator:
        limits = Limits(self.case.limits.groups, self.case.limits.hits)
        rules = [str(each.meta.name) for each in self.rule_set.rules]
        return Correlator(self.definitions, rules, limits=limits)

    def matched(self, event: Event) -> dict[str, Sequence[str]]:
        """The rules that match an event, those with variants that differ with those that do."""
        found: dict[str, Sequence[str]] = {}
        for rule, variants in zip(self.rule_set.rules, self.rule_set.variants, strict=True):
            name = str(rule.meta.name)
            which = [str(each) for each in variants if reference.matches(variants[each], event)]
            if which:
                found[name] = which if name in self.by_variant else ()
        return found

    def observations(self, correlator: Correlator) -> list[Observation]:
        """What there is to know of the events, read from JSON, in the order of the case; without time they count."""
        reader = correlator.reader
        found = []
        for position, event in enumerate(self.case.events):
            rules = {
                rule: each for rule, each in self.matched(event).items() if rule in reader.rules
            }
            if rules:
                found.append(reader.read(parse_record(json_bytes(event)), position, rules))
        made = [each for each in found if each is not None]
        correlator.no_time += len(found) - len(made)
        return sorted(made, key=lambda each: each.time) if self.case.order == "time" else made


def run(correlator: Correlator, observations: Sequence[Observation]) -> list[Alert]:
    return [alert for each in observations for alert in correlator.take(each)]


def plain(alerts: Sequence[Alert]) -> list[Plain]:
    return [alert.plain() | {"silent": alert.correlation.silent} for alert in alerts]


def expected(rule_set: RuleSet, found: Found) -> list[Plain]:
    """Alerts of the reference in the form of the output."""
    made = []
    for alert in found.alerts:
        correlation = rule_set.correlations[alert.correlation]
        said = {"type": correlation.type, "timespan": correlation.timespan, **asdict(alert)}
        rule = {"id": correlation.meta.id, "title": correlation.meta.title}
        del said["correlation"]
        source, silent = said.pop("position"), said.pop("silent")
        rule |= {"level": None, "tags": []}
        made.append({"rule": rule, "source": source, "correlation": said, "silent": silent})
    return made


@examples(1000)
@given(cases())
def test_the_engine_says_what_the_reference_says(case: Case) -> None:
    compiled = Compiled.of(case)
    found = correlation_reference.evaluate(compiled.rule_set, case.events, case.order, case.limits)
    correlator = compiled.correlator()
    alerts = run(correlator, compiled.observations(correlator))
    assert plain(alerts) == expected(compiled.rule_set, found)
    counts = {name: asdict(each) for name, each in correlator.counts.items()}
    assert sum(each.pop("alerts") for each in counts.values()) == len(alerts)
    assert counts == {
        correlation.meta.name: {name: said[name] for name in counts[str(correlation.meta.name)]}
        for correlation, said in zip(compiled.rule_set.correlations, found.counters, strict=True)
    }
    assert correlator.no_time == found.no_time
