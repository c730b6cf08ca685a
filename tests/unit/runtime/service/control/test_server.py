"""The control plane: a real server, real channels, and clients that mean no good."""

from __future__ import annotations

import contextlib
import json
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import grpc
import orjson
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from google.rpc import error_details_pb2 as details
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc
from grpc_status import rpc_status
from structlog.testing import capture_logs

from sigmac.runtime.errors import ConfigurationError, StreamError
from sigmac.runtime.pack.contents import read_contents
from sigmac.runtime.pack.seal import MANIFEST, render_manifest
from sigmac.runtime.service.control import control_pb2 as wire
from sigmac.runtime.service.control import control_pb2_grpc, pack_transfer
from sigmac.runtime.service.control.server import ControlServer
from tests.unit.packs import rule
from tests.unit.runtime.service.certificates import Authority
from tests.unit.runtime.service.loaded_service import (
    EVENT,
    LoadedService,
    settings,
    write_version,
)

ROOT = Path(__file__).resolve().parents[5]
TOKEN = "correct-horse-battery-staple"
TIMEOUT = 30.0  # seconds; nothing here waits for it
KEY = Ed25519PrivateKey.generate()
PEM = KEY.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


class Running:
    """A server over a loaded pack, and what asks it."""

    def __init__(self, service: LoadedService, server: ControlServer):
        self.service = service
        self.port = server.port
        self.address = f"127.0.0.1:{server.port}"

    def stub(self, *options: tuple[str, Any]) -> Any:
        return control_pb2_grpc.ControlStub(grpc.insecure_channel(self.address, options))


