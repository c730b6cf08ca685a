"""A member of a consumer group over librdkafka's own functions, with the methods of confluent-kafka's `Consumer`.

Those that a source calls for each batch are other: `take` and `more` give messages as addresses. What librdkafka calls
back it calls within these, in the thread that calls them; what a callback raises is raised there.
"""

from __future__ import annotations

import ctypes
import logging
from collections.abc import Callable, Mapping, Sequence
from ctypes import c_int64, c_size_t, c_void_p
from types import SimpleNamespace
from typing import Any
from weakref import WeakSet

import numpy as np
from confluent_kafka import KafkaError, KafkaException, TopicPartition

from sigmac.runtime.engine.library import Kernels
from sigmac.runtime.inputs.lines import Buffers
from sigmac.runtime.stream.kafka.direct import functions as c
from sigmac.runtime.stream.kafka.direct.partitions import listed, told_of
from sigmac.runtime.stream.kafka.direct.taken import Taken

# Levels of syslog, as librdkafka's are
_LEVELS = (logging.CRITICAL,) * 3 + (logging.ERROR, logging.WARNING) + (logging.INFO,) * 2
_CALLS = ("error_cb", "stats_cb")
_FOR_EVER = -1
_CLOSED = "the consumer is closed"


class DirectConsumer:
    """Made of librdkafka's properties and two that are functions: `error_cb` and `stats_cb`.

    Raises `KafkaException` where a property or its value is not known.
    """

    def __init__(
        self, properties: Mapping[str, Any], logger: logging.Logger, *, kernels: Kernels
    ) -> None:
        self._c = c.functions()
        self._kernels = kernels
        self._logger = logger
        self._told: dict[str, Callable[[Any, list[TopicPartition]], None]] = {}
        self._raised: BaseException | None = None
        self._puts_off = False
        self._put_off: tuple[int, Any] | None = (
            None  # a rebalance: its code, and a copy of its list
        )
        self._room = np.zeros(0, np.int64)
        self._taken: WeakSet[Taken] = WeakSet()
        self._buffers = Buffers()
        # librdkafka keeps their addresses: they live as long as the consumer.
        self._callbacks = [
            c.ERROR_CALL(self._guarded(self._on_error)),
            c.STATISTICS_CALL(self._guarded(self._on_statistics)),
            c.LOG_CALL(self._guarded(self._on_log)),
            c.REBALANCE_CALL(self._guarded(self._on_rebalance)),
        ]
        self._on = {name: properties[name] for name in _CALLS if name in properties}
        self._made: int | None = self._make(properties)
        self._c.set_log_queue(self._handle, None)
        self._c.poll_set_consumer(self._handle)
        self._queue = self._c.queue_get_consumer(self._handle)

    def _make(self, properties: Mapping[str, Any]) -> int:
        conf, text = self._c.conf_new(), ctypes.create_string_buffer(c.ERROR_TEXT)
        try:
            # Whatever is told waits until somebody takes: no other thread runs Python.
            for name, value in {"log.queue": True, **properties}.items():
                if name in _CALLS:
                    continue
                given = str(value).lower() if isinstance(value, bool) else str(value)
                room = c.ERROR_TEXT
                if self._c.conf_set(conf, name.encode(), given.encode(), text, room) != c.CONF_OK:
                    raise _invalid(text.value)
            error, statistics, log, rebalance = self._callbacks
            self._c.conf_set_error_cb(conf, error)
            self._c.conf_set_stats_cb(conf, statistics)
            self._c.conf_set_log_cb(conf, log)
            self._c.conf_set_rebalance_cb(conf, rebalance)
            handle = self._c.new(c.CONSUMER, conf, text, c.ERROR_TEXT)
            if not handle:
                raise _invalid(text.value)
        except BaseException:
            self._c.conf_destroy(conf)
            raise
        return int(handle)

    # What librdkafka calls

    def _guarded(self, call: Callable[..., Any]) -> Callable[..., Any]:
        def made(*args: Any) -> Any:
            try:
                return call(*args)
            except BaseException as error:  # noqa: BLE001 - raised by whoever has called librdkafka
                self._raised = self._raised or error
                return 0

        return made

    def _served(self) -> None:
        error, self._raised = self._raised, None
        if error is not None:
            raise error

    def _on_error(self, _: Any, code: int, reason: bytes | None, __: Any) -> None:
        text, fatal = (reason or b"").decode("utf-8", "replace"), code == KafkaError._FATAL
        if fatal:
            room = ctypes.create_string_buffer(c.ERROR_TEXT)
            code = self._c.fatal_error(self._handle, room, len(room)) or code
            text = room.value.decode("utf-8", "replace") or text
        if call := self._on.get("error_cb"):
            call(c.error_of(code, text, fatal=fatal))

    def _on_statistics(self, _: Any, text: int, size: int, __: Any) -> int:
        if call := self._on.get("stats_cb"):
            call(ctypes.string_at(text, size).decode("utf-8", "replace"))
        return 0  # librdkafka frees it

    def _on_log(self, _: Any, level: int, facility: bytes, text: bytes) -> None:
        known = _LEVELS[level] if level < len(_LEVELS) else logging.DEBUG
        line = text.decode("utf-8", "replace")
        self._logger.log(known, "%s %s", facility.decode("utf-8", "replace"), line)

    def _on_rebalance(self, _: Any, code: int, partitions: Any, __: Any) -> None:
        if self._puts_off:
            # librdkafka waits until it is told what became of it.
            self._put_off = code, self._c.topic_partition_list_copy(partitions)
        else:
            self._rebalance(code, partitions)

    def catch_up(self) -> None:
        """Tell and do the rebalance that was put off."""
        if self._put_off is None:
            return
        (code, partitions), self._put_off = self._put_off, None
        try:
            self._rebalance(code, partitions)
        finally:
            self._c.topic_partition_list_destroy(partitions)

    def _rebalance(self, code: int, partitions: Any) -> None:
        """Tell it, and do it: whoever is told of what goes away can still commit."""
        told, assigns = told_of(partitions), code == KafkaError._ASSIGN_PARTITIONS
        event = "on_assign" if assigns else "on_revoke"
        if not assigns and self._c.assignment_lost(self._handle) and "on_lost" in self._told:
            event = "on_lost"
        try:
            if call := self._told.get(event):
                call(self, told)
        finally:
            if self._c.rebalance_protocol(self._handle) == b"COOPERATIVE":
                change = self._c.incremental_assign if assigns else self._c.incremental_unassign
                c.check_error(change(self._handle, partitions))
            else:
                c.check(self._c.assign(self._handle, partitions if assigns else None))

    # Messages

    def take(self, most: int, wait: float) -> Taken:
        """At most so many messages and errors, waiting so many seconds for them to be as many."""
        if self._made is None:
            raise RuntimeError(_CLOSED)
        self.catch_up()
        return self._take(most, wait)

    def more(self, most: int) -> Taken:
        """As `take`, of what waits; a rebalance is put off until the next `take`, and until then there is no more.

        What was taken before can be delivered and committed while its partitions are still ours.
        """
        self._puts_off = True
        try:
            return self._take(most if self._put_off is None else 0, 0)
        finally:
            self._puts_off = False

    def _take(self, most: int, wait: float) -> Taken:
        count = 0
        if most:
            if len(self._room) < most:
                self._room = np.empty(most, np.int64)
            room, milliseconds = self._room.ctypes.data, int(wait * 1000)
            count = self._c.consume_batch_queue(self._queue, milliseconds, room, most)
        taken = Taken(self._kernels, self._room[: max(0, count)].copy(), self._buffers)
        self._taken.add(taken)
        self._served()
        return taken

    # Groups and positions

    def subscribe(
        self, topics: Sequence[str], **told: Callable[[Any, list[TopicPartition]], None]
    ) -> None:
        """Join the group; `on_assign`, `on_revoke` and `on_lost` are told of changes."""
        self._told = told
        with listed([TopicPartition(topic) for topic in topics]) as given:
            c.check(self._c.subscribe(self._handle, given))

    def unsubscribe(self) -> None:
        """Leave the group."""
        c.check(self._c.unsubscribe(self._handle))

    def assignment(self) -> list[TopicPartition]:
        """What is ours now."""
        found = c.LIST()
        c.check(self._c.assignment(self._handle, ctypes.byref(found)))
        try:
            return told_of(found)
        finally:
            self._c.topic_partition_list_destroy(found)

    def assign(self, partitions: Sequence[TopicPartition]) -> None:
        """Read these and no others."""
        with listed(partitions) as given:
            c.check(self._c.assign(self._handle, given))

    def incremental_assign(self, partitions: Sequence[TopicPartition]) -> None:
        """Read these too."""
        with listed(partitions) as given:
            c.check_error(self._c.incremental_assign(self._handle, given))

    def incremental_unassign(self, partitions: Sequence[TopicPartition]) -> None:
        """Read these no more."""
        with listed(partitions) as given:
            c.check_error(self._c.incremental_unassign(self._handle, given))

    def pause(self, partitions: Sequence[TopicPartition]) -> None:
        """Fetch nothing of these."""
        with listed(partitions) as given:
            c.check(self._c.pause_partitions(self._handle, given))

    def resume(self, partitions: Sequence[TopicPartition]) -> None:
        """Fetch of these again."""
        with listed(partitions) as given:
            c.check(self._c.resume_partitions(self._handle, given))

    def seek(self, partition: TopicPartition) -> None:
        """Go on at its offset."""
        with listed([partition]) as given:
            c.check_error(self._c.seek_partitions(self._handle, given, _FOR_EVER))
            c.check(given.contents.elems[0].err)

    def position(self, partitions: Sequence[TopicPartition]) -> list[TopicPartition]:
        """The offsets behind what was taken."""
        with listed(partitions) as given:
            c.check(self._c.position(self._handle, given))
            return told_of(given)

    def committed(
        self, partitions: Sequence[TopicPartition], timeout: float
    ) -> list[TopicPartition]:
        """The offsets that the group has committed."""
        with listed(partitions) as given:
            c.check(self._c.committed(self._handle, given, _milliseconds(timeout)))
            return told_of(given)

    def commit(self, offsets: Sequence[TopicPartition], *, asynchronous: bool) -> None:
        """Commit offsets for the group."""
        with listed(offsets) as given:
            c.check(self._c.commit(self._handle, given, int(asynchronous)))

    def offsets_for_times(
        self, partitions: Sequence[TopicPartition], timeout: float
    ) -> list[TopicPartition]:
        """The first offsets at or after times, which stand for offsets in what is given."""
        with listed(partitions) as given:
            ask = self._c.offsets_for_times
            c.check(ask(self._handle, given, _milliseconds(timeout)))
            return told_of(given)

    def get_watermark_offsets(
        self, partition: TopicPartition, timeout: float = 0.0, *, cached: bool = False
    ) -> tuple[int, int]:
        """The first offset of a partition and the one behind its last; what is known, or asked for."""
        low, high = c_int64(), c_int64()
        place = self._handle, partition.topic.encode(), partition.partition
        both = ctypes.byref(low), ctypes.byref(high)
        if cached:
            c.check(self._c.get_watermark_offsets(*place, *both))
        else:
            ask = self._c.query_watermark_offsets
            c.check(ask(*place, *both, _milliseconds(timeout)))
        return low.value, high.value

    def list_topics(self, topic: str | None = None, timeout: float = _FOR_EVER) -> Any:
        """An object whose `topics` has, by name, objects with `partitions`; of one topic or of all."""
        found = ctypes.POINTER(c.MetadataStruct)()
        only = self._c.topic_new(self._handle, topic.encode(), None) if topic else None
        try:
            ask, limit = self._c.metadata, _milliseconds(timeout)
            c.check(ask(self._handle, int(topic is None), only, ctypes.byref(found), limit))
        finally:
            if only:
                self._c.topic_destroy(only)
        try:
            content = found.contents
            every = [content.topics[i] for i in range(content.topic_cnt)]
            return SimpleNamespace(
                topics={
                    each.topic.decode(): SimpleNamespace(partitions=range(each.partition_cnt))
                    for each in every
                }
            )
        finally:
            self._c.metadata_destroy(found)

    def consumer_group_metadata(self) -> bytes | None:
        """Who this member is, as a producer's transactions want it; None: not known yet."""
        who = self._c.consumer_group_metadata(self._handle)
        if not who:
            return None
        text, size = c_void_p(), c_size_t()
        try:
            write = self._c.consumer_group_metadata_write
            c.check_error(write(who, ctypes.byref(text), ctypes.byref(size)))
            return ctypes.string_at(text.value or 0, size.value)
        finally:
            self._c.consumer_group_metadata_destroy(who)
            if text.value:
                self._c.mem_free(None, text)

    @property
    def _handle(self) -> int:
        if self._made is None:
            raise RuntimeError(_CLOSED)
        return self._made

    def close(self) -> None:
        """Leave the group. Of what was taken nothing can be asked any more."""
        if self._made is None:
            return
        self.catch_up()
        self._c.consumer_close(self._handle)
        for taken in [*self._taken]:
            taken.free()  # librdkafka waits for its messages
        self._c.queue_destroy(self._queue)
        self._c.destroy(self._handle)
        self._made = None
        self._served()


def _invalid(text: bytes) -> KafkaException:
    return KafkaException(c.error_of(KafkaError._INVALID_ARG, text.decode("utf-8", "replace")))


def _milliseconds(seconds: float) -> int:
    return int(seconds * 1000) if seconds >= 0 else _FOR_EVER
