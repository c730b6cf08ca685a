"""An installation from source, as somebody does it who has this repository and nothing else."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.unit.packs import rule, write_text_pack
from tests.unit.test_build_backend import copy_of_the_source

ROOT = Path(__file__).resolve().parents[2]
LOADS = """if True:
    import importlib.util, sys, sigmac
    print(importlib.util.find_spec("numba"))
    pack = sigmac.load_pack(sys.argv[1])
    print(bool(pack.engines()))
    print(*pack.match_batch(b'{"Image": "x"}\\n{"Image": "y"}\\n').record)
"""


def run(*command: object, cwd: Path) -> subprocess.CompletedProcess[str]:
    apart = ("PYTHONPATH", "SIGMAC_KERNELS", "SIGMAC_BUILD_KERNELS", "MAKEFLAGS", "MAKELEVEL")
    return subprocess.run(
        [*map(str, command)],
        cwd=cwd,
        env={name: value for name, value in os.environ.items() if name not in apart},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.slow
@pytest.mark.timeout(1800)  # compiling takes a minute of a processor that has nothing else to do
def test_an_installation_from_source_has_compiled_kernels_and_no_numba(tmp_path: Path) -> None:
    source = copy_of_the_source(tmp_path / "source")
    python = tmp_path / "empty" / "bin" / "python"
    run(sys.executable, "-m", "venv", tmp_path / "empty", cwd=tmp_path).check_returncode()
    pip = (python, "-m", "pip", "install", "--quiet", "--retries", "1")
    # The very files that were tested; this also tells whether there is an index at all.
    pins = ROOT / "requirements" / "consumer.txt"
    wanted = run(*pip, "--no-deps", "--require-hashes", "-r", pins, cwd=tmp_path)
    if "Could not find a version" in wanted.stderr:
        pytest.skip("no index of packages can be reached")
    assert wanted.returncode == 0, wanted.stderr
    done = run(*pip, "--no-deps", ".", cwd=source)
    assert done.returncode == 0, done.stderr
    assert run(python, "-m", "pip", "check", cwd=tmp_path).stdout.startswith("No broken")
    pack = write_text_pack(rule("selection:\n  Image: y\ncondition: selection"), tmp_path / "made")
    answered = run(python, "-c", LOADS, pack, cwd=tmp_path)
    assert (answered.stdout.split(), answered.stderr) == (["None", "True", "1"], "")
