"""The control plane: the methods of control.proto over a `Service`, with health and reflection, on a gRPC server."""

from __future__ import annotations

import ssl
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import grpc
import structlog
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection

from sigmac.runtime.errors import ConfigurationError, StreamError
from sigmac.runtime.service.config.configuration import Settings
from sigmac.runtime.service.config.sections import ControlSettings, TlsSettings
from sigmac.runtime.service.config.setting_types import socket_of
from sigmac.runtime.service.control import control_pb2 as wire
from sigmac.runtime.service.control import control_pb2_grpc
from sigmac.runtime.service.control.descriptors import connections_that_fit
from sigmac.runtime.service.control.guard import STREAM_TIMEOUT, Guard
from sigmac.runtime.service.control.methods import ControlMethods, max_bytes
from sigmac.runtime.service.control.private_socket import bind_privately
from sigmac.runtime.service.observe.status import Service

log = structlog.get_logger("sigmac.service.control")

SERVICE = wire.DESCRIPTOR.services_by_name["Control"].full_name
_SPARE_THREADS = 8  # for probes, and to say no
_LOOK = 1.0  # seconds between looks at what health watchers are told
_GRACE = 2.0  # seconds that requests in work have when the service stops
_THIS_MACHINE = ("localhost", "127.0.0.1", "::1")
_OPTIONS = (
    # A second service on the same port is an error, not a partner.
    ("grpc.so_reuseport", 0),
    # No compression but none: older gRPC decompresses a message before it looks at its size.
    ("grpc.compression_enabled_algorithms_bitset", 1),
    # A client that vanished without a word is noticed.
    ("grpc.keepalive_time_ms", 30_000),
    ("grpc.keepalive_timeout_ms", 10_000),
    ("grpc.http2.min_recv_ping_interval_without_data_ms", 10_000),
    # Whoever holds a connection and asks nothing makes room for others; clients connect anew by themselves.
    ("grpc.max_connection_idle_ms", 60_000),
    ("grpc.server_handshake_timeout_ms", 10_000),
    ("grpc.max_metadata_size", 16 << 10),
)


def serve_control(service: Service, settings: Settings) -> Callable[[], None]:
    """Serve in threads, as `settings.control` says; the function that stops it.

    Raises `StreamError` where the address cannot be bound, and `ConfigurationError` where a certificate or a trusted
    key cannot be used.
    """
    return ControlServer(service, settings).stop


class ControlServer:
    """A gRPC server over a service; serves from the start until `stop`."""

    def __init__(
        self, service: Service, settings: Settings, *, stream_timeout: float = STREAM_TIMEOUT
    ):
        control = settings.control
        assert control is not None
        token = control.token.reveal() if control.token is not None else None
        guard = Guard(token, control.requests_per_second, control.max_streams, stream_timeout)
        threads = control.max_streams + _SPARE_THREADS
        self._server = grpc.server(
            ThreadPoolExecutor(threads, thread_name_prefix="control"),
            interceptors=(guard,),
            maximum_concurrent_rpcs=threads,
            options=(
                *_OPTIONS,
                ("grpc.max_concurrent_streams", threads),
                ("grpc.max_allowed_incoming_connections", connections_that_fit(settings)),
                ("grpc.max_receive_message_length", max_bytes(control)),
            ),
        )
        self._health = _Health(service)
        add_control = control_pb2_grpc.add_ControlServicer_to_server
        add_control(ControlMethods(service, settings), self._server)  # type: ignore[no-untyped-call]
        health_pb2_grpc.add_HealthServicer_to_server(self._health, self._server)
        names = (SERVICE, health.SERVICE_NAME, reflection.SERVICE_NAME)
        reflection.enable_server_reflection(names, self._server)
        self._unbind: Callable[[], None] | None = None
        self.port = self._bind(control)
        self._server.start()
        self._stopping = threading.Event()
        self._looking = threading.Thread(target=self._look, name="control-health", daemon=True)
        self._looking.start()
        log.info("control is served", address=control.bind, port=self.port)

    def _bind(self, control: ControlSettings) -> int:
        path = socket_of(control.bind)
        if path is not None:
            self._unbind = bind_privately(path, self._server.add_insecure_port)
            return 0
        host, _ = control.address
        if control.tls is None and control.token is not None and host not in _THIS_MACHINE:
            log.warning("the control token travels in clear: set control.tls", address=control.bind)
        try:
            if control.tls is None:
                port = self._server.add_insecure_port(control.bind)
            else:
                port = self._server.add_secure_port(
                    control.bind, _Certificates(control.tls).credentials()
                )
        except RuntimeError:
            port = 0
        if not port:
            raise StreamError(
                f"control: {control.bind} cannot be bound: is the port in use, the address this machine's?"
            )
        return int(port)

    def _look(self) -> None:
        while not self._stopping.wait(_LOOK):
            self._health.refresh()

    def stop(self) -> None:
        """Refuse what is new, give what is in work two seconds, and end it."""
        self._stopping.set()
        self._looking.join()
        self._health.enter_graceful_shutdown()
        self._server.stop(_GRACE).wait()
        if self._unbind is not None:
            self._unbind()


