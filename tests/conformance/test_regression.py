"""The recorded attacks of SigmaHQ's own regression tests: every rule matches the events it was written for."""

from __future__ import annotations

import pytest

from tests.conformance.corpora import REGRESSION, SigmaHQ, load_json


@pytest.fixture(scope="module")
def found_by_match_batch(sigmahq: SigmaHQ) -> set[tuple[int, str | None]]:
    """(line from 1, rule id) of every match."""
    compiled = sigmahq.pack("windows")
    rules = compiled.pack.rules
    return {(record + 1, rules[rule].id) for record, rule in compiled.matches(REGRESSION)}


@pytest.fixture(scope="module")
def found_by_match(sigmahq: SigmaHQ) -> set[tuple[int, str | None]]:
    pack = sigmahq.pack("windows").pack
    return {
        (line, match.rule.id)
        for line, event in enumerate(REGRESSION.events, 1)
        for match in pack.match(event)
    }


@pytest.mark.parametrize("path", ["found_by_match", "found_by_match_batch"])
def test_every_expected_rule_matches_its_event(path: str, request: pytest.FixtureRequest) -> None:
    found = request.getfixturevalue(path)
    by_line = load_json("regression/expect.json")["by_line"]
    expected = {(int(line), rule) for line, rules in by_line.items() for rule in rules}
    assert len(expected) >= 100
    assert expected - found == set()


@pytest.mark.parametrize("path", ["found_by_match", "found_by_match_batch"])
def test_every_case_matches_as_often_as_it_must(path: str, request: pytest.FixtureRequest) -> None:
    found = request.getfixturevalue(path)
    cases = load_json("regression/expect.json")["cases"]
    short = [
        case["title"]
        for case in cases
        for rule in case["rule_ids"]
        if sum((line, rule) in found for line in case["lines"]) < case["min_matches"]
    ]
    assert len(cases) == 100
    assert short == []
