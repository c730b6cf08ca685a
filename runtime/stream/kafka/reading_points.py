"""Where a partition is read from when the group's offset cannot be: there is none yet, or its record is gone.

librdkafka would go to the start or to the end by itself and say no more of it than a line in its log. Here it only
reports (`auto.offset.reset` is `error` for it); the service looks where the partition begins and ends, goes where the
user's `auto.offset.reset` says, commits that, and counts the records that nobody will read.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from confluent_kafka import KafkaError

from sigmac.runtime.stream.kafka.direct.polled import Failure

RESETS: Mapping[str, str] = {
    "smallest": "earliest",
    "earliest": "earliest",
    "beginning": "earliest",
    "largest": "latest",
    "latest": "latest",
    "end": "latest",
    "error": "error",
}
PROPERTY = "auto.offset.reset"
# What librdkafka reports where it does not know where to go on.
UNREADABLE = {KafkaError._AUTO_OFFSET_RESET, KafkaError._LOG_TRUNCATION}


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A partition that librdkafka has stopped to read: at `wanted`, None where the group has no offset for it."""

    wanted: int | None
    truncated: bool
    reason: str


@dataclass(frozen=True, slots=True)
class ReadingPoint:
    """Where to go on, and how many records before it nobody has read and nobody will read."""

    offset: int
    lost: int = 0


def unreadable(failure: Failure) -> Unreadable:
    """What one of the errors `UNREADABLE` says."""
    error, offset = failure.error, failure.offset
    wanted = offset if offset is not None and offset >= 0 else None
    return Unreadable(wanted, error.code() == KafkaError._LOG_TRUNCATION, error.str())


def reading_point(which: Unreadable, reset: str, first: int, end: int) -> ReadingPoint:
    """Where to go on in a partition with the records from `first` up to `end`.

    >>> gone = Unreadable(10, False, "out of range")
    >>> reading_point(gone, "earliest", 35, 50), reading_point(gone, "latest", 35, 50)
    (ReadingPoint(offset=35, lost=25), ReadingPoint(offset=50, lost=40))
    >>> reading_point(Unreadable(None, False, "none"), "latest", 35, 50)
    ReadingPoint(offset=50, lost=0)
    """
    wanted = which.wanted
    if which.truncated and wanted is not None:
        # The broker has lost what it had, and says where its log is the same still.
        return ReadingPoint(min(max(wanted, first), end))
    offset = first if reset == "earliest" else end
    return ReadingPoint(offset, max(0, offset - wanted) if wanted is not None else 0)
