"""What a batch makes of the messages that librdkafka's consumer gives."""

from __future__ import annotations

from typing import Any, cast

import pytest
from confluent_kafka import Message

from sigmac.runtime.stream.kafka import message_batch
from sigmac.runtime.stream.kafka.message_batch import KafkaBatch


class Told:
    """A message; `headers` raises what it was given, and once only."""

    def __init__(self, error: type[Exception]):
        self.error: type[Exception] | None = error

    def value(self) -> bytes:
        return b"{}"

    def topic(self) -> str:
        return "events"

    def partition(self) -> int:
        return 3

    def offset(self) -> int:
        return 17

    def timestamp(self) -> tuple[int, int]:
        return 1, 5

    def key(self) -> bytes:
        return b"k"

    def headers(self) -> Any:
        if self.error is None:
            raise AssertionError("asked twice: confluent-kafka would give a list with a hole")
        error, self.error = self.error, None
        if error is UnicodeDecodeError:
            b"\xff".decode()
        raise error


@pytest.mark.parametrize("error", [UnicodeDecodeError, SystemError])
def test_headers_that_cannot_be_told_are_lost_and_asked_for_once(
    error: type[Exception], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(message_batch, "Message", Told)
    batch = KafkaBatch(0, [cast(Message, Told(error))])
    for _ in range(2):
        origin = batch.origin(0)
        assert (origin.offset, origin.key, origin.headers) == (17, b"k", ())
        assert origin.headers_lost
