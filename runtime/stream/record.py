"""What a source gives: batches of raw values, and where each came from."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from sigmac.runtime.inputs.lines import Buffers

# As Kafka has them: names may repeat, a value may be absent.
Headers = tuple[tuple[str, bytes | None], ...]


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a record came from.

    `topic` is a topic's name or a file's, `partition` is 0 for files, `offset` counts records from 0, `timestamp` is
    in milliseconds since 1970 (None where there is none), `key` and `headers` are the record's own. `headers_lost` says
    that it had headers that cannot be told, as the name of one is not UTF-8.
    """

    topic: str
    partition: int
    offset: int
    timestamp: int | None = None
    key: bytes | None = None
    headers: Headers = ()
    headers_lost: bool = False


LONG_LINE_KEPT = 64 << 10  # bytes


@dataclass(frozen=True, slots=True)
class LongLine:
    """A line that is too long to be evaluated, or to be held as a whole.

    `start` are its first bytes, at most `LONG_LINE_KEPT`; `size` says how many it has, `position` how many stand before
    it in the file (once decompressed).
    """

    start: bytes
    size: int
    position: int


class Joined(NamedTuple):
    """Values as NDJSON: `ends` (int64) has for each the place in `data` behind its line feed.

    The buffer goes back to `buffers` when all is done with it.
    """

    data: bytearray
    ends: NDArray[np.int64]
    buffers: Buffers


class Joinable(Sequence["bytes | None"]):
    """Values of records that lie somewhere, and can be joined without an object for each."""

    @abstractmethod
    def joined(self) -> Joined | None:
        """The values one a line; None where one is missing, has line breaks, or begins with a BOM."""


class Batch(Protocol):
    """Records of one input, those of a partition in its order.

    `stream` is the index of the input in the configuration's list of inputs, `values` the raw bytes of each record
    (None for a record without a value), `long_lines` the records that are a line too long, by their index in `values`,
    where each of them is None.
    """

    stream: int
    values: Sequence[bytes | None]
    long_lines: Mapping[int, LongLine]

    def origin(self, record: int) -> Origin:
        """Where a record came from, by its index in `values`; made when asked, as few records match."""
        ...

    def sizes(self) -> list[tuple[str, int, int]]:
        """For each topic (or file) in the batch: its name, how many records and how many bytes of values."""
        ...


class Source(Protocol):
    """Where records come from. One thread uses it.

    A batch that was polled is either committed or rewound before the next commit; a source never skips a record.
    """

    def poll(self, max_records: int, max_wait: float) -> list[Batch]:
        """The next records, at most `max_records`, waiting at most `max_wait` seconds for them to be many.

        An empty list says that none came in time. Raises `SourceEnded` where no more will come.
        """
        ...

    def more(self, max_records: int) -> list[Batch]:
        """Of what waits, what can be had at once: to be committed or rewound with what was polled before.

        Nothing where a source gives all of that with the next poll.
        """
        ...

    def commit(self) -> None:
        """All that was polled is done: a restart goes on behind it."""
        ...

    def rewind(self) -> None:
        """What was polled since the last commit will be polled again."""
        ...

    def keep_alive(self) -> None:
        """To be called at least every second while a sink is slow: stay a member of the group, fetch nothing."""
        ...

    def lag(self) -> dict[tuple[str, int], int]:
        """For each partition that this worker reads, how many records wait in it (-1: not known yet)."""
        ...

    def close(self) -> None:
        """Leave: what was not committed is somebody else's now."""
        ...


class Beside(Protocol):
    """State that counts with the positions of a source that keeps them itself."""

    def restore(self, note: Any) -> None:
        """Go on from the note that was kept with the positions; None where there is none."""
        ...

    def write(self) -> Any:
        """Make what was done safe; a note of JSON types that says what counts, to be kept with the positions.

        Raises `OSError`; it can be called again.
        """
        ...

    def written(self) -> None:
        """The positions are kept."""
        ...

    def rewind(self) -> None:
        """What was polled since the last commit will be polled again."""
        ...


class SourceEnded(Exception):
    """A source that has an end came to it."""
