"""Messages as librdkafka keeps them: each is a struct at an address until it is freed.

A compiled kernel reads the structs, all at once, and joins the values of a batch to one buffer, when that is evaluated.
Key, headers, time and value of a message by itself are read where somebody asks, as few records match.
"""

from __future__ import annotations

import ctypes
import os
from collections.abc import Callable, Container, Mapping, Sequence
from types import MappingProxyType
from typing import Any, overload

import numpy as np
from numpy.typing import NDArray

from sigmac.runtime.engine import layout
from sigmac.runtime.engine.layout import Gathering
from sigmac.runtime.engine.library import Kernels
from sigmac.runtime.inputs.lines import Buffers
from sigmac.runtime.stream.kafka.direct.functions import error_of, functions
from sigmac.runtime.stream.kafka.direct.polled import Failure, Place, Reach
from sigmac.runtime.stream.record import Batch, Headers, Joinable, Joined, LongLine, Origin

# The words of `rd_kafka_message_t`; of the first and the third only half is a number
_ERROR, _TOPIC, _PARTITION, _VALUE, _SIZE, _KEY, _KEY_SIZE, _OFFSET = range(layout.TOLD)
_HALF = 0xFFFFFFFF
_NO_OFFSET = -1001  # RD_KAFKA_OFFSET_INVALID
_NOTHING = np.zeros(0, np.int64)
_NO_BYTES = np.zeros(0, np.uint8)

Longs = NDArray[np.int64]


