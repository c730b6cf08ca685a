"""A client of the control plane.

with ControlClient("sigmac.example:9090", token="…", ca=Path("ca.pem")) as client:
    print(client.status().ready)
    client.push(Path("build/windows"), "windows")
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import grpc
import orjson
from google.rpc import error_details_pb2
from grpc_status import rpc_status

from sigmac.runtime.errors import SigmacError
from sigmac.runtime.scalar.json_record import json_bytes
from sigmac.runtime.service.config.setting_types import socket_of, split_address
from sigmac.runtime.service.control import control_pb2 as wire
from sigmac.runtime.service.control import control_pb2_grpc, pack_transfer

TIMEOUT = 10.0  # seconds for a request
PUSH_TIMEOUT = 300.0  # seconds for a pack: all workers load and try it
MAX_ANSWER = 64 << 20  # bytes
_SERVICE = wire.DESCRIPTOR.services_by_name["Control"].full_name
# What may be asked twice is asked again, after a wait that the service can set. gRPC keeps to each deadline.
_AGAIN = ("ProcessEvent", "ListRules", "GetStatus", "Pause", "Resume")
SERVICE_CONFIG: Mapping[str, Any] = {
    "methodConfig": [
        {
            "name": [{"service": _SERVICE, "method": method} for method in _AGAIN],
            "retryPolicy": {
                "maxAttempts": 4,
                "initialBackoff": "0.2s",
                "maxBackoff": "2s",
                "backoffMultiplier": 2,
                "retryableStatusCodes": ["UNAVAILABLE", "RESOURCE_EXHAUSTED"],
            },
        }
    ],
    "retryThrottling": {"maxTokens": 100, "tokenRatio": 1},
}
_OPTIONS = (
    ("grpc.enable_retries", 1),
    ("grpc.service_config", orjson.dumps(SERVICE_CONFIG).decode()),
    ("grpc.keepalive_time_ms", 30_000),
    ("grpc.keepalive_timeout_ms", 10_000),
    ("grpc.max_receive_message_length", MAX_ANSWER),
)


class ControlError(SigmacError):
    """The service refused a request or could not be asked. `code` is gRPC's, `reason` what ErrorInfo says, or ""."""

    def __init__(self, sentence: str, code: grpc.StatusCode, reason: str = ""):
        super().__init__(sentence)
        self.code = code
        self.reason = reason


