"""What is said of rules: cases, and laws that hold for rules of any kind."""

from __future__ import annotations

import itertools
import json
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sigmac.compiler.checks import check_file, check_rule, check_set
from sigmac.compiler.checks.checker import check_sources
from sigmac.compiler.checks.logic import truth_table
from sigmac.compiler.checks.report import render_text
from sigmac.compiler.diagnostics.catalogue import completed
from sigmac.compiler.diagnostics.diagnostic import Diagnostic, Place
from sigmac.compiler.ir.expressions import Or
from sigmac.compiler.lowering.lower_rule import lower_detection
from sigmac.compiler.meaning.reference import matches
from sigmac.compiler.syntax.condition import parse
from sigmac.compiler.syntax.documents import FileContents, read_file
from sigmac.compiler.syntax.rule import Rule
from sigmac.compiler.syntax.rule_files import find_sources
from tests.examples import examples

CASES = Path(__file__).with_name("cases.yml").read_text("utf-8").split("---\n")[1:]


def read(text: str) -> FileContents:
    return read_file(completed(text).encode(), "rule.yml")


def rule_of(text: str) -> Rule:
    contents = read(text)
    assert not contents.diagnostics.errors, contents.diagnostics.errors
    (rule,) = contents.rules
    return rule


def rule_with(detection: dict[str, Any]) -> Rule:
    logsource = {"product": "windows"}
    return rule_of(json.dumps({"title": "A", "logsource": logsource, "detection": detection}))


def said_of(text: str) -> list[Diagnostic]:
    contents = read(text)
    rules = [found for rule in contents.rules for found in check_rule(rule)]
    return [*contents.diagnostics, *check_file(contents), *rules, *check_set(contents.rules)]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.split("\n")[0].strip("# "))
def test_case(case: str) -> None:
    wanted, _, _ = case.removeprefix("# ").partition(":")
    found = said_of(case)
    assert {d.code for d in found} == set(wanted.split(", ")) - {"clean"}, found


def test_a_character_is_marked_inside_its_value() -> None:
    (found,) = said_of("detection:\n  s:\n    A|contains: ['x', 'ab\u200bc']\n  condition: s\n")
    assert (found.code, found.place.line, found.place.column) == ("W_INVISIBLE", 3, 26)
    assert found.place.width == 1


def test_the_spelling_of_most_rules_is_the_usual_one() -> None:
    texts = ["User", "user", "User"]
    rules = [
        rule_of(f"detection:\n  s:\n    {each}: {i}\n  condition: s\n")
        for i, each in enumerate(texts)
    ]
    found = [d for d in check_set(rules) if d.code == "W_FIELD_CASE"]
    assert [(d.message, d.place.column) for d in found] == [
        ("2 rules of windows/process_creation write `user` as `User`", 5)
    ]


FAULTY = """\
title: Twice
id: 2f0c8a52-5c0e-4d57-8d0e-6f5b1f3a7c22
logsource: {product: windows}
detection: {s: {A|contans: x}, condition: s}
"""
SOUND = """\
title: twice
id: 2f0c8a52-5c0e-4d57-8d0e-6f5b1f3a7c22
logsource: {product: windows}
detection: {s: {A|contains: x}, condition: s}
"""


def check_texts(folder: Path, *texts: str) -> list[tuple[str, str]]:
    """Code and place of what is said of some files."""
    for number, text in enumerate(texts):
        (folder / f"{number}.yml").write_text(text)
    found = check_sources(find_sources([folder]))
    return [(d.code, f"{Path(d.place.file).name}:{d.place.line}") for d in found]


def test_rules_with_an_error_are_compared_with_others_as_well(tmp_path: Path) -> None:
    related = SOUND.replace("2f0c", "3f0c").replace("twice", "other").replace("x}", "y}")
    related += "related: [{id: 2f0c8a52-5c0e-4d57-8d0e-6f5b1f3a7c22, type: similar}]\n"
    assert check_texts(tmp_path, FAULTY, related, SOUND.replace("x}", "z}")) == [
        ("E_MODIFIER", "0.yml:4"),
        ("W_META", "0.yml:2"),
        ("W_TITLE_TWICE", "0.yml:1"),
    ]


