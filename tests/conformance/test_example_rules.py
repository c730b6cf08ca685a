"""The example rules match the events beside them, and together show every construct of Sigma."""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields, replace
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner

from sigmac.cli import app
from sigmac.compiler.cases.case import EventCase
from sigmac.compiler.cases.find_cases import find_cases
from sigmac.compiler.diagnostics.diagnostic import Diagnostics
from sigmac.compiler.ir.expressions import And, Expression, Not, Or, walk
from sigmac.compiler.ir.values import (
    ANY,
    ONE,
    Alternatives,
    Boolean,
    Compare,
    Exists,
    Network,
    Null,
    Number,
    Regex,
    Text,
    Value,
    Wildcard,
)
from sigmac.compiler.meaning import reference
from sigmac.compiler.syntax.condition import Condition, Identifier, Quantifier
from sigmac.compiler.syntax.documents import FileContents, read_file
from sigmac.compiler.syntax.filter import join
from sigmac.compiler.syntax.links import acting_in
from sigmac.compiler.syntax.modifiers.modifiers import MODIFIERS
from sigmac.compiler.syntax.modifiers.placeholders import placeholders, replace_placeholders
from sigmac.compiler.syntax.rule import (
    AllOf,
    AnyOf,
    Detection,
    Filter,
    Item,
    Metadata,
    Rule,
    items,
)
from sigmac.compiler.syntax.rule_files import find_sources

RULES = Path(__file__).resolve().parents[2] / "rules"
EXAMPLES = RULES / "examples"
EVENTS = RULES / "events"
PIPELINE = RULES / "pipelines" / "demo.yml"
NAMES = sorted(str(file.relative_to(EXAMPLES)) for file in EXAMPLES.rglob("*.yml"))
# `N of` is an extension: other tools refuse it, so it always warns. What is wider than the specification's schemas is
# noted, and shown on purpose.
WARNINGS = {
    "kubernetes/pod_with_powers_over_its_host.yml": ["W_N_OF"],
    "linux/kernel_takes_foreign_module.yml": ["N_SCHEMA"],
    "windows/defender_switched_off.yml": ["N_SCHEMA"],
    "windows/failed_network_logon.yml": ["N_SCHEMA"],
    "windows/sql_server_sa_guessing.yml": ["N_SCHEMA"],
}

Event = dict[str, Any]


def load_yaml(file: Path) -> list[Any]:
    return list(yaml.safe_load_all(file.read_text(encoding="utf-8")))


@cache
def values_of_placeholders() -> dict[str, list[str | Wildcard]]:
    (pipeline,) = load_yaml(PIPELINE)
    values: dict[str, list[str | Wildcard]] = pipeline["vars"]
    return values


@cache
def contents(name: str) -> FileContents:
    return read_file((EXAMPLES / name).read_bytes(), name)


def with_values(detection: Detection) -> Detection:
    """The detection with the demo's values for its placeholders."""
    if not isinstance(detection, Item):
        return type(detection)(tuple(with_values(child) for child in detection.children))
    values = values_of_placeholders()
    return replace(
        detection,
        values=tuple(
            replace_placeholders(value, lambda name: values.get(name)) for value in detection.values
        ),
    )


@cache
def acting() -> dict[str, list[Filter]]:
    """The filters that act on each rule, by its id."""
    files = [contents(name) for name in NAMES]
    said = Diagnostics()
    found = acting_in(files, said).on
    assert [str(each) for each in said] == []
    everything = [rule for file in files for rule in file.rules]
    return {rule.label: on_it for rule, on_it in zip(everything, found, strict=True)}


@cache
def rules(name: str) -> tuple[Rule, ...]:
    return tuple(
        join(
            replace(rule, detections={k: with_values(d) for k, d in rule.detections.items()}),
            acting()[rule.label],
        )
        for rule in contents(name).rules
    )


def test_the_example_filter_acts_on_its_rule() -> None:
    found = {rule: [each.meta.title for each in on_it] for rule, on_it in acting().items() if on_it}
    rule = "a6baa6d3-2ac2-4d7d-a1cd-02e29d184649"
    assert found == {rule: ["Build Servers Unpack Scripts"]}


# Every evaluator gives the positions of a file's rules that match an event.
EVALUATORS: dict[str, Callable[[str, Event], list[int]]] = {
    "reference": lambda name, event: [
        i for i, rule in enumerate(rules(name)) if reference.matches(rule, event)
    ],
}


@dataclass(frozen=True)
class Case:
    """One event beside a rule, which is the `position`th of the file `name`."""

    name: str
    position: int
    matches: bool
    why: str
    event: Event

    def __str__(self) -> str:
        return f"{self.name.removesuffix('.yml')}: {self.why}"


