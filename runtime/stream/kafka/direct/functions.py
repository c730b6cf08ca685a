"""The functions and structs of librdkafka's public C API that a consumer needs, as `rdkafka.h` declares them."""

from __future__ import annotations

import ctypes
from ctypes import POINTER, c_char_p, c_int, c_int32, c_int64, c_size_t, c_ssize_t, c_void_p
from functools import cache
from typing import Any

from confluent_kafka import KafkaError, KafkaException

from sigmac.runtime.stream.kafka.direct.librdkafka import load

CONSUMER = 1  # RD_KAFKA_CONSUMER
CONF_OK = 0  # RD_KAFKA_CONF_OK
ERROR_TEXT = 512  # bytes of room for a sentence


class TopicPartitionStruct(ctypes.Structure):
    """`rd_kafka_topic_partition_t`"""

    _fields_ = (
        ("topic", c_char_p),
        ("partition", c_int32),
        ("offset", c_int64),
        ("metadata", c_void_p),
        ("metadata_size", c_size_t),
        ("opaque", c_void_p),
        ("err", c_int),
        ("_private", c_void_p),
    )


class ListStruct(ctypes.Structure):
    """`rd_kafka_topic_partition_list_t`"""

    _fields_ = (("cnt", c_int), ("size", c_int), ("elems", POINTER(TopicPartitionStruct)))


class _MetadataTopic(ctypes.Structure):
    _fields_ = (
        ("topic", c_char_p),
        ("partition_cnt", c_int),
        ("partitions", c_void_p),
        ("err", c_int),
    )


class MetadataStruct(ctypes.Structure):
    """`rd_kafka_metadata_t`"""

    _fields_ = (
        ("broker_cnt", c_int),
        ("brokers", c_void_p),
        ("topic_cnt", c_int),
        ("topics", POINTER(_MetadataTopic)),
        ("orig_broker_id", c_int32),
        ("orig_broker_name", c_char_p),
    )


LIST = POINTER(ListStruct)
ERROR_CALL = ctypes.CFUNCTYPE(None, c_void_p, c_int, c_char_p, c_void_p)
STATISTICS_CALL = ctypes.CFUNCTYPE(c_int, c_void_p, c_void_p, c_size_t, c_void_p)
LOG_CALL = ctypes.CFUNCTYPE(None, c_void_p, c_int, c_char_p, c_char_p)
REBALANCE_CALL = ctypes.CFUNCTYPE(None, c_void_p, c_int, LIST, c_void_p)

