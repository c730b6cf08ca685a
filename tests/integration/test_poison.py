"""Each kind of poison once or twice: `python -m tests.integration.poison` does the same with more."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.integration.brokers import Broker
from tests.integration.poison import EVERY, run_poison
from tests.integration.poisons import POISONS
from tests.integration.verdict import DELIVERIES

pytestmark = [pytest.mark.slow, pytest.mark.java]


@pytest.mark.parametrize("delivery", DELIVERIES)
def test_poison(
    delivery: str, start_broker: Callable[[str], Broker], pack_folder: Path, tmp_path: Path
) -> None:
    records = EVERY * len(POISONS)
    report = run_poison(
        start_broker("kafka"), pack_folder, tmp_path, delivery, records, timeout=200
    )
    print(*report.rows(), *report.wrong, sep="\n")  # shown where the test fails
    assert report.kept
    assert report.undeliverable >= 3
