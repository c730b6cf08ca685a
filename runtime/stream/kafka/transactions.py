"""Exactly once: matches, dead letters and positions in one transaction, and what a crash between any two steps means.

Where source and sinks are of one Kafka cluster:

    1. a transaction begins
    2. matches, dead letters and hits of correlations are produced into it
    3. what the producer gave up (too large for it) is dead-lettered into it
    4. the records' positions are added to it, with the generation of the consumer group
    5. it commits: matches, dead letters and positions become visible together

Where the broker refuses a message in step 2 or 3 (too large for its topic, without the key that a compacted one
demands), the transaction has failed: it is aborted, and the steps begin anew with a dead letter in its place.

A crash before 5 has done nothing that a reader of committed records can see: the next producer of the same
transactional id aborts what is open, or the broker does after `transaction.timeout.ms`, and the positions are the old
ones. A crash within 5 is decided by the broker's log: all or nothing. A worker that was only slow (a zombie) is
fenced: by its transactional id where a successor took it, by the generation in step 4 where the group gave its
partitions away; then its transaction aborts and it polls again from what is committed.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

import structlog
from confluent_kafka import KafkaException

from sigmac.runtime.stream.dead_letters import DeadLetter
from sigmac.runtime.stream.delivery import Meanwhile, Outputs
from sigmac.runtime.stream.kafka.connection import is_fatal, permanent
from sigmac.runtime.stream.kafka.topic_sink import (
    KafkaSink,
    MessagesRefused,
    ProducerLost,
    SharedProducer,
)
from sigmac.runtime.stream.kafka.topic_source import KafkaSource
from sigmac.runtime.stream.sink import DeliveryFailed, Message

log = structlog.get_logger("sigmac.stream.kafka")

_STEP = 1.0  # seconds for one try to commit or to abort
_ADDED_WITHIN = 10.0  # seconds; it takes milliseconds while the broker is there
_SPARE = 3  # transactions after a refusal that may fail without one
_LOOK = 0.25  # seconds between two looks at the rest of the world


class ExactlyOnce:
    """One transaction for what is delivered at once."""

    def __init__(self, source: KafkaSource, outputs: Outputs, shared: SharedProducer):
        self._source = source
        self._outputs = outputs
        self._producer = shared.producer
        self._connection = shared.connection

    def start(self, timeout: float) -> bool:
        """Fence the worker that had this transactional id; False where the broker does not answer yet."""
        try:
            self._producer.init_transactions(timeout)
        except KafkaException as error:
            kafka = error.args[0]
            stop = permanent(kafka, "the transactional id")
            if stop is not None:
                raise stop from None
            self._connection.trouble = kafka.str()
            return False
        self._connection.answered()
        return True

    def deliver(
        self,
        matches: Sequence[Message],
        dead_letters: Sequence[DeadLetter],
        meanwhile: Meanwhile,
        hits: Sequence[Message] = (),
    ) -> None:
        rebalances = self._source.polled_in
        group = self._source.consumer.consumer_group_metadata()
        spare = 0
        while True:
            try:
                self._try((matches, dead_letters, hits), group, rebalances, meanwhile)
                break
            except MessagesRefused as refused:
                log.info("a transaction begins anew", reason=str(refused))
                self._abort(None, meanwhile)
                spare = _SPARE
            except (KafkaException, DeliveryFailed) as error:
                kafka = error if isinstance(error, KafkaException) else None
                self._abort(kafka, meanwhile)
                # After a refusal librdkafka may lose count of its messages once, and fail the next transaction.
                if not spare or self._source.rebalances != rebalances:
                    raise DeliveryFailed(kafka.args[0].str() if kafka else str(error)) from None
                spare -= 1
            except ProducerLost:
                raise  # the next producer of this transactional id aborts what is open
            except BaseException:
                # The worker was told to stop: nothing of this batch shall be seen.
                self._abort(None, meanwhile)
                raise
            meanwhile()
        self._source.committed()
        self._connection.answered()
        self._outputs.count(len(matches), len(dead_letters), len(hits))
        for sink in self._sinks():
            sink.accepted()

    def _try(
        self,
        made: tuple[Sequence[Message], Sequence[DeadLetter], Sequence[Message]],
        group: Any,
        rebalances: int,
        meanwhile: Meanwhile,
    ) -> None:
        self._producer.begin_transaction()
        self._outputs.write(*made)
        self._outputs.flush(meanwhile)
        if self._source.rebalances != rebalances:
            raise DeliveryFailed("the group was rebalanced while a sink was slow")
        self._add_positions(group, meanwhile)
        # A commit that was not answered may have been done: only asking again can tell.
        _insist(self._producer.commit_transaction, meanwhile)

    def _add_positions(self, group: Any, meanwhile: Meanwhile) -> None:
        """Step 4, in a thread: librdkafka forgets the timeout while it waits for the group's coordinator.

        A member that only waits for that would hold up every rebalance of the group. What does not come about in time
        is left to a new producer.
        """
        positions = self._source.positions()
        add = self._producer.send_offsets_to_transaction
        adding = _Call(lambda: add(positions, group, _ADDED_WITHIN))
        until = time.monotonic() + _ADDED_WITHIN
        while not adding.done.wait(_LOOK):
            if time.monotonic() > until:
                raise ProducerLost("the positions could not be added to the transaction")
            meanwhile()
        if adding.error is not None:
            raise adding.error

    def _abort(self, error: KafkaException | None, meanwhile: Meanwhile) -> None:
        if error is not None:
            kafka = error.args[0]
            stop = permanent(kafka, "the transaction")
            if stop is not None:
                raise stop from None
            if is_fatal(kafka):
                # Fenced: this process cannot produce any more; the next one starts from what is committed.
                raise ProducerLost(kafka.str()) from None
        self._forget()
        try:
            _insist(self._producer.abort_transaction, meanwhile)
        except KafkaException as failed:
            raise ProducerLost(failed.args[0].str()) from None
        self._forget()

    def _forget(self) -> None:
        for sink in self._sinks():
            sink.forget()

    def _sinks(self) -> list[KafkaSink]:
        outputs = self._outputs
        sinks = (*outputs.matches.values(), outputs.hits, outputs.dead_letters)
        return [sink for sink in sinks if isinstance(sink, KafkaSink)]


class _Call:
    """A call of librdkafka that may never return, in a thread that nobody waits for at the end."""

    def __init__(self, call: Callable[[], object]):
        self.done = threading.Event()
        self.error: BaseException | None = None
        self._call = call
        threading.Thread(target=self._run, daemon=True).start()

    def _run(self) -> None:
        try:
            self._call()
        except BaseException as error:  # noqa: BLE001 - raised where it is waited for
            self.error = error
        finally:
            self.done.set()


def _insist(step: Callable[[float], object], meanwhile: Meanwhile) -> None:
    """Do a step of a transaction; what can be tried again is tried again, for as long as it takes."""
    while True:
        try:
            step(_STEP)
            return
        except KafkaException as error:
            if not error.args[0].retriable():
                raise
        meanwhile()
