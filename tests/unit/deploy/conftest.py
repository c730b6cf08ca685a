"""Tools that know the formats of what is deployed."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture(scope="session")
def tool() -> Callable[..., str]:
    """Runs a tool that knows the formats of deploy/ and of CI, and gives what it complains of."""
    folder = ROOT / ".cache" / "deploy-tools-1"
    if not (folder / ".installed").exists():
        pytest.skip("the tools are not installed: `make deploy-tools` does it")

    def run(name: str, *arguments: str) -> str:
        command = [str(folder / "bin" / name), *arguments]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        return done.stdout + done.stderr if done.returncode else ""

    return run
