"""SigmaHQ compiles: every rule in use, and of the retired ones all that semantics do not rule out."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from tests.conformance.corpora import ACTIVE, RETIRED, SigmaHQ
from tests.conformance.refusals import Refusals, refusals


@pytest.fixture(scope="module")
def found(sigmahq: SigmaHQ) -> Refusals:
    return refusals(sigmahq)


def test_every_rule_in_use_compiles_once_its_placeholders_have_values(found: Refusals) -> None:
    refused = [each for folder in ACTIVE for each in found.of(folder)]
    assert {each.code for each in refused} == {"E_PLACEHOLDER"}
    assert len(refused) == 25
    assert sum(found.rules[folder] for folder in ACTIVE) + len(refused) == 3780
    assert found.left == ()


# What a retired rule can have that Sigma has no more: aggregations behind a pipe, conditions in prose.
REASONS = {
    "deprecated": {"E_AGGREGATION": 1, "E_PLACEHOLDER": 3},
    "unsupported": {"E_AGGREGATION": 54, "E_CONDITION": 4},
    "other": {},
}


@pytest.mark.parametrize("folder", RETIRED)
def test_a_retired_rule_is_refused_only_for_what_is_no_longer_sigma(
    folder: str, found: Refusals
) -> None:
    assert Counter(each.code for each in found.of(folder)) == REASONS[folder]


def test_a_refusal_names_the_line_and_says_what_to_do(found: Refusals) -> None:
    for each in found.refused:
        assert Path(each.place.file).is_file()
        assert each.place.line > 1
        assert each.message
        assert each.hint


def test_an_aggregation_is_shown_as_the_correlation_to_write(found: Refusals) -> None:
    shown = [each.hint for each in found.refused if each.code == "E_AGGREGATION"]
    assert len([hint for hint in shown if "correlation" in hint]) == len(shown)
