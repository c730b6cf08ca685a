"""What a way round Python's cost for each message would gain: values gathered from librdkafka's own messages.

`consume` makes a Python object of each message, and `value()` one of its bytes, before they are joined to one buffer
for the engine. Here librdkafka's C function fills an array of pointers instead, and a compiled loop copies values and
offsets out of it. It rests on where confluent-kafka keeps librdkafka's handle in its object, which is nobody's promise:
a prototype to measure with, not a part of the product.
"""

from __future__ import annotations

import ctypes
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import confluent_kafka
import numba
import numpy as np
from confluent_kafka import Consumer, TopicPartition
from numba.core import cgutils, types
from numba.extending import intrinsic

from bench.figures import Figure, note
from bench.timing import ROUNDS, median

_BATCH = 10_000
_WAIT = 250  # ms
# rd_kafka_message_t: err, (padding), rkt, partition, (padding), payload, len, key, key_len, offset, _private
_PAYLOAD, _LEN, _OFFSET = 24, 32, 56
Take = Callable[[], int]  # one batch; how many records it had


@intrinsic
def _word(context: Any, address: Any) -> Any:
    """The 64 bits at an address."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        word = context.get_value_type(types.int64)
        return builder.load(builder.inttoptr(arguments[0], word.as_pointer()))

    return types.int64(types.int64), generate


@intrinsic
def _copy(context: Any, target: Any, source: Any, size: Any) -> Any:
    """memcpy."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        to, origin, count = arguments
        byte = context.get_value_type(types.uint8).as_pointer()
        cgutils.raw_memcpy(
            builder, builder.inttoptr(to, byte), builder.inttoptr(origin, byte), count, 1
        )
        return context.get_dummy_value()

    return types.none(types.int64, types.int64, types.int64), generate


@numba.njit("int64(int64[::1], int64)", nogil=True)
def _total(messages: Any, count: int) -> int:
    total = 0
    for index in range(count):
        total += _word(messages[index] + _LEN) + 1
    return total


@numba.njit("void(int64[::1], int64, uint8[::1], int64[::1], int64[::1])", nogil=True)
def _gather(messages: Any, count: int, data: Any, ends: Any, offsets: Any) -> None:
    """Values, each with a line break behind it, their ends in `data`, and the records' offsets."""
    target = data.ctypes.data
    at = 0
    for index in range(count):
        message = messages[index]
        size = _word(message + _LEN)
        _copy(target + at, _word(message + _PAYLOAD), size)
        at += size
        data[at] = 10
        at += 1
        ends[index] = at
        offsets[index] = _word(message + _OFFSET)


def _librdkafka() -> ctypes.CDLL:
    """The library that confluent-kafka itself has loaded."""
    folder = Path(confluent_kafka.__file__).parent.with_name("confluent_kafka.libs")
    library = ctypes.CDLL(str(next(folder.glob("librdkafka-*"))))
    pointer, size = ctypes.c_void_p, ctypes.c_size_t
    for name, result, arguments in (
        ("queue_new", pointer, [pointer]),
        ("queue_get_partition", pointer, [pointer, ctypes.c_char_p, ctypes.c_int32]),
        ("queue_forward", None, [pointer, pointer]),
        ("queue_destroy", None, [pointer]),
        ("consume_batch_queue", ctypes.c_ssize_t, [pointer, ctypes.c_int, pointer, size]),
        ("message_destroy", None, [pointer]),
    ):
        function = getattr(library, f"rd_kafka_{name}")
        function.restype, function.argtypes = result, arguments
    return library


def compare(address: str, topic: str, partitions: int, records: int) -> Iterator[Figure]:
    """Both ways over the whole topic, to one buffer and the records' offsets."""
    ways = {"consume": _by_python, "gather": _by_gathering}
    times: dict[str, list[tuple[float, float]]] = {name: [] for name in ways}
    for _ in range(ROUNDS):
        for name, way in ways.items():
            times[name].append(_time(way, address, topic, partitions, records))
            rate, processor = times[name][-1]
            note(f"{name}: {rate:,.0f} records/s, {processor:.2f} µs a record in the thread")
    for name, what in (
        ("consume", "`consume`, `value()` and one buffer"),
        ("gather", "the same, gathered from librdkafka's messages"),
    ):
        yield Figure(what, median([rate for rate, _ in times[name]]), "records/s")
        processor = median([each for _, each in times[name]])
        yield Figure(f"{what}: the thread's processor time", processor, "µs a record")


def _time(
    way: Callable[[Consumer, str, Sequence[int]], Iterator[int]],
    address: str,
    topic: str,
    partitions: int,
    records: int,
) -> tuple[float, float]:
    consumer = Consumer(
        {
            "bootstrap.servers": address,
            "group.id": "gather",
            "enable.auto.commit": False,
            "fetch.queue.backoff.ms": 20,  # as the worker's
            "log_level": 0,
        }
    )
    with closing(consumer):
        consumer.assign([TopicPartition(topic, each, 0) for each in range(partitions)])
        done, started, processor = 0, 0.0, 0.0
        for count in way(consumer, topic, range(partitions)):
            if not started:
                first, started, processor = count, time.perf_counter(), time.thread_time()
            done += count
            if done >= records * 0.9:
                break
        counted = done - first
        rate = counted / (time.perf_counter() - started)
        return rate, (time.thread_time() - processor) / counted * 1e6


def _by_python(consumer: Consumer, topic: str, partitions: Sequence[int]) -> Iterator[int]:
    while True:
        messages = consumer.consume(_BATCH, _WAIT / 1e3)
        if messages:
            values = [message.value() or b"" for message in messages]
            b"\n".join(values)
            [message.offset() for message in messages]
            yield len(messages)


def _by_gathering(consumer: Consumer, topic: str, partitions: Sequence[int]) -> Iterator[int]:
    library = _librdkafka()
    handle = ctypes.c_void_p.from_address(id(consumer) + object.__basicsize__)
    queue = library.rd_kafka_queue_new(handle)
    for partition in partitions:
        own = library.rd_kafka_queue_get_partition(handle, topic.encode(), partition)
        library.rd_kafka_queue_forward(own, queue)
        library.rd_kafka_queue_destroy(own)
    messages = np.empty(_BATCH, np.int64)
    ends, offsets = np.empty(_BATCH, np.int64), np.empty(_BATCH, np.int64)
    try:
        while True:
            count = library.rd_kafka_consume_batch_queue(
                queue, _WAIT, messages.ctypes.data, len(messages)
            )
            if count > 0:
                data = np.empty(_total(messages, count), np.uint8)
                _gather(messages, count, data, ends, offsets)
                for message in messages[:count].tolist():
                    library.rd_kafka_message_destroy(message)
                yield count
            consumer.poll(0)
    finally:
        library.rd_kafka_queue_destroy(queue)
