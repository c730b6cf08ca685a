"""The control plane: the methods of control.proto over a `Service`, with health and reflection, on a gRPC server."""

from __future__ import annotations

import re
import shutil
import ssl
import tempfile
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import grpc
import orjson
import structlog
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection

from sigmac.runtime import match as evaluated
from sigmac.runtime.errors import ConfigurationError, EventError, PackError, StreamError
from sigmac.runtime.records import parse_record
from sigmac.runtime.service import control_pb2 as wire
from sigmac.runtime.service import control_pb2_grpc
from sigmac.runtime.service.configuration import ControlSettings, Settings, TlsSettings
from sigmac.runtime.service.guard import STREAM_TIMEOUT, Guard
from sigmac.runtime.service.pack_transfer import NotTrusted, Receiver, TooLarge
from sigmac.runtime.service.refusals import Refusal, exhausted, invalid, unknown_pack
from sigmac.runtime.service.status import BATCH_BUCKETS, Counts, Outcome, Service, ServiceStatus

log = structlog.get_logger("sigmac.service.control")

SERVICE = wire.DESCRIPTOR.services_by_name["Control"].full_name
MAX_MATCHES = 100_000  # in one answer
MAX_REJECTED = 1000  # in one answer
_WINDOW = 64 << 10  # bytes of a batch that are evaluated at once
_PAGE, _MAX_PAGE = 500, 1000  # rules
_MAX_TEXT = 256  # characters of a logsource's part
_SPARE_THREADS = 8  # for probes, and to say no
_LOOK = 1.0  # seconds between looks at what health watchers are told
_GRACE = 2.0  # seconds that requests in work have when the service stops
_AGAIN = 5.0  # seconds until another push may be over
_OPTIONS = (
    # A second service on the same port is an error, not a partner.
    ("grpc.so_reuseport", 0),
    # No compression but none: older gRPC decompresses a message before it looks at its size.
    ("grpc.compression_enabled_algorithms_bitset", 1),
    # A client that vanished without a word is noticed.
    ("grpc.keepalive_time_ms", 30_000),
    ("grpc.keepalive_timeout_ms", 10_000),
    ("grpc.http2.min_recv_ping_interval_without_data_ms", 10_000),
    ("grpc.max_connection_idle_ms", 600_000),
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
                ("grpc.max_receive_message_length", _bytes(control)),
            ),
        )
        self._health = _Health(service)
        add_control = control_pb2_grpc.add_ControlServicer_to_server
        add_control(_Control(service, settings), self._server)  # type: ignore[no-untyped-call]
        health_pb2_grpc.add_HealthServicer_to_server(self._health, self._server)
        names = (SERVICE, health.SERVICE_NAME, reflection.SERVICE_NAME)
        reflection.enable_server_reflection(names, self._server)
        self.port = self._bind(control)
        self._server.start()
        self._stopping = threading.Event()
        self._looking = threading.Thread(target=self._look, name="control-health", daemon=True)
        self._looking.start()
        log.info("control is served", address=control.bind, port=self.port)

    def _bind(self, control: ControlSettings) -> int:
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


_THIS_MACHINE = ("localhost", "127.0.0.1", "::1")


def _bytes(control: ControlSettings) -> int:
    return int(control.max_message_mib * (1 << 20))


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


