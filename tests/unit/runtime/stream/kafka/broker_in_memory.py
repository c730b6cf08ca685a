"""librdkafka's producer and a broker that refuses messages, in memory: both take or refuse a batch as a whole."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any, cast

from confluent_kafka import KafkaError, KafkaException

from sigmac.runtime.stream.kafka.connection import Connection
from sigmac.runtime.stream.kafka.topic_sink import SharedProducer

BYSTANDER = -138


@dataclass(frozen=True, slots=True)
class Rules:
    """What a topic takes: so many bytes in a batch at most, no messages without a key.

    `names` says that the broker tells which message of a batch has no key, with `sometimes` of every other batch;
    `policy` is a byte that no value may hold.
    """

    most: int = 1 << 40
    keys: bool = False
    names: bool = True
    sometimes: bool = False
    policy: bytes = b""


@dataclass(slots=True)
class _Sent:
    topic: str
    value: bytes
    key: bytes | None
    partition: int
    headers: Any
    told: Callable[[KafkaError | None, Any], None]


@dataclass
class MemoryProducer:
    """Makes batches of `batch` messages of a partition. `taken` has what readers of committed messages see."""

    rules: dict[str, Rules]
    batch: int = 5
    transactional: bool = False
    slips: int = (
        0  # transactions that fail without a reason after one in which something was refused
    )
    taken: list[tuple[str, bytes, bytes | None, Any]] = field(default_factory=list)
    in_flight: bool = False  # batches that are sent together are answered each by itself, as they are on their way
    aborted: int = 0
    refusals: int = 0
    queue: list[_Sent] = field(default_factory=list)
    pending: list[tuple[str, bytes, bytes | None, Any]] = field(default_factory=list)
    failed: bool = False
    slip: int = 0

    def shared(self) -> SharedProducer:
        made = SimpleNamespace(
            producer=self, connection=Connection(), transactional=self.transactional, sinks=[]
        )
        return cast(SharedProducer, made)

    def produce(
        self,
        topic: str,
        value: bytes,
        key: bytes | None,
        *,
        headers: Any,
        on_delivery: Callable[[KafkaError | None, Any], None],
        partition: int = 0,
    ) -> None:
        if self.failed:
            raise KafkaException(KafkaError(KafkaError._STATE, "Erroneous state"))
        if key is not None:
            partition = len(key) % 3
        self.queue.append(_Sent(topic, value, key, partition, headers, on_delivery))

    def poll(self, timeout: float) -> int:
        return 0

    def flush(self, timeout: float) -> int:
        queue, self.queue = self.queue, []
        lost = self._is_lost()
        for topic, partition in dict.fromkeys((each.topic, each.partition) for each in queue):
            mine = [each for each in queue if (each.topic, each.partition) == (topic, partition)]
            for first in range(0, len(mine), self.batch):
                gone = lost if self.in_flight else self._is_lost()
                self._answer(mine[first : first + self.batch], self.rules[topic], gone)
        return 0

    def _is_lost(self) -> bool:
        return self.failed or (self.transactional and self.slip > 0)

    def _answer(self, batch: list[_Sent], rules: Rules, gone: bool) -> None:
        codes = [0] * len(batch)
        keyless = [each.key is None for each in batch]
        if gone:
            codes = [KafkaError._PURGE_QUEUE] * len(batch)
            self.failed = True
        elif sum(len(each.value) for each in batch) > rules.most:
            codes = [KafkaError.MSG_SIZE_TOO_LARGE] * len(batch)
        elif rules.policy and any(rules.policy in each.value for each in batch):
            codes = [KafkaError.POLICY_VIOLATION] * len(batch)
        elif rules.keys and any(keyless):
            self.refusals += 1
            names = rules.names and not (rules.sometimes and self.refusals % 2)
            codes = [
                KafkaError.INVALID_RECORD if bad or not names else BYSTANDER for bad in keyless
            ]
        if self.transactional and any(codes) and not self.failed:
            self.failed, self.slip = True, self.slips + 1
        for each, code in zip(batch, codes, strict=True):
            partition = each.partition
            if not code:
                self.pending.append((each.topic, each.value, each.key, each.headers))
            told = SimpleNamespace(partition=lambda partition=partition: partition)
            each.told(KafkaError(code, "because") if code else None, told)
        if not self.transactional:
            self.taken += self.pending
            self.pending.clear()

    def purge(self) -> None:
        self.queue.clear()

    def init_transactions(self, timeout: float) -> None:
        pass

    def begin_transaction(self) -> None:
        assert not self.failed
        self.slip = max(0, self.slip - 1)

    def send_offsets_to_transaction(self, *_: Any) -> None:
        self._check()

    def _check(self) -> None:
        if self.failed:
            raise KafkaException(KafkaError(KafkaError._STATE, "must be aborted"))

    def commit_transaction(self, timeout: float) -> None:
        self._check()
        assert not self.queue
        self.taken += self.pending
        self.pending.clear()
        self.slip = 0

    def abort_transaction(self, timeout: float) -> None:
        queue, self.queue = self.queue, []
        for each in queue:
            each.told(KafkaError(KafkaError._PURGE_QUEUE, "purged"), None)
        self.pending.clear()
        self.failed = False
        self.aborted += 1
