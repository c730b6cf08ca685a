"""The client of the control plane against a real server."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import grpc
import pytest

from sigmac.runtime.errors import PackError
from sigmac.runtime.pack.pack import load_pack
from sigmac.runtime.service.control import pack_transfer
from sigmac.runtime.service.control.client import SERVICE_CONFIG, ControlClient, ControlError
from sigmac.runtime.service.control.server import ControlServer
from tests.unit.runtime.service.certificates import Authority
from tests.unit.runtime.service.loaded_service import EVENT, LoadedService, settings, write_version

TOKEN = "correct-horse-battery-staple"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("packs")
    for version in ("1.0.0", "2.0.0"):
        write_version(folder, version)
    return folder


class Both:
    """A server and the means to make clients of it."""

    def __init__(self, stack: ExitStack, folder: Path, state: Path, control: dict[str, Any]):
        self._stack = stack
        self.service = LoadedService(folder / "pack-1.0.0", state)
        self.server = ControlServer(self.service, settings(state, control))
        stack.callback(self.server.stop)
        stack.callback(self.service.watchers.close)
        self.address = f"127.0.0.1:{self.server.port}"

    def client(self, **options: Any) -> ControlClient:
        made = ControlClient(self.address, **{"timeout": 30, **options})
        return self._stack.enter_context(made)


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


@pytest.fixture
def both(stack: ExitStack, folder: Path, tmp_path: Path) -> Both:
    return Both(stack, folder, tmp_path / "state", {"allow_unsigned_packs": True})


def test_events_and_batches(both: Both) -> None:
    client = both.client()
    assert [each.title for each in client.process_event("windows", EVENT)] == ["Whoami", "Admin"]
    source = {"product": "linux"}
    (admin,) = client.process_event("windows", json.dumps(EVENT).encode(), logsource=source)
    assert admin.title == "Admin"
    pieces = (b'{"User": "ro', b'ot"}\n{"User": "root"}')
    answer = client.process_batch("windows", pieces, logsource=source)
    assert [(each.line, each.rule) for each in answer.matches] == [(0, 0), (1, 0)]
    assert answer.rules[0] == admin


def test_rules_status_pause_and_resume(both: Both, monkeypatch: pytest.MonkeyPatch) -> None:
    client = both.client()
    monkeypatch.setattr("sigmac.runtime.service.control.methods._PAGE", 1)  # two pages
    assert [each.title for each in client.rules("windows")] == ["Whoami", "Admin"]
    client.pause()
    assert client.status().paused
    client.resume()
    assert not client.status().paused


def test_a_folder_is_pushed_and_taken_back(both: Both, folder: Path) -> None:
    client = both.client()
    assert client.push(folder / "pack-2.0.0", "windows").version == "2.0.0"
    (pack,) = client.status().packs
    assert (pack.version, pack.previous) == ("2.0.0", "1.0.0")
    assert client.rollback("windows").version == "1.0.0"


def test_a_pack_is_always_sent_alike(folder: Path) -> None:
    once, again = (
        [each.SerializeToString() for each in pack_transfer.messages(folder / "pack-2.0.0", "a")]
        for _ in range(2)
    )
    assert once == again


def test_a_pack_that_is_none_is_not_sent(both: Both, folder: Path, tmp_path: Path) -> None:
    client = both.client()
    with pytest.raises(PackError, match="does not exist"):
        client.push(tmp_path / "nowhere", "windows")
    copy = write_version(tmp_path, "5.0.0")
    (copy / "link.py").symlink_to("/etc/hostname")
    with pytest.raises(PackError, match=r"link\.py is not part of the pack"):
        client.push(copy, "windows")
    (copy / "link.py").unlink()
    (copy / "rules.py").unlink()
    (copy / "rules.py").symlink_to(folder / "pack-1.0.0" / "rules.py")
    with pytest.raises(PackError, match=r"rules\.py is a link that leads out of the pack"):
        client.push(copy, "windows")
    assert not both.service.pushing.is_set()


def test_matches_are_watched(both: Both) -> None:
    watched = both.client().watch()
    both.service.watchers.show(b'{"id":"1"}')
    both.service.watchers.missed(3)
    assert next(watched).match == b'{"id":"1"}'
    assert next(watched).missed == 3
    both.service.watchers.close()
    assert list(watched) == []


def test_a_watch_ends_with_its_client(both: Both) -> None:
    gone = threading.Event()
    watched = both.client().watch()
    both.service.watchers.show(b'{"id":"1"}')
    next(watched)
    both.service.watchers._changed = gone.set  # called when the last watcher is gone
    watched.close()  # type: ignore[attr-defined]
    assert gone.wait(30)


@pytest.mark.parametrize(
    ("call", "code", "reason", "said"),
    [
        (lambda c: c.process_event("other", {}), "NOT_FOUND", "PACK_UNKNOWN", "no pack `other`"),
        (lambda c: c.process_event("windows", b"["), "INVALID_ARGUMENT", "INVALID_FIELD", "event:"),
        (lambda c: list(c.rules("other")), "NOT_FOUND", "PACK_UNKNOWN", "no pack `other`"),
        (
            lambda c: c.rollback("windows"),
            "FAILED_PRECONDITION",
            "PACK_REFUSED",
            "no pack ran before",
        ),
    ],
)
def test_errors_are_one_sentence(both: Both, call: Any, code: str, reason: str, said: str) -> None:
    with pytest.raises(ControlError) as raised:
        call(both.client())
    assert (raised.value.code.name, raised.value.reason) == (code, reason)
    assert str(raised.value).startswith(f"{both.address}: {said}")
    assert "\n" not in str(raised.value)


def test_a_service_that_cannot_be_reached() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        with ControlClient(address) as client, pytest.raises(ControlError) as raised:
            client.status()
    assert raised.value.code is grpc.StatusCode.UNAVAILABLE
    assert str(raised.value).startswith(f"{address}: the service cannot be reached")


def test_a_service_that_does_not_answer() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"127.0.0.1:{silent.getsockname()[1]}"
        with ControlClient(address, timeout=0.2) as client, pytest.raises(ControlError) as raised:
            client.status()
    assert raised.value.code is grpc.StatusCode.DEADLINE_EXCEEDED
    assert str(raised.value) == f"{address}: the service did not answer in time"


def test_whoever_asks_too_often_waits_as_told(
    stack: ExitStack, folder: Path, tmp_path: Path
) -> None:
    both = Both(stack, folder, tmp_path / "state", {"requests_per_second": 5})
    client = both.client()
    assert all(client.status().ready for _ in range(12))


def test_only_what_can_be_done_twice_is_tried_again() -> None:
    (config,) = SERVICE_CONFIG["methodConfig"]
    methods = {each["method"] for each in config["name"]}
    assert methods == {"ProcessEvent", "ListRules", "GetStatus", "Pause", "Resume"}


def test_a_service_that_is_there_again_is_asked_again(
    stack: ExitStack, folder: Path, tmp_path: Path
) -> None:
    first = Both(stack, folder, tmp_path / "first", {})
    client = first.client()
    assert client.status().ready
    first.server.stop()
    second = Both(stack, folder, tmp_path / "second", {"bind": first.address})
    second.service.state = replace(second.service.state, name="second")
    assert client.status().name == "second"


def test_token_tls_and_certificate(stack: ExitStack, folder: Path, tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    certificate, key = authority.issue("server")
    tls = {"certificate": certificate, "key": key, "client_ca": authority.file}
    both = Both(stack, folder, tmp_path / "state", {"tls": tls, "token": TOKEN})
    mine, secret = authority.issue("me")
    known = {"ca": authority.file, "certificate": mine, "key": secret}
    assert both.client(**known, token=TOKEN).status().ready
    with pytest.raises(ControlError, match="the token is wrong") as raised:
        both.client(**known, token="wrong-" + TOKEN).status()
    assert TOKEN not in str(raised.value)
    with pytest.raises(ControlError, match="cannot be reached"):
        both.client(ca=authority.file, token=TOKEN).status()


@pytest.mark.parametrize(
    ("host", "options", "expected"),
    [
        ("127.0.0.1", {}, False),
        ("localhost", {}, False),
        ("127.0.0.1", {"tls": True}, True),
        ("sigmac.example", {}, True),
        ("10.0.0.7", {"token": TOKEN}, True),
        ("10.0.0.7", {"tls": False}, False),
    ],
)
def test_in_clear_only_to_this_machine(
    host: str, options: dict[str, Any], expected: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[bool] = []
    secure, insecure = grpc.secure_channel, grpc.insecure_channel
    monkeypatch.setattr(grpc, "secure_channel", lambda *a: (made.append(True), secure(*a))[1])
    monkeypatch.setattr(grpc, "insecure_channel", lambda *a: (made.append(False), insecure(*a))[1])
    ControlClient(f"{host}:9090", **options).close()
    assert made == [expected]


def test_the_pack_that_runs_is_fetched(both: Both, tmp_path: Path) -> None:
    client = both.client()
    (tmp_path / "a").mkdir()
    client.fetch("windows", tmp_path / "a")
    assert load_pack(tmp_path / "a").version == "1.0.0"
    (tmp_path / "b").mkdir()
    with pytest.raises(PackError, match="not signed"):
        client.fetch("windows", tmp_path / "b", trusted_keys=[b"ab" * 32])
    assert not list((tmp_path / "b").glob("*.py"))
