"""What one call of a consumer has brought, in whatever form it keeps messages."""

from __future__ import annotations

from collections.abc import Callable, Container
from typing import Any, NamedTuple, Protocol

from sigmac.runtime.stream.record import Batch

Place = tuple[Any, Any]  # topic, partition


class Reach(NamedTuple):
    """The offset of the first message of a partition, and the one behind its last."""

    first: int
    behind: int


class Failure(NamedTuple):
    """An error that librdkafka gives in place of a message; of the client as a whole where `topic` is None."""

    topic: str | None
    partition: int
    offset: int | None
    error: Any  # a `KafkaError`


class Polled(Protocol):
    """Messages, those of a partition in its order, and errors. They live as long as this or a batch of them."""

    failures: list[Failure]
    reaches: dict[Place, Reach]
    size: int  # bytes of values

    def __len__(self) -> int:
        """How many messages, without errors."""
        ...

    def only(self, places: Container[Place]) -> Polled:
        """Without the messages of other partitions; to be used in place of this."""
        ...

    def batches(self, stream_of: Callable[[str], int] | None, most: int) -> list[Batch]:
        """Batches of about `most` bytes, each of one input by the name of its topic; None: there is one input."""
        ...