class _Certificates:
    """The files of TLS, read again when they are renewed: the next connection uses what is new."""

    def __init__(self, tls: TlsSettings):
        self._tls = tls
        self._files = [each for each in (tls.certificate, tls.key, tls.client_ca) if each]
        self._read: list[tuple[int, int]] = []

    def credentials(self) -> grpc.ServerCredentials:
        """TLS for a server, mTLS with `client_ca`. Raises `ConfigurationError` where a file cannot be used."""
        try:
            first = self._configuration()
        except ssl.SSLError as error:
            reason = error.reason or "no PEM that can be used"
            raise ConfigurationError(f"control.tls: {self._tls.certificate}: {reason}") from None
        except OSError as error:
            raise ConfigurationError(f"control.tls: {error.filename}: {error.strerror}") from None
        mutual = self._tls.client_ca is not None
        return grpc.dynamic_ssl_server_credentials(first, self._renewed, mutual)

    def _configuration(self) -> grpc.ServerCertificateConfiguration:
        stamp = self._stamp()
        tls = self._tls
        pair = (tls.key.read_bytes(), tls.certificate.read_bytes())
        authority = tls.client_ca.read_bytes() if tls.client_ca is not None else None
        # gRPC does not say what is wrong with a file. A passphrase would be asked for on the terminal.
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(tls.certificate, tls.key, password="")
        if tls.client_ca is not None:
            context.load_verify_locations(tls.client_ca)
        made = grpc.ssl_server_certificate_configuration([pair], root_certificates=authority)
        self._read = stamp
        return made

    def _stamp(self) -> list[tuple[int, int]]:
        return [(each.st_mtime_ns, each.st_ino) for each in map(Path.stat, self._files)]

    def _renewed(self) -> grpc.ServerCertificateConfiguration | None:
        try:
            if self._stamp() == self._read:
                return None
            made = self._configuration()
        except OSError as error:
            # Half of the files are new, say: what was read before serves until they fit.
            log.warning("the certificate before stays in use", reason=error.strerror or str(error))
            return None
        log.info("the renewed certificate is used", certificate=str(self._tls.certificate))
        return made


class _Health(health.HealthServicer):  # type: ignore[misc]
    """Health as probes ask for it: serving while the service is ready."""

    def __init__(self, service: Service):
        super().__init__()
        self._service = service
        self._told: bool | None = None
        self._telling = threading.Lock()
        self.refresh()

    def refresh(self) -> None:
        """Tell watchers where the service has become ready, or no longer is."""
        ready = self._service.status().ready
        with self._telling:
            if ready == self._told:
                return
            self._told = ready
            states = health_pb2.HealthCheckResponse
            for name in ("", SERVICE):
                self.set(name, states.SERVING if ready else states.NOT_SERVING)

    def Check(
        self, request: health_pb2.HealthCheckRequest, context: grpc.ServicerContext
    ) -> health_pb2.HealthCheckResponse:
        self.refresh()
        return super().Check(request, context)
