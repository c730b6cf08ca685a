"""The topic of hits: made where it is missing, and looked at before anything is written to it or read from it."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence

import structlog
from confluent_kafka import (
    ConsumerGroupTopicPartitions,
    IsolationLevel,
    KafkaError,
    KafkaException,
    TopicPartition,
)
from confluent_kafka.admin import (
    AdminClient,
    ConfigResource,
    NewTopic,
    OffsetSpec,
    ResourceType,
)

from sigmac.runtime.errors import StreamError
from sigmac.runtime.stream.kafka.connection import (
    Connection,
    Properties,
    make_client,
    permanent,
    shared_properties,
)

log = structlog.get_logger("sigmac.stream.correlations")

_ASK = 5.0  # seconds for an answer
_LEAST_MESSAGE = 1_000_000  # bytes; hits and alerts are made to have fewer


class HitsTopic:
    """The topic of hits on a cluster; `workers` is how many processes of the second stage this service starts."""

    def __init__(
        self,
        name: str,
        properties: Properties,
        connection: Connection,
        *,
        workers: int,
        partitions: int,
        replication: int,
    ) -> None:
        self.name = name
        self._workers = workers
        self._partitions = partitions
        self._replication = replication
        self._connection = connection
        self._admin = make_client(AdminClient, shared_properties(properties), connection)

    def start(self) -> bool:
        """See that the topic is there; False where the broker does not answer yet.

        Raises `StreamError` where it cannot be made, or cannot do.
        """
        try:
            found = self._admin.list_topics(timeout=_ASK).topics
        except KafkaException as error:
            self._admin.poll(0)  # why there is no connection is told to `on_error` no sooner
            stop = permanent(self._connection.refused or error.args[0], "the broker")
            if stop is not None:
                raise stop from None
            self._connection.trouble = self._connection.trouble or error.args[0].str()
            return False
        if self.name not in found:
            self._make()
            return False  # it is known a little later
        partitions = len(found[self.name].partitions)
        if partitions < self._workers:
            raise StreamError(
                f"kafka: the topic of hits {self.name} has {partitions} partitions, and "
                f"`correlations.workers` is {self._workers}: some would have nothing to do; make another topic"
            )
        policy = self.settings(self.name).get("cleanup.policy", "delete")
        if policy != "delete":
            raise StreamError(
                f"kafka: the topic of hits {self.name} has `cleanup.policy` {policy}, which drops hits of the same "
                "group; set it to delete"
            )
        return True

    def check_alerts(self, topic: str, *, matches: bool) -> None:
        """Raise `StreamError` where a topic does not take the largest alerts, or `matches` that came by this one."""
        largest = int(self.settings(topic).get("max.message.bytes", _LEAST_MESSAGE))
        own = int(self.settings(self.name).get("max.message.bytes", _LEAST_MESSAGE))
        if matches and largest < own:
            raise StreamError(
                f"kafka: the topic {topic} takes messages of {largest:,} bytes, and the topic of hits {self.name}, by "
                f"which matches come that may be held back, takes {own:,}: raise the `max.message.bytes` of {topic}"
            )
        if largest < _LEAST_MESSAGE:
            raise StreamError(
                f"kafka: the topic {topic} takes messages of {largest:,} bytes, and alerts may have "
                f"{_LEAST_MESSAGE:,}: raise its `max.message.bytes`"
            )

    def _make(self) -> None:
        new = NewTopic(self.name, self._partitions, self._replication)
        try:
            self._admin.create_topics([new], operation_timeout=_ASK)[self.name].result(2 * _ASK)
        except KafkaException as error:
            kafka = error.args[0]
            if kafka.code() == KafkaError.TOPIC_ALREADY_EXISTS:
                return  # another process was quicker
            if kafka.retriable():
                self._connection.trouble = kafka.str()
                return
            raise StreamError(
                f"kafka: the topic of hits {self.name} cannot be made ({kafka.str()}); create it first"
            ) from None
        log.info("the topic of hits is made", topic=self.name, partitions=self._partitions)

    def settings(self, topic: str) -> Mapping[str, str]:
        """The settings of a topic; none where the broker does not tell them."""
        asked = ConfigResource(ResourceType.TOPIC, topic)
        try:
            told = self._admin.describe_configs([asked], request_timeout=_ASK)[asked].result(
                2 * _ASK
            )
        except KafkaException as error:
            log.warning("a topic's settings are not known", topic=topic, reason=error.args[0].str())
            return {}
        return {name: str(each.value) for name, each in told.items()}

    def lag(self, group: str, partitions: Sequence[int]) -> dict[int, int]:
        """How many records wait in some partitions, marks of transactions included; none where it is not known."""
        places = [TopicPartition(self.name, each) for each in partitions]
        if not places:
            return {}
        try:
            asked = ConsumerGroupTopicPartitions(group, places)
            told = self._admin.list_consumer_group_offsets([asked], request_timeout=_ASK)[group]
            committed = {
                each.partition: each.offset for each in told.result(2 * _ASK).topic_partitions
            }
            ends = self._ends(places, IsolationLevel.READ_COMMITTED)
        except (KafkaException, TimeoutError):
            return {}
        return {
            each.partition: max(0, end - max(0, committed.get(each.partition, 0)))
            for each, end in zip(places, ends, strict=True)
        }

    def _ends(self, partitions: Sequence[TopicPartition], level: IsolationLevel) -> list[int]:
        latest = OffsetSpec.latest()  # type: ignore[no-untyped-call]
        asked = dict.fromkeys(partitions, latest)
        told = self._admin.list_offsets(asked, isolation_level=level, request_timeout=_ASK)
        return [told[each].result(2 * _ASK).offset for each in partitions]

    def wait_for_ends(self, partitions: list[TopicPartition], patience: float) -> None:
        """Wait until no transaction is open in some partitions: what their last owner wrote is then to be read.

        Raises `StreamError` where that does not come within `patience` seconds.
        """
        until = time.monotonic() + patience
        while True:
            stable = self._ends(partitions, IsolationLevel.READ_COMMITTED)
            ends = self._ends(partitions, IsolationLevel.READ_UNCOMMITTED)
            if stable == ends:
                return
            if time.monotonic() > until:
                open_in = [
                    f"{each.topic}[{each.partition}]"
                    for each, one, other in zip(partitions, stable, ends, strict=True)
                    if one != other
                ]
                raise StreamError(f"a transaction stays open in {', '.join(open_in)}")
            time.sleep(0.1)
