"""New packs while records come in as fast as they can be evaluated: none is lost or doubled.

`python -m tests.integration.reload` pushes a hundred packs, and every bad one that there is.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.integration.brokers import Broker
from tests.integration.reload import Report, run_swaps

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