Start = Callable[..., Running]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where packs of several versions lie; not to be changed."""
    folder = tmp_path_factory.mktemp("packs")
    for version in ("1.0.0", "2.0.0"):
        write_version(folder, version)
    write_version(folder, "3.0.0", sign=PEM)
    write_version(folder, "4.0.0", rules=rule("s: {a: 1}\ncondition: s", "Refused"))
    return folder


@pytest.fixture
def start(folder: Path, tmp_path: Path) -> Iterator[Start]:
    with ExitStack() as stack:

        def started(
            *, pack: dict[str, Any] | None = None, stream_timeout: float = 600, **control: Any
        ) -> Running:
            service = LoadedService(folder / "pack-1.0.0", tmp_path / "state")
            configured = settings(tmp_path / "state", control, **(pack or {}))
            server = ControlServer(service, configured, stream_timeout=stream_timeout)
            stack.callback(server.stop)
            stack.callback(service.watchers.close)
            stack.callback(service.pushes.set)
            return Running(service, server)

        yield started


@pytest.fixture
def running(start: Start) -> Running:
    return start(allow_unsigned_packs=True)


class Failed:
    """How a call failed, with its details by type."""

    def __init__(self, error: grpc.RpcError):
        self.code: grpc.StatusCode = error.code()
        self.message: str = error.details()
        self.trailing = dict(error.trailing_metadata() or ())
        status = rpc_status.from_call(error)
        self.details: dict[str, Any] = {}
        for each in status.details if status is not None else ():
            made = getattr(details, each.type_url.rpartition(".")[2])()
            each.Unpack(made)
            self.details[type(made).__name__] = made

    @property
    def reason(self) -> str:
        return str(self.details["ErrorInfo"].reason)


@contextmanager
def failing(code: str) -> Iterator[list[Failed]]:
    found: list[Failed] = []
    with pytest.raises(grpc.RpcError) as raised:
        yield found
    found.append(Failed(raised.value))
    assert found[0].code.name == code, found[0].message


def status_of(stub: Any, **more: Any) -> wire.GetStatusResponse:
    answer: wire.GetStatusResponse = stub.GetStatus(
        wire.GetStatusRequest(), timeout=TIMEOUT, **more
    )
    return answer


def event_of(event: bytes = orjson.dumps(EVENT), **more: Any) -> wire.ProcessEventRequest:
    return wire.ProcessEventRequest(**{"pack": "windows", "event": event, **more})


def batch_of(*pieces: bytes, **more: Any) -> Iterator[wire.ProcessBatchRequest]:
    start = wire.ProcessBatchRequest.Start(**{"pack": "windows", **more})
    yield wire.ProcessBatchRequest(start=start)
    for piece in pieces:
        yield wire.ProcessBatchRequest(records=piece)


def push(stub: Any, requests: Any) -> wire.PushPackResponse:
    answer: wire.PushPackResponse = stub.PushPack(iter(requests), timeout=TIMEOUT)
    return answer


# Events


def test_an_event_is_evaluated(running: Running) -> None:
    answer = running.stub().ProcessEvent(event_of(), timeout=TIMEOUT)
    assert [(each.title, each.level, list(each.tags)) for each in answer.matches] == [
        ("Whoami", "high", ["attack.t1033"]),
        ("Admin", "low", []),
    ]
    first = answer.matches[0]
    assert first.id == "5b1f6a8e-43d0-4d8a-9d0c-6a9b6a3f2c11"
    assert (first.pack, first.version) == ("test", "1.0.0")


def test_an_event_may_be_written_on_many_lines(running: Running) -> None:
    event = json.dumps(EVENT, indent=4).encode()
    answer = running.stub().ProcessEvent(event_of(event), timeout=TIMEOUT)
    assert len(answer.matches) == 2


def test_a_logsource_rules_out(running: Running) -> None:
    request = event_of(logsource=wire.LogSource(product="windows"))
    answer = running.stub().ProcessEvent(request, timeout=TIMEOUT)
    assert [each.title for each in answer.matches] == ["Whoami"]


@pytest.mark.parametrize(
    ("event", "said"),
    [
        (b"", "not JSON"),
        (b"{", "not JSON"),
        (b"[1]", "not a JSON object but an array"),
        (b'{"a": "\n"}', "not JSON"),
        (b'{"a": 1}\n{"a": 2}', "not JSON"),
        (b'{"a": NaN}', "not JSON"),
        (b'{"a": "\xff"}', "not JSON"),
    ],
)
def test_an_event_that_is_none(running: Running, event: bytes, said: str) -> None:
    with failing("INVALID_ARGUMENT") as failed:
        running.stub().ProcessEvent(event_of(event), timeout=TIMEOUT)
    assert failed[0].reason == "INVALID_FIELD"
    (violation,) = failed[0].details["BadRequest"].field_violations
    assert violation.field == "event"
    assert said in violation.description


@pytest.mark.parametrize("pack", ["", "nowhere", "Windows", "x" * 5000])
@pytest.mark.parametrize(
    "method", ["ProcessEvent", "ProcessBatch", "ListRules", "Rollback", "PushPack", "FetchPack"]
)
def test_a_pack_that_is_not_there(running: Running, method: str, pack: str) -> None:
    requests: dict[str, Any] = {
        "ProcessEvent": event_of(pack=pack),
        "ProcessBatch": batch_of(b"{}", pack=pack),
        "ListRules": wire.ListRulesRequest(pack=pack),
        "Rollback": wire.RollbackRequest(pack=pack),
        "FetchPack": wire.FetchPackRequest(pack=pack),
        "PushPack": iter([wire.PushPackRequest(start=wire.PushPackRequest.Start(pack=pack))]),
    }
    with failing("NOT_FOUND") as failed:
        answer = getattr(running.stub(), method)(requests[method], timeout=TIMEOUT)
        next(answer)  # where it is a stream
    assert failed[0].reason == "PACK_UNKNOWN"
    assert "there are: windows" in failed[0].message
    assert len(failed[0].message) < 200


def test_a_logsource_has_its_bounds(running: Running) -> None:
    request = event_of(logsource=wire.LogSource(service="x" * 300))
    with failing("INVALID_ARGUMENT") as failed:
        running.stub().ProcessEvent(request, timeout=TIMEOUT)
    assert failed[0].details["ErrorInfo"].metadata["field"] == "logsource.service"


# Batches


@pytest.mark.parametrize("size", [1, 7, 100, 1 << 20])
def test_a_batch_comes_in_pieces_that_end_anywhere(running: Running, size: int) -> None:
    one, other = orjson.dumps(EVENT), b'{"User": "root"}'
    data = b"\n".join([one, b"", b"{broken", other, b'{"User": "x"}', one])
    pieces = [data[begin : begin + size] for begin in range(0, len(data), size)]
    answer = running.stub().ProcessBatch(batch_of(*pieces), timeout=TIMEOUT)
    titles = [each.title for each in answer.rules]
    assert [(each.line, titles[each.rule]) for each in answer.matches] == [
        (0, "Whoami"),
        (0, "Admin"),
        (3, "Admin"),
        (5, "Whoami"),
        (5, "Admin"),
    ]
    assert titles == ["Whoami", "Admin"]
    assert [each.line for each in answer.rejected] == [2]
    assert answer.rejected[0].reason.startswith("not JSON")
    assert (answer.lines, answer.rejected_count) == (6, 1)


def test_a_long_batch_is_one_batch(running: Running) -> None:
    lines = [orjson.dumps({"n": n, "User": "root" if n % 1000 == 7 else "x"}) for n in range(20000)]
    data = b"\n".join(lines) + b"\n"
    answer = running.stub().ProcessBatch(batch_of(data[:300_001], data[300_001:]), timeout=TIMEOUT)
    assert [each.line for each in answer.matches] == list(range(7, 20000, 1000))
    assert answer.lines == 20000


def test_of_many_rejected_lines_the_first_are_named(running: Running) -> None:
    answer = running.stub().ProcessBatch(batch_of(b"x\n" * 5000), timeout=TIMEOUT)
    assert len(answer.rejected) == 1000
    assert answer.rejected_count == answer.lines == 5000


def test_an_empty_batch(running: Running) -> None:
    answer = running.stub().ProcessBatch(batch_of(), timeout=TIMEOUT)
    assert answer == wire.ProcessBatchResponse()


def test_a_batch_begins_with_its_start_and_has_one(running: Running) -> None:
    for requests in ([], list(batch_of(b"{}"))[1:]):
        with failing("INVALID_ARGUMENT"):
            running.stub().ProcessBatch(iter(requests), timeout=TIMEOUT)
    twice = [*batch_of(b"{}"), *batch_of(b"{}")]
    with failing("INVALID_ARGUMENT"):
        running.stub().ProcessBatch(iter(twice), timeout=TIMEOUT)


def test_a_batch_has_a_greatest_size_and_number_of_matches(start: Start) -> None:
    stub = start(max_message_mib=1).stub()
    with failing("RESOURCE_EXHAUSTED") as failed:
        stub.ProcessBatch(batch_of(*[b"\n" * 300_000] * 4), timeout=TIMEOUT)
    assert failed[0].details["QuotaFailure"].violations[0].subject == "max_message_mib"
    stub = start(max_message_mib=8).stub()
    line = b'{"User":"root"}\n'
    with failing("RESOURCE_EXHAUSTED") as failed:
        stub.ProcessBatch(batch_of(*[line * 10_000] * 11), timeout=TIMEOUT)
    assert failed[0].details["QuotaFailure"].violations[0].subject == "matches"


# Rules, status, pause


def test_rules_come_page_by_page(running: Running) -> None:
    stub = running.stub()
    first = stub.ListRules(wire.ListRulesRequest(pack="windows", page_size=1), timeout=TIMEOUT)
    second = stub.ListRules(
        wire.ListRulesRequest(pack="windows", page_size=1, page_token=first.next_page_token),
        timeout=TIMEOUT,
    )
    (whoami,), (admin,) = first.rules, second.rules
    assert (whoami.title, whoami.logsource.product, whoami.level) == ("Whoami", "windows", "high")
    assert whoami.source.endswith("rules.yml:1")
    assert admin.title == "Admin"
    assert (first.total_size, second.next_page_token) == (2, "")
    both = stub.ListRules(wire.ListRulesRequest(pack="windows"), timeout=TIMEOUT)
    assert list(both.rules) == [whoami, admin]


@pytest.mark.parametrize("token", ["x", "-1-aa", "1", "99999999999-aa", "1-" + "a" * 9000])
def test_a_page_token_is_one_that_was_given(running: Running, token: str) -> None:
    request = wire.ListRulesRequest(pack="windows", page_token=token)
    with pytest.raises(grpc.RpcError) as raised:
        running.stub().ListRules(request, timeout=TIMEOUT)
    assert raised.value.code().name in ("INVALID_ARGUMENT", "ABORTED")


def test_pages_are_of_one_pack(running: Running, folder: Path) -> None:
    stub = running.stub()
    page = stub.ListRules(wire.ListRulesRequest(pack="windows", page_size=1), timeout=TIMEOUT)
    running.service.push("windows", folder / "pack-2.0.0")
    request = wire.ListRulesRequest(pack="windows", page_token=page.next_page_token)
    with failing("ABORTED") as failed:
        stub.ListRules(request, timeout=TIMEOUT)
    assert failed[0].reason == "PACK_REPLACED"


def test_the_status_says_all(running: Running) -> None:
    found = status_of(running.stub())
    known = running.service.status()
    assert (found.name, found.version, found.ready) == (known.name, known.version, True)
    assert found.started.ToMilliseconds() == int(known.started * 1000)
    assert [(each.index, each.state, each.pid) for each in found.workers] == [
        (each.index, each.state, each.pid) for each in known.workers
    ]
    (partition,) = found.workers[1].assigned
    assert (partition.topic, partition.partition, partition.lag) == ("windows-events", 1, 10)
    (pack,) = found.packs
    assert (pack.version, pack.rules, pack.refused) == ("1.0.0", 2, 1)
    counts = found.counts
    assert {each.topic: (each.records, each.bytes) for each in counts.topics} == {
        "windows-events": (990, 99_000),
        "linux-events": (10, 1000),
    }
    assert {each.rule: each.matches for each in counts.matches} == {0: 20, 1: 5, 2: 1}
    assert dict(counts.delivered) == {"kafka": 26, "dead_letters": 4}
    assert len(counts.batch_buckets) == len(counts.batch_bounds) + 1
    assert counts.batch_seconds == 61.5


def test_pause_and_resume(running: Running) -> None:
    stub = running.stub()
    stub.Pause(wire.PauseRequest(), timeout=TIMEOUT)
    assert status_of(stub).paused
    stub.Resume(wire.ResumeRequest(), timeout=TIMEOUT)
    assert not status_of(stub).paused


# Health and reflection


def test_health_follows_readiness(running: Running) -> None:
    stub = health_pb2_grpc.HealthStub(grpc.insecure_channel(running.address))
    states = health_pb2.HealthCheckResponse
    for name in ("", "sigmac.control.v1.Control"):
        request = health_pb2.HealthCheckRequest(service=name)
        assert stub.Check(request, timeout=TIMEOUT).status == states.SERVING
        watched = stub.Watch(request, timeout=TIMEOUT)
        assert next(watched).status == states.SERVING
        running.service.state = replace(running.service.state, ready=False, reason="no partitions")
        assert next(watched).status == states.NOT_SERVING
        assert stub.Check(request, timeout=TIMEOUT).status == states.NOT_SERVING
        watched.cancel()
        running.service.state = replace(running.service.state, ready=True)
    with failing("NOT_FOUND"):
        stub.Check(health_pb2.HealthCheckRequest(service="other"), timeout=TIMEOUT)


def test_reflection_describes_the_methods(running: Running) -> None:
    stub = reflection_pb2_grpc.ServerReflectionStub(grpc.insecure_channel(running.address))
    ask = reflection_pb2.ServerReflectionRequest
    listed, described = stub.ServerReflectionInfo(
        iter([ask(list_services=""), ask(file_containing_symbol="sigmac.control.v1.Control")]),
        timeout=TIMEOUT,
    )
    names = {each.name for each in listed.list_services_response.service}
    assert {"sigmac.control.v1.Control", "grpc.health.v1.Health"} <= names
    assert b"WatchMatches" in b"".join(described.file_descriptor_response.file_descriptor_proto)


# Who may ask


@pytest.mark.parametrize(
    ("metadata", "reason"),
    [
        ((), "TOKEN_MISSING"),
        ((("authorization", TOKEN),), "TOKEN_MISSING"),
        ((("authorization", "Bearer "),), "TOKEN_WRONG"),
        ((("authorization", f"Bearer {TOKEN}x"),), "TOKEN_WRONG"),
        ((("authorization", f"Bearer {TOKEN[:-1]}"),), "TOKEN_WRONG"),
        ((("authorization", f"Bearer {TOKEN}"),) * 2, "TOKEN_MISSING"),
        ((("x-authorization", f"Bearer {TOKEN}"),), "TOKEN_MISSING"),
    ],
)
def test_without_the_token_nothing_is_done(
    start: Start, metadata: Any, reason: str, capfd: pytest.CaptureFixture[str]
) -> None:
    running = start(token=TOKEN)
    stub = running.stub()
    with failing("UNAUTHENTICATED") as failed:
        stub.Pause(wire.PauseRequest(), timeout=TIMEOUT, metadata=metadata)
    assert failed[0].reason == reason
    assert not running.service.status().paused
    with failing("UNAUTHENTICATED"):
        list(stub.WatchMatches(wire.WatchMatchesRequest(), timeout=TIMEOUT, metadata=metadata))
    assert TOKEN not in f"{failed[0].message}{failed[0].details}{capfd.readouterr()}"


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER"])
def test_with_the_token_all_is_done(start: Start, scheme: str) -> None:
    stub = start(token=TOKEN).stub()
    assert status_of(stub, metadata=(("authorization", f"{scheme} {TOKEN}"),)).ready


def test_wrong_tokens_are_few_lines_of_the_log(start: Start) -> None:
    stub = start(token=TOKEN, requests_per_second=1e6).stub()
    with capture_logs() as lines:
        for guess in range(50):
            with pytest.raises(grpc.RpcError):
                status_of(stub, metadata=(("authorization", f"Bearer {guess}"),))
    assert [each["event"] for each in lines] == ["a control request without the right token"]


def test_only_a_probe_needs_no_token(start: Start) -> None:
    channel = grpc.insecure_channel(start(token=TOKEN).address)
    health = health_pb2_grpc.HealthStub(channel)
    assert health.Check(health_pb2.HealthCheckRequest(), timeout=TIMEOUT).status == 1
    with failing("UNAUTHENTICATED"):
        list(health.Watch(health_pb2.HealthCheckRequest(), timeout=TIMEOUT))
    stub = reflection_pb2_grpc.ServerReflectionStub(channel)
    with failing("UNAUTHENTICATED"):
        list(stub.ServerReflectionInfo(iter([]), timeout=TIMEOUT))


def test_a_stranger_is_refused_before_the_body_has_come(start: Start) -> None:
    never = threading.Event()

    def requests() -> Iterator[Any]:
        never.wait()
        yield from ()

    with failing("UNAUTHENTICATED"):
        start(token=TOKEN).stub().PushPack(requests(), timeout=TIMEOUT)
    never.set()


def secure(running: Running, ca: Path, pair: tuple[Path, Path] | None = None) -> Any:
    own, key = (each.read_bytes() for each in pair) if pair else (None, None)
    credentials = grpc.ssl_channel_credentials(ca.read_bytes(), key, own)
    return control_pb2_grpc.ControlStub(grpc.secure_channel(running.address, credentials))


def test_tls_and_clients_with_certificates(start: Start, tmp_path: Path) -> None:
    authority, other = Authority(tmp_path), Authority(tmp_path, "other")
    certificate, key = authority.issue("server")
    running = start(
        tls={"certificate": certificate, "key": key, "client_ca": authority.file}, token=TOKEN
    )
    token = (("authorization", f"Bearer {TOKEN}"),)
    sound = authority.issue("client")
    assert status_of(secure(running, authority.file, sound), metadata=token).ready
    with failing("UNAUTHENTICATED"):
        status_of(secure(running, authority.file, sound))
    for pair in (None, authority.issue("expired", days=-1), other.issue("stranger")):
        with failing("UNAVAILABLE"):
            status_of(secure(running, authority.file, pair), metadata=token)
    with failing("UNAVAILABLE"):
        status_of(secure(running, other.file, sound), metadata=token)
    with failing("UNAVAILABLE"):
        status_of(running.stub(), metadata=token)


def test_a_renewed_certificate_is_used_without_a_restart(start: Start, tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    certificate, key = authority.issue("server", days=-1)
    running = start(tls={"certificate": certificate, "key": key})
    with failing("UNAVAILABLE"):
        status_of(secure(running, authority.file))
    renewed = authority.issue("renewed")
    renewed[1].replace(key)
    renewed[0].replace(certificate)
    assert status_of(secure(running, authority.file)).ready
    certificate.write_text("half of it")
    assert status_of(secure(running, authority.file)).ready


@pytest.mark.parametrize("broken", ["missing", "garbage", "another's key", "no authority"])
def test_certificates_that_cannot_be_used(start: Start, tmp_path: Path, broken: str) -> None:
    authority = Authority(tmp_path)
    certificate, key = authority.issue("server")
    tls = {"certificate": certificate, "key": key}
    match broken:
        case "missing":
            key.unlink()
        case "garbage":
            certificate.write_text("garbage")
        case "another's key":
            tls["key"] = authority.issue("other")[1]
        case _:
            tls["client_ca"] = tmp_path / "nowhere"
    with pytest.raises(ConfigurationError, match=r"^control\.tls: ") as raised:
        start(tls=tls)
    assert "\n" not in str(raised.value)


# Bounds


def test_a_message_that_is_too_large(start: Start) -> None:
    stub = start(max_message_mib=0.5).stub()
    with failing("RESOURCE_EXHAUSTED"):
        stub.ProcessEvent(event_of(b"{" + b" " * (1 << 20) + b"}"), timeout=TIMEOUT)
    assert stub.ProcessEvent(event_of(), timeout=TIMEOUT).matches


def test_a_message_that_would_grow_when_it_is_decompressed(start: Start) -> None:
    bomb = event_of(b"{" + b" " * (8 << 20) + b"}")
    with failing("UNIMPLEMENTED") as failed:
        start().stub().ProcessEvent(bomb, timeout=TIMEOUT, compression=grpc.Compression.Gzip)
    assert "'gzip' is disabled" in failed[0].message


def test_a_flood_is_told_when_to_ask_again(start: Start) -> None:
    stub = start(requests_per_second=0.01).stub()
    assert status_of(stub).ready
    for _ in range(20):
        with failing("RESOURCE_EXHAUSTED") as failed:
            status_of(stub)
        assert failed[0].reason == "LIMIT_REACHED"
        assert 0 < failed[0].details["RetryInfo"].retry_delay.ToMilliseconds() <= 100_000
        assert 0 < int(failed[0].trailing["grpc-retry-pushback-ms"]) <= 100_000
        (violation,) = failed[0].details["QuotaFailure"].violations
        assert violation.subject == "requests_per_second"


def test_guesses_of_the_token_are_slow(start: Start) -> None:
    stub = start(token=TOKEN, requests_per_second=0.01).stub()
    codes = []
    for guess in range(20):
        with pytest.raises(grpc.RpcError) as raised:
            status_of(stub, metadata=(("authorization", f"Bearer {guess}"),))
        codes.append(raised.value.code().name)
    assert codes == ["UNAUTHENTICATED", *["RESOURCE_EXHAUSTED"] * 19]


def test_watchers_leave_room_for_others(start: Start) -> None:
    running = start(max_streams=4)
    stub = running.stub(("grpc.enable_retries", 0))
    watching = [stub.WatchMatches(wire.WatchMatchesRequest()) for _ in range(2)]
    for call in watching:
        call.initial_metadata()
    with failing("RESOURCE_EXHAUSTED") as failed:
        list(stub.WatchMatches(wire.WatchMatchesRequest(), timeout=TIMEOUT))
    assert failed[0].details["QuotaFailure"].violations[0].subject == "max_streams"
    assert failed[0].details["RetryInfo"].retry_delay.ToSeconds() == 1
    assert status_of(stub).ready
    for call in watching:
        call.cancel()
    assert status_of(stub).ready


def finds_room(call: Callable[[], Any]) -> Any:
    """What a call answers: the place of one that was answered before is free a moment later."""
    until = time.monotonic() + 2
    while True:
        try:
            return call()
        except grpc.RpcError as error:
            if error.code() != grpc.StatusCode.RESOURCE_EXHAUSTED or time.monotonic() > until:
                raise
        time.sleep(0.02)


def test_streams_of_requests_leave_room_to_steer(start: Start) -> None:
    running = start(max_streams=4)
    stub = running.stub(("grpc.enable_retries", 0))
    done = threading.Event()

    def idle() -> Iterator[wire.ProcessBatchRequest]:
        yield from batch_of(b"{}\n")
        done.wait(TIMEOUT)

    held = [stub.ProcessBatch.future(idle()) for _ in range(2)]
    deadline = time.monotonic() + TIMEOUT
    while time.monotonic() < deadline:
        try:
            stub.ProcessBatch(iter(batch_of(b"{}\n")), timeout=TIMEOUT)
        except grpc.RpcError as error:
            if error.code() == grpc.StatusCode.RESOURCE_EXHAUSTED:
                break
    else:
        pytest.fail("streams of requests were never full")
    assert finds_room(lambda: status_of(stub)).ready
    finds_room(lambda: stub.Pause(wire.PauseRequest(), timeout=TIMEOUT))
    done.set()
    # A call that was begun later may have come sooner and taken the place of one of them.
    codes = [call.code() for call in held]
    assert grpc.StatusCode.OK in codes
    assert {*codes} <= {grpc.StatusCode.OK, grpc.StatusCode.RESOURCE_EXHAUSTED}


def test_connections_that_ask_nothing_are_bounded(start: Start) -> None:
    running = start(max_connections=8)
    host, port = running.address.rsplit(":", 1)
    greeting = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes([0, 0, 0, 4, 0, 0, 0, 0, 0])
    with contextlib.ExitStack() as stack:
        idle = []
        for _ in range(40):
            connection = stack.enter_context(socket.create_connection((host, int(port)), TIMEOUT))
            with contextlib.suppress(OSError):
                connection.sendall(greeting)
            idle.append(connection)
        deadline = time.monotonic() + TIMEOUT
        while sum(map(is_open, idle)) > 8 and time.monotonic() < deadline:
            time.sleep(0.05)
        assert 0 < sum(map(is_open, idle)) <= 8


def is_open(connection: socket.socket) -> bool:
    """Whether the other side still holds a connection; what it has sent is read and dropped."""
    connection.setblocking(False)
    try:
        while connection.recv(4096):
            pass
    except BlockingIOError:
        return True
    except OSError:
        pass
    return False


def test_probes_are_answered_when_all_room_is_taken(start: Start) -> None:
    running = start(max_streams=1, allow_unsigned_packs=True)
    stub = running.stub(("grpc.enable_retries", 0))
    call = stub.WatchMatches(wire.WatchMatchesRequest())
    call.initial_metadata()
    with failing("RESOURCE_EXHAUSTED"):
        status_of(stub)
    health = health_pb2_grpc.HealthStub(grpc.insecure_channel(running.address))
    assert health.Check(health_pb2.HealthCheckRequest(), timeout=TIMEOUT).status == 1
    call.cancel()


def test_a_client_that_never_ends_its_stream(start: Start) -> None:
    running = start(stream_timeout=0.2)
    never = threading.Event()

    def requests() -> Iterator[wire.ProcessBatchRequest]:
        yield from batch_of(b"{}\n")
        never.wait()

    with failing("CANCELLED"):
        running.stub().ProcessBatch(requests())
    never.set()


def test_a_client_that_never_sends_its_message(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sigmac.runtime.service.control.guard._MESSAGE_TIMEOUT", 0.2)
    never = threading.Event()

    def requests() -> Iterator[bytes]:
        never.wait()
        yield from ()

    channel = grpc.insecure_channel(start().address)
    for method in ("sigmac.control.v1.Control/GetStatus", "grpc.health.v1.Health/Check"):
        with failing("CANCELLED"):
            channel.stream_unary(f"/{method}")(requests())
    never.set()


def test_a_request_without_a_message(start: Start) -> None:
    channel = grpc.insecure_channel(start().address)
    with failing("INVALID_ARGUMENT"):
        channel.stream_unary("/sigmac.control.v1.Control/GetStatus")(iter(()), timeout=TIMEOUT)


def test_a_deadline_that_passes_ends_the_push(start: Start, folder: Path) -> None:
    running = start(allow_unsigned_packs=True, requests_per_second=1e6)
    late = threading.Event()

    def requests() -> Iterator[wire.PushPackRequest]:
        messages = pack_transfer.messages(folder / "pack-2.0.0", "windows")
        yield next(messages)
        late.wait()
        yield from messages

    stub = running.stub()
    with failing("DEADLINE_EXCEEDED"):
        stub.PushPack(requests(), timeout=0.2)
    late.set()
    assert not running.service.pushing.is_set()
    while True:
        messages = pack_transfer.messages(folder / "pack-2.0.0", "windows")
        try:
            answer = push(stub, messages)
            break
        except grpc.RpcError as error:
            if Failed(error).reason != "PUSH_IN_WORK":  # the service is about to notice
                raise
    assert answer.version == "2.0.0"


def test_a_bug_is_not_shown_to_clients(
    running: Running, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    running.service.failure = RuntimeError("the inner secret of the service")
    with failing("INTERNAL") as failed:
        status_of(running.stub())
    running.service.failure = None
    assert failed[0].reason == "INTERNAL"
    assert "secret" not in f"{failed[0].message}{failed[0].details}{failed[0].trailing}"
    assert "the inner secret" in capfd.readouterr().out + caplog.text


def test_a_port_in_use_is_said(start: Start) -> None:
    running = start()
    with pytest.raises(StreamError, match=f"control: {running.address} cannot be bound"):
        start(bind=running.address)


# Watching


def test_a_watcher_sees_matches_and_what_it_missed(running: Running) -> None:
    call = running.stub().WatchMatches(wire.WatchMatchesRequest(), timeout=TIMEOUT)
    call.initial_metadata()
    running.service.watchers.show(b'{"id":"1"}')
    running.service.watchers.missed(7)
    assert next(call).match == b'{"id":"1"}'
    assert next(call).missed == 7
    call.cancel()


def test_a_watcher_that_does_not_read_slows_nobody(running: Running) -> None:
    stub = running.stub(("grpc.http2.bdp_probe", 0))
    call = stub.WatchMatches(wire.WatchMatchesRequest(), timeout=TIMEOUT)
    call.initial_metadata()
    line = b'{"id":"' + b"x" * 65_000 + b'"}'
    for _ in range(3000):
        running.service.watchers.show(line)
    seen = missed = 0
    for item in call:
        seen += item.WhichOneof("item") == "match"
        missed += item.missed
        if seen + missed == 3000:
            break
    assert missed > 0
    call.cancel()


def test_a_watcher_that_vanished_is_forgotten(running: Running) -> None:
    program = (
        "import grpc, os\n"
        "from sigmac.runtime.service.control import control_pb2 as wire, control_pb2_grpc\n"
        f"stub = control_pb2_grpc.ControlStub(grpc.insecure_channel('{running.address}'))\n"
        "call = stub.WatchMatches(wire.WatchMatchesRequest())\n"
        "call.initial_metadata()\n"
        "os.kill(os.getpid(), 9)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, check=False)
    assert done.returncode == -9
    gone = threading.Event()
    running.service.watchers._changed = gone.set  # called when the last watcher is gone
    if running.service.watchers:
        assert gone.wait(TIMEOUT)


# Packs


def test_a_pushed_pack_runs_and_can_be_taken_back(running: Running, folder: Path) -> None:
    stub = running.stub()
    answer = push(stub, pack_transfer.messages(folder / "pack-2.0.0", "windows"))
    assert answer.version == "2.0.0"
    assert status_of(stub).packs[0].version == "2.0.0"
    event = stub.ProcessEvent(event_of(), timeout=TIMEOUT)
    assert event.matches[0].version == "2.0.0"
    back = stub.Rollback(wire.RollbackRequest(pack="windows"), timeout=TIMEOUT)
    assert back.version == "1.0.0"


def test_the_pack_that_runs_can_be_fetched_and_pushed_again(
    running: Running, folder: Path, tmp_path: Path
) -> None:
    stub = running.stub()
    request = wire.FetchPackRequest(pack="windows")
    sent = list(stub.FetchPack(request, timeout=TIMEOUT))
    assert sent == list(pack_transfer.messages(folder / "pack-1.0.0", "windows"))
    pack_transfer.receive(sent, tmp_path)
    assert read_contents(tmp_path).problem is None
    assert push(stub, sent).version == "1.0.0"


def test_a_pack_that_is_gone_meanwhile_is_to_be_asked_for_again(
    running: Running, folder: Path
) -> None:
    push(running.stub(), pack_transfer.messages(folder / "pack-2.0.0", "windows"))
    (running.service.folder("windows") / "rules.py").unlink()
    with failing("ABORTED") as failed:
        list(running.stub().FetchPack(wire.FetchPackRequest(pack="windows"), timeout=TIMEOUT))
    assert failed[0].reason == "PACK_REPLACED"


def test_a_rollback_to_nothing_is_refused(running: Running) -> None:
    with failing("FAILED_PRECONDITION") as failed:
        running.stub().Rollback(wire.RollbackRequest(pack="windows"), timeout=TIMEOUT)
    assert failed[0].reason == "PACK_REFUSED"
    assert failed[0].message == "no pack ran before this one; version 1.0.0 runs on"


def test_what_the_service_refuses_is_told_without_its_paths(
    running: Running, folder: Path, tmp_path: Path
) -> None:
    with failing("FAILED_PRECONDITION") as failed:
        push(running.stub(), pack_transfer.messages(folder / "pack-4.0.0", "windows"))
    assert failed[0].message == "the pack is too slow; version 1.0.0 runs on"
    assert str(tmp_path) not in str(failed[0].details)


def test_an_unsigned_pack_is_refused(start: Start, folder: Path) -> None:
    running = start()
    for version in ("2.0.0", "3.0.0"):  # without trusted keys a signature says nothing
        with failing("PERMISSION_DENIED") as failed:
            push(running.stub(), pack_transfer.messages(folder / f"pack-{version}", "windows"))
        assert failed[0].reason == "PACK_NOT_TRUSTED"
    assert not running.service.pushing.is_set()


@pytest.mark.parametrize("allow", [False, True])
def test_with_trusted_keys_only_their_packs_run(
    start: Start, folder: Path, tmp_path: Path, allow: bool
) -> None:
    key = tmp_path / "release.pub"
    key.write_text(KEY.public_key().public_bytes_raw().hex())
    running = start(pack={"trusted_keys": [key]}, allow_unsigned_packs=allow)
    stub = running.stub()
    with failing("PERMISSION_DENIED"):
        push(stub, pack_transfer.messages(folder / "pack-2.0.0", "windows"))
    other = Ed25519PrivateKey.generate()
    pem = other.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    with failing("PERMISSION_DENIED"):
        stranger = write_version(tmp_path, "9.0.0", sign=pem)
        push(stub, pack_transfer.messages(stranger, "windows"))
    assert not running.service.pushing.is_set()
    answer = push(stub, pack_transfer.messages(folder / "pack-3.0.0", "windows"))
    assert answer.version == "3.0.0"


Messages = list[wire.PushPackRequest]


def changed(messages: Messages, how: str) -> Messages:
    """A push that somebody has changed on its way."""
    first = next(n for n, each in enumerate(messages) if each.WhichOneof("part") == "data")
    start, names = messages[0].start, [each.file for each in messages if each.file]
    match how:
        case "a byte of a file":
            data = bytearray(messages[first].data)
            data[len(data) // 2] ^= 1
            messages[first] = wire.PushPackRequest(data=bytes(data))
        case "a byte of the manifest":
            messages[0].start.manifest = start.manifest.replace(b"Whoami", b"Whoamj", 1)
            messages[0].start.manifest = start.manifest.replace(b'"format"', b'"formal"', 1)
        case "no manifest":
            messages[0].start.manifest = b""
        case "a manifest that is a bomb":
            messages[0].start.manifest = b"[" * 500_000
        case "a file is missing":
            del messages[first - 1 : first + 1]
        case "the end is missing":
            del messages[-1]
        case "a file twice":
            messages += messages[first - 1 : first + 1]
        case "a file more":
            messages += [wire.PushPackRequest(file="more.py"), wire.PushPackRequest(data=b"x")]
        case "data first":
            messages.insert(1, wire.PushPackRequest(data=b"x"))
        case "nothing":
            messages.insert(1, wire.PushPackRequest())
        case "a second start":
            messages.insert(2, messages[0])
        case "a damaged signature":
            messages[0].start.signature = b"{}"
        case _:
            raise AssertionError(how)
    assert names
    return messages


@pytest.mark.parametrize(
    "how",
    [
        "a byte of a file",
        "a byte of the manifest",
        "no manifest",
        "a manifest that is a bomb",
        "a file is missing",
        "the end is missing",
        "a file twice",
        "a file more",
        "data first",
        "nothing",
        "a second start",
        "a damaged signature",
    ],
)
def test_a_pack_that_was_tampered_with(
    running: Running, folder: Path, tmp_path: Path, how: str
) -> None:
    messages = changed(list(pack_transfer.messages(folder / "pack-2.0.0", "windows")), how)
    with pytest.raises(grpc.RpcError) as raised:
        push(running.stub(), messages)
    failed = Failed(raised.value)
    assert failed.code.name in ("INVALID_ARGUMENT", "PERMISSION_DENIED")
    assert failed.reason in ("PACK_DAMAGED", "PACK_NOT_TRUSTED")
    assert str(tmp_path) not in failed.message
    assert failed.message.strip() == failed.message != ""
    assert not running.service.pushing.is_set()
    assert list((tmp_path / "state" / "incoming").iterdir()) == []


@pytest.mark.parametrize(
    "name",
    [
        "../outside.py",
        "a/../../outside.py",
        "/tmp/outside.py",
        "a//b.py",
        "./a.py",
        "a/.",
        "..",
        "",
        "a\\..\\b.py",
        "C:\\outside.py",
        "a\0b.py",
        "a\nb.py",
        ".hidden",
        "__init__.py/more.py",
        "manifest.json",
        "manifest.sig",
        "manifest.json/a.py",
        "a/b/c/d/e.py",
        "x" * 300,
        "ä" * 200,
    ],
)
def test_a_name_that_leads_out_of_the_pack(
    running: Running, folder: Path, tmp_path: Path, name: str
) -> None:
    manifest = json.loads((folder / "pack-2.0.0" / MANIFEST).read_bytes())
    manifest["files"][name] = "00"
    before = sorted(tmp_path.rglob("*"))
    start = wire.PushPackRequest.Start(pack="windows", manifest=render_manifest(manifest))
    requests = [wire.PushPackRequest(start=start)]
    requests += [wire.PushPackRequest(file=name), wire.PushPackRequest(data=b"outside")]
    with failing("INVALID_ARGUMENT") as failed:
        push(running.stub(), requests)
    assert failed[0].reason == "PACK_DAMAGED"
    assert sorted(tmp_path.rglob("*")) == before


def test_a_pack_that_is_a_bomb(
    running: Running, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    messages = list(pack_transfer.messages(folder / "pack-2.0.0", "windows"))

    def endless() -> Iterator[wire.PushPackRequest]:
        yield from messages[:2]
        piece = wire.PushPackRequest(data=bytes(1 << 20))
        while True:
            yield piece

    with failing("RESOURCE_EXHAUSTED") as failed:
        push(running.stub(), endless())
    assert failed[0].details["QuotaFailure"].violations[0].subject == "pack"
    manifest = json.loads(messages[0].start.manifest)
    manifest["files"] |= {f"f{n}.py": "00" for n in range(10_001)}
    messages[0].start.manifest = render_manifest(manifest)
    with failing("RESOURCE_EXHAUSTED"):
        push(running.stub(), messages[:1])
    assert not running.service.pushing.is_set()


def test_a_received_pack_is_for_nobody_else(running: Running, folder: Path, tmp_path: Path) -> None:
    incoming = tmp_path / "state" / "incoming"
    running.service.pushes.clear()
    done = running.stub().PushPack.future(
        pack_transfer.messages(folder / "pack-2.0.0", "windows"), timeout=TIMEOUT
    )
    assert running.service.pushing.wait(TIMEOUT)
    (received,) = incoming.iterdir()
    assert [each.stat().st_mode & 0o777 for each in (incoming, received)] == [0o700, 0o700]
    running.service.pushes.set()
    assert done.result().version == "2.0.0"
    assert list(incoming.iterdir()) == []


def test_one_pack_is_pushed_at_a_time(running: Running, folder: Path) -> None:
    stub = running.stub()
    running.service.pushes.clear()
    first = stub.PushPack.future(
        pack_transfer.messages(folder / "pack-2.0.0", "windows"), timeout=TIMEOUT
    )
    assert running.service.pushing.wait(TIMEOUT)
    with failing("ABORTED") as failed:
        push(stub, pack_transfer.messages(folder / "pack-3.0.0", "windows"))
    assert failed[0].reason == "PUSH_IN_WORK"
    assert failed[0].details["RetryInfo"].retry_delay.ToSeconds() > 0
    running.service.pushes.set()
    assert first.result().version == "2.0.0"


def test_a_push_begins_with_its_start(running: Running) -> None:
    for requests in ([], [wire.PushPackRequest(file="x")]):
        with failing("INVALID_ARGUMENT") as failed:
            push(running.stub(), requests)
        assert failed[0].details["BadRequest"].field_violations[0].field == "start"


def test_what_a_killed_push_left_is_removed(start: Start, tmp_path: Path) -> None:
    left = tmp_path / "state" / "incoming" / "left"
    left.mkdir(parents=True)
    (left / "file").touch()
    start()
    assert not left.exists()


def test_a_state_folder_that_cannot_be_written(start: Start, tmp_path: Path) -> None:
    (tmp_path / "state").write_text("a file")
    with pytest.raises(ConfigurationError, match=r"^state: .*incoming"):
        start()


# The stubs


def test_the_stubs_are_what_the_proto_file_gives(tmp_path: Path) -> None:
    if not (ROOT / ".cache" / "grpc-tools-1" / ".installed").exists():
        pytest.skip("what makes them is not installed: `make grpc-tools` does it")
    make = ["make", "--silent", f"PYTHON={sys.executable}", f"STUBS={tmp_path}"]
    subprocess.run([*make, "stubs"], cwd=ROOT, check=True)
    for name in ("control_pb2.py", "control_pb2.pyi", "control_pb2_grpc.py"):
        made = tmp_path / "sigmac/runtime/service/control" / name
        assert made.read_text() == (ROOT / "runtime/service/control" / name).read_text(), (
            "run `make stubs`"
        )