class Taken:
    """Messages and errors at `addresses`; as `Polled`."""

    def __init__(self, kernels: Kernels, addresses: Longs, buffers: Buffers):
        self._kernels = kernels
        self._buffers = buffers
        self._all = addresses  # which are to be freed
        self._process = os.getpid()
        self.addresses = addresses
        self._names: dict[int, str] = {}  # of topics, by the addresses of librdkafka's objects
        self.told = np.empty((layout.TOLD, len(addresses)), np.int64)
        self._gather(layout.TELL, addresses, self.told.reshape(-1))
        self.told[_ERROR] = _halves(self.told[_ERROR])
        self.told[_PARTITION] = _halves(self.told[_PARTITION])
        failed = np.flatnonzero(self.told[_ERROR])
        self.failures = [self._failure(each) for each in failed.tolist()]
        if len(failed):
            self._keep(self.told[_ERROR] == 0)
        self._look()

    def __len__(self) -> int:
        return len(self.addresses)

    def __del__(self) -> None:
        self.free()

    def free(self) -> None:
        """Let go of all: nothing can be asked any more, of batches neither. It can be called again."""
        if len(self._all) and self._process == os.getpid():  # in a fork they are not ours
            function = ctypes.cast(functions().message_destroy, ctypes.c_void_p).value or 0
            self._gather(layout.RELEASE, self._all, _NOTHING, function=function)
            self._all = self.addresses = _NOTHING

    def only(self, places: Container[Place]) -> Taken:
        """As `Polled.only`."""
        mine = np.zeros(len(self), bool)
        for first, last, place in self._runs():
            mine[first:last] = place in places
        if not mine.all():
            self._keep(mine)
            self._look()
        return self

    def batches(self, stream_of: Callable[[str], int] | None, most: int) -> list[Batch]:
        """As `Polled.batches`."""
        found: list[Batch] = []
        whole = np.arange(len(self))
        for stream, chosen in [(0, whole)] if stream_of is None else self._by_stream(stream_of):
            # Parts of about the same size: a buffer that has shrunk needs its memory anew when it grows.
            behind = np.cumsum(self.told[_SIZE, chosen])
            parts = max(1, -(-int(behind[-1]) // most))
            part = np.maximum(behind - 1, 0) * parts // max(1, int(behind[-1]))
            cuts = np.flatnonzero(np.diff(part)) + 1
            found += [TakenBatch(self, stream, some) for some in np.split(chosen, cuts)]
        return found

    def joined(self, chosen: Longs) -> Joined | None:
        """The values of some messages, one a line; None where that cannot be."""
        sizes = self.told[_SIZE, chosen]
        data = self._buffers.take(int(sizes.sum()) + len(chosen))
        ends = np.empty(len(chosen), np.int64)
        buffer = np.frombuffer(data, np.uint8)
        unlike = self._gather(layout.JOIN, self.told[_VALUE, chosen], sizes, buffer, ends)
        if unlike:
            self._buffers.give_back(data)
            return None
        return Joined(data, ends, self._buffers)

    def value(self, i: int) -> bytes | None:
        """The value of a message; None where it has none."""
        return _bytes_at(self.told[_VALUE, i], self.told[_SIZE, i])

    def topic(self, i: int) -> str:
        """The name of a message's topic."""
        return self._name(int(self.told[_TOPIC, i]))

    def origin(self, i: int) -> Origin:
        """Where a message came from."""
        address = int(self.addresses[i])
        kind = ctypes.c_int()
        timestamp = functions().message_timestamp(address, ctypes.byref(kind))
        headers = _headers(address)
        return Origin(
            self.topic(i),
            int(self.told[_PARTITION, i]),
            int(self.told[_OFFSET, i]),
            timestamp if kind.value else None,
            _bytes_at(self.told[_KEY, i], self.told[_KEY_SIZE, i]),
            headers or (),
            headers is None,
        )

    def sizes(self, chosen: Longs) -> list[tuple[str, int, int]]:
        """For each topic of some messages how many they are, and bytes of their values."""
        topics, sizes = self.told[_TOPIC, chosen], self.told[_SIZE, chosen]
        return [
            (self._name(each), int(np.sum(topics == each)), int(sizes[topics == each].sum()))
            for each in np.unique(topics).tolist()
        ]

    def _gather(
        self,
        wanted: int,
        addresses: Longs,
        told: Longs,
        data: NDArray[np.uint8] = _NO_BYTES,
        ends: Longs = _NOTHING,
        function: int = 0,
    ) -> int:
        sizes = np.array([wanted, len(addresses), function], np.int64)
        return self._kernels.gather(Gathering(addresses, told, data, ends, sizes))

    def _keep(self, kept: NDArray[np.bool_]) -> None:
        self.addresses = self.addresses[kept]
        self.told = self.told[:, kept]

    def _look(self) -> None:
        self.size = int(self.told[_SIZE].sum())
        self.reaches: dict[Place, Reach] = {}
        offsets = self.told[_OFFSET]
        for first, last, place in self._runs():
            begin = self.reaches[place].first if place in self.reaches else int(offsets[first])
            self.reaches[place] = Reach(begin, int(offsets[last - 1]) + 1)

    def _runs(self) -> list[tuple[int, int, Place]]:
        """Messages of one partition in a row: the first, the one behind the last, and the partition."""
        topics, partitions = self.told[_TOPIC], self.told[_PARTITION]
        changes = (np.diff(topics) != 0) | (np.diff(partitions) != 0)
        ends = [*(np.flatnonzero(changes) + 1).tolist(), len(self)] if len(self) else []
        return [
            (first, last, (self.topic(first), int(partitions[first])))
            for first, last in zip([0, *ends], ends, strict=False)
        ]

    def _by_stream(self, stream_of: Callable[[str], int]) -> list[tuple[int, Longs]]:
        topics = self.told[_TOPIC]
        streams = np.zeros(len(self), np.int64)
        for each in np.unique(topics).tolist():
            streams[topics == each] = stream_of(self._name(each))
        return [(each, np.flatnonzero(streams == each)) for each in np.unique(streams).tolist()]

    def _name(self, topic: int) -> str:
        known = self._names.get(topic)
        if known is None:
            known = self._names[topic] = functions().topic_name(topic).decode()
        return known

    def _failure(self, i: int) -> Failure:
        topic, offset = int(self.told[_TOPIC, i]), int(self.told[_OFFSET, i])
        reason = functions().message_errstr(int(self.addresses[i])) or b""
        return Failure(
            self._name(topic) if topic else None,
            int(self.told[_PARTITION, i]),
            None if offset == _NO_OFFSET else offset,
            error_of(int(self.told[_ERROR, i]), reason.decode("utf-8", "replace")),
        )


class TakenBatch:
    """Messages of one input, by their numbers among those that were taken; as `Batch`."""

    long_lines: Mapping[int, LongLine] = MappingProxyType({})  # only files have them

    def __init__(self, taken: Taken, stream: int, chosen: Longs):
        self.stream = stream
        self.values: Sequence[bytes | None] = _Values(taken, chosen)
        self._taken = taken
        self._chosen = chosen

    def origin(self, record: int) -> Origin:
        """As `Batch.origin`."""
        return self._taken.origin(int(self._chosen[record]))

    def sizes(self) -> list[tuple[str, int, int]]:
        """As `Batch.sizes`."""
        return self._taken.sizes(self._chosen)


class _Values(Joinable):
    """The values of some messages, each read when it is asked for."""

    def __init__(self, taken: Taken, chosen: Longs):
        self._taken = taken
        self._chosen = chosen

    def joined(self) -> Joined | None:
        return self._taken.joined(self._chosen)

    def __len__(self) -> int:
        return len(self._chosen)

    @overload
    def __getitem__(self, index: int) -> bytes | None: ...

    @overload
    def __getitem__(self, index: slice) -> Sequence[bytes | None]: ...

    def __getitem__(self, index: int | slice) -> bytes | Sequence[bytes | None] | None:
        if isinstance(index, slice):
            return _Values(self._taken, self._chosen[index])
        return self._taken.value(int(self._chosen[index]))


def _halves(words: Longs) -> Longs:
    """The numbers of 32 bits in the lower halves of words."""
    return (words & _HALF).astype(np.uint32).view(np.int32).astype(np.int64)


def _bytes_at(address: Any, size: Any) -> bytes | None:
    return ctypes.string_at(int(address), int(size)) if address else None


def _headers(message: int) -> Headers | None:
    """The headers of a message; None where the name of one is not UTF-8."""
    told, kept = functions(), ctypes.c_void_p()
    if told.message_headers(message, ctypes.byref(kept)):
        return ()
    found: list[tuple[str, bytes | None]] = []
    name, value, size = ctypes.c_char_p(), ctypes.c_void_p(), ctypes.c_size_t()
    at = ctypes.byref(name), ctypes.byref(value), ctypes.byref(size)
    while not told.header_get_all(kept, len(found), *at):
        try:
            text = (name.value or b"").decode()
        except UnicodeDecodeError:
            return None
        found.append((text, _bytes_at(value.value, size.value)))
    return tuple(found)
