"""The method Evaluate: answers in order, by whichever pack runs; and a socket for this user alone."""

from __future__ import annotations

import os
import queue
import socket
import stat
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import grpc
import orjson
import pytest

from sigmac.runtime.errors import StreamError
from sigmac.runtime.service.control import control_pb2 as wire
from sigmac.runtime.service.control import control_pb2_grpc, messages
from sigmac.runtime.service.control.client import ControlClient
from sigmac.runtime.service.control.evaluate_stream import whole_lines
from sigmac.runtime.service.control.server import ControlServer
from tests.unit.runtime.service.control.test_server import (
    TIMEOUT,
    Running,
    Start,
    failing,
    folder,
    running,
    start,
)
from tests.unit.runtime.service.loaded_service import (
    ADMIN,
    EVENT,
    LEFT_OUT,
    LoadedService,
    settings,
    write_version,
)

__all__ = ["folder", "running", "start"]  # fixtures

LINE = orjson.dumps(EVENT) + b"\n"


class Conversation:
    """A stream to a server: batches are sent when a test wants it, and messages come one by one."""

    def __init__(self, stub: Any, **first: Any):
        self._requests: queue.SimpleQueue[wire.EvaluateRequest | None] = queue.SimpleQueue()
        begin = wire.EvaluateRequest.Start(**{"pack": "windows", **first})
        self._requests.put(wire.EvaluateRequest(start=begin))
        self._answers = stub.Evaluate(iter(self._requests.get, None), timeout=TIMEOUT)

    def send(self, records: bytes, number: int = 0, generation: int = 0) -> None:
        batch = wire.EvaluateRequest.Batch(number=number, generation=generation, records=records)
        self._requests.put(wire.EvaluateRequest(batch=batch))

    def send_start(self) -> None:
        self._requests.put(wire.EvaluateRequest(start=wire.EvaluateRequest.Start(pack="windows")))

    def end(self) -> None:
        self._requests.put(None)

    def running(self) -> wire.EvaluateResponse.Running:
        message = next(self._answers)
        assert message.WhichOneof("part") == "running"
        found: wire.EvaluateResponse.Running = message.running
        return found

    def answer(self) -> wire.EvaluateResponse.Answer:
        message = next(self._answers)
        assert message.WhichOneof("part") == "answer"
        found: wire.EvaluateResponse.Answer = message.answer
        return found

    def rest(self) -> list[wire.EvaluateResponse]:
        return list(self._answers)


def pairs(answer: wire.EvaluateResponse.Answer) -> list[tuple[int, int]]:
    return list(zip(answer.lines, answer.rules, strict=True))


def test_batches_are_answered_in_order_by_number(running: Running) -> None:
    asking = Conversation(running.stub())
    first = asking.running()
    assert (first.generation, first.pack, first.version, first.rules) == (1, "test", "1.0.0", 2)
    assert list(first.fields) == ["Image", "User"]
    assert not first.keywords
    for number, records in enumerate((LINE, b"", b'{"User": "root"}\n\n' + LINE, b"{}")):
        asking.send(records, 7 + number, generation=number % 2)
    asking.end()
    answers = [each.answer for each in asking.rest()]
    assert [each.number for each in answers] == [7, 8, 9, 10]
    assert [pairs(each) for each in answers] == [
        [(0, 0), (0, 1)],
        [],
        [(0, 1), (2, 0), (2, 1)],
        [],
    ]
    assert all(each.last and not each.outdated for each in answers)


def test_what_is_no_event_is_rejected_alone(running: Running) -> None:
    asking = Conversation(running.stub())
    asking.running()
    asking.send(LINE + b"{\n[1]\n" + LINE)
    answer = asking.answer()
    assert [each.line for each in answer.rejected] == [1, 2]
    assert "not a JSON object but an array" in answer.rejected[1].reason
    assert {line for line, _ in pairs(answer)} == {0, 3}


