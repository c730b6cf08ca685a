"""What check and build say of a correlation's condition, groups and references before anything runs."""

from __future__ import annotations

from pathlib import Path

import pytest

from sigmac.compiler.checks.checker import check_sources
from sigmac.compiler.packaging.build import BuildOptions, compile_sources
from sigmac.compiler.packaging.build_cache import Cache
from sigmac.compiler.syntax.rule_files import find_sources

RULES = """
title: A
name: a
logsource: {category: test}
detection: {s: {TargetUser: x}, condition: s}
---
title: B
name: b
logsource: {category: test}
detection: {s: {TargetUser: x}, condition: s and not s}
---
title: C
name: c
correlation: {CORRELATION, timespan: 5m}
"""


def said(correlation: str, folder: Path) -> list[str]:
    file = folder / "rules.yml"
    file.write_text(RULES.replace("CORRELATION", correlation), "utf-8")
    sources = find_sources([file])
    checked = [each for each in check_sources(sources) if each.severity != "note"]
    built = compile_sources(sources, BuildOptions("x"), Cache(None)).diagnostics
    assert sorted(map(str, checked)) == sorted(map(str, built))
    return [f"{d.code} {d.message}" for d in checked if d.place.document == 2]


ALWAYS = "W_ALWAYS every hit makes the condition true"
BOUND = "W_RANGE the condition needs 100,001 hits, and 100,000 of a group are remembered"
CASE = "W_FIELD_CASE `target_user` is spelled `TargetUser` in the rules that it refers to"


@pytest.mark.parametrize(
    ("correlation", "expected"),
    [
        ("type: event_count, rules: a, condition: {gte: 1}", [ALWAYS]),
        ("type: event_count, rules: a, condition: {gt: 0.5}", [ALWAYS]),
        ("type: event_count, rules: a, condition: {gte: 2}", []),
        ("type: value_count, rules: a, condition: {gte: 1, field: x}", [ALWAYS]),
        ("type: value_sum, rules: a, condition: {gte: 1, field: x}", []),
        ("type: temporal, rules: [a, b], condition: {gte: 1}", [ALWAYS]),
        ("type: temporal_ordered, rules: [a, a], condition: {gt: 0}", [ALWAYS]),
        ("type: event_count, rules: a, condition: {gt: 100001}", [BOUND]),
        ("type: event_count, rules: a, condition: {gte: 100000}", []),
        ("type: event_count, rules: a, group-by: [target_user], condition: {gte: 2}", [CASE]),
        ("type: event_count, rules: a, group-by: [TargetUser], condition: {gte: 2}", []),
        ("type: event_count, rules: a, group-by: [Other], condition: {gte: 2}", []),
    ],
)
def test_conditions_and_groups(correlation: str, expected: list[str], tmp_path: Path) -> None:
    found = said(correlation, tmp_path)
    assert [each for each in found if not each.startswith("W_NEVER")] == expected


def test_what_cannot_match_is_told_of_all_that_need_it(tmp_path: Path) -> None:
    correlation = "type: temporal, rules: [a, b]"
    above = "---\ntitle: D\ncorrelation: {type: event_count, rules: c, timespan: 1h, condition: {gte: 2}}"
    file = tmp_path / "rules.yml"
    file.write_text(RULES.replace("CORRELATION", correlation) + above, "utf-8")
    found = check_sources(find_sources([file]))
    assert [
        (d.place.document, d.message) for d in found if d.code == "W_NEVER" and d.place.document > 1
    ] == [(2, "`b` can never match"), (3, "`c` can never match")]
    assert said("type: event_count, rules: [a, b], condition: {gte: 2}", tmp_path) == [
        "W_NEVER `b` can never match"
    ]
