"""A broker inside the process of a test: the mock cluster that is built into librdkafka, which confluent-kafka brings.

It has its own threads and listens on loopback, so that clients in this process and in others reach it as they reach any
broker. docs/testing.md says what it does, and what only a real broker does.
"""

from __future__ import annotations

import ctypes
import os
import re
import threading
import weakref
from collections.abc import Mapping
from enum import IntEnum
from types import TracebackType
from typing import Any

from confluent_kafka import KafkaError, KafkaException

from sigmac.runtime.stream.kafka.direct.librdkafka import load

_POINTER, _TEXT, _INT = ctypes.c_void_p, ctypes.c_char_p, ctypes.c_int
_INT16, _INT32, _SIZE = ctypes.c_int16, ctypes.c_int32, ctypes.c_size_t
# What each function gives and takes, as rdkafka.h and rdkafka_mock.h declare them.
_FUNCTIONS: dict[str, tuple[Any, tuple[Any, ...]]] = {
    "rd_kafka_conf_new": (_POINTER, ()),
    "rd_kafka_conf_set": (_INT, (_POINTER, _TEXT, _TEXT, _TEXT, _SIZE)),
    "rd_kafka_new": (_POINTER, (_INT, _POINTER, _TEXT, _SIZE)),
    "rd_kafka_destroy": (None, (_POINTER,)),
    "rd_kafka_mock_cluster_new": (_POINTER, (_POINTER, _INT)),
    "rd_kafka_mock_cluster_destroy": (None, (_POINTER,)),
    "rd_kafka_mock_cluster_bootstraps": (_TEXT, (_POINTER,)),
    "rd_kafka_mock_group_initial_rebalance_delay_ms": (None, (_POINTER, _INT32)),
    "rd_kafka_mock_topic_create": (_INT, (_POINTER, _TEXT, _INT, _INT)),
    "rd_kafka_mock_topic_set_error": (None, (_POINTER, _TEXT, _INT)),
    "rd_kafka_mock_push_request_errors_array": (
        None,
        (_POINTER, _INT16, _SIZE, ctypes.POINTER(_INT)),
    ),
    "rd_kafka_mock_clear_request_errors": (None, (_POINTER, _INT16)),
    "rd_kafka_mock_broker_set_down": (_INT, (_POINTER, _INT32)),
    "rd_kafka_mock_broker_set_up": (_INT, (_POINTER, _INT32)),
    "rd_kafka_mock_broker_set_rtt": (_INT, (_POINTER, _INT32, _INT)),
}
_PRODUCER = 0  # the kind of the client that the cluster lives in
_ONE, _ALL = 1, -1  # brokers
_NAME = re.compile(r"[A-Za-z0-9._-]{1,249}")


class Request(IntEnum):
    """What clients ask of a broker: Kafka's names and numbers."""

    PRODUCE = 0
    FETCH = 1
    LIST_OFFSETS = 2
    METADATA = 3
    OFFSET_COMMIT = 8
    OFFSET_FETCH = 9
    FIND_COORDINATOR = 10
    JOIN_GROUP = 11
    HEARTBEAT = 12
    LEAVE_GROUP = 13
    SYNC_GROUP = 14
    INIT_PRODUCER_ID = 22
    ADD_PARTITIONS_TO_TXN = 24
    ADD_OFFSETS_TO_TXN = 25
    END_TXN = 26
    TXN_OFFSET_COMMIT = 28