def test_what_a_global_document_gives_to_all_is_no_repetition(tmp_path: Path) -> None:
    text = """\
action: global
title: One
logsource: {product: windows}
detection: {condition: s}
---
detection: {s: {A: 1}}
---
detection: {s: {A: 2}}
"""
    assert check_texts(tmp_path, text) == []


def test_a_lowered_rule_is_looked_at_with_what_its_pipelines_add() -> None:
    text = "detection:\n  s:\n    Channel: a\n  f:\n    Channel: b\n  condition: s and not f\n"
    rule = rule_of(text)
    assert [d.code for d in check_rule(rule, lower_detection(rule.detections["s"]))] == []
    never = Or()
    (found,) = check_rule(rule, never)
    assert found.code == "W_NEVER"
    assert "pipelines" in found.message


# Hostile rules


HOSTILE = {
    "values that contain each other": ["a" * n for n in range(1, 3000)],
    "one value again and again": ["abc"] * 2000,
    "long values": ["ab" * 20_000 + str(n) for n in range(50)],
    "stars": ["*" * 5000 + f"{n}" for n in range(20)],
    "networks": [f"10.{n}.0.0/16" for n in range(256)] * 8,
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_list_is_looked_at_in_a_moment(name: str) -> None:
    field = "A|cidr" if name == "networks" else "A|contains"
    values = HOSTILE[name]
    detection = {"s": {field: values}, "f": {field: values[::-1]}, "condition": "s and not f"}
    found = list(check_rule(rule_with(detection)))
    assert len({d.place for d in found}) <= 2 * len(values) + 1


def test_many_identifiers_are_looked_at_in_a_moment() -> None:
    names = [f"s{n}" for n in range(500)]
    detection = {name: {"A": f"{name}x"} for name in names}
    condition = " and ".join(f"({a} or not {b})" for a, b in itertools.pairwise(names))
    found = check_rule(rule_with({**detection, "condition": condition}))
    assert [d.code for d in found] == ["W_EMPTY_EVENT"]


@given(
    st.dictionaries(
        st.text(min_size=1), st.text() | st.lists(st.text() | st.integers(), min_size=1)
    ),
    st.sampled_from(["", "|contains", "|startswith|cased", "|base64offset|contains", "|windash"]),
    st.text(min_size=1),
)
def test_any_text_can_be_checked_and_shown(
    fields: dict[str, Any], modifiers: str, title: str
) -> None:
    detection = {"s": {f"{name}{modifiers}": value for name, value in fields.items()}}
    document: dict[str, Any] = {
        "title": title,
        "logsource": {"product": "a"},
        "detection": detection,
    }
    document["detection"]["condition"] = "s"
    data = json.dumps(document).encode()
    contents = read_file(data, "rule.yml")
    found = [*contents.diagnostics, *(d for rule in contents.rules for d in check_rule(rule))]
    assert render_text(found, lambda _: data, color=False).replace("\n", "").isprintable()


# Laws

NAMES = ("a", "b", "c")
texts = st.sampled_from(["", "x", "X", "xy", "y", "yx", "x*", "*y", "?x", "5", "6"])
numbers = st.integers(4, 7)
items = st.one_of(
    st.tuples(
        st.sampled_from(["", "|contains", "|startswith", "|endswith", "|cased", "|cased|contains"]),
        st.lists(texts, min_size=1, max_size=3),
    ),
    st.tuples(st.sampled_from(["", "|neq", "|gt", "|gte", "|lt", "|lte"]), numbers),
    st.tuples(st.just("|exists"), st.booleans()),
    st.tuples(st.just(""), st.none()),
    st.tuples(
        st.just("|cidr"),
        st.lists(st.sampled_from(["10.0.0.0/8", "10.1.0.0/16", "11.0.0.0/8"]), min_size=1),
    ),
)
selections = st.lists(
    st.builds(
        lambda pairs: {f"{field}{modifiers}": value for field, (modifiers, value) in pairs},
        st.lists(st.tuples(st.sampled_from("FG"), items), min_size=1, max_size=2),
    ),
    min_size=1,
    max_size=2,
)
conditions = st.recursive(
    st.sampled_from(["a", "b", "c", "1 of them", "all of them", "2 of them"]),
    lambda inner: st.one_of(
        st.builds("not ({})".format, inner),
        st.builds("({}) and ({})".format, inner, inner),
        st.builds("({}) or ({})".format, inner, inner),
    ),
    max_leaves=5,
)
scalars = st.one_of(
    st.sampled_from(["", "x", "X", "xy", "yx", "5", "10.1.2.3", "10.2.0.1"]),
    st.integers(3, 8),
    st.booleans(),
    st.none(),
)
events = st.dictionaries(st.sampled_from("FG"), st.one_of(scalars, st.lists(scalars, max_size=3)))


def _has_arrays(event: dict[str, Any]) -> bool:
    return any(isinstance(value, list) for value in event.values())


@examples(200, deadline=None)
@given(st.tuples(selections, selections, selections), conditions, st.lists(events, max_size=10))
def test_what_is_said_of_a_condition_holds_for_every_event(
    detections: tuple[Any, ...], condition: str, found: list[dict[str, Any]]
) -> None:
    named = dict(zip(NAMES, detections, strict=True))
    rule = rule_with({**named, "condition": condition})
    codes = {d.code for d in check_rule(rule) if d.place == rule.conditions[0].place}
    for event in found:
        matched = bool(matches(rule, event))
        assert not (matched and "W_NEVER" in codes)
        assert matched or "W_ALWAYS" not in codes
        assert not (matched and "W_ARRAY_ONLY" in codes and not _has_arrays(event))
    assert ("W_EMPTY_EVENT" in codes or "W_ALWAYS" in codes) or not matches(rule, {})


@examples(100, deadline=None)
@given(conditions)
def test_a_truth_table_is_the_condition_evaluated(text: str) -> None:
    condition = parse(text, Place())
    table = truth_table(condition.expression, NAMES)
    assert table is not None
    rule = rule_with({**{name: {name: 1} for name in NAMES}, "condition": text})
    for row in range(1 << len(table.names)):
        event = {name: row >> k & 1 for k, name in enumerate(table.names)}
        assert bool(table.rows >> row & 1) is bool(matches(rule, event))


def test_messages_are_sentences_without_a_stop() -> None:
    for case in CASES:
        for found in said_of(case):
            assert not re.search(r"[.!]$", found.message), found
            assert not re.search(r"[.!]$", found.hint), found


@pytest.mark.parametrize(
    ("asked", "dead"),
    [
        ("EventID: [4688, 1, '7']", ["4688", "'7'"]),
        ("EventID: [1, '1', 1.0]", []),
        ("EventID: [4688, 7]", None),  # of the whole selection
        ("EventID|neq: [4688, 7]", []),
        ("ProcessId: [4688, 1]", []),
    ],
)
def test_values_that_pipelines_exclude_are_told(
    asked: str, dead: list[str] | None, tmp_path: Path
) -> None:
    text = f"""\
title: A
logsource: {{product: windows, category: process_creation}}
detection:
    s: {{Image: x, {asked}}}
    condition: s
"""
    (tmp_path / "rule.yml").write_text(text)
    found = [
        d
        for d in check_sources(find_sources([tmp_path]), ["windows"])
        if d.code in ("W_ARRAY_ONLY", "W_NEVER")
    ]
    lines = text.splitlines()
    marked = [
        lines[d.place.line - 1][d.place.column - 1 : d.place.column - 1 + d.place.width]
        for d in found
    ]
    assert marked == (["s"] if dead is None else dead)
    # Where no pipeline says which events are meant, they may all be.
    assert not any(d.code == "W_ARRAY_ONLY" for d in check_sources(find_sources([tmp_path])))
