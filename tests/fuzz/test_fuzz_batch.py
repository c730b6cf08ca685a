"""A short run of the fuzzer with every test run; `python -m tests.fuzz.fuzz_batch` goes on for as long as asked."""

from __future__ import annotations

from itertools import islice
from pathlib import Path
from random import Random

import pytest

from tests.fuzz.fuzz_batch import RULES, batches, difference
from tests.unit.packs import make_pack


@pytest.mark.parametrize("seed", range(4))
def test_mutated_records_are_taken_alike(tmp_path: Path, seed: int) -> None:
    pack = make_pack(RULES, tmp_path)
    for data in islice(batches(Random(seed)), 250):
        assert difference(pack, data) == "", data
