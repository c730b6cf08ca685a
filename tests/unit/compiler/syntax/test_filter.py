"""Filters: what they become, and what is said of faulty ones."""

from __future__ import annotations

import json

import pytest

from sigmac.compiler.diagnostics.diagnostic import RuleError
from sigmac.compiler.syntax.documents import read_file
from sigmac.compiler.syntax.filter import MAX_FILTERS, join
from sigmac.compiler.syntax.rule import Filter, LogSource

HEAD = "title: Administrators\nlogsource: {product: windows, category: process_creation}\n"


def read(text: str) -> tuple[Filter | None, list[str]]:
    """The filter of a file, and all that was said of it as `code text under the caret`."""
    contents = read_file(text.encode(), "filter.yml")
    assert contents.rules == []
    lines = text.splitlines()
    said = [
        f"{d.code} {lines[d.place.line - 1][d.place.column - 1 :]}" for d in contents.diagnostics
    ]
    return (contents.filters[0] if contents.filters else None), said


def test_a_filter_as_the_pack_keeps_it() -> None:
    found, said = read("""
title: Administrators and scanners
id: 0e95725d-7320-415d-80f7-004da920fc12
description: Their accounts begin with adm_
logsource:
  category: process_creation
  product: windows
  definition: audit policy
filter:
  rules:
    - 6f3e2987-db24-4c78-a860-b4f4095a7095
    - login_on_jump_host
  selection:
    User|startswith|cased: [adm_, svc_]
    LogonId: 0x3e7
  scanners:
    - nessus
    - {Image: null, Signed: true}
  condition: not selection and not scanners
""")
    assert said == []
    assert found is not None
    assert found.label == "0e95725d-7320-415d-80f7-004da920fc12"
    assert [str(rule.place) for rule in found.rules] == ["filter.yml:11:7", "filter.yml:12:7"]
    assert json.loads(json.dumps(found.plain())) == {
        "title": "Administrators and scanners",
        "id": "0e95725d-7320-415d-80f7-004da920fc12",
        "description": "Their accounts begin with adm_",
        "taxonomy": "sigma",
        "logsource": {
            "category": "process_creation",
            "product": "windows",
            "definition": "audit policy",
        },
        "rules": ["6f3e2987-db24-4c78-a860-b4f4095a7095", "login_on_jump_host"],
        "detections": {
            "selection": {
                "all_of": [
                    {
                        "field": "User",
                        "modifiers": ["startswith", "cased"],
                        "values": ["adm_", "svc_"],
                    },
                    {"field": "LogonId", "modifiers": [], "values": [999]},
                ]
            },
            "scanners": {
                "any_of": [
                    {"field": None, "modifiers": [], "values": ["nessus"]},
                    {
                        "all_of": [
                            {"field": "Image", "modifiers": [], "values": [None]},
                            {"field": "Signed", "modifiers": [], "values": [True]},
                        ]
                    },
                ]
            },
        },
        "condition": "not selection and not scanners",
    }


