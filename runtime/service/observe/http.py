"""Health, metrics and rules over HTTP: the standard library's server, with a bound on all that a client can do.

A connection carries one request and has `http.timeout` seconds from its start to the end of the answer; the head of a
request has at most `_MAX_HEAD` bytes and no body follows. `http.max_connections` are served at once; when all are
taken, the one that has kept its request to itself for longest makes room, so that idle clients cannot lock out probes.
"""

from __future__ import annotations

import hmac
import http.client
import os
import socket
import socketserver
import ssl
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

import orjson
import structlog

from sigmac.runtime.errors import ConfigurationError, StreamError
from sigmac.runtime.match import Rule
from sigmac.runtime.printable import escaped_json
from sigmac.runtime.service.config.secrets import bearer_token
from sigmac.runtime.service.config.sections import HttpSettings, TlsSettings
from sigmac.runtime.service.observe.metrics import CONTENT_TYPE, Metrics
from sigmac.runtime.service.observe.status import PackStatus, Shown

log = structlog.get_logger("sigmac.service.http")

_MAX_HEAD = 16 << 10  # bytes of a request line and its headers
_MAX_UNREAD = (
    1 << 20
)  # bytes that are read and dropped, so that the client reads why it was refused
_LOOK = 0.2  # seconds between two looks for connections that are over their time
_PROBES = ("/live", "/ready")  # they need neither a token nor a certificate
_PATHS = (*_PROBES, "/metrics", "/rules")


def serve_http(service: Shown, settings: HttpSettings) -> Callable[[], None]:
    """Serve from now on, in threads; the function that ends it.

    Raises `StreamError` where the address cannot be bound, `ConfigurationError` where a certificate cannot be used.
    """
    return HttpServer(service, settings).close


class HttpServer:
    """The running server. `address` is the host and port that it is bound to.

    `exposition` gives what `/metrics` says, in the format of `CONTENT_TYPE`; without it, the metrics of the service.
    """

    def __init__(
        self,
        service: Shown,
        settings: HttpSettings,
        exposition: Callable[[], bytes] | None = None,
    ):
        self._server = _Server(service, settings, exposition or Metrics(service).exposition)
        self.address = self._server.server_name, self._server.server_port
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(_LOOK,), name="http", daemon=True
        )
        self._thread.start()
        log.info("http is served", address=settings.bind, tls=settings.tls is not None)

    def close(self) -> None:
        """Stop listening and end every connection."""
        self._server.shutdown()
        self._server.server_close()
        self._server.drop_connections()
        self._thread.join()


