"""A worker's process where its supervisor ends before it has begun."""

from __future__ import annotations

import socket
import subprocess
import sys

import pytest


@pytest.mark.parametrize("said", [b"", b'{"worker": 0, "sett'])
def test_a_worker_without_a_configuration_ends_silently(said: bytes) -> None:
    ours, theirs = socket.socketpair()
    command = [
        sys.executable,
        "-m",
        "sigmac.runtime.service.workers.worker_process",
        str(theirs.fileno()),
    ]
    with subprocess.Popen(
        command, pass_fds=[theirs.fileno()], stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    ) as worker:
        theirs.close()
        ours.sendall(said)
        ours.close()
        assert worker.communicate(timeout=60) == (b"", None)
    assert worker.returncode == 0
