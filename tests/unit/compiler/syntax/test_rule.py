"""Rules as documents: what metadata warns of, what refuses a rule, everything in one run."""

from __future__ import annotations

import datetime
from typing import Any

import pytest
import yaml

from sigmac.compiler.diagnostics.diagnostic import Diagnostic
from sigmac.compiler.syntax.documents import read_file
from sigmac.compiler.syntax.rule import AllOf, AnyOf, Item, Rule, items

GOOD: dict[str, Any] = {
    "title": "Good",
    "logsource": {"product": "windows"},
    "detection": {"sel": {"f": "a"}, "condition": "sel"},
}


def read(changes: dict[str, Any]) -> tuple[list[Rule], list[Diagnostic]]:
    document = {key: value for key, value in {**GOOD, **changes}.items() if value != "-"}
    contents = read_file(yaml.safe_dump(document, sort_keys=False).encode(), "a.yml")
    return contents.rules, contents.diagnostics.found


def read_text(text: str) -> tuple[list[Rule], list[tuple[str, int, int]]]:
    contents = read_file(text.encode(), "a.yml")
    return contents.rules, [(d.code, d.place.line, d.place.column) for d in contents.diagnostics]


@pytest.mark.parametrize(
    ("changes", "attribute", "value"),
    [
        (
            {"id": "80167ADA-7a12-41ed-b8e9-aa47195c66a1"},
            "id",
            "80167ADA-7a12-41ed-b8e9-aa47195c66a1",
        ),
        ({"level": "HIGH"}, "level", "high"),
        ({"status": "test"}, "status", "test"),
        ({"date": "2024-02-29"}, "date", "2024-02-29"),
        ({"date": datetime.date(2024, 2, 29)}, "date", "2024-02-29"),
        ({"modified": "2024/2/3"}, "modified", "2024-02-03"),
        ({"tags": ["attack.t1059", "cve.2024-1"]}, "tags", ("attack.t1059", "cve.2024-1")),
        ({"references": None}, "references", ()),
        (
            {"related": [{"id": "80167ada-7a12-41ed-b8e9-aa47195c66a1", "type": "similar"}]},
            "related",
            (("80167ada-7a12-41ed-b8e9-aa47195c66a1", "similar"),),
        ),
        ({"falsepositives": "Administrators"}, "falsepositives", ("Administrators",)),
        ({"simulation": {"a": [1]}}, "custom", (("simulation", {"a": [1]}),)),
        ({"description": "é\n"}, "description", "é\n"),
    ],
)
def test_metadata_without_a_warning(changes: dict[str, Any], attribute: str, value: Any) -> None:
    (rule,), found = read(changes)
    assert {each.code for each in found} <= {"N_SCHEMA"}
    assert getattr(rule.meta, attribute) == value


@pytest.mark.parametrize(
    ("changes", "attribute", "value"),
    [
        ({"title": "x" * 257}, "title", "x" * 257),
        ({"id": "not-a-uuid"}, "id", "not-a-uuid"),
        ({"id": 5}, "id", "5"),
        ({"name": ""}, "name", None),
        ({"status": "testing"}, "status", None),
        ({"status": "Test"}, "status", None),
        ({"level": "severe"}, "level", None),
        ({"date": "2024-02-30"}, "date", None),
        ({"date": "yesterday"}, "date", None),
        ({"date": 20240101}, "date", None),
        ({"tags": "attack.t1059"}, "tags", ()),
        ({"tags": ["attack.t1059", "nodot", 5]}, "tags", ("attack.t1059",)),
        ({"references": "https://x"}, "references", ()),
        ({"falsepositives": ["aa", {"b": 1}]}, "falsepositives", ("aa",)),
        ({"related": [{"id": "x", "type": "similar"}]}, "related", (("x", "similar"),)),
        ({"related": {"id": "x"}}, "related", ()),
        ({"related": [{"id": "x", "type": "friend"}, {"id": "y"}, 3]}, "related", ()),
        ({"description": ["a"]}, "description", None),
        ({"author": 5}, "author", None),
        ({"license": "x" * 70_000}, "license", None),
        ({"taxonomy": "ecs"}, "taxonomy", "ecs"),
    ],
)
def test_faulty_metadata_is_a_warning_and_keeps_the_rule(
    changes: dict[str, Any], attribute: str, value: Any
) -> None:
    (rule,), found = read(changes)
    assert found
    assert {each.code for each in found} <= {"W_META", "W_TAXONOMY"}
    assert getattr(rule.meta, attribute) == value


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"title": "-"}, "E_TITLE"),
        ({"title": 5}, "E_TITLE"),
        ({"title": "  "}, "E_TITLE"),
        ({"logsource": "-"}, "E_LOGSOURCE"),
        ({"logsource": "windows"}, "E_LOGSOURCE"),
        ({"logsource": {}}, "E_LOGSOURCE"),
        ({"logsource": {"product": ""}}, "E_LOGSOURCE"),
        ({"logsource": {"definition": "x"}}, "E_LOGSOURCE"),
        ({"logsource": {"product": 5}}, "E_LOGSOURCE"),
        ({"detection": "-"}, "E_DETECTION"),
        ({"detection": ["a"]}, "E_DETECTION"),
        ({"detection": {"sel": {"f": "a"}}}, "E_CONDITION"),
        ({"detection": {"condition": "sel"}}, "E_CONDITION"),
        ({"detection": {"sel": {"f": "a"}, "condition": []}}, "E_CONDITION"),
        ({"detection": {"sel": {"f": "a"}, "condition": ""}}, "E_CONDITION"),
        ({"detection": {"sel": {"f": "a"}, "condition": 5}}, "E_CONDITION"),
        ({"detection": {"sel": {"f": "a"}, "condition": ["sel", 5]}}, "E_CONDITION"),
        ({"detection": {"sel": {}, "condition": "sel"}}, "E_EMPTY"),
        ({"detection": {"sel": None, "condition": "sel"}}, "E_EMPTY"),
        ({"detection": {"sel": [], "condition": "sel"}}, "E_EMPTY"),
        ({"detection": {"sel": [{}], "condition": "sel"}}, "E_EMPTY"),
        ({"detection": {"sel": {"f": []}, "condition": "sel"}}, "E_EMPTY"),
        ({"detection": {"sel": {"f": {"g": 1}}, "condition": "sel"}}, "E_VALUE_TYPE"),
        ({"detection": {"sel": {5: "a"}, "condition": "sel"}}, "E_IDENT"),
        ({"detection": {"sel": {None: "a"}, "condition": "sel"}}, "E_IDENT"),
        ({"detection": {5: {"f": "a"}, "condition": "1 of them"}}, "E_IDENT"),
        ({"detection": {"Them": {"f": "a"}, "condition": "1 of *"}}, "E_IDENT"),
        ({"detection": {"12": {"f": "a"}, "condition": "1 of *"}}, "E_IDENT"),
        ({"detection": {"x" * 1001: {"f": "a"}, "condition": "1 of *"}}, "E_IDENT"),
    ],
)
def test_what_refuses_a_rule(changes: dict[str, Any], code: str) -> None:
    rules, found = read(changes)
    assert rules == []
    assert code in [each.code for each in found if each.is_error]