@dataclass(slots=True)
class _Connection:
    """A connection that is served: when it has to be over, and whether it only waits for its client."""

    end: float
    idle: bool = True


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def __init__(self, service: Shown, settings: HttpSettings, exposition: Callable[[], bytes]):
        self.service = service
        self.settings = settings
        self.exposition = exposition
        self.token = settings.token.reveal().encode() if settings.token is not None else None
        self.tls = ServerTls(settings.tls) if settings.tls is not None else None
        self.certificate_needed = settings.tls is not None and settings.tls.client_ca is not None
        self._lock = threading.Condition()
        self._connections: dict[socket.socket, _Connection] = {}  # the oldest first
        host, port = settings.address
        if ":" in host:
            self.address_family = socket.AF_INET6
        try:
            super().__init__((host, port), _Handler)
        except OSError as error:
            raise StreamError(
                f"http.bind: cannot listen on {settings.bind}: {error.strerror or error}"
            ) from None

    def server_bind(self) -> None:
        # Not what HTTPServer does: that asks the name service for the host's name.
        socketserver.TCPServer.server_bind(self)
        self.server_name, self.server_port = str(self.server_address[0]), self.server_address[1]

    def get_request(self) -> tuple[socket.socket, Any]:
        connection, client = super().get_request()
        if self.tls is not None:
            # The handshake is made in the connection's own thread.
            return self.tls.wrap(connection), client
        return connection, client

    def verify_request(self, request: Any, client_address: Any) -> bool:
        """Whether there is room for one more connection."""
        with self._lock:
            served, most = self._connections, self.settings.max_connections
            if len(served) >= most:
                idle = next((each for each, what in served.items() if what.idle), None)
                # One that was told to end may not have done so yet, but there is a bound to that as well.
                if idle is None or len(served) >= 2 * most:
                    log.debug("a client was refused: all connections are taken")
                    return False
                served[idle].idle = False
                _abort(idle)
            served[request] = _Connection(time.monotonic() + self.settings.timeout)
        return True

    def set_idle(self, request: socket.socket, idle: bool) -> None:
        with self._lock:
            self._connections[request].idle = idle

    def shutdown_request(self, request: Any) -> None:
        super().shutdown_request(request)
        with self._lock:
            self._connections.pop(request, None)
            self._lock.notify_all()

    def service_actions(self) -> None:
        """End the connections that are over their time."""
        now = time.monotonic()
        with self._lock:
            for request, connection in self._connections.items():
                if now > connection.end:
                    _abort(request)

    def drop_connections(self) -> None:
        """End every connection; those that are being worked on have a second to notice."""
        with self._lock:
            for request in self._connections:
                _abort(request)
            self._lock.wait_for(lambda: not self._connections, 1.0)

    def handle_error(self, request: Any, client_address: Any) -> None:
        error = sys.exception()
        if isinstance(error, OSError):
            # TLS that fails, a client that is gone, too slow, or had to make room.
            log.debug("a client was dropped", client=client_address[0], reason=str(error))
        else:
            log.error("a request failed", client=client_address[0], exc_info=error)


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    server_version = "sigmac"
    sys_version = ""
    default_request_version = "HTTP/1.0"  # every answer has its headers
    command = ""
    requestline = ""
    request_version = "HTTP/1.0"

    def setup(self) -> None:
        self.request.settimeout(self.server.settings.timeout)
        super().setup()
        if isinstance(self.connection, ssl.SSLSocket):
            self.connection.do_handshake()
        self.rfile = _Head(self.rfile)  # type: ignore[assignment]  # only lines are read

    def handle(self) -> None:
        try:
            self.raw_requestline = self.rfile.readline()
        except http.client.LineTooLong:
            self.send_error(HTTPStatus.REQUEST_URI_TOO_LONG)
        else:
            if self.raw_requestline and self.parse_request():
                self.server.set_idle(self.connection, False)
                self._answer()

    def _answer(self) -> None:
        if self.command not in ("GET", "HEAD"):
            self.send_error(HTTPStatus.METHOD_NOT_ALLOWED, "there are GET and HEAD only")
            return
        if self.headers.get("Content-Length", "0") != "0" or "Transfer-Encoding" in self.headers:
            self.send_error(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "no request has a body")
            return
        try:
            url = urlsplit(self.path)
            query = parse_qs(url.query, max_num_fields=8)
        except ValueError:
            self.send_error(HTTPStatus.BAD_REQUEST)
            return
        refused = None if url.path in _PROBES else self._refusal()
        if refused is not None:
            self.send_error(*refused)
        elif url.path == "/live":
            # Asking for the status makes a supervisor that hangs fail its probe.
            self.server.service.status()
            self._send(HTTPStatus.OK, b"live\n")
        elif url.path == "/ready":
            self._ready()
        elif url.path == "/metrics":
            self._send(HTTPStatus.OK, self.server.exposition(), CONTENT_TYPE)
        elif url.path == "/rules":
            self._rules(query.get("pack"))
        else:
            self.send_error(HTTPStatus.NOT_FOUND, f"there are {', '.join(_PATHS)}")

    def _refusal(self) -> tuple[HTTPStatus, str] | None:
        """Why this client may not ask, None where it may."""
        # The handshake has checked a certificate that was shown.
        if self.server.certificate_needed and not self.connection.getpeercert():
            return HTTPStatus.FORBIDDEN, "a client certificate is needed"
        token = self.server.token
        if token is not None:
            given = bearer_token(self.headers.get("Authorization", ""))
            sent = (given or "").encode("latin-1", "replace")
            if given is None or not hmac.compare_digest(sent, token):
                return HTTPStatus.UNAUTHORIZED, "a bearer token is needed"
        return None

    def _ready(self) -> None:
        status = self.server.service.status()
        if status.ready:
            self._send(HTTPStatus.OK, b"ready\n")
            return
        # The reason may name brokers and topics: not for clients that may see nothing else.
        reason = f": {status.reason}" if self._refusal() is None else ""
        text = f"not ready{reason}\n".encode("utf-8", "replace")
        self._send(HTTPStatus.SERVICE_UNAVAILABLE, text)

    def _rules(self, wanted: list[str] | None) -> None:
        packs = {pack.name: pack for pack in self.server.service.status().packs}
        names = list(packs) if wanted is None else wanted
        if not set(names) <= packs.keys():
            self.send_error(HTTPStatus.NOT_FOUND, f"the packs are {', '.join(packs)}")
            return
        service = self.server.service
        described = [
            _described(packs[name], service.rules(name), service.without_chance(name))
            for name in names
        ]
        # Titles of packs that others made, and a client that may be curl on a terminal.
        listed = escaped_json(orjson.dumps({"packs": described}))
        self._send(HTTPStatus.OK, listed, "application/json")

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """Refuse the request in one line. What the client still sends is read, for it to read the answer."""
        status = HTTPStatus(code)
        self._send(status, f"{message or status.phrase}\n".encode("utf-8", "replace"))
        self.server.set_idle(self.connection, True)
        self.connection.settimeout(1.0)
        unread = _MAX_UNREAD
        while unread > 0 and (dropped := len(self.connection.recv(1 << 16))):
            unread -= dropped

    def _send(
        self, status: HTTPStatus, body: bytes, kind: str = "text/plain; charset=utf-8"
    ) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Cache-Control", "no-store")
        self.send_header("X-Content-Type-Options", "nosniff")
        self.send_header("Connection", "close")
        if status is HTTPStatus.UNAUTHORIZED:
            self.send_header("WWW-Authenticate", "Bearer")
        elif status is HTTPStatus.METHOD_NOT_ALLOWED:
            self.send_header("Allow", "GET, HEAD")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        log.debug("request", client=self.client_address[0], line=format % args)