class _Control(control_pb2_grpc.ControlServicer):
    """The methods of control.proto; what each does stands there."""

    def __init__(self, service: Service, settings: Settings):
        control = settings.control
        assert control is not None
        self._service = service
        self._packs = settings.packs
        self._keys = {
            name: [_read_key(path) for path in pack.trusted_keys]
            for name, pack in settings.packs.items()
        }
        self._allow_unsigned = control.allow_unsigned_packs
        self._max_batch = _bytes(control)
        self._state = settings.state.absolute()
        self._pushing = threading.Lock()
        self._incoming = self._state / "incoming"
        try:
            # What a push that died has left
            shutil.rmtree(self._incoming, ignore_errors=True)
            self._incoming.mkdir(mode=0o700, parents=True)
        except OSError as error:
            raise ConfigurationError(f"state: {self._incoming}: {error.strerror}") from None

    def _known(self, pack: str) -> str:
        if pack not in self._packs:
            raise unknown_pack(pack, self._packs)
        return pack

    # Evaluate

    def ProcessEvent(
        self, request: wire.ProcessEventRequest, context: grpc.ServicerContext
    ) -> wire.ProcessEventResponse:
        pack = self._known(request.pack)
        source = _logsource(request.logsource, "logsource")
        try:
            parse_record(request.event)
        except EventError as error:
            raise invalid("event", str(error)) from None
        # In JSON the end of a line is a space: in a text it would be escaped.
        line = request.event.replace(b"\n", b" ")
        matches, rejected = self._service.evaluate(pack, line, source)
        if rejected:
            raise invalid("event", rejected[0][1])
        return wire.ProcessEventResponse(matches=[_matched(match) for _, match in matches])

    def ProcessBatch(
        self, requests: Iterator[wire.ProcessBatchRequest], context: grpc.ServicerContext
    ) -> wire.ProcessBatchResponse:
        first = next(requests, None)
        if first is None or first.WhichOneof("part") != "start":
            raise invalid("start", "the first message says which pack")
        pack = self._known(first.start.pack)
        source = _logsource(first.start.logsource, "start.logsource")
        answer = _BatchAnswer()
        for window in _windows(self._bounded(requests)):
            if not context.is_active():
                break  # past its deadline, or its client is gone: nobody reads the answer
            matches, rejected = self._service.evaluate(pack, window, source)
            answer.add(window, matches, rejected)
        return answer.made

    def _bounded(self, requests: Iterable[wire.ProcessBatchRequest]) -> Iterator[bytes]:
        left = self._max_batch
        for request in requests:
            if request.WhichOneof("part") != "records":
                raise invalid("records", "every message but the first holds records")
            left -= len(request.records)
            if left < 0:
                sentence = f"a batch has at most {self._max_batch:,} bytes: send several"
                raise exhausted("max_message_mib", sentence)
            yield request.records

    # Look

    def ListRules(
        self, request: wire.ListRulesRequest, context: grpc.ServicerContext
    ) -> wire.ListRulesResponse:
        pack = self._known(request.pack)
        if request.page_size > _MAX_PAGE:
            raise invalid("page_size", f"at most {_MAX_PAGE:,}")
        digests = {each.name: each.digest for each in self._service.status().packs}
        digest = digests[pack]
        begin = 0
        if request.page_token:
            token = re.fullmatch(r"(\d{1,9})-(\w+)", request.page_token)
            if token is None:
                raise invalid("page_token", "not a token that this service gave")
            if token[2] != digest:
                raise Refusal(
                    grpc.StatusCode.ABORTED,
                    "PACK_REPLACED",
                    "another pack runs since the first page: begin again",
                    pack=pack,
                )
            begin = int(token[1])
        rules = self._service.rules(pack)
        end = min(begin + (request.page_size or _PAGE), len(rules))
        return wire.ListRulesResponse(
            rules=[_rule(rules[index]) for index in range(begin, end)],
            next_page_token=f"{end}-{digest}" if end < len(rules) else "",
            total_size=len(rules),
        )

    def GetStatus(
        self, request: wire.GetStatusRequest, context: grpc.ServicerContext
    ) -> wire.GetStatusResponse:
        return _status(self._service.status())

    def WatchMatches(
        self, request: wire.WatchMatchesRequest, context: grpc.ServicerContext
    ) -> Iterator[wire.WatchMatchesResponse]:
        with self._service.matches() as lines:
            # Whoever has read it knows that from now on nothing is overlooked.
            context.send_initial_metadata(())
            for line in lines:
                if not context.is_active():
                    return
                if line.startswith(b'{"missed"'):
                    yield wire.WatchMatchesResponse(missed=orjson.loads(line)["missed"])
                elif line:
                    yield wire.WatchMatchesResponse(match=line)

    # Steer

    def Pause(
        self, request: wire.PauseRequest, context: grpc.ServicerContext
    ) -> wire.PauseResponse:
        self._service.pause()
        log.info("paused over control", client=context.peer())
        return wire.PauseResponse()

    def Resume(
        self, request: wire.ResumeRequest, context: grpc.ServicerContext
    ) -> wire.ResumeResponse:
        self._service.resume()
        log.info("resumed over control", client=context.peer())
        return wire.ResumeResponse()

    def PushPack(
        self, requests: Iterator[wire.PushPackRequest], context: grpc.ServicerContext
    ) -> wire.PushPackResponse:
        first = next(requests, None)
        if first is None or first.WhichOneof("part") != "start":
            raise invalid("start", "the first message says which pack, and has its manifest")
        pack = self._known(first.start.pack)
        if not self._pushing.acquire(blocking=False):
            sentence = "another pack is being pushed"
            raise Refusal(grpc.StatusCode.ABORTED, "PUSH_IN_WORK", sentence, retry_after=_AGAIN)
        try:
            with tempfile.TemporaryDirectory(dir=self._incoming) as folder:
                self._receive(Path(folder), first.start, requests)
                if not context.is_active():
                    raise Refusal(
                        grpc.StatusCode.CANCELLED, "CLIENT_GONE", "the client did not wait"
                    )
                outcome = self._service.push(pack, Path(folder))
        finally:
            self._pushing.release()
        self._decide("push", pack, outcome, context)
        return wire.PushPackResponse(version=outcome.version, detail=outcome.reason)

    def _receive(
        self,
        folder: Path,
        start: wire.PushPackRequest.Start,
        requests: Iterator[wire.PushPackRequest],
    ) -> None:
        keys = self._keys[start.pack]
        try:
            receiver = Receiver(folder, start, keys, allow_unsigned=self._allow_unsigned)
            try:
                for request in requests:
                    receiver.take(request)
                receiver.finish()
            finally:
                receiver.close()
        except TooLarge as error:
            raise exhausted("pack", str(error)) from None
        except NotTrusted as error:
            sentence = self._without_paths(str(error))
            code = grpc.StatusCode.PERMISSION_DENIED
            raise Refusal(code, "PACK_NOT_TRUSTED", sentence, pack=start.pack) from None
        except PackError as error:
            sentence = self._without_paths(str(error))
            code = grpc.StatusCode.INVALID_ARGUMENT
            raise Refusal(code, "PACK_DAMAGED", sentence, pack=start.pack) from None

    def Rollback(
        self, request: wire.RollbackRequest, context: grpc.ServicerContext
    ) -> wire.RollbackResponse:
        pack = self._known(request.pack)
        outcome = self._service.rollback(pack)
        self._decide("rollback", pack, outcome, context)
        return wire.RollbackResponse(version=outcome.version, detail=outcome.reason)

    def _decide(
        self, what: str, pack: str, outcome: Outcome, context: grpc.ServicerContext
    ) -> None:
        said = {"pack": pack, "version": outcome.version, "client": context.peer()}
        if outcome.accepted:
            log.info(f"{what} over control", **said)
            return
        sentence = self._without_paths(outcome.reason)
        log.warning(f"{what} over control was refused", reason=sentence, **said)
        raise Refusal(
            grpc.StatusCode.FAILED_PRECONDITION,
            "PACK_REFUSED",
            f"{sentence}; version {outcome.version} runs on",
            pack=pack,
            version=outcome.version,
        )

    def _without_paths(self, sentence: str) -> str:
        """A sentence about a pack without the place where this service happens to keep it."""
        return re.sub(rf"{re.escape(str(self._state))}[^\s:]*(: )?", "", sentence)