_SIGNATURES: dict[str, tuple[Any, tuple[Any, ...]]] = {
    "conf_new": (c_void_p, ()),
    "conf_destroy": (None, (c_void_p,)),
    "conf_set": (c_int, (c_void_p, c_char_p, c_char_p, c_char_p, c_size_t)),
    "conf_set_error_cb": (None, (c_void_p, ERROR_CALL)),
    "conf_set_stats_cb": (None, (c_void_p, STATISTICS_CALL)),
    "conf_set_log_cb": (None, (c_void_p, LOG_CALL)),
    "conf_set_rebalance_cb": (None, (c_void_p, REBALANCE_CALL)),
    "new": (c_void_p, (c_int, c_void_p, c_char_p, c_size_t)),
    "set_log_queue": (c_int, (c_void_p, c_void_p)),
    "poll_set_consumer": (c_int, (c_void_p,)),
    "queue_get_consumer": (c_void_p, (c_void_p,)),
    "queue_destroy": (None, (c_void_p,)),
    "consumer_close": (c_int, (c_void_p,)),
    "destroy": (None, (c_void_p,)),
    "consume_batch_queue": (c_ssize_t, (c_void_p, c_int, c_void_p, c_size_t)),
    "message_destroy": (None, (c_void_p,)),
    "message_errstr": (c_char_p, (c_void_p,)),
    "message_timestamp": (c_int64, (c_void_p, POINTER(c_int))),
    "message_headers": (c_int, (c_void_p, POINTER(c_void_p))),
    "header_get_all": (
        c_int,
        (c_void_p, c_size_t, POINTER(c_char_p), POINTER(c_void_p), POINTER(c_size_t)),
    ),
    "topic_name": (c_char_p, (c_void_p,)),
    "topic_partition_list_new": (LIST, (c_int,)),
    "topic_partition_list_add": (POINTER(TopicPartitionStruct), (LIST, c_char_p, c_int32)),
    "topic_partition_list_copy": (LIST, (LIST,)),
    "topic_partition_list_destroy": (None, (LIST,)),
    "subscribe": (c_int, (c_void_p, LIST)),
    "unsubscribe": (c_int, (c_void_p,)),
    "assignment": (c_int, (c_void_p, POINTER(LIST))),
    "assign": (c_int, (c_void_p, LIST)),
    "incremental_assign": (c_void_p, (c_void_p, LIST)),
    "incremental_unassign": (c_void_p, (c_void_p, LIST)),
    "assignment_lost": (c_int, (c_void_p,)),
    "rebalance_protocol": (c_char_p, (c_void_p,)),
    "pause_partitions": (c_int, (c_void_p, LIST)),
    "resume_partitions": (c_int, (c_void_p, LIST)),
    "seek_partitions": (c_void_p, (c_void_p, LIST, c_int)),
    "position": (c_int, (c_void_p, LIST)),
    "committed": (c_int, (c_void_p, LIST, c_int)),
    "commit": (c_int, (c_void_p, LIST, c_int)),
    "offsets_for_times": (c_int, (c_void_p, LIST, c_int)),
    "query_watermark_offsets": (
        c_int,
        (c_void_p, c_char_p, c_int32, POINTER(c_int64), POINTER(c_int64), c_int),
    ),
    "get_watermark_offsets": (
        c_int,
        (c_void_p, c_char_p, c_int32, POINTER(c_int64), POINTER(c_int64)),
    ),
    "topic_new": (c_void_p, (c_void_p, c_char_p, c_void_p)),
    "topic_destroy": (None, (c_void_p,)),
    "metadata": (c_int, (c_void_p, c_int, c_void_p, POINTER(POINTER(MetadataStruct)), c_int)),
    "metadata_destroy": (None, (POINTER(MetadataStruct),)),
    "consumer_group_metadata": (c_void_p, (c_void_p,)),
    "consumer_group_metadata_write": (c_void_p, (c_void_p, POINTER(c_void_p), POINTER(c_size_t))),
    "consumer_group_metadata_destroy": (None, (c_void_p,)),
    "mem_free": (None, (c_void_p, c_void_p)),
    "err2str": (c_char_p, (c_int,)),
    "fatal_error": (c_int, (c_void_p, c_char_p, c_size_t)),
    "error_code": (c_int, (c_void_p,)),
    "error_string": (c_char_p, (c_void_p,)),
    "error_is_fatal": (c_int, (c_void_p,)),
    "error_is_retriable": (c_int, (c_void_p,)),
    "error_destroy": (None, (c_void_p,)),
}


class Functions:
    """`functions.commit` is `rd_kafka_commit`, and so on. Raises `LibraryMissing` where there are none."""

    def __init__(self) -> None:
        library = load(*(f"rd_kafka_{name}" for name in _SIGNATURES))
        for name, (result, arguments) in _SIGNATURES.items():
            function = getattr(library, f"rd_kafka_{name}")
            function.restype, function.argtypes = result, arguments
            setattr(self, name, function)

    def __getattr__(self, name: str) -> Any:
        raise AttributeError(name)


@cache
def functions() -> Functions:
    """The functions of the library that is found here."""
    return Functions()


def error_of(code: int, reason: str = "", *, fatal: bool = False) -> KafkaError:
    """An error as confluent-kafka has it."""
    return KafkaError(code, reason or functions().err2str(code).decode(), fatal)


def check(code: int) -> None:
    """Raise `KafkaException` for a code that is an error."""
    if code:
        raise KafkaException(error_of(code))


def check_error(error: int | None) -> None:
    """Raise what an `rd_kafka_error_t *` says, and free it."""
    if not error:
        return
    told = functions()
    try:
        made = KafkaError(
            told.error_code(error),
            told.error_string(error).decode("utf-8", "replace"),
            bool(told.error_is_fatal(error)),
            bool(told.error_is_retriable(error)),
        )
    finally:
        told.error_destroy(error)
    raise KafkaException(made)