class _Head:
    """The head of a request, as a file of lines that ends after `_MAX_HEAD` bytes."""

    def __init__(self, file: Any):
        self._file = file
        self._room = _MAX_HEAD

    def readline(self, _: int = -1) -> bytes:
        line: bytes = self._file.readline(self._room + 1)
        self._room -= len(line)
        if self._room < 0:
            raise http.client.LineTooLong("request")
        return line

    def close(self) -> None:
        self._file.close()


class ServerTls:
    """TLS of a server from files that may be renewed while it runs: new connections get the new certificate.

    With `client_ca` a certificate that a client shows must be valid; whether it must show one is decided by what it
    asks for, as probes have none. Raises `ConfigurationError` where a file cannot be used.
    """

    def __init__(self, settings: TlsSettings):
        self._settings = settings
        self._files = [settings.certificate, settings.key]
        if settings.client_ca is not None:
            self._files.append(settings.client_ca)
        self._stamp = self._stamps()
        self._context = self._load()

    def wrap(self, connection: socket.socket) -> ssl.SSLSocket:
        """The connection with TLS, before its handshake. For one thread."""
        stamp = self._stamps()
        if stamp != self._stamp:
            self._stamp = stamp
            try:
                self._context = self._load()
                log.info("the renewed certificate is used", certificate=str(self._files[0]))
            except ConfigurationError as error:
                log.error("the certificate before stays in use", reason=str(error))
        return self._context.wrap_socket(
            connection, server_side=True, do_handshake_on_connect=False
        )

    def _stamps(self) -> list[tuple[int, ...]]:
        found: list[tuple[int, ...]] = []
        for path in self._files:
            try:
                stat = os.stat(path)
            except OSError:
                found.append((0,))  # loading says what is wrong with it
            else:
                found.append((stat.st_ino, stat.st_size, stat.st_mtime_ns))
        return found

    def _load(self) -> ssl.SSLContext:
        settings = self._settings
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        file = settings.certificate
        try:
            for file in self._files:
                file.open("rb").close()
            file = settings.certificate
            # A key with a passphrase fails; without this it would be asked for on the terminal.
            context.load_cert_chain(settings.certificate, settings.key, password="")
            if settings.client_ca is not None:
                file = settings.client_ca
                context.load_verify_locations(settings.client_ca)
                context.verify_mode = ssl.CERT_OPTIONAL
        except ssl.SSLError as error:
            reason = error.reason or "it holds no PEM that can be used"
            raise ConfigurationError(f"http.tls: {file}: {reason}") from None
        except OSError as error:
            raise ConfigurationError(f"http.tls: {file}: {error.strerror or error}") from None
        return context


def _described(
    pack: PackStatus, rules: Sequence[Rule], without_chance: Mapping[int, Sequence[str]] | None
) -> dict[str, Any]:
    hopeless = without_chance or {}
    return {
        "pack": pack.name,
        "name": pack.pack,
        "version": pack.version,
        "digest": pack.digest,
        "rules": [
            {
                **_described_rule(rule),
                # What events had of what it asks is not known before there are any.
                "had_chance": None if without_chance is None else index not in hopeless,
                "missing": [*hopeless.get(index, ())],
            }
            for index, rule in enumerate(rules)
        ],
    }


def _described_rule(rule: Rule) -> dict[str, Any]:
    return {
        **rule.on_the_wire(),
        "name": rule.name,
        "status": rule.status,
        "description": rule.description,
        "logsource": asdict(rule.logsource),
        "source": rule.source,
    }


def _abort(connection: socket.socket) -> None:
    """End a connection that another thread may be using; that thread meets an error and closes it."""
    try:
        # Not the method of an SSLSocket: that takes the TLS away under the other thread's feet.
        socket.socket.shutdown(connection, socket.SHUT_RDWR)
    except OSError:
        return  # it has ended by itself