def cases() -> Iterator[Case]:
    found = find_cases(find_sources([EXAMPLES]), (), RULES)
    assert [str(each) for each in found.diagnostics] == []
    for each in found.found:
        assert each.source is not None
        assert each.position is not None
        name = each.source.removeprefix("examples/")
        for case in each.cases.cases:
            if isinstance(case, EventCase):
                yield Case(name, each.position, case.matches, case.why, case.event)


CASES = list(cases())


@pytest.mark.parametrize("evaluator", EVALUATORS)
@pytest.mark.parametrize("case", CASES, ids=str)
def test_an_example_rule_matches_its_events_and_no_others(case: Case, evaluator: str) -> None:
    found = case.position in EVALUATORS[evaluator](case.name, case.event)
    assert found is case.matches, case.why


# Lines of events/demo.ndjson, from 0, and the rule that each must match; no other line matches any.
DEMO = {
    7: "Command Line Carries A Script As Base64",
    10: "System Tool Runs Under Another Name",
    12: "Script Block Switches Defender Off",
    13: "Run Key Points To A Folder That Users Can Write",
    20: "SQL Injection Answered With Success",
    21: "Network Logon Failed",
    27: "Program In A Writable Folder Runs With Root Rights",
    29: "AWS Root User Logs On Without A Second Factor",
    32: "Pod Asks For Several Powers Over Its Host",
    37: "Volume Snapshots Deleted From The Command Line",
    38: "Scheduled Task Of Defender Deleted",
    40: "Privileged Account Logs On At Night",
}


@pytest.mark.parametrize("evaluator", EVALUATORS)
def test_the_events_of_the_demo_match_twelve_rules(evaluator: str) -> None:
    records = (EVENTS / "demo.ndjson").read_text(encoding="utf-8").splitlines()
    found = [
        (line, rules(name)[position].meta.title)
        for line, record in enumerate(records)
        for name in NAMES
        for position in EVALUATORS[evaluator](name, json.loads(record))
    ]
    assert found == list(DEMO.items())


@pytest.mark.parametrize("name", NAMES)
def test_every_example_rule_has_events_of_both_kinds(name: str) -> None:
    kinds = {(case.position, case.matches) for case in CASES if case.name == name}
    assert kinds == {(i, kind) for i in range(len(contents(name).rules)) for kind in (True, False)}


def test_every_file_of_events_belongs_to_an_example_rule() -> None:
    assert {str(file.relative_to(EVENTS)) for file in EVENTS.rglob("*.yml")} <= set(NAMES)


def test_sigmac_test_judges_them_alike_and_every_rule_has_a_case() -> None:
    given = (
        "test",
        str(EXAMPLES),
        "--require",
        "--pipeline",
        "windows",
        "--pipeline",
        str(PIPELINE),
    )
    done = CliRunner().invoke(app, given)
    assert done.exit_code == 0, done.output
    counted = re.match(r"(\d+) cases of (\d+) rules: (\d+) passed in", done.stdout)
    assert counted is not None
    sequences = int(counted[1]) - len(CASES)
    assert sequences >= 2
    assert counted[1] == counted[3]


@pytest.mark.parametrize("name", NAMES)
def test_an_example_file_has_no_faults(name: str) -> None:
    file = contents(name)
    assert [each.code for each in file.diagnostics] == WARNINGS.get(name, [])
    assert file.refused == 0


@pytest.mark.parametrize("name", NAMES)
def test_the_readme_lists_every_example(name: str) -> None:
    assert f"(examples/{name})" in (RULES / "README.md").read_text(encoding="utf-8")


def test_every_example_has_an_id_and_a_title_of_its_own() -> None:
    found = [meta for name in NAMES for meta in metadata_in(contents(name))]
    assert len({meta.id for meta in found} - {None}) == len(found)
    assert len({meta.title for meta in found}) == len(found)


def test_the_demo_pipeline_has_a_value_for_every_placeholder_and_no_other() -> None:
    used = {
        each
        for name in NAMES
        for rule in contents(name).rules
        for value in values_in(rule)
        for each in placeholders(value)
    }
    assert used == values_of_placeholders().keys()


# What the examples show.

Shown = Callable[[str], bool]


def metadata_in(file: FileContents) -> list[Metadata]:
    return [
        *(rule.meta for rule in file.rules),
        *(correlation.meta for correlation in file.correlations),
        *(each.meta for each in file.filters),
    ]


def values_in(rule: Rule) -> Iterator[Value]:
    for item in items_in(rule):
        for value in item.values:
            yield from value.values if isinstance(value, Alternatives) else (value,)


def items_in(rule: Rule) -> Iterator[Item]:
    for detection in rule.detections.values():
        yield from items(detection)


