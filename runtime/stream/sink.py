"""What a sink takes, and what it owes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from sigmac.runtime.stream.record import Headers


@dataclass(frozen=True, slots=True)
class Message:
    """What goes out: a match or a dead letter. `partition` is that of the record that it came from."""

    value: bytes
    key: bytes | None = None
    headers: Headers = ()
    partition: int = 0


@dataclass(frozen=True, slots=True)
class Undeliverable:
    """A message that a sink gave up, and why. `needs_key` says that it may be taken with a key, which it has not."""

    message: Message
    reason: str
    needs_key: bool = False


class DeliveryFailed(Exception):
    """Some of what was written did not arrive: the batch is to be done again."""


class Sink(Protocol):
    """Where matches or dead letters go. One thread uses it.

    What was written is safe only once `flush` has returned True: then it outlives a crash of this process.
    """

    def write(self, messages: Sequence[Message]) -> None:
        """Take messages, in order. Returns soon, whatever the other end does; the caller flushes before it writes more.

        Raises `StreamError` where the sink can never deliver again (no permission, a full disk that stays full).
        """
        ...

    def flush(self, timeout: float) -> bool:
        """Deliver all that was written; False where `timeout` seconds did not do, then call again.

        Raises as `write`, and `DeliveryFailed` where the batch has to be done again; what was written is forgotten.
        """
        ...

    def undeliverable(self) -> list[Undeliverable]:
        """The messages that the sink gave up since it was asked last, to be dead-lettered."""
        ...

    def close(self) -> None:
        """Release what is held; does not wait for deliveries."""
        ...