def _read_key(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise ConfigurationError(f"trusted_keys: {path}: {error.strerror}") from None


def _logsource(given: wire.LogSource, field: str) -> Mapping[str, str] | None:
    parts = {"product": given.product, "category": given.category, "service": given.service}
    for name, text in parts.items():
        if len(text) > _MAX_TEXT:
            raise invalid(f"{field}.{name}", f"longer than {_MAX_TEXT} characters")
    return {name: text for name, text in parts.items() if text} or None


def _windows(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """NDJSON in pieces, as runs of whole lines; all but the last end in a line feed."""
    pending: list[bytes] = []  # of a line whose end has not come
    for piece in pieces:
        begin = 0
        while (cut := piece.rfind(b"\n", begin, begin + _WINDOW) + 1) or (
            cut := piece.find(b"\n", begin) + 1
        ):
            yield b"".join([*pending, piece[begin:cut]])
            pending.clear()
            begin = cut
        if begin < len(piece):
            pending.append(piece[begin:])
    if pending:
        yield b"".join(pending)


class _BatchAnswer:
    """The answer to a batch, as it grows."""

    def __init__(self) -> None:
        self.made = wire.ProcessBatchResponse()
        self._rules: dict[tuple[Any, ...], int] = {}

    def add(
        self,
        window: bytes,
        matches: Sequence[tuple[int, Mapping[str, Any]]],
        rejected: Sequence[tuple[int, str]],
    ) -> None:
        """Add what came of a run of lines."""
        made, before = self.made, self.made.lines
        if len(made.matches) + len(matches) > MAX_MATCHES:
            sentence = f"the batch has more than {MAX_MATCHES:,} matches: send fewer events"
            raise exhausted("matches", sentence)
        made.matches.extend(
            wire.ProcessBatchResponse.Match(line=before + line, rule=self._index(match))
            for line, match in matches
        )
        made.rejected_count += len(rejected)
        made.rejected.extend(
            wire.ProcessBatchResponse.Rejected(line=before + line, reason=reason)
            for line, reason in rejected[: MAX_REJECTED - len(made.rejected)]
        )
        made.lines = before + window.count(b"\n") + (not window.endswith(b"\n"))

    def _index(self, match: Mapping[str, Any]) -> int:
        rule, pack = match["rule"], match["pack"]
        key = (*(rule[name] for name in ("id", "title", "level")), *rule["tags"], *pack.values())
        known = self._rules.get(key)
        if known is None:
            known = self._rules[key] = len(self.made.rules)
            self.made.rules.append(_matched(match))
        return known


def _matched(match: Mapping[str, Any]) -> wire.MatchedRule:
    rule, pack = match["rule"], match["pack"]
    return wire.MatchedRule(
        id=rule["id"] or "",
        title=rule["title"],
        level=rule["level"] or "",
        tags=rule["tags"],
        pack=pack["name"],
        version=pack["version"],
    )


def _rule(rule: evaluated.Rule) -> wire.Rule:
    source = rule.logsource
    return wire.Rule(
        id=rule.id or "",
        title=rule.title,
        level=rule.level or "",
        status=rule.status or "",
        tags=rule.tags,
        logsource=wire.LogSource(
            product=source.product or "",
            category=source.category or "",
            service=source.service or "",
        ),
        description=rule.description or "",
        author=rule.author or "",
        source=rule.source,
    )


def _status(status: ServiceStatus) -> wire.GetStatusResponse:
    made = wire.GetStatusResponse(
        name=status.name,
        version=status.version,
        ready=status.ready,
        reason=status.reason,
        paused=status.paused,
        delivery=status.delivery,
        counts=_counts(status.counts),
    )
    made.started.FromMilliseconds(int(status.started * 1000))
    for worker in status.workers:
        made.workers.add(
            index=worker.index,
            pid=worker.pid,
            state=worker.state,
            detail=worker.detail,
            assigned=[
                wire.WorkerStatus.Partition(
                    topic=topic,
                    partition=number,
                    lag=worker.lag.get(topic, {}).get(number, -1),
                )
                for topic, numbers in worker.assigned.items()
                for number in numbers
            ],
            restarts=worker.restarts,
            connected=worker.connected,
        )
    for pack in status.packs:
        added = made.packs.add(
            name=pack.name,
            pack=pack.pack,
            version=pack.version,
            digest=pack.digest,
            rules=pack.rules,
            path=pack.path,
            previous=pack.previous or "",
            reloads=pack.reloads,
            refused=pack.refused,
            last_refusal=pack.last_refusal or "",
        )
        added.loaded.FromMilliseconds(int(pack.loaded * 1000))
    return made


def _counts(counts: Counts) -> wire.Counts:
    return wire.Counts(
        topics=[
            wire.Counts.Topic(topic=topic, records=records, bytes=counts.bytes.get(topic, 0))
            for topic, records in counts.records.items()
        ],
        events=counts.events,
        rejected=counts.rejected,
        matches=[
            wire.Counts.RuleMatches(pack=pack, rule=rule, matches=count)
            for pack, rules in counts.matches.items()
            for rule, count in rules.items()
        ],
        dead_letters=counts.dead_letters,
        delivered=counts.delivered,
        delivery_failures=counts.delivery_failures,
        batches=counts.batches,
        batch_bounds=BATCH_BUCKETS,
        batch_buckets=counts.batch_seconds,
        batch_seconds=counts.batch_seconds_sum,
        stalled_seconds=counts.stalled_seconds,
        rebalances=counts.rebalances,
    )