def detections_in(detection: Detection) -> Iterator[Detection]:
    yield detection
    if not isinstance(detection, Item):
        for child in detection.children:
            yield from detections_in(child)


def a_rule(test: Callable[[Rule], bool]) -> Shown:
    return lambda name: any(test(rule) for rule in contents(name).rules)


def an_item(test: Callable[[Item], bool]) -> Shown:
    return a_rule(lambda rule: any(test(item) for item in items_in(rule)))


def a_value(test: Callable[[Any], bool]) -> Shown:
    return a_rule(lambda rule: any(test(value) for value in values_in(rule)))


def a_string(test: Callable[[Text], bool]) -> Shown:
    return a_value(lambda value: isinstance(value, Text) and test(value))


def a_keyword(test: Callable[[Item], bool]) -> Shown:
    return an_item(lambda item: item.field is None and test(item))


def a_shape(test: Callable[[Detection], bool]) -> Shown:
    return a_rule(
        lambda rule: any(
            test(part) for each in rule.detections.values() for part in detections_in(each)
        )
    )


def a_condition(test: Callable[[Condition], bool]) -> Shown:
    return a_rule(lambda rule: any(test(each) for each in rule.conditions))


def in_a_condition(test: Callable[[Expression], bool]) -> Shown:
    return a_condition(lambda condition: any(test(node) for node in walk(condition.expression)))


def a_quantifier(count: int | None, target: str) -> Shown:
    return in_a_condition(
        lambda node: (
            isinstance(node, Quantifier)
            and node.count == count
            and re.fullmatch(target, node.target) is not None
        )
    )


def a_condition_text(pattern: str) -> Shown:
    return a_condition(lambda condition: re.search(pattern, condition.text) is not None)


def source(pattern: str) -> Shown:
    return lambda name: bool(
        re.search(pattern, (EXAMPLES / name).read_text(encoding="utf-8"), re.MULTILINE)
    )


def metadata(key: str) -> Shown:
    return a_rule(lambda rule: bool(getattr(rule.meta, key)))


def literals(value: Text) -> str:
    return "".join(part for part in value.parts if isinstance(part, str))


def mixed(detection: Detection) -> bool:
    """A list with maps and keywords side by side."""
    return isinstance(detection, AnyOf) and (
        {isinstance(child, AllOf) for child in detection.children} == {True, False}
    )


def nested_list(detection: Detection) -> bool:
    """A list within a list; its keywords make one item."""
    return isinstance(detection, AnyOf) and any(
        isinstance(child, AnyOf) or (isinstance(child, Item) and len(child.values) > 1)
        for child in detection.children
    )


# Chains of modifiers that mean more than their parts.
CHAINS = (
    "contains|all",
    "contains|cased",
    "cased|startswith",
    "windash|contains|all",
    "base64|contains|cased",
    "base64offset|contains",
    "utf16le|base64offset|contains",
    "utf16be|base64offset|contains",
    "utf16|base64|contains",
    "wide|contains",
    "utf16be|contains",
    "windash|wide|base64offset|contains",
    "startswith|expand",
    "endswith|expand",
    "re|expand",
    "re|i|m",
    "re|i|s",
    "re|i|all",
    "re|ignorecase",
    "re|multiline",
    "re|dotall",
    "cidr|neq",
    "fieldref|neq",
    "fieldref|contains",
    "fieldref|startswith",
    "fieldref|endswith",
    "minute",
    "week",
    "month",
    "hour|lt",
    "hour|gte",
    "day|gt",
    "day|lte",
    "year|lt",
    "year|gte",
)


@pytest.mark.parametrize("modifier", MODIFIERS)
def test_some_example_shows_every_modifier(modifier: str) -> None:
    shows = an_item(lambda item: modifier in item.modifiers)
    assert [name for name in NAMES if shows(name)] != []


@pytest.mark.parametrize("chain", CHAINS)
def test_some_example_shows_every_chain_of_modifiers(chain: str) -> None:
    shows = an_item(lambda item: "|".join(item.modifiers) == chain)
    assert [name for name in NAMES if shows(name)] != []


