"""A sink that stalls for several times as long as the group waits for a silent member."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.integration.brokers import Broker
from tests.integration.stall import run_stall

pytestmark = pytest.mark.slow


def test_a_stalled_sink_costs_neither_memory_nor_the_group_nor_a_match(
    broker: Broker, pack_folder: Path, tmp_path: Path
) -> None:
    report = run_stall(broker, pack_folder, tmp_path, seconds=15, poll_interval=6.5)
    assert (report.stalled, report.ready) == (True, True)
    assert (report.rebalances, report.restarts) == (0, 0)
    assert report.delivered_meanwhile == 0
    assert (report.lost, report.doubled) == (0, 0)
    assert report.spread < 0.1
