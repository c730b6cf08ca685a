"""`sigmac push`, `sigmac status` and `sigmac watch` against a real service."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from sigmac.runtime.service.control.server import ControlServer
from tests.unit.cli.conftest import ROOT, Run
from tests.unit.runtime.service.certificates import Authority
from tests.unit.runtime.service.loaded_service import LoadedService, settings, write_version

TOKEN = "correct-horse-battery-staple"
Serve = Callable[..., tuple[LoadedService, str]]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("packs")
    for version in ("1.0.0", "2.0.0"):
        write_version(folder, version)
    return folder


@pytest.fixture
def serve(folder: Path, tmp_path: Path) -> Iterator[Serve]:
    with ExitStack() as stack:

        def served(**control: Any) -> tuple[LoadedService, str]:
            service = LoadedService(folder / "pack-1.0.0", tmp_path / "state")
            configured = settings(tmp_path / "state", {"allow_unsigned_packs": True, **control})
            server = ControlServer(service, configured)
            stack.callback(server.stop)
            stack.callback(service.watchers.close)
            return service, f"127.0.0.1:{server.port}"

        yield served


def test_a_pack_is_pushed_and_taken_back(sigmac: Run, serve: Serve, folder: Path) -> None:
    service, address = serve()
    done = sigmac("push", folder / "pack-2.0.0", "--to", address, "--as", "windows")
    assert (done.returncode, done.stdout) == (0, "")
    assert done.stderr == "windows runs version 2.0.0\n"
    assert service.status().packs[0].version == "2.0.0"
    done = sigmac("push", "--rollback", "--to", address, "--as", "windows")
    assert (done.returncode, done.stderr) == (0, "windows is back at version 1.0.0\n")


CHANGED = """\
title: Whoami
id: 5b1f6a8e-43d0-4d8a-9d0c-6a9b6a3f2c11
logsource: {product: windows}
level: critical
detection: {s: {Image|endswith: \\\\net.exe}, condition: s}
"""


@pytest.fixture(scope="module")
def changed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A pack in which one of the rules is another, and one is gone."""
    return write_version(tmp_path_factory.mktemp("changed"), "3.0.0", rules=CHANGED)


def test_what_differs_is_shown_before_a_pack_is_pushed(
    sigmac: Run, serve: Serve, changed: Path, tmp_path: Path
) -> None:
    service, address = serve()
    command = ("push", changed, "--to", address, "--as", "windows")
    done = sigmac(*command, "--dry-run")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith(
        f"windows 1.0.0 → {changed} 3.0.0: 2 → 1 rule; 0 added, 1 removed, 1 changed\n"
    )
    assert "    level: high → critical\n" in done.stdout
    done = sigmac(*command, "--fail-on", "removed", "--format", "json")
    assert done.returncode == 3
    assert json.loads(done.stdout)["removed"][0]["title"] == "Admin"
    assert service.status().packs[0].version == "1.0.0"
    done = sigmac(*command, "--diff")
    assert (done.returncode, done.stderr) == (0, "windows runs version 3.0.0\n")
    assert "level: high → critical" in done.stdout


def test_recent_events_show_what_is_gained_and_lost(
    sigmac: Run, serve: Serve, changed: Path, tmp_path: Path
) -> None:
    service, address = serve()
    events = tmp_path / "events.ndjson"
    paths = (r"C:\whoami.exe", r"C:\net.exe", r"C:\net.exe")
    events.write_text("\n".join(json.dumps({"Image": each}) for each in paths))
    command = ("push", changed, "--to", address, "--as", "windows", "--events", events)
    done = sigmac(*command)
    assert done.returncode == 2
    assert "--allow-unsigned" in done.stderr
    done = sigmac(*command, "--allow-unsigned", "--fail-on", "lost")
    assert done.returncode == 3
    assert "matches on 3 events: 2 gained, 1 lost, 0 as before" in done.stdout
    assert f"    lost: {events}:1\n" in done.stdout
    key = tmp_path / "key.pub"
    key.write_text("ab" * 32)
    done = sigmac(*command, "--trusted-key", key)
    assert done.returncode == 1
    assert "not signed" in done.stderr
    assert service.status().packs[0].version == "1.0.0"


