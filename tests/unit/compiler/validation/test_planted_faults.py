"""Faults planted in the compiler and in the kernels: `sigmac build --verify` tells of each."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.unit.compiler.validation.planted import Fault, compiler_faults, differences, planted

FAULTS = compiler_faults()


@pytest.mark.parametrize(
    "fault", FAULTS, ids=[f"{i}-{fault.where}" for i, fault in enumerate(FAULTS, 1)]
)
def test_a_planted_fault_is_told(fault: Fault, tmp_path: Path) -> None:
    with planted(fault):
        assert differences(fault.detection, tmp_path)


def test_without_a_fault_nothing_is_told(tmp_path: Path) -> None:
    for i, detection in enumerate(sorted({fault.detection for fault in FAULTS})):
        assert differences(detection, tmp_path / str(i)) == []


@pytest.mark.skipif(not importlib.util.find_spec("numba"), reason="Numba is not installed")
def test_faults_of_kernels_are_told() -> None:
    """By the kernels' Python twins, which need no compiling."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.unit.compiler.validation.planted"],
        env={**os.environ, "NUMBA_DISABLE_JIT": "1"},
        capture_output=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr.decode()
    assert json.loads(done.stdout) == []