@pytest.mark.parametrize(("rules", "codes"), [("any", []), ("Any", []), ("[]", ["W_META"])])
def test_a_filter_for_any_rule(rules: str, codes: list[str]) -> None:
    found, said = read(f"{HEAD}filter: {{rules: {rules}, s: {{User: x}}, condition: not s}}")
    assert found is not None
    assert [each.split()[0] for each in said] == codes
    assert found.rules == ()
    assert found.plain()["rules"] == "any"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("filter: [any]", ["E_FILTER [any]"]),
        ("filter: {s: {A: b}, condition: s}", ["E_FILTER {s: {A: b}, condition: s}"]),
        (
            "filter: {rules: null, s: {A: b}, condition: s}",
            ["E_FILTER null, s: {A: b}, condition: s}"],
        ),
        ("filter: {rules: 7, s: {A: b}, condition: s}", ["E_FILTER 7, s: {A: b}, condition: s}"]),
        (
            "filter: {rules: [a, 7], s: {A: b}, condition: s}",
            ["E_FILTER 7], s: {A: b}, condition: s}"],
        ),
        ("filter: {rules: any, s: {A: b}}", ["E_CONDITION {rules: any, s: {A: b}}"]),
        ("filter: {rules: any, s: {A: b}, condition: [s]}", ["E_FILTER [s]}"]),
        ("filter: {rules: any, s: {A: b}, condition: 5}", ["E_FILTER 5}"]),
        ("filter: {rules: any, s: {A: b}, condition: {a: b}}", ["E_FILTER {a: b}}"]),
        (
            "filter: {rules: any, s: {A: b}, condition: null}",
            ["E_CONDITION null}"],
        ),
        ("filter: {rules: any, s: {A: b}, condition: s and t}", ["E_CONDITION t}"]),
        ("filter: {rules: any, s: {A: b}, condition: 1 of t*}", ["E_SELECTOR_EMPTY t*}"]),
        (
            "filter: {rules: any, s: {A: b}, condition: s | count() > 5}",
            ["E_AGGREGATION | count() > 5}"],
        ),
        (
            "filter: {rules: any, s: {A|has: b}, condition: s}",
            ["E_MODIFIER A|has: b}, condition: s}"],
        ),
        ("filter: {rules: any, s: {}, condition: s}", ["E_EMPTY {}, condition: s}"]),
        ("filter: {rules: any, condition: s}", ["E_CONDITION s}"]),
        (
            "filter: {s: {A|has: b}, condition: [s]}",
            [
                "E_MODIFIER A|has: b}, condition: [s]}",
                "E_FILTER {s: {A|has: b}, condition: [s]}",
                "E_FILTER [s]}",
            ],
        ),
        (
            "filter: {rules: any, s: {A: b}, condition: s}\ndetection: {s: {A: b}, condition: s}",
            ["E_DOC_KIND filter: {rules: any, s: {A: b}, condition: s}"],
        ),
    ],
)
def test_what_refuses_a_filter(text: str, said: list[str]) -> None:
    assert read(HEAD + text) == (None, said)


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("filter: {s: {A: b}, condition: s}", "add `rules: any`, or ids or names"),
        ("filter: {rule: [a], s: {A: b}, condition: s}", "`rule` is read as a search identifier"),
        ("filter: {Rules: any, s: {A: b}, condition: s}", "`Rules` is read as a search identifier"),
        ("rules: [a]\nfilter: {s: {A: b}, condition: s}", "indent the `rules` of line 3"),
    ],
)
def test_where_the_rules_of_a_filter_are(text: str, hint: str) -> None:
    (error,) = read_file((HEAD + text).encode(), "filter.yml").diagnostics.errors
    assert (error.code, error.hint[: len(hint)]) == ("E_FILTER", hint)


def test_a_filter_without_logsource_is_refused() -> None:
    found, said = read("title: T\nfilter: {rules: any, s: {A: b}, condition: s}")
    assert found is None
    assert [each.partition(" ")[0] for each in said] == ["E_LOGSOURCE"]


def test_warnings_leave_a_filter_in_use() -> None:
    found, said = read(
        f"{HEAD}level: grave\nfilter: {{rules: any, s: {{A: b}}, t: {{A: b}}, condition: NOT s}}"
    )
    assert found is not None
    assert said == [
        "W_META grave",
        "W_KEYWORD_CASE NOT s}",
        "W_UNUSED t: {A: b}, condition: NOT s}",
    ]


@pytest.mark.parametrize(
    ("logsource", "covered"),
    [
        (LogSource("process_creation", "windows"), True),
        (LogSource("process_creation", "windows", "sysmon"), True),
        (LogSource("process_creation"), False),
        (LogSource("process_creation", "linux"), False),
        (LogSource("Process_Creation", "WINDOWS"), True),
        (LogSource("process_creation", "window\u017f"), False),
        (LogSource(None, "windows", "security"), False),
    ],
)
def test_a_filter_covers_rules_that_set_all_its_keys(logsource: LogSource, covered: bool) -> None:
    found, _ = read(f"{HEAD}filter: {{rules: any, s: {{A: b}}, condition: s}}")
    assert found is not None
    assert found.covers(logsource) is covered


def test_a_rule_takes_a_bounded_number_of_filters() -> None:
    rule = "title: T\nlogsource: {product: windows}\ndetection: {s: {A: b}, condition: s}"
    (found,) = read_file(rule.encode(), "rule.yml").rules
    filter_, _ = read(f"{HEAD}filter: {{rules: any, s: {{A: b}}, condition: s}}")
    assert filter_ is not None
    assert join(found, []) is found
    assert join(found, [filter_] * MAX_FILTERS).filters == (filter_,) * MAX_FILTERS
    with pytest.raises(RuleError, match="more than 1,000 filters act on the rule"):
        join(found, [filter_] * (MAX_FILTERS + 1))
