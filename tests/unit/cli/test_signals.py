"""Commands that work with several processes or threads: a signal ends all, and nobody is told of it by a traceback."""

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
PATIENCE = 60  # seconds


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


def start(*arguments: str | Path) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-m", "sigmac", *arguments],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )


@pytest.fixture
def process(tmp_path: Path) -> subprocess.Popen[bytes]:
    """A command at work in several processes."""
    for i in range(1000):
        (tmp_path / f"{i}.yml").write_text(
            f"title: T{i}\nlogsource: {{product: x}}\ndetection:\n  s: {{A: {i}}}\n  condition: s\n"
        )
    started = start("build", tmp_path, "-o", tmp_path / "pack", "--no-cache", "-j", "2")
    wait_for(lambda: len(members(started.pid)) > 2)
    return started


def test_ctrl_c_ends_several_threads_without_a_traceback(built: Path, tmp_path: Path) -> None:
    events, matches = tmp_path / "events", tmp_path / "matches"
    events.write_bytes(b'{"uid": 0}\n' * 3_000_000)
    order = ("--correlation-order", "arrival")  # in that of time all is written at the end
    running = start("run", built, events, *order, "--workers", "2", "-o", matches)
    wait_for(lambda: matches.exists() and matches.stat().st_size > 0)
    running.send_signal(signal.SIGINT)
    _, errors = running.communicate(timeout=PATIENCE)
    assert running.returncode == 130
    assert b"Traceback" not in errors
    assert matches.read_bytes().endswith(b"}\n")


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
