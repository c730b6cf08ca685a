"""Commands that work with several processes: a signal ends all of them, and nobody is told of it by a traceback."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.unit.cli.conftest import ROOT

pytestmark = pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="there is no /proc")
PATIENCE = 30  # seconds


def members(session: int, parent: int | None = None) -> list[int]:
    """The processes of a session that run, or those of them that have this parent."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except OSError:
            continue  # ended meanwhile
        state, of, _, in_session = fields[:4]
        if int(in_session) == session and state != "Z" and parent in (None, int(of)):
            found.append(int(stat.parent.name))
    return found


def wait_for(condition: object) -> None:
    assert callable(condition)
    end = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)


@pytest.fixture(params=["build", "run"])
def process(request: pytest.FixtureRequest, built: Path, tmp_path: Path) -> subprocess.Popen[bytes]:
    """A command at work in several processes."""
    if request.param == "build":
        for i in range(1000):
            (tmp_path / f"{i}.yml").write_text(
                f"title: T{i}\nlogsource: {{product: x}}\ndetection:\n  s: {{A: {i}}}\n  condition: s\n"
            )
        command = ["build", str(tmp_path), "-o", str(tmp_path / "pack"), "--no-cache", "-j", "2"]
    else:
        (tmp_path / "events").write_bytes(b'{"uid": 0}\n' * 2_000_000)
        command = ["run", str(built), str(tmp_path / "events"), "--workers", "2", "-o", "/dev/null"]
    started = subprocess.Popen(
        [sys.executable, "-m", "sigmac", *command],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )
    wait_for(lambda: len(members(started.pid)) > 2)
    return started


def test_ctrl_c_ends_all_processes_without_a_traceback(process: subprocess.Popen[bytes]) -> None:
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does
    _, errors = process.communicate(timeout=PATIENCE)
    assert process.returncode == 130
    assert b"Traceback" not in errors
    wait_for(lambda: members(process.pid) == [])


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_workers_do_not_outlive_the_command(
    process: subprocess.Popen[bytes], number: signal.Signals
) -> None:
    process.send_signal(number)
    # What a worker holds open would keep a shell or CI waiting.
    _, errors = process.communicate(timeout=PATIENCE)
    assert process.returncode == -number
    assert b"Traceback" not in errors
    wait_for(lambda: members(process.pid) == [])


def test_a_worker_that_is_killed_is_told(process: subprocess.Popen[bytes]) -> None:
    os.kill(members(process.pid, process.pid)[0], signal.SIGKILL)
    _, errors = process.communicate(timeout=PATIENCE)
    assert process.returncode == 1
    assert b"died" in errors
    assert b"Traceback" not in errors
