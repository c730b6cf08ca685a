"""Messages of Kafka as a batch of records."""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from operator import methodcaller
from types import MappingProxyType
from typing import Any

from confluent_kafka import Message

from sigmac.runtime.stream.kafka.direct.polled import Failure, Place, Reach
from sigmac.runtime.stream.record import Batch, Headers, LongLine, Origin

_ask_for_headers = methodcaller("headers")  # a call from C is looked after each time


class PolledMessages:
    """Messages that confluent-kafka has made objects of, and errors; as `Polled`."""

    def __init__(self, messages: Sequence[Any]):
        self.failures: list[Failure] = []
        errors = list(map(Message.error, messages))
        if any(error is not None for error in errors):
            both = list(zip(messages, errors, strict=True))
            self.failures = [_failure(each, error) for each, error in both if error is not None]
            messages = [each for each, error in both if error is None]
        self._take(messages)

    def _take(self, messages: Sequence[Any]) -> None:
        self._messages = messages
        self.size = size_of(map(Message.value, messages))
        places = zip(map(Message.topic, messages), map(Message.partition, messages), strict=True)
        self._places: list[Place] = list(places)
        # Of several of a place a dictionary keeps the one that comes last.
        first = dict(zip(reversed(self._places), reversed(messages), strict=True))
        last = dict(zip(self._places, messages, strict=True))
        self.reaches = {
            place: Reach(first[place].offset(), message.offset() + 1)
            for place, message in last.items()
        }

    def __len__(self) -> int:
        return len(self._messages)

    def only(self, places: Container[Place]) -> PolledMessages:
        """As `Polled.only`."""
        both = zip(self._messages, self._places, strict=True)
        self._take([message for message, place in both if place in places])
        return self

    def batches(self, stream_of: Callable[[str], int] | None, most: int) -> list[Batch]:
        """As `Polled.batches`."""
        streams: dict[int, list[Any]] = {}
        if stream_of is None:
            streams[0] = list(self._messages)
        else:
            for message in self._messages:
                streams.setdefault(stream_of(message.topic()), []).append(message)
        # How many are about as large as is wanted
        step = max(1, int(most * len(self) / max(1, self.size)))
        return [
            KafkaBatch(stream, some[first : first + step])
            for stream, some in sorted(streams.items())
            for first in range(0, len(some), step)
        ]


def _failure(message: Any, error: Any) -> Failure:
    return Failure(message.topic(), message.partition(), message.offset(), error)


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


def size_of(values: Iterable[bytes | None]) -> int:
    """Bytes of values."""
    return sum(map(len, filter(None, values)))
