"""A short run of the guided fuzzer; `make fuzz` goes on for longer."""

from __future__ import annotations

import importlib.util
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
RUN = "import sys; from tests.fuzz.fuzz_kernels import main; main(sys.argv[1:])"
# A scan that has this takes every number for one that is exact.
FAULT = """
import os
os.environ["NUMBA_DISABLE_JIT"] = "1"
from sigmac.runtime.engine.kernels import json_scan
json_scan.fits.__code__ = (lambda data, at: True).__code__
"""

pytestmark = [
    pytest.mark.skipif(
        not importlib.util.find_spec("atheris"),
        reason="atheris is not installed: it is for Linux on x86-64 and Python before 3.14",
    ),
    pytest.mark.skipif(not importlib.util.find_spec("numba"), reason="Numba is not installed"),
]


def fuzz(code: str, folder: Path, *options: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", code, *options],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        errors="replace",
        check=False,
    )


@pytest.mark.slow
def test_guided_inputs_are_taken_alike(tmp_path: Path) -> None:
    # What counts as the memory of a process includes that of the one it was forked from: here, all tests'.
    done = fuzz(RUN, tmp_path, "-runs=500", "-seed=1", "-rss_limit_mb=0")
    said = done.stdout + done.stderr
    assert done.returncode == 0, said
    assert "Done 500 runs" in said
    # Places in the kernels that were reached: without instrumentation there are none.
    assert int(re.findall(r"cov: (\d+)", said)[-1]) > 1000
    assert list((tmp_path / ".cache/fuzz/corpus").iterdir())


def test_a_fault_of_the_kernels_is_seen(tmp_path: Path) -> None:
    file = tmp_path / "input"
    file.write_bytes(b'{"N":-9223372036854775809}')
    assert fuzz(RUN, tmp_path, "-rss_limit_mb=0", file).returncode == 0
    faulty = fuzz(FAULT + RUN, tmp_path, "-rss_limit_mb=0", file)
    assert faulty.returncode != 0
    assert "AssertionError: twins: " in faulty.stdout + faulty.stderr
