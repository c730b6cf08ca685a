"""A real HTTP server that takes, refuses, fails and stalls."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import SimpleNamespace
from typing import Any

import pytest

from sigmac.runtime.service.config.secrets import Secret
from sigmac.runtime.stream.sink import Message
from sigmac.runtime.stream.webhook_sink import WebhookSink


class Endpoint(ThreadingHTTPServer):
    """Answers with the statuses it is given, in turn, then with 200; keeps what it was sent."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Answer)
        self.statuses: list[int] = []
        self.headers: dict[str, str] = {}
        self.requests: list[tuple[dict[str, str], bytes]] = []
        self.open = threading.Event()
        self.open.set()


class Answer(BaseHTTPRequestHandler):
    server: Endpoint
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.open.wait(30)
        self.server.requests.append((dict(self.headers), body))
        status = self.server.statuses.pop(0) if self.server.statuses else 200
        self.send_response(status)
        self.send_header("Content-Length", "0")
        for name, value in self.server.headers.items():
            self.send_header(name, value)
        self.end_headers()

    def log_message(self, format: str, *args: Any) -> None:
        pass


@pytest.fixture
def endpoint() -> Iterator[Endpoint]:
    server = Endpoint()
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield server
    server.open.set()
    server.shutdown()
    server.server_close()
    thread.join()


def sink(endpoint: Endpoint, **changes: Any) -> WebhookSink:
    return sink_to(endpoint.server_port, **changes)


def sink_to(port: int, **changes: Any) -> WebhookSink:
    settings = {
        "url": f"http://127.0.0.1:{port}/in?x=1",
        "token": Secret("sesame-open"),
        "headers": {"X-Team": Secret("blue")},
        "batch": 2,
        "timeout": 10,
        "retry_for": 60,
        "ca": None,
        **changes,
    }
    return WebhookSink(SimpleNamespace(**settings))


def test_matches_go_in_batches_with_token_and_headers(endpoint: Endpoint) -> None:
    out = sink(endpoint)
    out.write([Message(b"1"), Message(b"2"), Message(b"3")])
    assert out.flush(20)
    assert [body for _, body in endpoint.requests] == [b"1\n2\n", b"3\n"]
    headers = endpoint.requests[0][0]
    assert headers["Authorization"] == "Bearer sesame-open"
    assert headers["X-Team"] == "blue"
    assert out.undeliverable() == []
    out.close()


def test_a_failing_endpoint_is_tried_again_with_the_same_key(endpoint: Endpoint) -> None:
    endpoint.statuses = [503, 429]
    out = sink(endpoint)
    out.write([Message(b"1")])
    assert out.flush(30)
    assert len({headers["Idempotency-Key"] for headers, _ in endpoint.requests}) == 1
    assert len(endpoint.requests) == 3
    out.close()


def test_what_is_refused_is_given_up_at_once(endpoint: Endpoint) -> None:
    endpoint.statuses = [400]
    out = sink(endpoint)
    out.write([Message(b"1"), Message(b"2"), Message(b"3")])
    assert out.flush(20)
    given_up = out.undeliverable()
    assert [each.message.value for each in given_up] == [b"1", b"2"]
    assert "400" in given_up[0].reason
    assert "sesame" not in given_up[0].reason
    out.close()


def test_a_redirect_is_not_followed(endpoint: Endpoint) -> None:
    endpoint.statuses = [307]
    out = sink(endpoint)
    out.write([Message(b"1")])
    assert out.flush(20)
    assert len(out.undeliverable()) == 1
    assert len(endpoint.requests) == 1
    out.close()


def test_a_stalled_endpoint_makes_flush_say_so(endpoint: Endpoint) -> None:
    endpoint.open.clear()
    out = sink(endpoint)
    out.write([Message(b"1")])
    assert not out.flush(0.05)
    endpoint.open.set()
    assert out.flush(20)
    out.close()


def test_nobody_there_is_given_up_after_the_cap(endpoint: Endpoint) -> None:
    out = sink(endpoint, url="http://127.0.0.1:1/", retry_for=0.1)
    out.write([Message(b"1")])
    assert out.flush(20)
    assert len(out.undeliverable()) == 1
    out.close()


@pytest.mark.parametrize("wait", ["\xb2", "-1", "soon", "9" * 400, ""])
def test_an_endpoint_that_asks_for_nonsense_stops_nobody(wait: str, endpoint: Endpoint) -> None:
    endpoint.statuses = [503]
    endpoint.headers = {"Retry-After": wait}
    out = sink(endpoint, retry_for=5)
    out.write([Message(b"1")])
    assert out.flush(20)
    out.close()


@pytest.mark.parametrize("keeps", ["keep-alive", "close"])
@pytest.mark.parametrize(
    "part", [b"HTTP/1.1 200 OK\r\nX: ", b"HTTP/1.1 200 OK\r\nContent-Length: 9999\r\n"]
)
def test_an_answer_that_drips_is_given_up(part: bytes, keeps: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        ended = threading.Event()

        def drip() -> None:
            while not ended.is_set():
                connection, _ = server.accept()
                with connection, suppress(OSError):
                    connection.recv(1 << 16)
                    head = (
                        part
                        if part.endswith(b": ")
                        else part + f"Connection: {keeps}\r\n\r\n".encode()
                    )
                    connection.sendall(head)
                    while not ended.wait(0.05):
                        connection.sendall(b"x")

        thread = threading.Thread(target=drip, daemon=True)
        thread.start()
        port = server.getsockname()[1]
        out = sink_to(port, timeout=0.3, retry_for=0.1)
        out.write([Message(b"1")])
        assert out.flush(20)
        (lost,) = out.undeliverable()
        assert "no whole answer in 0.3 s" in lost.reason
        out.close()
        ended.set()
        with suppress(OSError):
            socket.create_connection(("127.0.0.1", port)).close()
        thread.join(10)
