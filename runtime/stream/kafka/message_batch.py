"""Messages of Kafka as a batch of records."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from operator import methodcaller
from types import MappingProxyType
from typing import Any

from confluent_kafka import Message

from sigmac.runtime.stream.record import Headers, LongLine, Origin

_ask_for_headers = methodcaller("headers")  # a call from C is looked after each time


class KafkaBatch:
    """Messages of one input."""

    long_lines: Mapping[int, LongLine] = MappingProxyType({})  # only files have them

    def __init__(self, stream: int, messages: Sequence[Any]):
        self.stream = stream
        self.messages = messages
        self.values: Sequence[bytes | None] = list(map(Message.value, messages))
        self._origins: dict[int, Origin] = {}

    def origin(self, record: int) -> Origin:
        # Once for each record: a message whose headers could not be told must not be asked for them again.
        known = self._origins.get(record)
        if known is None:
            known = self._origins[record] = _origin(self.messages[record])
        return known

    def sizes(self) -> list[tuple[str, int, int]]:
        topics: list[Any] = list(map(Message.topic, self.messages))
        if topics.count(topics[0]) == len(topics):
            return [(topics[0], len(topics), size_of(self.values))]
        values: dict[str, list[bytes | None]] = {}
        for topic, value in zip(topics, self.values, strict=True):
            values.setdefault(topic, []).append(value)
        return [(topic, len(some), size_of(some)) for topic, some in values.items()]


def _origin(message: Any) -> Origin:
    kind, timestamp = message.timestamp()
    headers = told_headers(message)
    return Origin(
        message.topic(),
        message.partition(),
        message.offset(),
        timestamp if kind else None,
        message.key(),
        headers or (),
        headers is None,
    )


def told_headers(message: Any) -> Headers | None:
    """The headers of a message; None where the name of one is not UTF-8. To be asked once for each message.

    confluent-kafka can tell names as text only. It gives a list with a hole then, and leaves an exception pending:
    a call as Python makes it once it is warm does not look for one, and raises it anywhere later. Asked again it would
    give the list alone.
    """
    try:
        return tuple(_ask_for_headers(message) or ())
    except (UnicodeDecodeError, SystemError):  # the second says that a list came with an exception
        return None


def size_of(values: Sequence[bytes | None]) -> int:
    """Bytes of values."""
    return sum(map(len, filter(None, values)))