class EmbeddedBroker:
    """A broker on a free port of 127.0.0.1, with these topics and so many partitions each.

    >>> from confluent_kafka import Producer
    >>> with EmbeddedBroker({"events": 4}) as broker:
    ...     producer = Producer({"bootstrap.servers": broker.bootstrap_servers})
    ...     producer.produce("events", b'{"EventID": 1}')
    ...     producer.flush(10)
    0

    `rebalance_delay` is how many seconds the first member of a group waits for others. What the broker holds is gone
    when it is closed, at the latest when the process ends. Threads may share it. Raises `LibraryMissing`, an
    `ImportError`, where there is no librdkafka that has it.
    """

    def __init__(
        self, topics: Mapping[str, int] | None = None, *, rebalance_delay: float = 0.1
    ) -> None:
        self._library = _library()
        self._lock = threading.RLock()  # a signal's handler may close it
        client, self._cluster = _start(self._library)
        # Also where it is forgotten, and at the end of the process.
        self._end = weakref.finalize(
            self, _destroy, self._library, self._cluster, client, os.getpid()
        )
        self._process = os.getpid()
        self._call("group_initial_rebalance_delay_ms", _milliseconds(rebalance_delay))
        for name, partitions in (topics or {}).items():
            self.create_topic(name, partitions)

    @property
    def bootstrap_servers(self) -> str:
        """What clients connect to: the value of their `bootstrap.servers`."""
        address: bytes = self._call("cluster_bootstraps")
        return address.decode()

    def create_topic(self, name: str, partitions: int = 1) -> None:
        """A topic that is not there yet. Raises `KafkaException` where it is."""
        if partitions < 1:
            raise ValueError(f"a topic cannot have {partitions} partitions")
        self._try("topic_create", _encoded(name), partitions, _ONE)

    def fail_topic(self, name: str, error: int) -> None:
        """Answer whoever asks for a topic's metadata with a code of `KafkaError`; 0 ends it.

        The topic is made where it is not there yet.
        """
        self._call("topic_set_error", _encoded(name), error)

    def fail_next(self, request: Request, *errors: int) -> None:
        """Answer the next requests of a kind with these codes of `KafkaError`, one each.

        After `KafkaError._TRANSPORT` the connection is closed instead. Clients try again after some of the codes, and
        report the others.
        """
        self._call("push_request_errors_array", request, len(errors), (_INT * len(errors))(*errors))

    def clear_failures(self, request: Request) -> None:
        """Answer requests of a kind as usual again, whatever `fail_next` has in store."""
        self._call("clear_request_errors", request)

    def set_round_trip_time(self, seconds: float) -> None:
        """Hold every answer back for so long; of a broker that is frozen it is an hour, of a usual one 0."""
        self._try("broker_set_rtt", _ALL, _milliseconds(seconds))

    def take_down(self) -> None:
        """Cut all connections and take no new ones. Topics, records and offsets stay."""
        self._try("broker_set_down", _ALL)

    def bring_up(self) -> None:
        """Take connections again, at the same address."""
        self._try("broker_set_up", _ALL)

    def close(self) -> None:
        """End it; once is enough."""
        with self._lock:
            self._end()

    def __enter__(self) -> EmbeddedBroker:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
        self.close()

    def _try(self, function: str, *arguments: Any) -> None:
        code = self._call(function, *arguments)
        if code:
            raise KafkaException(KafkaError(code))

    def _call(self, function: str, *arguments: Any) -> Any:
        """Raises `ValueError` where it is closed, `RuntimeError` in a process that was forked off."""
        if os.getpid() != self._process:  # its threads are not here
            raise RuntimeError("the broker runs in another process; connect to its address")
        with self._lock:
            if not self._end.alive:
                raise ValueError("the broker is closed")
            return getattr(self._library, f"rd_kafka_mock_{function}")(self._cluster, *arguments)


def _library() -> ctypes.CDLL:
    library = load(*_FUNCTIONS)
    for name, (gives, takes) in _FUNCTIONS.items():
        function = getattr(library, name)
        function.restype, function.argtypes = gives, takes
    return library


def _start(library: ctypes.CDLL) -> tuple[int, int]:
    """A client that connects to nobody, and the cluster that lives in it."""
    said = ctypes.create_string_buffer(512)
    properties = library.rd_kafka_conf_new()
    library.rd_kafka_conf_set(properties, b"log_level", b"0", said, len(said))
    client: int | None = library.rd_kafka_new(_PRODUCER, properties, said, len(said))
    if client is None:
        raise OSError(f"librdkafka does not start: {said.value.decode(errors='replace')}")
    cluster: int | None = library.rd_kafka_mock_cluster_new(client, _ONE)
    if cluster is None:
        library.rd_kafka_destroy(client)
        raise OSError("the broker cannot listen on 127.0.0.1")
    return client, cluster


def _destroy(library: ctypes.CDLL, cluster: int, client: int, process: int) -> None:
    if os.getpid() == process:  # threads do not come along when a process forks
        library.rd_kafka_mock_cluster_destroy(cluster)
        library.rd_kafka_destroy(client)


def _encoded(topic: str) -> bytes:
    """Raises `ValueError` for a name that Kafka does not take."""
    if not _NAME.fullmatch(topic) or topic in (".", ".."):
        raise ValueError(f"{topic!r} cannot be the name of a topic: a-z, A-Z, 0-9, ., _ and -")
    return topic.encode()


def _milliseconds(seconds: float) -> int:
    return round(seconds * 1000)