# What else there is to show: true where a file shows it.
CONSTRUCTS: dict[str, Shown] = {
    # values
    "a string": a_string(lambda text: bool(text.literal)),
    "an empty string": a_string(lambda text: text.literal == ""),
    "any scalar": a_string(lambda text: text.parts == (ANY,)),
    "a star inside": a_string(lambda text: ANY in text.parts[1:-1]),
    "a question mark": a_string(lambda text: ONE in text.parts),
    "an escaped star": a_string(lambda text: "*" in literals(text)),
    "an escaped question mark": a_string(lambda text: "?" in literals(text)),
    "a backslash before a star": a_string(
        lambda text: any(
            isinstance(before, str) and before.endswith("\\") and after is ANY
            for before, after in itertools.pairwise(text.parts)
        )
    ),
    "two backslashes": a_string(lambda text: "\\\\" in literals(text)),
    "a backslash at the end": source(r"[^\\]\\'$"),
    "a literal percent sign": a_string(lambda text: "%" in literals(text)),
    "an escaped percent sign under expand": source(r"\|expand: .*\\%"),
    "neq of several values": an_item(lambda item: item.negated and len(item.values) > 1),
    "neq of null": an_item(lambda item: item.negated and item.values == (Null(),)),
    "an integer": a_value(lambda value: isinstance(value, Number)),
    "a float": a_value(lambda v: isinstance(v, Compare) and isinstance(v.number, float)),
    "true": a_value(lambda value: value == Boolean(True)),
    "false": a_value(lambda value: value == Boolean(False)),
    "null": a_value(lambda value: value == Null()),
    "present": a_value(lambda value: value == Exists(True)),
    "absent": a_value(lambda value: value == Exists(False)),
    "a network of IPv4": a_value(lambda v: isinstance(v, Network) and "." in v.cidr),
    "a network of IPv6": a_value(lambda v: isinstance(v, Network) and ":" in v.cidr),
    "one address": a_value(lambda v: isinstance(v, Network) and v.cidr.endswith("/128")),
    "a regular expression without flags": a_value(
        lambda value: isinstance(value, Regex) and not value.flags
    ),
    "a list of values": an_item(lambda item: item.field is not None and len(item.values) > 1),
    # fields, keywords, shapes
    "a nested field": an_item(lambda item: "." in (item.field or "")),
    "a keyword alone": a_rule(
        lambda rule: any(
            isinstance(d, Item) and len(d.values) == 1 and not d.modifiers
            for d in rule.detections.values()
        )
    ),
    "keywords of which any": a_keyword(lambda item: len(item.values) > 1 and not item.all),
    "keywords of which all": a_keyword(lambda item: item.all),
    "a keyword that is a number": source(r"^ +'\|all':\n +- \d+"),
    "a keyword with a star inside": a_keyword(
        lambda item: any(isinstance(v, Text) and ANY in v.parts[1:-1] for v in item.values)
    ),
    "a keyword with a modifier": a_keyword(lambda item: item.modifiers == ("re",)),
    "a map": a_shape(lambda detection: isinstance(detection, AllOf)),
    "a list of maps": a_shape(
        lambda d: isinstance(d, AnyOf) and all(isinstance(child, AllOf) for child in d.children)
    ),
    "maps and keywords in a list": a_shape(mixed),
    "a list in a list": a_shape(nested_list),
    # conditions
    "a search identifier": a_condition(lambda each: isinstance(each.expression, Identifier)),
    "and": in_a_condition(lambda node: isinstance(node, And)),
    "or": in_a_condition(lambda node: isinstance(node, Or)),
    "not": in_a_condition(lambda node: isinstance(node, Not)),
    "parentheses": a_condition_text(r"\("),
    "1 of a pattern": a_quantifier(1, r"\w+\*"),
    "a star in front": a_quantifier(1, r"\*\w+"),
    "any of": a_condition_text(r"\bany of\b"),
    "N of": a_quantifier(2, r"\w+\*"),
    "all of a pattern": a_quantifier(None, r"\w+\*"),
    "1 of them": a_quantifier(1, "them"),
    "all of them": a_quantifier(None, "them"),
    "a pattern of names with `_` in front": a_quantifier(1, r"_\w+\*"),
    "not of a quantifier": a_condition_text(r"\bnot 1 of\b"),
    "a condition over lines": source(r"^    condition: >\n"),
    "a list of conditions": a_rule(lambda rule: len(rule.conditions) > 1),
    # documents
    "an anchor and an alias": source(r"&(\w+)(?:.|\n)*: \*\1$"),
    "a merged map": source(r"<<: \*\w+"),
    "several documents": source(r"^---$"),
    **{
        f"action: {action}": source(rf"^action: {action}$")
        for action in ("global", "repeat", "reset")
    },
    "a correlation": lambda name: bool(contents(name).correlations),
    "a filter": lambda name: bool(contents(name).filters),
    **{f"metadata {field.name}": metadata(field.name) for field in fields(Metadata)},
    "a definition of the logsource": a_rule(lambda rule: bool(rule.logsource.definition)),
}


@pytest.mark.parametrize("construct", CONSTRUCTS)
def test_some_example_shows_every_construct(construct: str) -> None:
    assert [name for name in NAMES if CONSTRUCTS[construct](name)] != []
