"""Messages that confluent-kafka does not make: names of headers that are no text, by librdkafka's C interface.

Any other client sends such, and so may whoever can write to a topic.
"""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from typing import Any

from sigmac.runtime.stream.kafka.direct.librdkafka import load

_PRODUCER = 0
_END, _TOPIC, _PARTITION, _VALUE, _KEY, _FLAGS, _HEADERS = 0, 1, 3, 4, 5, 7, 10
_COPY = 2

RawHeaders = Sequence[tuple[bytes, bytes | None]]


def _library() -> Any:
    """The library that came with confluent-kafka."""
    found = load("rd_kafka_producev")
    for name in ("conf_new", "new", "headers_new"):
        getattr(found, f"rd_kafka_{name}").restype = ctypes.c_void_p
    return found


class RawProducer:
    """A producer whose headers have bytes for names."""

    def __init__(self, address: str, **properties: str):
        self._rdkafka = _library()
        why = ctypes.create_string_buffer(512)
        conf = ctypes.c_void_p(self._rdkafka.rd_kafka_conf_new())
        given = {"bootstrap.servers": address, "log_level": "0"}
        given |= {name.replace("_", "."): value for name, value in properties.items()}
        for name, value in given.items():
            done = self._rdkafka.rd_kafka_conf_set(
                conf, name.encode(), value.encode(), why, ctypes.c_size_t(len(why))
            )
            assert done == 0, why.value
        made = self._rdkafka.rd_kafka_new(_PRODUCER, conf, why, ctypes.c_size_t(len(why)))
        assert made, why.value
        self._handle = ctypes.c_void_p(made)

    def produce(
        self,
        topic: str,
        value: bytes | None,
        partition: int = 0,
        key: bytes | None = None,
        headers: RawHeaders = (),
    ) -> None:
        """Hand one message over; `flush` waits until the broker has it."""
        made = ctypes.c_void_p(self._rdkafka.rd_kafka_headers_new(ctypes.c_size_t(len(headers))))
        for name, content in headers:
            self._rdkafka.rd_kafka_header_add(
                made,
                name,
                ctypes.c_ssize_t(len(name)),
                content,
                ctypes.c_ssize_t(len(content or b"")),
            )
        error = self._rdkafka.rd_kafka_producev(
            self._handle,
            *(ctypes.c_int(_TOPIC), topic.encode()),
            *(ctypes.c_int(_PARTITION), ctypes.c_int32(partition)),
            *(ctypes.c_int(_VALUE), value, ctypes.c_size_t(len(value or b""))),
            *(ctypes.c_int(_KEY), key, ctypes.c_size_t(len(key or b""))),
            *(ctypes.c_int(_FLAGS), ctypes.c_int(_COPY)),
            *(ctypes.c_int(_HEADERS), made),
            ctypes.c_int(_END),
        )
        assert error == 0, error

    def flush(self) -> None:
        assert self._rdkafka.rd_kafka_flush(self._handle, 60_000) == 0

    def close(self) -> None:
        self._rdkafka.rd_kafka_destroy(self._handle)