def test_all_problems_of_a_rule_are_found_in_one_run() -> None:
    rules, found = read_text("""\
title:
level: severe
tags: [nodot]
logsource: {}
detection:
  timeframe: 5m
  one: {f|contain: a}
  two: {g|re: '('}
  three: {}
  condition: one and
""")
    assert rules == []
    assert sorted(found, key=lambda each: each[1]) == [
        ("E_TITLE", 1, 7),
        ("W_META", 2, 8),
        ("W_META", 3, 8),
        ("E_LOGSOURCE", 4, 12),
        ("W_TIMEFRAME", 6, 3),
        ("E_MODIFIER", 7, 9),
        ("E_REGEX", 8, 15),
        ("E_EMPTY", 9, 10),
        ("E_CONDITION", 10, 20),
    ]


def test_all_problems_of_a_list_are_found_in_one_run() -> None:
    rules, found = read_text("""\
title: x
logsource: {product: a}
detection:
  one:
    f|re: ['(', a, '[', 5]
  condition:
    - one or two
    - >
      one and
      three
    - one and
""")
    assert rules == []
    assert sorted(found, key=lambda each: each[1:]) == [
        ("E_REGEX", 5, 12),
        ("E_REGEX", 5, 20),
        ("E_VALUE_TYPE", 5, 25),
        ("N_SCHEMA", 7, 5),
        ("E_CONDITION", 7, 14),
        ("E_CONDITION", 10, 7),
        ("E_CONDITION", 11, 13),
    ]


def test_warnings_of_a_sound_rule() -> None:
    (rule,), found = read_text("""\
title: x
logsource: {product: a, other: 1}
detection:
  a.b: {f|all: x}
  unused: [word]
  condition: a.b AND a.b
""")
    assert sorted(found) == [
        ("W_ALL_SINGLE", 4, 9),
        ("W_IDENT", 4, 3),
        ("W_KEYWORD_CASE", 6, 18),
        ("W_UNUSED", 5, 3),
    ]
    assert rule.logsource.custom == (("other", 1),)


def test_shapes_of_detections() -> None:
    (rule,), _ = read(
        {
            "detection": {
                "map": {"f": "a", "g|contains": ["b", "c"]},
                "words": ["x", 5],
                "mixed": ["x", {"f": 1}, [{"g": 2}, "y"]],
                "word": "x",
                "named": {"|all": ["x", "y"]},
                "condition": "all of them",
            }
        }
    )
    shapes = rule.detections
    assert isinstance(shapes["map"], AllOf)
    assert [each.field for each in items(shapes["map"])] == ["f", "g"]
    assert isinstance(shapes["words"], Item)
    assert len(shapes["words"].values) == 2
    assert isinstance(shapes["mixed"], AnyOf)
    assert [type(each) for each in shapes["mixed"].children] == [Item, AllOf, AnyOf]
    assert isinstance(shapes["word"], Item)
    (named,) = items(shapes["named"])
    assert (named.field, named.all) == (None, True)
