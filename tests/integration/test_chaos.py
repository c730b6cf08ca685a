"""Nothing lost, nothing doubled, whoever is killed: `make chaos` does the same for longer."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.integration.brokers import ApacheKafka, Broker
from tests.integration.chaos import run_chaos
from tests.integration.verdict import DELIVERIES, Circumstances

pytestmark = [pytest.mark.slow, pytest.mark.java]

KILLS = 15  # with each kind of delivery


@pytest.mark.parametrize("delivery", DELIVERIES)
def test_chaos(
    delivery: str, start_broker: Callable[[str], Broker], pack_folder: Path, tmp_path: Path
) -> None:
    kafka = start_broker("kafka")
    assert isinstance(kafka, ApacheKafka)
    circumstances = Circumstances(delivery, seed=1, session=1.5, calm=0.5)
    report = run_chaos(kafka, pack_folder, tmp_path, circumstances, KILLS)
    print(*report.rows(), *report.problems, sep="\n")  # shown where the test fails
    assert report.kills >= KILLS
    assert report.matches > 500
    assert report.kept
