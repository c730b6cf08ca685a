"""The kernels in plain Python say and write what they do as machine code, and never leave their arrays."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from sigmac.runtime.engine.machine_code import choice
from tests.unit.runtime.engine.records import read_records, records_at_block_ends
from tests.unit.runtime.engine.twins import BETWEEN, account

RECORDS = [
    *(record for record in read_records() if len(record) < 20_000),
    *list(records_at_block_ends())[::5],
]
BATCHES = [b"\n".join(RECORDS), b"\n".join(reversed(RECORDS)), b"\n".join(RECORDS[::7]) + b"\n"]


@pytest.mark.skipif(not importlib.util.find_spec("numba"), reason="Numba is not installed")
@pytest.mark.parametrize(
    ("name", "budget"),
    [
        pytest.param("all", 1 << 20, marks=pytest.mark.slow),
        pytest.param("all", 1 << 15, marks=pytest.mark.slow),
        ("keywords", 1 << 20),
        ("keywords", 1 << 12),
    ],
)
def test_twins_do_what_compiled_kernels_do(
    name: str,
    budget: int,
    pack_folders: Callable[[str], Path],
    tmp_path: Path,
) -> None:
    kernels = choice.find_kernels()
    assert kernels is not None
    folder, records = pack_folders(name), tmp_path / "records"
    records.write_bytes(BETWEEN.join(BATCHES))
    twins = subprocess.run(
        [sys.executable, "-m", "tests.unit.runtime.engine.twins", folder, records, str(budget)],
        env={**os.environ, "NUMBA_DISABLE_JIT": "1"},
        capture_output=True,
        check=False,
    )
    assert twins.returncode == 0, twins.stderr.decode()
    compiled = account(folder, BATCHES, kernels, budget)
    assert json.loads(twins.stdout) == json.loads(json.dumps(compiled))
