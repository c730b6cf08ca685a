"""Why a request fails, in the form that gRPC knows: a status code, one sentence, and details of google.rpc."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NoReturn

import grpc
from google.protobuf import any_pb2
from google.rpc import error_details_pb2 as details_of
from google.rpc import status_pb2
from grpc_status import rpc_status

DOMAIN = "sigmac"  # of all reasons in ErrorInfo
# A client with a retry policy waits so long before it asks again, as gRPC's retry design has it.
_PUSHBACK = "grpc-retry-pushback-ms"
_LOADING = 0.5  # seconds until packs may be loaded


class Refusal(Exception):
    """A request that fails: `code` and `details` (messages of google.rpc) reach the client, with the one sentence.

    `retry_after` is in seconds: when asking again makes sense.
    """

    def __init__(
        self,
        code: grpc.StatusCode,
        reason: str,
        sentence: str,
        *details: Any,
        retry_after: float | None = None,
        **metadata: str,
    ):
        super().__init__(sentence)
        self.code = code
        self.sentence = sentence
        self.retry_after = retry_after
        info = details_of.ErrorInfo(reason=reason, domain=DOMAIN, metadata=metadata)
        self.details = [info, *details]
        if retry_after is not None:
            again = details_of.RetryInfo()
            again.retry_delay.FromNanoseconds(int(retry_after * 1e9))
            self.details.append(again)

    def end(self, context: grpc.ServicerContext) -> NoReturn:
        """End the call with this; raises what gRPC's `abort` raises."""
        packed = []
        for each in self.details:
            packed.append(any_pb2.Any())
            packed[-1].Pack(each)
        status = rpc_status.to_status(
            status_pb2.Status(code=self.code.value[0], message=self.sentence, details=packed)
        )
        trailing = status.trailing_metadata
        if self.retry_after is not None:
            trailing += ((_PUSHBACK, str(max(1, round(self.retry_after * 1000)))),)
        context.set_trailing_metadata(trailing)
        context.abort(status.code, status.details)
        raise AssertionError("abort has raised")


def invalid(field: str, sentence: str) -> Refusal:
    """A field of the request that is wrong."""
    violation = details_of.BadRequest.FieldViolation(field=field, description=sentence)
    return Refusal(
        grpc.StatusCode.INVALID_ARGUMENT,
        "INVALID_FIELD",
        f"{field}: {sentence}",
        details_of.BadRequest(field_violations=[violation]),
        field=field,
    )


def exhausted(subject: str, sentence: str, retry_after: float | None = None) -> Refusal:
    """A bound of the service that the request meets."""
    violation = details_of.QuotaFailure.Violation(subject=subject, description=sentence)
    return Refusal(
        grpc.StatusCode.RESOURCE_EXHAUSTED,
        "LIMIT_REACHED",
        sentence,
        details_of.QuotaFailure(violations=[violation]),
        retry_after=retry_after,
    )


def unknown_pack(name: str, known: Mapping[str, Any]) -> Refusal:
    """A name that no pack in service has."""
    return Refusal(
        grpc.StatusCode.NOT_FOUND,
        "PACK_UNKNOWN",
        f"no pack `{name[:64]}` is in service; there are: {', '.join(sorted(known))}",
        pack=name[:64],
    )


def not_ready() -> Refusal:
    """Packs are still being loaded."""
    return Refusal(
        grpc.StatusCode.UNAVAILABLE,
        "NOT_READY",
        "the packs are not loaded yet",
        retry_after=_LOADING,
    )
