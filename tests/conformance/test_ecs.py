"""Recorded events in the form of Winlogbeat give, with `ecs`, the matches that they give flat with `windows`.

The rules that match them, and every eighth of the others; `make conformance` asks all.
"""

from __future__ import annotations

import pytest

import sigmac
from tests.conformance.corpora import SigmaHQ
from tests.conformance.ecs_matches import (
    DIFFERENT,
    SHAPES,
    Found,
    differences,
    ecs_pack,
    flat_matches,
    rules_in_use,
)


@pytest.fixture(scope="module")
def flat(sigmahq: SigmaHQ) -> Found:
    return flat_matches(sigmahq)


@pytest.fixture(scope="module")
def pack(sigmahq: SigmaHQ, flat: Found, tmp_path_factory: pytest.TempPathFactory) -> sigmac.Pack:
    matching = {file for _, file in flat}
    sources = [
        source
        for number, source in enumerate(rules_in_use(sigmahq))
        if source.source in matching or number % 8 == 0
    ]
    return ecs_pack(sigmahq, sources, tmp_path_factory.mktemp("ecs") / "pack")


@pytest.mark.parametrize("shape", SHAPES)
def test_matches_are_those_of_the_flat_events(shape: str, pack: sigmac.Pack, flat: Found) -> None:
    assert len(flat) > 100
    assert {file for _, file in differences(pack, shape, flat)} == set(DIFFERENT)
