"""A real HTTP server that takes, refuses, fails and stalls."""

from __future__ import annotations

import threading
from collections.abc import Iterator
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
    settings = {
        "url": f"http://127.0.0.1:{endpoint.server_port}/in?x=1",
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