def test_the_logsource_of_a_stream_rules_out(running: Running) -> None:
    asking = Conversation(running.stub(), logsource=wire.LogSource(product="linux"))
    asking.running()
    asking.send(LINE)
    assert pairs(asking.answer()) == [(0, 1)]


def test_the_rules_of_another_pack_ask_for_other_fields(running: Running, tmp_path: Path) -> None:
    asking = Conversation(running.stub())
    assert asking.running().generation == 1
    asking.send(LINE, 1, generation=1)
    assert len(asking.answer().rules) == 2
    newer = write_version(tmp_path, "9.0.0", rules=ADMIN.replace("User", "Account"))
    running.service.push("windows", newer)
    asking.send(LINE, 2, generation=1)
    asking.send(b'{"Account": "root"}\n', 3, generation=1)
    now = asking.running()
    assert (now.generation, now.version, list(now.fields)) == (2, "9.0.0", ["Account"])
    for number in (2, 3):
        answer = asking.answer()
        assert (answer.number, answer.outdated, answer.last) == (number, True, True)
        assert not answer.rules
    asking.send(b'{"Account": "root"}\n', 4, generation=2)
    assert pairs(asking.answer()) == [(0, 0)]
    asking.send(LINE + b'{"Account": "root"}\n', 5)  # all that these events have
    assert pairs(asking.answer()) == [(1, 0)]


