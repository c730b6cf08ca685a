"""New packs while records come in as fast as they can be evaluated: none is lost, doubled, or made by a bad pack."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.integration.brokers import Broker
from tests.integration.reload import Report, run_bad_packs, run_swaps
from tests.unit.runtime.service.packs.bad_packs import BAD

pytestmark = [pytest.mark.slow, pytest.mark.java]

SWAPS = 14  # `python -m tests.integration.reload` makes a hundred


def nothing_is_lost(report: Report) -> None:
    assert (report.lost, report.doubled, report.wrong, report.disordered) == (0, 0, 0, 0)
    assert (report.misordered, report.mislabelled, report.restarts) == (0, 0, 0)


def test_swaps_lose_nothing_and_each_match_names_its_version(
    start_broker: Callable[[str], Broker], tmp_path: Path
) -> None:
    report = run_swaps(start_broker("kafka"), tmp_path, SWAPS)
    nothing_is_lost(report)
    assert report.swaps == SWAPS
    assert report.versions >= SWAPS // 2


def test_bad_packs_are_refused_and_disturb_nothing(
    start_broker: Callable[[str], Broker], tmp_path: Path
) -> None:
    report = run_bad_packs(start_broker("kafka"), tmp_path)
    nothing_is_lost(report)
    assert (report.refused, report.taken, report.swaps) == (len(BAD), 0, 0)
    assert report.versions == 0
