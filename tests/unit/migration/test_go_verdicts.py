"""What becomes of rules in the Go engine is known without it, and what the engine does where it is there."""

from __future__ import annotations

from itertools import chain
from pathlib import Path

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sigmac.compat.go.go_engine import GoEngine
from sigmac.migration.causes import causes_of
from sigmac.migration.go_rules import go_verdict
from tests.unit.compat.go.both_engines import Asked, read
from tests.unit.compat.go.conftest import go_engine as go_engine

CASES = yaml.load((Path(__file__).parent / "go_verdicts.yml").read_text("utf-8"), yaml.BaseLoader)
FOLDER = Path(__file__).parents[1] / "compat" / "go"
DIFFERENCES = [*chain(*read(FOLDER / "differences.yml").values())]
ENGINE_TESTS = [*chain(*read(FOLDER / "engine_tests.yml").values())]
ANSWERS = ("yes", "no", "either")


def text_of(case: dict[str, str]) -> str:
    return case["file"] if "file" in case else f"title: A\ndetection: {case['detection']}\n"


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.get("file", case.get("detection")))
def test_verdict(case: dict[str, str]) -> None:
    found = go_verdict(text_of(case).encode(), "a.yml")
    assert str(found.outcome) == case["go"], found.reason
    assert case.get("reason", "") in found.reason


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.get("file", case.get("detection")))
def test_the_engine_agrees(case: dict[str, str], go_engine: GoEngine) -> None:
    assert go_engine.rule(text_of(case))["outcome"] == case["go"]


@pytest.mark.parametrize("case", [*DIFFERENCES, *ENGINE_TESTS], ids=str)
def test_verdicts_of_all_cases(case: Asked) -> None:
    wanted = "ok" if case.go in ANSWERS else case.go
    assert str(go_verdict(case.file.encode(), "a.yml").outcome) == wanted


@pytest.mark.parametrize(
    "case",
    [
        c
        for c in (*DIFFERENCES, *ENGINE_TESTS)
        if {c.go, c.sigmac} <= {*ANSWERS} and c.go != c.sigmac
    ],
    ids=str,
)
def test_no_difference_is_without_a_cause(case: Asked) -> None:
    rule = go_verdict(case.file.encode(), "a.yml").rule
    assert rule is not None
    found = causes_of(rule, no_collapse_ws=case.raw)
    assert found or case.name in UNTOLD


# What is told of by no cause: YAML reads the value otherwise, and `sigmac check` says so.
UNTOLD = {"numbers in the base of 60", "a wildcard for one character of a run"}

PIECES = ["s1", "s2", "s*", "k", "them", "1 of", "all of", "any of", "and", "or", "NOT", "not"]
PIECES += ["(", ")", "not(", "|", "count()", "condition", "timeframe", "*", "1", "of", "x"]
SPACES = st.sampled_from(["", " ", "  ", "\t"])
CONDITIONS = st.lists(st.tuples(st.sampled_from(PIECES), SPACES), max_size=9).map(
    lambda parts: "".join(chain(*parts))
)
SCALARS = st.one_of(
    st.text("0123456789.eE+-_xXobTZ: ", max_size=8),
    st.sampled_from(
        [
            "y",
            "No",
            "~",
            "null",
            ".inf",
            "+.INF",
            ".nan",
            "0o17",
            "0b101",
            "<<",
            "2024-1-2",
            "=",
            "1:2",
        ]
    ),
    st.from_regex(
        r"[-+]?(0[xob]?)?[0-9a-f_]{1,20}(\.[0-9]*)?([eE][-+]?[0-9]{1,3})?", fullmatch=True
    ),
)
MANY = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=400)


def agrees(engine: GoEngine, text: str) -> None:
    made = engine.rule(text)
    found = go_verdict(text.encode(), "a.yml")
    assert str(found.outcome) == made["outcome"], (text, found.reason, made)


@MANY
@given(CONDITIONS)
def test_conditions_of_any_kind(go_engine: GoEngine, condition: str) -> None:
    written = yaml.safe_dump(condition, default_style='"', width=10_000).strip()
    agrees(
        go_engine,
        f"detection: {{s1: {{A: a}}, s2: [{{B: b}}], k: [w], timeframe: 5m, condition: {written}}}",
    )


@MANY
@given(SCALARS)
def test_scalars_of_any_kind(go_engine: GoEngine, scalar: str) -> None:
    agrees(go_engine, f"detection:\n  s:\n    A:\n    - {scalar}\n  condition: s\n")
    agrees(go_engine, f"detection:\n  s:\n    A:\n    - {scalar}\n    - text\n  condition: s\n")
    agrees(go_engine, f"detection:\n  s:\n    A:\n    - {scalar}\n    - 5\n  condition: s\n")


def bomb(line: str, count: int = 60) -> str:
    """A line for each of some anchors, each of which uses the one before twice."""
    return "".join(line.format(i, i - 1) for i in range(1, count))


HOSTILE = {
    "aliases within aliases": "a0: &a0 [x]\n"
    + bomb("a{0}: &a{0} [*a{1}, *a{1}]\n")
    + "detection: {s: *a59}",
    "merges within merges": "a0: &a0 {x: y}\n"
    + bomb("a{0}: &a{0} {{<<: [*a{1}, *a{1}]}}\n")
    + "detection: *a59",
    "a deep chain of aliases": "a0: &a0 [x]\n"
    + bomb("a{0}: &a{0} [*a{1}]\n", 5000)
    + "detection: {s: *a4999}",
    "a deep chain of merges": "a0: &a0 {x: y}\n"
    + bomb("a{0}: &a{0} {{<<: *a{1}}}\n", 5000)
    + "<<: *a4999",
    "deep brackets": "detection: " + "[" * 100_000,
    "a pattern that backtracks": "detection: {"
    + "a" * 900
    + "b: {A: a}, condition: 1 of "
    + "*a" * 400
    + "*c}",
    "parentheses": "detection: {s: {A: a}, condition: " + "(" * 90_000 + "s}",
    "many patterns": "detection: {"
    + "".join(f"s{i}: {{A: a}}, " for i in range(900))
    + "condition: "
    + " and ".join(f"1 of s{i}*" for i in range(900))
    + "}",
    "them, again and again": "detection: {"
    + "".join(f"s{i}: {{A: a}}, " for i in range(900))
    + "condition: "
    + " and ".join(["1 of them"] * 7000)
    + "}",
    "not, again and again": "detection: {s: {A: a, B: b}, condition: "
    + " and ".join(["not s"] * 9000)
    + "}",
}


@pytest.mark.parametrize("name", HOSTILE)
def test_what_would_take_long_is_bounded(name: str) -> None:
    rule = go_verdict(HOSTILE[name].encode(), "a.yml").rule
    if rule is not None:
        causes_of(rule, no_collapse_ws=False)