class ControlClient:
    """A connection to the control plane of a service; close it, or use it in a `with`.

    `address` is HOST:PORT, or `unix:PATH`. `ca` (PEM) vouches for the service instead of the authorities that gRPC
    knows; with `certificate` and `key` (PEM) the client shows who it is. `tls=None` decides by the host: this machine
    itself is spoken to in clear unless one of these is given, any other by TLS. A token never goes in clear to another
    machine unless `tls=False` says so. `timeout` is in seconds, for each request.

    Every method raises `ControlError`.
    """

    def __init__(
        self,
        address: str,
        *,
        token: str | None = None,
        ca: Path | None = None,
        certificate: Path | None = None,
        key: Path | None = None,
        tls: bool | None = None,
        timeout: float = TIMEOUT,
    ):
        local = socket_of(address) is not None or _is_this_machine(split_address(address)[0])
        self._address = address
        self._timeout = timeout
        self._metadata = (("authorization", f"Bearer {token}"),) if token is not None else ()
        files = [each for each in (ca, certificate, key) if each is not None]
        if tls if tls is not None else (files or not local):
            authority, own, secret = (
                each.read_bytes() if each is not None else None for each in (ca, certificate, key)
            )
            credentials = grpc.ssl_channel_credentials(authority, secret, own)
            self._channel = grpc.secure_channel(address, credentials, _OPTIONS)
        else:
            self._channel = grpc.insecure_channel(address, _OPTIONS)
        self._stub = control_pb2_grpc.ControlStub(self._channel)  # type: ignore[no-untyped-call]

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """End the connection, and what is under way on it."""
        self._channel.close()

    def _ask(self, method: str, request: Any, timeout: float | None = None) -> Any:
        with self._explained():
            call = getattr(self._stub, method)
            return call(request, timeout=timeout or self._timeout, metadata=self._metadata)

    @contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except grpc.RpcError as error:
            raise _explained(error, self._address) from None

    def process_event(
        self,
        pack: str,
        event: bytes | Mapping[str, Any],
        *,
        logsource: Mapping[str, str] | None = None,
    ) -> list[wire.MatchedRule]:
        """The rules of a pack in service that match one event."""
        data = event if isinstance(event, bytes) else json_bytes(event)
        source = wire.LogSource(**(logsource or {}))
        request = wire.ProcessEventRequest(pack=pack, event=data, logsource=source)
        return list(self._ask("ProcessEvent", request).matches)

    def process_batch(
        self,
        pack: str,
        pieces: Iterable[bytes],
        *,
        logsource: Mapping[str, str] | None = None,
        timeout: float | None = None,
    ) -> wire.ProcessBatchResponse:
        """What a pack in service makes of NDJSON, given in pieces that may end anywhere."""
        source = wire.LogSource(**(logsource or {}))
        start = wire.ProcessBatchRequest.Start(pack=pack, logsource=source)

        def requests() -> Iterator[wire.ProcessBatchRequest]:
            yield wire.ProcessBatchRequest(start=start)
            for piece in pieces:
                yield wire.ProcessBatchRequest(records=piece)

        answer: wire.ProcessBatchResponse = self._ask("ProcessBatch", requests(), timeout)
        return answer

    def rules(self, pack: str) -> Iterator[wire.Rule]:
        """The rules of a pack in service, asked for page by page."""
        token = ""
        while True:
            request = wire.ListRulesRequest(pack=pack, page_token=token)
            page = self._ask("ListRules", request)
            yield from page.rules
            if not (token := page.next_page_token):
                return

    def status(self) -> wire.GetStatusResponse:
        """The service, its workers, its packs, and what was counted."""
        answer: wire.GetStatusResponse = self._ask("GetStatus", wire.GetStatusRequest())
        return answer

    def push(
        self, folder: Path, pack: str, *, timeout: float = PUSH_TIMEOUT
    ) -> wire.PushPackResponse:
        """Send the pack in a folder, to run as `pack` of the service's configuration.

        Returns when it runs in all workers. Raises `PackError` where the folder is no sound pack: nothing is sent then.
        """
        requests = pack_transfer.messages(folder, pack)
        answer: wire.PushPackResponse = self._ask("PushPack", requests, timeout)
        return answer

    def fetch(
        self,
        pack: str,
        folder: Path,
        *,
        trusted_keys: Sequence[bytes] = (),
        timeout: float = PUSH_TIMEOUT,
    ) -> None:
        """Write the pack that runs as `pack` to an empty folder, and verify it; none of its code is run.

        Raises `PackError` where it is not sound, or not signed by one of the keys, if any are given.
        """
        with self._explained():
            request = wire.FetchPackRequest(pack=pack)
            call = self._stub.FetchPack(request, timeout=timeout, metadata=self._metadata)
            try:
                pack_transfer.receive(call, folder, trusted_keys)
            finally:
                call.cancel()

    def rollback(self, pack: str, *, timeout: float = PUSH_TIMEOUT) -> wire.RollbackResponse:
        """Bring back the pack that ran before."""
        request = wire.RollbackRequest(pack=pack)
        answer: wire.RollbackResponse = self._ask("Rollback", request, timeout)
        return answer

    def pause(self) -> None:
        """Make the service finish and commit the batch in work, and fetch nothing more."""
        self._ask("Pause", wire.PauseRequest())

    def resume(self) -> None:
        """Make the service go on."""
        self._ask("Resume", wire.ResumeRequest())

    def watch(self) -> Iterator[wire.WatchMatchesResponse]:
        """Matches as they are made, from the return of this method on, until the service stops.

        Each has `match`, a line of JSON, or `missed`, how many came while this reader was slow.
        """
        with self._explained():
            call = self._stub.WatchMatches(wire.WatchMatchesRequest(), metadata=self._metadata)
            call.initial_metadata()
        return self._watched(call)

    def _watched(self, call: Any) -> Iterator[wire.WatchMatchesResponse]:
        try:
            with self._explained():
                yield from call
        finally:
            call.cancel()


def _explained(error: grpc.RpcError, address: str) -> ControlError:
    """A failed call as one sentence."""
    code = error.code()
    status = rpc_status.from_call(error)
    if status is not None:
        info = error_details_pb2.ErrorInfo()
        for each in status.details:
            if each.Unpack(info):
                return ControlError(f"{address}: {status.message}", code, info.reason)
    match code:
        case grpc.StatusCode.UNAVAILABLE:
            sentence = f"the service cannot be reached: {error.details()}"
        case grpc.StatusCode.DEADLINE_EXCEEDED:
            sentence = "the service did not answer in time"
        case _:
            sentence = f"{code.name}: {error.details()}"
    return ControlError(f"{address}: {sentence}", code)


def _is_this_machine(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
