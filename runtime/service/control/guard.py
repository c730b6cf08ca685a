"""What stands before every method of the control plane: rate, token, room, and how failures reach a client."""

from __future__ import annotations

import hmac
import math
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Self

import grpc
import structlog

from sigmac.runtime.service.config.secrets import bearer_token
from sigmac.runtime.service.control.limits import RateLimit, client_of
from sigmac.runtime.service.control.refusals import Refusal, exhausted, invalid

log = structlog.get_logger("sigmac.service.control")

# A probe has no token, and is answered when all room is taken.
_PROBE = "/grpc.health.v1.Health/Check"
_ROOM_AGAIN = 1.0  # seconds until it makes sense to ask for room again
_MESSAGE_TIMEOUT = 30.0  # seconds for the one message of a request
_QUIET = 60.0  # seconds between two lines of the log about a client without the right token
_MAX_STRANGERS = 1024  # such clients remembered
STREAM_TIMEOUT = 600.0  # seconds for a stream of requests


class Guard(grpc.ServerInterceptor):  # type: ignore[misc]
    """Lets a request pass or ends it, before any of its body is read.

    `token` is what clients must send as `authorization: Bearer …`, None where none is needed; `rate` is in requests a
    second for each client, `room` how many requests may be in work at once, at most half of them lasting ones, which
    stream requests or answers: there is always room to steer.
    """

    def __init__(
        self, token: str | None, rate: float, room: int, stream_timeout: float = STREAM_TIMEOUT
    ):
        self._token = token.encode() if token is not None else None
        self._rate = RateLimit(rate)
        self._room = threading.BoundedSemaphore(room)
        self._lasting = threading.BoundedSemaphore(max(1, room // 2))
        self._stream_timeout = stream_timeout
        self._strangers = _Strangers()

    def intercept_service(
        self,
        continuation: Callable[[Any], grpc.RpcMethodHandler | None],
        call: grpc.HandlerCallDetails,
    ) -> grpc.RpcMethodHandler | None:
        handler = continuation(call)
        if handler is None:
            return None
        # Every method is served as one that takes a stream: only such a one can be ended before its message has come.
        kind = "stream" if handler.request_streaming else "unary"
        end = "stream" if handler.response_streaming else "unary"
        behavior = getattr(handler, f"{kind}_{end}")

        def answer(requests: Iterator[Any], context: grpc.ServicerContext) -> Any:
            # A stream of requests lasts as long as its client likes.
            lasting = handler.request_streaming
            with (
                self._guarded(call, context, lasting=lasting),
                self._argument(kind, end, requests, context) as given,
            ):
                return behavior(given, context)

        def answers(requests: Iterator[Any], context: grpc.ServicerContext) -> Iterator[Any]:
            with (
                self._guarded(call, context, lasting=True),
                self._argument(kind, end, requests, context) as given,
            ):
                yield from behavior(given, context)

        if handler.response_streaming:
            make, guarded = grpc.stream_stream_rpc_method_handler, answers
        else:
            make, guarded = grpc.stream_unary_rpc_method_handler, answer
        return make(guarded, handler.request_deserializer, handler.response_serializer)

    @contextmanager
    def _guarded(
        self,
        call: grpc.HandlerCallDetails,
        context: grpc.ServicerContext,
        *,
        lasting: bool = False,
    ) -> Iterator[None]:
        try:
            self._admit(call, context, lasting)
            yield
            return
        except grpc.RpcError:
            raise  # the client is gone, and gRPC knows
        except Refusal as refusal:
            failure = refusal
        except Exception:
            # A bug: all of it to the log, nothing of it to the client.
            log.exception("a control request failed", method=call.method)
            failure = Refusal(
                grpc.StatusCode.INTERNAL, "INTERNAL", "the service failed; its log says why"
            )
        failure.end(context)

    def _admit(
        self, call: grpc.HandlerCallDetails, context: grpc.ServicerContext, lasting: bool
    ) -> None:
        client = client_of(context.peer())
        wait = self._rate.take(client)
        if wait:
            raise exhausted("requests_per_second", "too many requests", retry_after=wait)
        if call.method == _PROBE:
            return
        self._check_token(call, client)
        # A lasting request takes its own room first: what it waits for is never held by short ones.
        rooms = [self._lasting, self._room] if lasting else [self._room]
        for room in rooms:
            if not room.acquire(blocking=False):
                sentence = "too many requests are in work"
                raise exhausted("max_streams", sentence, retry_after=_ROOM_AGAIN)
            if not context.add_callback(room.release):
                room.release()  # the call is over already

    def _check_token(self, call: grpc.HandlerCallDetails, client: str) -> None:
        if self._token is None:
            return
        given = [value for key, value in call.invocation_metadata if key == "authorization"]
        sent = bearer_token(given[0]) if len(given) == 1 and isinstance(given[0], str) else None
        if sent is not None:
            if hmac.compare_digest(sent.encode(), self._token):
                return
            reason, sentence = "TOKEN_WRONG", "the token is wrong"
        else:
            reason, sentence = "TOKEN_MISSING", "send metadata `authorization: Bearer TOKEN`"
        self._strangers.tell(client, call.method)
        raise Refusal(grpc.StatusCode.UNAUTHENTICATED, reason, sentence)

    @contextmanager
    def _argument(
        self, kind: str, end: str, requests: Iterator[Any], context: grpc.ServicerContext
    ) -> Iterator[Any]:
        """What the method is called with: the stream of requests, or the one request."""
        if kind == end == "stream":
            # A conversation lasts as long as both like; silence ends it.
            with _Silence(self._stream_timeout, context) as silence:
                yield silence.broken_by(requests)
            return
        if kind == "stream":
            with _within(self._stream_timeout, context):
                yield requests
            return
        with _within(_MESSAGE_TIMEOUT, context):
            request = next(requests, None)
        if request is None:
            raise invalid("request", "one message is needed, and none came")
        yield request


class _Strangers:
    """Requests without the right token, as few lines of the log: one a client in each `_QUIET` seconds."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._told: OrderedDict[str, tuple[float, int]] = OrderedDict()  # when, and since then

    def tell(self, client: str, method: str) -> None:
        now = time.monotonic()
        with self._lock:
            at, untold = self._told.pop(client, (-math.inf, 0))
            is_new = now - at >= _QUIET
            self._told[client] = (now, 0) if is_new else (at, untold + 1)
            if len(self._told) > _MAX_STRANGERS:
                self._told.popitem(last=False)
        if is_new:
            more = {"further_since_the_last_line": untold} if untold else {}
            log.warning(
                "a control request without the right token", client=client, method=method, **more
            )


class _Silence:
    """Cancels a call whose client sends nothing for so many seconds."""

    def __init__(self, seconds: float, context: grpc.ServicerContext):
        self._seconds = seconds
        self._context = context
        self._heard = time.monotonic()
        self._over = threading.Event()

    def __enter__(self) -> Self:
        self._listen(self._seconds)
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._timer.cancel()

    def broken_by(self, requests: Iterator[Any]) -> Iterator[Any]:
        """The requests of the client; each one counts."""
        for request in requests:
            self._heard = time.monotonic()
            yield request

    def _listen(self, seconds: float) -> None:
        self._timer = threading.Timer(seconds, self._look)
        self._timer.daemon = True
        self._timer.start()

    def _look(self) -> None:
        left = self._heard + self._seconds - time.monotonic()
        if self._over.is_set():
            return
        if left > 0:
            self._listen(left)
        else:
            self._context.cancel()


@contextmanager
def _within(seconds: float, context: grpc.ServicerContext) -> Iterator[None]:
    """Cancel the call if the client sends too slowly, where no deadline of its own does."""
    remaining = context.time_remaining()
    if remaining is not None and remaining <= seconds:
        yield
        return
    timer = threading.Timer(seconds, context.cancel)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