def test_a_token_and_certificates(sigmac: Run, serve: Serve, folder: Path, tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    certificate, key = authority.issue("server")
    tls = {"certificate": certificate, "key": key, "client_ca": authority.file}
    _, address = serve(tls=tls, token=TOKEN)
    token = tmp_path / "token"
    token.write_text(TOKEN + "\n")
    mine, secret = authority.issue("me")
    known = ("--ca", authority.file, "--certificate", mine, "--key", secret)
    command = ("push", folder / "pack-2.0.0", "--to", address, "--as", "windows", *known)
    done = sigmac(*command, "--token-file", token)
    assert (done.returncode, done.stderr) == (0, "windows runs version 2.0.0\n")
    token.write_text("wrong")
    done = sigmac(*command, "--token-file", token)
    assert (done.returncode, done.stderr) == (1, f"sigmac: {address}: the token is wrong\n")
    done = sigmac(*command)
    assert done.returncode == 1
    assert "authorization: Bearer TOKEN" in done.stderr


def test_what_the_service_refuses(sigmac: Run, serve: Serve, folder: Path) -> None:
    _, address = serve(allow_unsigned_packs=False)
    pack = folder / "pack-2.0.0"
    done = sigmac("push", pack, "--to", address, "--as", "windows")
    assert done.returncode == 1
    assert done.stderr.startswith(f"sigmac: {address}: a pack is code: configure trusted_keys")
    assert done.stderr.count("\n") == 1
    done = sigmac("push", pack, "--to", address, "--as", "linux")
    assert done.returncode == 1
    assert "no pack `linux` is in service; there are: windows" in done.stderr
    done = sigmac("push", "--rollback", "--to", address, "--as", "windows")
    assert done.returncode == 1
    assert "no pack ran before this one" in done.stderr


def test_what_is_no_pack(sigmac: Run, tmp_path: Path) -> None:
    done = sigmac("push", tmp_path, "--to", "127.0.0.1:1", "--as", "windows")
    assert done.returncode == 1
    assert "is no rule pack" in done.stderr


def test_a_service_that_is_not_there(sigmac: Run, folder: Path) -> None:
    done = sigmac("push", folder / "pack-1.0.0", "--to", "127.0.0.1:1", "--as", "windows")
    assert done.returncode == 1
    assert done.stderr.startswith("sigmac: 127.0.0.1:1: the service cannot be reached")
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize(
    "arguments",
    [
        ("push", "--to", "127.0.0.1:1", "--as", "windows"),
        ("push", "pack", "--rollback", "--to", "127.0.0.1:1", "--as", "windows"),
        ("push", "--rollback", "--dry-run", "--to", "127.0.0.1:1", "--as", "windows"),
        ("push", "pack", "--fail-on", "x", "--to", "127.0.0.1:1", "--as", "windows"),
        ("push", "pack", "--to", "127.0.0.1", "--as", "windows"),
        ("push", "pack", "--to", "127.0.0.1:x", "--as", "windows"),
        ("push", "pack", "--to", "127.0.0.1:1"),
        ("push", "pack", "--to", "127.0.0.1:1", "--as", "windows", "--token-file", "nowhere"),
        ("push", "pack", "--to", "127.0.0.1:1", "--as", "windows", "--token-file", "empty"),
        ("push", "pack", "--to", "127.0.0.1:1", "--as", "windows", "--certificate", "empty"),
        ("status", "--to", "127.0.0.1:1", "--plaintext", "--ca", "empty"),
        ("status",),
        ("watch", "--to", "nowhere"),
    ],
)
def test_wrong_usage(sigmac: Run, tmp_path: Path, arguments: tuple[str, ...]) -> None:
    (tmp_path / "empty").touch()
    done = sigmac(*arguments, cwd=tmp_path)
    assert done.returncode == 2
    assert "Error" in done.stderr
    assert "Traceback" not in done.stderr


def test_the_status(sigmac: Run, serve: Serve) -> None:
    service, address = serve()
    done = sigmac("status", "--to", address)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines() == [
        "edge (sigmac 0.1.0): ready",
        "worker 0: running, 1 partition, 0 records waiting, 0 restarts",
        "worker 1: stalled, 1 partition, 10 records waiting, 4 restarts",
        "pack windows: test 1.0.0, 2 rules",
        "  last refused: the pack is too slow",
        "1,000 events, 26 matches, 4 rejected, 4 dead letters",
    ]
    service.state = replace(service.state, ready=False, reason="no partitions\x1b[2J")
    done = sigmac("status", "--to", address)
    assert done.returncode == 1
    assert "edge (sigmac 0.1.0): not ready: no partitions\\x1b[2J" in done.stdout
    done = sigmac("status", "--to", address, "--format", "json")
    assert done.returncode == 1
    assert json.loads(done.stdout)["packs"][0]["version"] == "1.0.0"


def test_matches_are_watched(serve: Serve) -> None:
    service, address = serve()
    process = subprocess.Popen(
        [sys.executable, "-m", "sigmac", "watch", "--to", address],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert process.stdout is not None
    assert process.stderr is not None
    with process:
        service.watched.wait(30)
        service.watchers.show(b'{"id":"1"}')
        assert process.stdout.readline() == b'{"id":"1"}\n'
        service.watchers.missed(1)
        assert process.stderr.readline() == b"1 match left out\n"
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == 130
        assert process.stderr.read() == b""
