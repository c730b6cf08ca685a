"""Cases are read as they are written, and every fault is told with its place."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from sigmac.compiler.cases.case import CaseFile, EventCase, FileCase, SequenceCase
from sigmac.compiler.cases.read_cases import read_cases
from sigmac.compiler.cases.regression_info import read_regression
from sigmac.compiler.cases.write_cases import format_cases

FAULTS = yaml.safe_load((Path(__file__).parent / "faults.yml").read_text("utf-8"))
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | TEXTS
    | st.sampled_from(["2026-01-02", "yes", "1e3", "0x1F", "~", "<<", "a: b", "- x", "*a", "\n"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=8,
)
EVENTS = st.dictionaries(TEXTS, VALUES, max_size=4)


def read(text: str) -> CaseFile:
    return read_cases(text.encode(), "cases.yml", whole=True)


@pytest.mark.parametrize("fault", FAULTS, ids=[each["why"] for each in FAULTS])
def test_what_is_wrong_is_told_with_its_place(fault: dict[str, Any]) -> None:
    found = read(fault["text"])
    said = [(each.place.line, each.code, each.message) for each in found.diagnostics]
    assert [each[:2] for each in said] == [tuple(each[:2]) for each in fault["says"]]
    for (_, _, message), (_, _, part) in zip(said, fault["says"], strict=True):
        assert part in message
    if "left" in fault:
        assert [len(each.cases) for each in found.documents] == [fault["left"]]


@given(TEXTS, EVENTS, st.lists(EVENTS, max_size=2))
def test_what_is_written_is_read_as_the_same(
    why: str, match: dict[str, Any], others: list[dict[str, Any]]
) -> None:
    text = format_cases("some-id", [(why, match)], [("other", each) for each in others])
    (document,) = read(text).documents
    assert document.rule == "some-id"
    found = [(each.event, each.matches) for each in document.cases if isinstance(each, EventCase)]
    assert found == [(match, True), *((each, False) for each in others)]
    assert [repr(event) for event, _ in found] == [repr(each) for each in (match, *others)]
    assert document.cases[0].why == why


def test_cases_of_a_rule_stand_in_its_document() -> None:
    text = "title: a\ndetection: {}\n---\ntitle: b\ncases:\n  match:\n    - event: {a: 1}\n"
    (document,) = read_cases(text.encode(), "rules.yml").documents
    assert (document.inside, document.place.document, document.place.line) == (True, 1, 6)


def test_a_file_is_asked_for_one_match_at_least_or_as_many_as_are_said() -> None:
    (document,) = read(
        "match: [a, {file: b, count: 3}, {file: c, at_least: 2}]\nno_match: [d]\n"
    ).documents
    found = [(c.file, c.least, c.most) for c in document.cases if isinstance(c, FileCase)]
    assert found == [("a", 1, None), ("b", 3, 3), ("c", 2, None), ("d", 0, 0)]


def test_times_count_from_one_beginning() -> None:
    text = (
        "sequences:\n  - events: [{at: 1m, event: {}}, {at: 61500ms, event: {}}]\n    alerts: []\n"
    )
    (case,) = read(text).documents[0].cases
    assert isinstance(case, SequenceCase)
    first, second = (each.time for each in case.events)
    assert first is not None
    assert second == first + 1_500_000


def test_tests_of_sigmahq() -> None:
    text = """
id: 8f0b6f6e-0000-4000-8000-000000000000
rule_metadata: [{id: 80167ADA-7a12-41ed-b8e9-aa47195c66a1, title: x}]
regression_tests_info:
    - {name: Positive, type: evtx, path: 'data\\a.evtx', match_count: 4}
    - {type: json, path: data/b.json}
    - {name: none}
    - {path: x, match_count: many}
"""
    found = read_regression(text.encode(), "info.yml")
    (document,) = found.documents
    assert document.ids == {"80167ada-7a12-41ed-b8e9-aa47195c66a1"}
    cases = [(c.why, c.file, c.least, c.most) for c in document.cases if isinstance(c, FileCase)]
    assert cases == [("Positive", "data/a.evtx", 4, None), ("test 2", "data/b.json", 1, None)]
    assert [(each.place.line, each.code) for each in found.diagnostics] == [
        (7, "E_CASE"),
        (8, "E_CASE"),
    ]
    assert [each.code for each in read_regression(b"id: x\n", "info.yml").diagnostics] == [
        "W_CASE_NONE"
    ]


KEYS = st.sampled_from(
    [
        "rule",
        "match",
        "no_match",
        "sequences",
        "why",
        "event",
        "events",
        "file",
        "count",
        "at_least",
        "at",
        "alerts",
        "group",
        "position",
        "value",
        "cases",
        "regression_tests_info",
        "regression_tests_path",
        "path",
        "match_count",
        "name",
        "rule_metadata",
        "id",
        "title",
        "detection",
    ]
)
ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.dates() | st.binary() | TEXTS
    | st.sampled_from(["90s", "1h30m", "2026-01-02T03:04:05Z"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=4),
    max_leaves=25,
)  # fmt: skip


@given(st.lists(st.dictionaries(KEYS, ANYTHING, max_size=4) | ANYTHING, max_size=3))
def test_reading_never_raises(documents: list[Any]) -> None:
    data = yaml.safe_dump_all(documents).encode()
    for found in (
        read_cases(data, "x"),
        read_cases(data, "x", whole=True),
        read_regression(data, "x"),
    ):
        for each in found.documents:
            assert all(case.place.line > 0 for case in each.cases)
