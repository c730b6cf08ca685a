"""The second stage: reads hits, keeps the groups of correlations, writes alerts. It is a Quix Streams application.

Quix Streams keeps the state of a partition in RocksDB and in a changelog topic, and restores it where the partition
goes. The order of the steps of a checkpoint is its own: changes of the state are written to the changelog, all that was
written is flushed, the offsets are committed, the state on disk follows. Exactly once all of it but the last is one
transaction. A crash before the offsets are committed leaves a changelog that is ahead, of which no more is restored
than was committed.
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import structlog
from confluent_kafka import KafkaException
from quixstreams import Application, State, message_context
from quixstreams.kafka.configuration import ConnectionConfig
from quixstreams.models import Serializer
from quixstreams.models.topics.exceptions import TopicConfigurationMismatch
from quixstreams.state.exceptions import (
    InvalidStoreChangelogOffset,
    StateRecoveryOffsetOutOfRange,
)

from sigmac.runtime.correlation.alert import Alert
from sigmac.runtime.correlation.spread.bounds import Bounds, Stores
from sigmac.runtime.correlation.spread.family_step import FamilySteps
from sigmac.runtime.correlation.spread.stored_suppression import StoredSuppression
from sigmac.runtime.correlation.suppression import Suppressions
from sigmac.runtime.errors import InputError, StreamError
from sigmac.runtime.stream.cluster.hit_message import HitMessage, decode
from sigmac.runtime.stream.cluster.hits_topic import HitsTopic
from sigmac.runtime.stream.cluster.partition_stores import PartitionStores
from sigmac.runtime.stream.cluster.restoring import Restoring
from sigmac.runtime.stream.counts import CorrelationCounts, counts_of_pack, described
from sigmac.runtime.stream.match_message import (
    Candidate,
    alert_message,
    as_candidate,
    candidate_of,
    is_candidate,
)
from sigmac.runtime.stream.sink import Message

log = structlog.get_logger("sigmac.stream.correlations")

SUFFIX = "-correlate"  # of the consumer group
_MOST_HITS = 2000  # of a checkpoint
_PATIENCE = 20.0  # seconds for a pack that this stage has not yet
_MOST_STRANGE = 1000


@dataclass(frozen=True, slots=True)
class StageSettings:
    """What the second stage is told; `consumer` and `producer` are properties of librdkafka."""

    hits: str
    alerts: str
    group: str
    servers: str
    consumer: Mapping[str, Any]
    producer: Mapping[str, Any]
    folder: Path
    exactly_once: bool
    max_wait: float

    @property
    def transaction(self) -> float:
        """Seconds that a transaction may last."""
        return float(self.producer.get("transaction.timeout.ms", 60_000)) / 1000


@dataclass(slots=True)
class Told:
    """What was counted since the stage started."""

    hits: int = 0
    bytes: int = 0
    alerts: int = 0  # and matches that may be held back: those that went out
    around: int = 0  # alerts that may be held back, on their way to what is alike
    held: Counter[str] = field(default_factory=Counter)  # by pack
    held_forgotten: Counter[str] = field(default_factory=Counter)
    malformed: int = 0
    unknown: int = 0  # hits of correlations that no pack has
    rebalances: int = 0


class _Bytes(Serializer):  # type: ignore[misc]
    """The value of a message, as it is."""

    def __call__(self, message: Message, *_: Any, **__: Any) -> bytes:
        return message.value


class _Application(Application):  # type: ignore[misc]
    """An application that can be told what to do around taking partitions, and when it has lost some.

    Nothing may be raised there, as it would get lost in librdkafka.
    """

    before_assign: Callable[[list[Any]], None] = staticmethod(lambda _: None)
    after_assign: Callable[[], None] = staticmethod(lambda: None)
    lost: Callable[[], None] = staticmethod(lambda: None)

    def _on_assign(self, consumer: Any, topic_partitions: list[Any]) -> None:
        self.before_assign(topic_partitions)
        super()._on_assign(consumer, topic_partitions)
        self.after_assign()

    def _on_lost(self, consumer: Any, topic_partitions: list[Any]) -> None:
        self.lost()
        super()._on_lost(consumer, topic_partitions)


class SecondStage:
    """One member of the group. `slots` are the correlations of packs by their names in the configuration.

    `leave` ends this process at once, with the reason: what is not committed is done again by who comes next.

    `run` is for the main thread; the rest may be called by others.
    """

    def __init__(
        self,
        settings: StageSettings,
        topic: HitsTopic,
        slots: Mapping[str, FamilySteps],
        leave: Callable[[str], None],
        bounds: Bounds,
        suppressions: Suppressions | None = None,
    ) -> None:
        self.told = Told()
        self.restoring = Restoring()
        self._suppressions = suppressions
        self._held = StoredSuppression(bounds)
        self._settings = settings
        self._topic = topic
        self._leave = leave
        self._slots: dict[str, list[FamilySteps]] = {name: [each] for name, each in slots.items()}
        self._stopping = threading.Event()
        self._strange: set[tuple[str, str]] = set()  # families that were waited for in vain
        self._application: _Application | None = None

    def add(self, slot: str, steps: FamilySteps) -> None:
        """A new pack runs: hits of the old one, of which some may be on their way, are still known."""
        before = self._slots.get(slot, [])
        self._slots[slot] = [steps, *before[:1]]

    def stop(self) -> None:
        """Make `run` return when what is in work is committed."""
        self._stopping.set()
        if self._application is not None:
            self._application.stop()

    def assigned(self) -> dict[str, list[int]]:
        """The partitions of hits that are read here."""
        if self._application is None:
            return {}
        try:
            mine = self._application._consumer.assignment()
        except RuntimeError:  # it is closed
            return {}
        own = sorted(each.partition for each in mine if each.topic == self._settings.hits)
        return {self._settings.hits: own} if own else {}

    def counts(self) -> CorrelationCounts:
        """What the correlations counted, by the name of the count."""
        found: CorrelationCounts = {}
        for slot, some in self._slots.items():
            for steps in some:
                names = {name: described(each) for name, each in steps.definitions.items()}
                for count, by_name in counts_of_pack(slot, names, steps.counts).items():
                    known = found.setdefault(count, {})
                    for name, number in by_name.items():
                        known[name] = known.get(name, 0) + number
        if self.told.held:
            found["held"] = dict(self.told.held)
            found["held_forgotten"] = dict(self.told.held_forgotten)
        return found

    def run(self) -> None:
        """Read until told to stop. Raises `SigmacError` where trying again cannot help."""
        try:
            self._application = self._made()
            if not self._stopping.is_set():
                self._application.run()
        except StateRecoveryOffsetOutOfRange:
            raise StreamError(
                f"kafka: hits of {self._settings.hits} were gone before they were read, and the state of "
                "correlations does not fit what is left; remove the state folder and the changelog topic of this "
                "stage, and reset its consumer group"
            ) from None
        except TopicConfigurationMismatch as error:
            raise StreamError(
                f"kafka: the changelog does not fit the topic of hits: {error}"
            ) from None
        except InvalidStoreChangelogOffset:
            raise StreamError(
                f"{self._settings.folder}: the state of correlations is of another changelog topic; remove this "
                "folder, and the state is restored from the topic that is there"
            ) from None

    def _made(self) -> _Application:
        settings = self._settings
        application = _Application(
            # All else is among the others: what stands here is logged.
            ConnectionConfig(bootstrap_servers=settings.servers),
            consumer_group=settings.group,
            auto_offset_reset="earliest",
            auto_recover_from_source_offset_out_of_range=False,
            commit_interval=settings.max_wait,
            commit_every=_MOST_HITS,
            consumer_extra_config=dict(settings.consumer),
            producer_extra_config=dict(settings.producer),
            consumer_poll_timeout=min(0.25, settings.max_wait),
            state_dir=settings.folder,
            loglevel=None,
            processing_guarantee="exactly-once" if settings.exactly_once else "at-least-once",
        )
        application.before_assign = self._before_assign
        states = application._state_manager
        self.restoring.watch(states)
        application.after_assign = lambda: self.restoring.count(states._recovery_manager.partitions)
        # Its checkpoint would go on to be committed, with what it had read of partitions that are another's now.
        application.lost = lambda: self._leave("the group gave its partitions to others")
        hits = application.topic(
            settings.hits, value_deserializer="bytes", value_serializer=_Bytes()
        )
        alerts = application.topic(settings.alerts, value_serializer=_Bytes())
        frame = application.dataframe(hits)
        frame = frame.apply(self._decoded, expand=True, metadata=True)
        frame = frame.apply(self._take, expand=True, stateful=True, metadata=True)
        frame = frame.set_headers(lambda message, *_: list(message.headers))
        frame.to_topic(
            lambda message, *_: hits if is_candidate(message.headers) else alerts,
            key=lambda message: message.key,
        )
        return application

    def _before_assign(self, partitions: list[Any]) -> None:
        """The state of a partition is whole when nothing of its last owner is undecided."""
        self.told.rebalances += 1
        changelogs = [each for each in partitions if each.topic != self._settings.hits]
        if changelogs and self._settings.exactly_once:
            try:
                self._topic.wait_for_ends(changelogs, self._settings.transaction + 10)
            except (KafkaException, TimeoutError, StreamError) as error:
                self._leave(str(error))

    def _decoded(
        self, value: bytes, key: Any, _: int, headers: Any
    ) -> Iterator[HitMessage | Candidate]:
        self.told.hits += 1
        self.told.bytes += len(value or b"")
        try:
            if not key:
                raise InputError("a hit without a key")
            given = tuple(headers or ())
            if is_candidate(given):
                yield candidate_of(Message(value or b"", key, given))
            else:
                yield decode(value)
        except InputError as error:
            if not self.told.malformed:
                log.warning("the topic of hits has what is none", reason=str(error)[:200])
            self.told.malformed += 1

    def _take(
        self, given: HitMessage | Candidate, key: Any, _: int, __: Any, state: State
    ) -> list[Message]:
        offset = message_context().offset
        stores = PartitionStores(state, message_context().partition)
        if isinstance(given, Candidate):
            made = self._judged(given, stores, key, offset)
        else:
            made = self._alerts(given, stores, key, offset)
        around = sum(is_candidate(each.headers) for each in made)
        self.told.around += around
        self.told.alerts += len(made) - around
        return made

    def _judged(
        self, candidate: Candidate, stores: Stores, key: bytes, offset: int
    ) -> list[Message]:
        given = candidate.time, candidate.span, offset
        held, gone = self._held.take(stores, key, *given)
        self.told.held_forgotten[candidate.slot] += gone
        if held is None:
            self.told.held[candidate.slot] += 1
            return []
        return [candidate.out(held)]

    def _alerts(self, hit: HitMessage, stores: Stores, key: bytes, offset: int) -> list[Message]:
        steps = self._steps(hit)
        if steps is None:
            self.told.unknown += 1
            return []
        family = steps.families[hit.family]
        alerts = steps.take(family, hit.place, hit.observation, stores, key, offset)
        return [self._message(each, hit) for each in alerts if not each.correlation.silent]

    def _message(self, alert: Alert, hit: HitMessage) -> Message:
        """An alert as it goes out, or where it is found out whether it does."""
        seen = hit.observation
        message = alert_message(alert, hit.pack, seen.source[1], hit.event)
        if self._suppressions is None:
            return message
        given = alert.correlation, seen.values, seen.time, alert.group
        alike = self._suppressions.of_alert(*given)
        return message if alike is None else as_candidate(hit.slot, message, alike, hit.event)

    def _steps(self, hit: HitMessage) -> FamilySteps | None:
        """What has the family of a hit; None where no pack has it.

        Workers may have a new pack before this stage: it is waited for, once for each family.
        """
        until = time.monotonic() + min(_PATIENCE, self._settings.transaction / 2)
        while True:
            for steps in self._slots.get(hit.slot, ()):
                if hit.family in steps.families:
                    return steps
            if (hit.slot, hit.family) in self._strange or self._stopping.is_set():
                return None
            if time.monotonic() > until:
                break
            time.sleep(0.1)
        if len(self._strange) < _MOST_STRANGE:
            self._strange.add((hit.slot, hit.family))
        log.warning(
            "hits of correlations that no pack of this stage has; they are dropped",
            pack=hit.slot,
            version=hit.pack["version"],
        )
        return None
