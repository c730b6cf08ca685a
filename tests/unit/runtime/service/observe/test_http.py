"""Health, metrics and rules over HTTP, asked over real sockets by clients of all sorts."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import socket
import ssl
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from prometheus_client.parser import text_string_to_metric_families
from structlog.testing import capture_logs

from sigmac.runtime.errors import ConfigurationError, SigmacError, StreamError
from sigmac.runtime.match import Rule
from sigmac.runtime.service.config.sections import HttpSettings
from sigmac.runtime.service.observe.http import HttpServer, serve_http
from sigmac.runtime.service.observe.status import ServiceStatus
from tests.unit.runtime.service.certificates import Authority
from tests.unit.runtime.service.fixed_service import RULES, STATUS, FixedService

TOKEN = "correct-horse-battery"
PATIENCE = 20  # seconds after which a test gives up
Start = Callable[..., HttpServer]


@pytest.fixture
def start() -> Iterator[Start]:
    """Starts servers on free ports; settings are given as in a configuration."""
    with contextlib.ExitStack() as stack:

        def started(service: FixedService | None = None, **settings: Any) -> HttpServer:
            settings = {"bind": "127.0.0.1:0", **settings}
            server = HttpServer(service or FixedService(), HttpSettings(**settings))
            stack.callback(server.close)
            return server

        yield started


@pytest.fixture(scope="module")
def plain() -> Iterator[HttpServer]:
    """A server as simple as it can be."""
    with contextlib.closing(HttpServer(FixedService(), HttpSettings(bind="127.0.0.1:0"))) as server:
        yield server


@pytest.fixture(scope="module")
def guarded() -> Iterator[HttpServer]:
    """A server that wants a token."""
    settings = HttpSettings(bind="127.0.0.1:0", token=TOKEN)
    with contextlib.closing(HttpServer(FixedService(), settings)) as server:
        yield server


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    headers: dict[str, str]
    text: str


def ask(
    server: HttpServer,
    path: str,
    method: str = "GET",
    tls: ssl.SSLContext | None = None,
    body: bytes | None = None,
    **headers: str,
) -> Answer:
    host, port = server.address
    if tls is not None:
        client: http.client.HTTPConnection = http.client.HTTPSConnection(
            host, port, timeout=PATIENCE, context=tls
        )
    else:
        client = http.client.HTTPConnection(host, port, timeout=PATIENCE)
    with contextlib.closing(client):
        client.request(method, path, body, headers)
        with client.getresponse() as response:
            return Answer(
                response.status, dict(response.getheaders()), response.read().decode("utf-8")
            )


def connect(server: HttpServer) -> socket.socket:
    return socket.create_connection(server.address, timeout=PATIENCE)


def said(client: socket.socket) -> bytes:
    """All that comes until the other side ends the connection."""
    found = b""
    with contextlib.suppress(ConnectionError):
        while part := client.recv(1 << 16):
            found += part
    return found


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


# What is served


def test_a_service_that_runs_is_live_and_ready(plain: HttpServer) -> None:
    assert ask(plain, "/live").status == 200
    assert ask(plain, "/ready").status == 200


def test_a_service_that_is_not_ready_says_why(start: Start) -> None:
    server = start(FixedService(replace(STATUS, ready=False, reason="worker 0 is starting")))
    answer = ask(server, "/ready")
    assert (answer.status, answer.text) == (503, "not ready: worker 0 is starting\n")
    assert ask(server, "/live").status == 200


def test_metrics_are_what_prometheus_reads(plain: HttpServer) -> None:
    answer = ask(plain, "/metrics")
    assert answer.headers["Content-Type"].startswith("text/plain; version=0.0.4")
    names = {family.name for family in text_string_to_metric_families(answer.text)}
    assert {"sigmac_records", "sigmac_batch_duration_seconds", "sigmac_pack_info"} <= names


def test_rules_are_listed_by_pack(plain: HttpServer) -> None:
    answer = ask(plain, "/rules").text
    assert (
        answer.isprintable()
    )  # titles are of packs that others made, and curl may be on a terminal
    (pack,) = json.loads(answer)["packs"]
    assert (pack["pack"], pack["version"]) == ("windows", "1.4.0")
    assert [rule["title"] for rule in pack["rules"]] == [rule.title for rule in RULES]
    assert [(rule["had_chance"], rule["missing"]) for rule in pack["rules"]] == [
        (True, []),
        (False, []),
        (False, []),
        (False, ["Imgae"]),
    ]
    assert json.loads(ask(plain, "/rules?pack=windows").text)["packs"] == [pack]


def test_an_unknown_pack_is_named_with_the_known_ones(plain: HttpServer) -> None:
    answer = ask(plain, "/rules?pack=linux")
    assert (answer.status, answer.text) == (404, "the packs are windows\n")


def test_an_unknown_path_is_told_the_known_ones(plain: HttpServer) -> None:
    answer = ask(plain, "/metric")
    assert (answer.status, answer.text) == (404, "there are /live, /ready, /metrics, /rules\n")


def test_head_gives_the_headers_alone(plain: HttpServer) -> None:
    answer = ask(plain, "/live", "HEAD")
    assert (answer.status, answer.headers["Content-Length"], answer.text) == (200, "5", "")


# Requests that nobody should send


@pytest.mark.parametrize(
    ("method", "body", "status"),
    [("POST", None, 405), ("DELETE", None, 405), ("POST", b"x" * 300_000, 405), ("GET", b"x", 413)],
)
def test_other_methods_and_bodies_are_refused(
    plain: HttpServer, method: str, body: bytes | None, status: int
) -> None:
    assert ask(plain, "/live", method, body=body).status == status


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (b"GET /" + b"a" * 100_000 + b" HTTP/1.1\r\n\r\n", b"414"),
        (b"GET /live HTTP/1.1\r\nA: " + b"a" * 100_000 + b"\r\n\r\n", b"431"),
        (b"GET /live HTTP/1.1\r\n" + b"A: a\r\n" * 10_000 + b"\r\n", b"431"),
        (b"GET /live HTTP/9.9\r\n\r\n", b"505"),
        (b"GET /live HTTP/x\r\n\r\n", b"400"),
        (b"GET http://[ HTTP/1.1\r\n\r\n", b"400"),
        (b"GET /rules?" + b"pack=a&" * 100 + b" HTTP/1.1\r\n\r\n", b"400"),
        (b"\xff\x00 \xff HTTP/1.1\r\n\r\n", b"405"),
    ],
)
def test_oversized_and_broken_requests_are_refused(
    plain: HttpServer, request_: bytes, status: bytes
) -> None:
    with connect(plain) as client:
        client.sendall(request_)
        client.shutdown(socket.SHUT_WR)
        assert said(client).startswith(b"HTTP/1.0 " + status)
    assert ask(plain, "/live").status == 200


# The token


@pytest.mark.parametrize(
    "given",
    [
        {},
        bearer(TOKEN + "x"),
        bearer(TOKEN[:-1]),
        bearer(""),
        bearer("schlüssel"),
        {"Authorization": TOKEN},
        {"Authorization": f"Basic {TOKEN}"},
    ],
)
@pytest.mark.parametrize("path", ["/metrics", "/rules", "/unknown"])
def test_without_the_token_nothing_is_shown(
    guarded: HttpServer, given: dict[str, str], path: str
) -> None:
    answer = ask(guarded, path, **given)
    assert (answer.status, answer.text) == (401, "a bearer token is needed\n")
    assert answer.headers["WWW-Authenticate"] == "Bearer"


@pytest.mark.parametrize("scheme", ["bearer", "BEARER"])
def test_the_scheme_may_be_in_any_letter_case(guarded: HttpServer, scheme: str) -> None:
    assert ask(guarded, "/metrics", Authorization=f"{scheme} {TOKEN}").status == 200


def test_with_the_token_everything_is_shown(guarded: HttpServer) -> None:
    assert ask(guarded, "/metrics", **bearer(TOKEN)).status == 200
    assert ask(guarded, "/rules", **bearer(TOKEN)).status == 200


def test_probes_need_no_token_but_learn_no_details(start: Start) -> None:
    service = FixedService(replace(STATUS, ready=False, reason="broker:9092 does not answer"))
    server = start(service, token=TOKEN)
    assert ask(server, "/live").status == 200
    assert ask(server, "/ready").text == "not ready\n"
    assert "broker:9092" in ask(server, "/ready", **bearer(TOKEN)).text


def test_the_token_is_in_no_log(start: Start) -> None:
    with capture_logs() as logs:
        server = start(token=TOKEN)
        for token in (TOKEN, TOKEN[:-1]):
            ask(server, "/metrics", **bearer(token))
        server.close()
    assert logs
    assert TOKEN[:-1] not in repr(logs)


# Clients that take their time


@pytest.mark.parametrize("sent", [b"", b"GET /li", b"GET /live HTTP/1.1\r\nA: "])
def test_a_client_that_does_not_finish_its_request_is_dropped(start: Start, sent: bytes) -> None:
    with connect(start(timeout=0.3)) as client:
        client.sendall(sent)
        assert said(client) == b""


def test_a_request_that_drips_is_dropped_as_a_whole(start: Start) -> None:
    with connect(start(timeout=0.5)) as client:
        client.sendall(b"GET /live HTTP/1.1\r\n")
        client.settimeout(0.05)
        # Each byte comes well within the time; the request does not.
        ended = False
        while not ended:
            try:
                client.sendall(b"a")
                ended = client.recv(1) == b""
            except TimeoutError:
                continue
            except ConnectionError:
                ended = True


def test_idle_connections_make_room_for_a_probe(start: Start) -> None:
    server = start(max_connections=3, timeout=600)
    with contextlib.ExitStack() as stack:
        idle = [stack.enter_context(connect(server)) for _ in range(3)]
        assert ask(server, "/live").status == 200
        assert said(idle[0]) == b""
        idle[2].sendall(b"GET /live HTTP/1.1\r\n\r\n")
        assert said(idle[2]).startswith(b"HTTP/1.0 200")


@dataclass
class SlowService(FixedService):
    """Gives its status when it is told to."""

    asked: threading.Event = field(default_factory=threading.Event)
    go_on: threading.Event = field(default_factory=threading.Event)

    def status(self) -> ServiceStatus:
        self.asked.set()
        assert self.go_on.wait(PATIENCE)
        return super().status()


def test_no_more_is_worked_on_at_once_than_there_is_room_for(start: Start) -> None:
    service = SlowService()
    server = start(service, max_connections=1)
    with connect(server) as first:
        first.sendall(b"GET /live HTTP/1.1\r\n\r\n")
        assert service.asked.wait(PATIENCE)
        with connect(server) as second:
            assert said(second) == b""
        service.go_on.set()
        assert said(first).startswith(b"HTTP/1.0 200")


def test_closing_ends_every_connection(start: Start) -> None:
    server = start(timeout=600)
    with connect(server) as client:
        client.sendall(b"GET")
        # An answer to a later one says that the first is being served.
        assert ask(server, "/live").status == 200
        server.close()
        assert said(client) == b""
    with pytest.raises(ConnectionRefusedError):
        connect(server)


class BrokenService(FixedService):
    def rules(self, pack: str) -> Sequence[Rule]:
        raise ZeroDivisionError("a bug")


def test_a_bug_ends_one_request_and_is_logged(start: Start) -> None:
    server = start(BrokenService())
    with capture_logs() as logs, pytest.raises(http.client.HTTPException):
        ask(server, "/rules")
    (entry,) = [entry for entry in logs if entry["log_level"] == "error"]
    assert isinstance(entry["exc_info"], ZeroDivisionError)
    assert ask(server, "/live").status == 200


# TLS


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


Pair = tuple[Path, Path]  # a certificate and its key


def tls_of(pair: Pair, **more: Path) -> dict[str, Any]:
    return {"certificate": pair[0], "key": pair[1], **more}


def trusting(authority: Authority, own: Pair | None = None) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=str(authority.file))
    # Rules of newer Pythons for certificates of the public web; these are not.
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    if own is not None:
        context.load_cert_chain(*own)
    return context


def test_https_is_served_to_who_trusts_the_authority(start: Start, authority: Authority) -> None:
    server = start(tls=tls_of(authority.issue("server")), token=TOKEN)
    assert ask(server, "/live", tls=trusting(authority)).status == 200
    assert ask(server, "/metrics", tls=trusting(authority)).status == 401
    assert ask(server, "/metrics", tls=trusting(authority), **bearer(TOKEN)).status == 200
    with pytest.raises(ssl.SSLCertVerificationError):
        ask(server, "/live", tls=ssl.create_default_context())


def test_a_client_without_tls_is_dropped(start: Start, authority: Authority) -> None:
    server = start(tls=tls_of(authority.issue("server")))
    with connect(server) as client:
        client.sendall(b"GET /live HTTP/1.1\r\n\r\n")
        assert not said(client).startswith(b"HTTP")
    assert ask(server, "/live", tls=trusting(authority)).status == 200


def test_a_handshake_that_stops_holds_up_nobody(start: Start, authority: Authority) -> None:
    server = start(tls=tls_of(authority.issue("server")), timeout=600)
    with connect(server):
        assert ask(server, "/live", tls=trusting(authority)).status == 200


def test_a_handshake_that_stops_is_dropped(start: Start, authority: Authority) -> None:
    with connect(start(tls=tls_of(authority.issue("server")), timeout=0.3)) as silent:
        assert said(silent) == b""


def test_an_expired_server_certificate_is_seen_by_clients(
    start: Start, authority: Authority
) -> None:
    server = start(tls=tls_of(authority.issue("server", days=-1)))
    with pytest.raises(ssl.SSLCertVerificationError, match="expired"):
        ask(server, "/live", tls=trusting(authority))


def test_mtls_lets_in_who_has_a_certificate(start: Start, authority: Authority) -> None:
    server = start(tls=tls_of(authority.issue("server"), client_ca=authority.file))
    own = authority.issue("prometheus")
    assert ask(server, "/metrics", tls=trusting(authority, own)).status == 200


def test_mtls_shows_probes_only_to_who_has_none(start: Start, authority: Authority) -> None:
    service = FixedService(replace(STATUS, ready=False, reason="broker:9092 does not answer"))
    server = start(service, tls=tls_of(authority.issue("server"), client_ca=authority.file))
    assert ask(server, "/live", tls=trusting(authority)).status == 200
    assert ask(server, "/ready", tls=trusting(authority)).text == "not ready\n"
    for path in ("/metrics", "/rules"):
        answer = ask(server, path, tls=trusting(authority))
        assert (answer.status, answer.text) == (403, "a client certificate is needed\n")


def test_mtls_refuses_certificates_that_are_not_valid(
    start: Start, authority: Authority, tmp_path: Path
) -> None:
    server = start(tls=tls_of(authority.issue("server"), client_ca=authority.file))
    others = Authority(tmp_path, "others")
    for own in (authority.issue("expired", days=-1), others.issue("stranger")):
        with pytest.raises((ssl.SSLError, ConnectionError)):
            ask(server, "/live", tls=trusting(authority, own))
    assert ask(server, "/live", tls=trusting(authority)).status == 200


def test_mtls_and_a_token_are_both_needed_where_both_are_set(
    start: Start, authority: Authority
) -> None:
    tls = tls_of(authority.issue("server"), client_ca=authority.file)
    server = start(tls=tls, token=TOKEN)
    own = trusting(authority, authority.issue("prometheus"))
    assert ask(server, "/metrics", tls=own).status == 401
    assert ask(server, "/metrics", tls=trusting(authority), **bearer(TOKEN)).status == 403
    assert ask(server, "/metrics", tls=own, **bearer(TOKEN)).status == 200


def test_a_renewed_certificate_is_used_without_a_restart(
    start: Start, authority: Authority
) -> None:
    server = start(tls=tls_of(authority.issue("server", days=-1)))
    authority.issue("server")
    assert ask(server, "/live", tls=trusting(authority)).status == 200


def test_a_broken_renewal_leaves_the_certificate_in_use(start: Start, authority: Authority) -> None:
    pair = authority.issue("server")
    server = start(tls=tls_of(pair))
    pair[0].write_text("half a cert")
    with capture_logs() as logs:
        assert ask(server, "/live", tls=trusting(authority)).status == 200
    assert [entry["event"] for entry in logs if entry["log_level"] == "error"] == [
        "the certificate before stays in use"
    ]


# What cannot be served


def error_of(kind: type[SigmacError], **settings: Any) -> str:
    with pytest.raises(kind) as caught:
        serve_http(FixedService(), HttpSettings(**{"bind": "127.0.0.1:0", **settings}))
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_a_port_in_use_is_one_clear_line(start: Start) -> None:
    bind = f"127.0.0.1:{start().address[1]}"
    said = error_of(StreamError, bind=bind)
    assert said == f"http.bind: cannot listen on {bind}: Address already in use"


def test_an_address_of_another_machine_is_one_clear_line() -> None:
    said = error_of(StreamError, bind="192.0.2.1:8080", token=TOKEN)
    assert said == "http.bind: cannot listen on 192.0.2.1:8080: Cannot assign requested address"


def may_bind_all_ports() -> bool:
    path = Path("/proc/sys/net/ipv4/ip_unprivileged_port_start")
    return os.geteuid() == 0 or not path.exists() or int(path.read_text()) <= 1


@pytest.mark.skipif(may_bind_all_ports(), reason="every port may be bound here")
def test_a_port_without_permission_is_one_clear_line() -> None:
    said = error_of(StreamError, bind="127.0.0.1:1")
    assert said == "http.bind: cannot listen on 127.0.0.1:1: Permission denied"


def with_passphrase(key: Path) -> Path:
    """A copy of a key that asks for a passphrase."""
    made = serialization.load_pem_private_key(key.read_bytes(), None)
    hidden = key.with_name("hidden.key")
    pem, form = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    hidden.write_bytes(made.private_bytes(pem, form, serialization.BestAvailableEncryption(b"x")))
    return hidden


def test_certificates_that_cannot_be_used_are_named(authority: Authority, tmp_path: Path) -> None:
    good, key = authority.issue("good")
    _, other = authority.issue("other")
    text, absent = tmp_path / "text.pem", tmp_path / "absent.pem"
    text.write_text("no certificate")
    hidden = with_passphrase(key)
    for file, tls in [
        (absent, tls_of((absent, key))),
        (absent, tls_of((good, absent))),
        (absent, tls_of((good, key), client_ca=absent)),
        (text, tls_of((text, key))),
        (text, tls_of((good, key), client_ca=text)),
        (good, tls_of((good, text))),
        (good, tls_of((good, other))),
        (good, tls_of((good, hidden))),
    ]:
        assert error_of(ConfigurationError, tls=tls).startswith(f"http.tls: {file}: ")


def test_an_ipv6_address_is_served() -> None:
    if not socket.has_ipv6:
        pytest.skip("no IPv6 here")
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError as error:
        pytest.skip(f"no IPv6 here: {error}")
    server = HttpServer(FixedService(), HttpSettings(bind="[::1]:0"))
    with contextlib.closing(server):
        assert ask(server, "/live").status == 200