def test_large_batches_are_answered_in_parts(
    running: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    where = "sigmac.runtime.service.control.evaluate_stream"
    monkeypatch.setattr(f"{where}.MAX_MATCHES", 1000)
    monkeypatch.setattr(f"{where}._WINDOW", 100 * 1024)
    asking = Conversation(running.stub())
    asking.running()
    asking.send(LINE * 6000 + b"[]\n", 1)
    parts = []
    while not parts or not parts[-1].last:
        parts.append(asking.answer())
    assert len(parts) > 12
    assert max(len(part.rules) for part in parts) == 1000
    found = [pair for part in parts for pair in pairs(part)]
    assert found == [(line, rule) for line in range(6000) for rule in (0, 1)]
    assert [each.line for part in parts for each in part.rejected] == [6000]


@pytest.mark.parametrize("size", [1, 3, 8, 100])
def test_pieces_as_runs_of_whole_lines(size: int) -> None:
    text = b"ab\n\ncdefghijklm\nn\no"
    for cut in range(len(text)):
        found = [*whole_lines((text[:cut], text[cut:]), size)]
        assert b"".join(found) == text
        assert all(each.endswith(b"\n") for each in found[:-1])


def test_a_stream_that_begins_with_no_pack(running: Running) -> None:
    for requests in ([], [wire.EvaluateRequest()], [wire.EvaluateRequest(batch={})]):
        with failing("INVALID_ARGUMENT") as failed:
            list(running.stub().Evaluate(iter(requests), timeout=TIMEOUT))
        assert failed[0].reason == "INVALID_FIELD"


def test_a_stream_that_begins_twice(running: Running) -> None:
    asking = Conversation(running.stub())
    asking.running()
    asking.send_start()
    with failing("INVALID_ARGUMENT"):
        asking.rest()


def test_a_pack_that_nobody_knows(running: Running) -> None:
    with failing("NOT_FOUND") as failed:
        Conversation(running.stub(), pack="nowhere").running()
    assert failed[0].reason == "PACK_UNKNOWN"


def test_packs_that_are_not_loaded_yet(running: Running) -> None:
    running.service.loading = True
    stub = running.stub()
    asked = [
        lambda: Conversation(stub).running(),
        lambda: stub.ListRules(wire.ListRulesRequest(pack="windows"), timeout=TIMEOUT),
        lambda: stub.ProcessEvent(
            wire.ProcessEventRequest(pack="windows", event=b"{}"), timeout=TIMEOUT
        ),
    ]
    for ask in asked:
        with failing("UNAVAILABLE") as failed:
            ask()
        assert failed[0].reason == "NOT_READY"
        assert "RetryInfo" in failed[0].details


def test_silence_ends_a_stream_and_words_do_not(start: Start) -> None:
    running = start(stream_timeout=1.0)
    asking = Conversation(running.stub())
    asking.running()
    pause = threading.Event()
    for number in range(8):  # longer than any silence may be
        pause.wait(0.25)
        asking.send(LINE, number)
        assert asking.answer().number == number
    with failing("CANCELLED"):
        asking.rest()


def test_streams_leave_room_to_steer(start: Start) -> None:
    running = start(max_streams=4)
    stub = running.stub()
    asking = [Conversation(stub) for _ in range(2)]
    for each in asking:
        each.running()
    with failing("RESOURCE_EXHAUSTED") as failed:
        Conversation(stub).running()
    assert failed[0].reason == "LIMIT_REACHED"
    stub.GetStatus(wire.GetStatusRequest(), timeout=TIMEOUT)


def test_rules_say_what_they_ask_and_what_was_left_out(
    running: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    request = wire.ListRulesRequest(pack="windows", page_size=1)
    first = running.stub().ListRules(request, timeout=TIMEOUT)
    assert list(first.rules[0].asks) == ["Image"]
    assert first.digest == running.service.running("windows").digest
    (refused,) = first.refused
    assert (refused.source, refused.code) == (LEFT_OUT.source, LEFT_OUT.code)
    request.page_token = first.next_page_token
    second = running.stub().ListRules(request, timeout=TIMEOUT)
    assert list(second.rules[0].asks) == ["User"]
    assert not second.refused


def test_the_bound_of_an_answer_is_that_of_a_batch() -> None:
    assert messages.MAX_MATCHES == 100_000


# The socket


@pytest.fixture
def serve_at(folder: Path, tmp_path: Path) -> Iterator[Any]:
    with ExitStack() as stack:

        def serve(path: Path) -> ControlServer:
            service = LoadedService(folder / "pack-1.0.0", tmp_path / "state")
            configured = settings(tmp_path / "state", {"bind": f"unix:{path}"})
            server = ControlServer(service, configured)
            stack.callback(server.stop)
            return server

        yield serve


def test_a_socket_that_only_this_user_reaches(serve_at: Any, tmp_path: Path) -> None:
    path = tmp_path / "run" / "sigmac.sock"
    server = serve_at(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    with ControlClient(f"unix:{path}") as client:
        assert len(client.process_event("windows", EVENT)) == 2
    asking = Conversation(control_pb2_grpc.ControlStub(grpc.insecure_channel(f"unix:{path}")))  # type: ignore[no-untyped-call]
    assert asking.running().rules == 2
    asking.end()
    server.stop()
    assert not path.parent.exists()


def test_a_socket_that_a_killed_service_left(serve_at: Any, tmp_path: Path) -> None:
    path = tmp_path / "run" / "sigmac.sock"
    path.parent.mkdir(mode=0o700)
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(str(path))
    serve_at(path).stop()
    assert not path.exists()
    assert path.parent.is_dir()  # which was there before


def test_a_socket_in_use(serve_at: Any, tmp_path: Path) -> None:
    path = tmp_path / "run" / "sigmac.sock"
    serve_at(path)
    with pytest.raises(StreamError, match="in use by another service"):
        serve_at(path)
    with ControlClient(f"unix:{path}") as client:
        assert client.process_event("windows", EVENT)


@pytest.mark.parametrize("mode", [0o755, 0o770])
def test_a_folder_that_others_enter(serve_at: Any, tmp_path: Path, mode: int) -> None:
    folder = tmp_path / "run"
    folder.mkdir()
    folder.chmod(mode)
    with pytest.raises(StreamError, match="must be a folder of this user alone"):
        serve_at(folder / "sigmac.sock")
    assert os.listdir(folder) == []


def test_a_file_is_not_replaced_by_a_socket(serve_at: Any, tmp_path: Path) -> None:
    path = tmp_path / "run" / "sigmac.sock"
    path.parent.mkdir(mode=0o700)
    path.write_text("precious")
    with pytest.raises(StreamError, match="no socket of this user"):
        serve_at(path)
    assert path.read_text() == "precious"
