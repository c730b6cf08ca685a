"""Matches to an HTTP endpoint, as batches of NDJSON.

A thread posts; the worker only waits for it, so it stays in its consumer group however slow the endpoint is. A batch is
tried again with growing pauses while the endpoint is away, overloaded (429) or failing (5xx); what it refuses, or does
not take within `retry_for` seconds, is given up and becomes dead letters.
"""

from __future__ import annotations

import hashlib
import http.client
import random
import socket
import ssl
import threading
import time
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from typing import Any
from urllib.parse import urlsplit

import structlog

from sigmac.runtime.errors import ConfigurationError
from sigmac.runtime.stream.sink import Message, Undeliverable

log = structlog.get_logger("sigmac.stream.webhook")

_FIRST_BACKOFF, _LAST_BACKOFF = 0.5, 30.0  # seconds
_MAX_ANSWER = 64 << 10  # bytes of an answer that are read
_AGAIN = {408, 425, 429}  # with 5xx: try again


class WebhookSink:
    """One endpoint; `settings` are `url`, `token`, `headers`, `batch`, `timeout`, `retry_for` and `ca`."""

    def __init__(self, settings: Any):
        url = urlsplit(settings.url)
        if not url.hostname:
            raise ConfigurationError("matches.webhook.url: there is no host in it")
        self._where = f"{url.scheme}://{url.netloc.rpartition('@')[2]}"  # what errors may show
        self._secure = url.scheme == "https"
        self._host, self._port = url.hostname, url.port
        self._path = (url.path or "/") + (f"?{url.query}" if url.query else "")
        self._settings = settings
        self._headers = {"Content-Type": "application/x-ndjson", "User-Agent": "sigmac"}
        self._headers |= {name: value.reveal() for name, value in settings.headers.items()}
        if settings.token is not None:
            self._headers["Authorization"] = f"Bearer {settings.token.reveal()}"
        self._context: ssl.SSLContext | None = None
        if self._secure:
            try:
                self._context = ssl.create_default_context(cafile=settings.ca)
            except (OSError, ssl.SSLError) as error:
                raise ConfigurationError(f"matches.webhook.ca: {settings.ca}: {error}") from None
        self._changed = threading.Condition()
        self._waiting: deque[Message] = deque()
        self._busy = False
        self._given_up: list[Undeliverable] = []
        self._closed = False
        self._connection: http.client.HTTPConnection | None = None
        self._thread = threading.Thread(target=self._work, name="webhook", daemon=True)
        self._thread.start()

    def write(self, messages: Sequence[Message]) -> None:
        with self._changed:
            self._waiting.extend(messages)
            self._changed.notify_all()

    def flush(self, timeout: float) -> bool:
        with self._changed:
            return self._changed.wait_for(lambda: not self._waiting and not self._busy, timeout)

    def undeliverable(self) -> list[Undeliverable]:
        with self._changed:
            found, self._given_up = self._given_up, []
            return found

    def close(self) -> None:
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        self._thread.join(1.0)  # a request that is in work may take longer; nobody waits for it

    def _work(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._waiting or self._closed)
                if self._closed:
                    self._disconnect()
                    return
                count = min(len(self._waiting), self._settings.batch)
                batch = [self._waiting.popleft() for _ in range(count)]
                self._busy = True
            reason = self._deliver(batch)
            with self._changed:
                if reason:
                    log.warning(
                        "matches were given up", endpoint=self._where, count=count, reason=reason
                    )
                    self._given_up += [Undeliverable(message, reason) for message in batch]
                self._busy = False
                self._changed.notify_all()

    def _deliver(self, batch: Sequence[Message]) -> str:
        """Post a batch until it is taken; the reason where it is given up."""
        body = b"".join(message.value + b"\n" for message in batch)
        # The same for the same matches: an endpoint can drop what it has already taken.
        key = hashlib.blake2b(body, digest_size=16).hexdigest()
        until = time.monotonic() + self._settings.retry_for
        pause = _FIRST_BACKOFF
        while True:
            status, wanted, said = self._post(body, key)
            if 200 <= status < 300:
                return ""
            if status and status < 500 and status not in _AGAIN:
                return f"{self._where} answers {status}"
            wait = max(wanted, pause * random.uniform(0.5, 1.0))
            if time.monotonic() + wait > until:
                return said
            log.info("the endpoint did not take matches", reason=said, again_in=round(wait, 1))
            with self._changed:
                if self._changed.wait_for(lambda: self._closed, wait):
                    return said
            pause = min(2 * pause, _LAST_BACKOFF)

    def _post(self, body: bytes, key: str) -> tuple[int, float, str]:
        """Status (0: no answer), seconds that the endpoint asks to wait, and what went wrong."""
        if self._connection is None:
            self._connection = self._connect()
        deadline = _Deadline(self._connection, self._settings.timeout)
        try:
            with deadline:
                headers = {**self._headers, "Idempotency-Key": key}
                self._connection.request("POST", self._path, body, headers)
                deadline.requested()
                answer = self._connection.getresponse()
                answer.read(_MAX_ANSWER)
            if deadline.passed:
                raise TimeoutError
            if not answer.isclosed():
                self._disconnect()  # a longer answer than anybody wants
            seconds = _asked(answer.getheader("Retry-After", ""))
            # A redirect is not followed: the token is for this endpoint.
            return answer.status, seconds, f"{self._where} answers {answer.status}"
        except (OSError, http.client.HTTPException) as error:
            self._disconnect()
            if deadline.passed:
                return 0, 0.0, f"{self._where}: no whole answer in {self._settings.timeout:g} s"
            return 0, 0.0, f"{self._where}: {type(error).__name__}: {error}"

    def _connect(self) -> http.client.HTTPConnection:
        timeout = self._settings.timeout
        if self._context is not None:
            return http.client.HTTPSConnection(
                self._host, self._port, timeout=timeout, context=self._context
            )
        return http.client.HTTPConnection(self._host, self._port, timeout=timeout)

    def _disconnect(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None


class _Deadline:
    """Ends a request that is not over in time, however its bytes drip: a socket's timeout begins anew with each."""

    def __init__(self, connection: http.client.HTTPConnection, seconds: float):
        self.passed = False
        self._connection = connection
        self._socket = connection.sock
        self._timer = threading.Timer(seconds, self._end)
        self._timer.daemon = True

    def __enter__(self) -> _Deadline:
        self._timer.start()
        return self

    def requested(self) -> None:
        """The request is sent. A connection that is to be closed forgets its socket while the answer is still read."""
        self._socket = self._connection.sock

    def _end(self) -> None:
        self.passed = True
        opened = self._socket or self._connection.sock
        if opened is not None:
            with suppress(OSError):  # closed meanwhile
                opened.shutdown(socket.SHUT_RDWR)

    def __exit__(self, *failure: object) -> None:
        self._timer.cancel()


def _asked(wait: str) -> float:
    """The seconds of a `Retry-After`, with a bound; 0 where it says something else."""
    return min(float(wait), _LAST_BACKOFF) if wait.isascii() and wait.isdecimal() else 0.0
