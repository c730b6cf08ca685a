"""What the Kafka source and sinks share: properties of librdkafka, and what its errors mean."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Collection, Mapping
from typing import Any

from confluent_kafka import KafkaError, KafkaException

from sigmac.runtime.errors import ConfigurationError, StreamError
from sigmac.runtime.stream.kafka.silence import INTERVAL

Properties = Mapping[str, Any]

_ASK = 5.0  # seconds to wait for metadata

# What the delivery guarantee rests on is not a matter of taste.
RESERVED = {
    "enable.auto.commit": "offsets are committed when what came of the records is delivered",
    "enable.auto.offset.store": "offsets are committed when what came of the records is delivered",
    "enable.partition.eof": "a stream has no end",
    "transactional.id": "each worker has its own",
    "enable.idempotence": "producers are always idempotent",
    "acks": "a message is delivered when all replicas in sync have it",
}
# Trying again does not mend these.
_PERMANENT = {
    KafkaError.TOPIC_AUTHORIZATION_FAILED: "no permission for the topic",
    KafkaError.GROUP_AUTHORIZATION_FAILED: "no permission for the consumer group",
    KafkaError.CLUSTER_AUTHORIZATION_FAILED: "no permission for idempotent writes to the cluster",
    KafkaError.TRANSACTIONAL_ID_AUTHORIZATION_FAILED: "no permission for the transactional id",
    KafkaError.SASL_AUTHENTICATION_FAILED: "the broker refuses the credentials",
    KafkaError._AUTHENTICATION: "the broker refuses the credentials",
    KafkaError.UNSUPPORTED_SASL_MECHANISM: "the broker does not support the SASL mechanism",
    KafkaError.UNKNOWN_TOPIC_OR_PART: "there is no such topic",
    KafkaError._UNKNOWN_TOPIC: "there is no such topic",
    KafkaError._UNKNOWN_PARTITION: "there is no such partition",
    KafkaError._INVALID_ARG: "a property has a wrong value",
    KafkaError._SSL: "TLS fails",
}
# With TLS 1.3 a broker refuses a certificate when the handshake is over, and librdkafka sees a connection that broke:
# the alerts `bad_certificate` to `access_denied`, and `certificate_required`.
_REFUSED_CERTIFICATE = re.compile(r"SSL alert number (4[2-9]|116)\b")
# Those of the common properties that only a consumer knows.
_OF_CONSUMERS = (
    "auto.offset.reset",
    "check.crcs",
    "fetch.error.backoff.ms",
    "fetch.max.bytes",
    "fetch.message.max.bytes",
    "fetch.min.bytes",
    "fetch.queue.backoff.ms",
    "fetch.wait.max.ms",
    "group.id",
    "group.instance.id",
    "group.protocol",
    "group.remote.assignor",
    "heartbeat.interval.ms",
    "isolation.level",
    "max.partition.fetch.bytes",
    "max.poll.interval.ms",
    "partition.assignment.strategy",
    "queued.max.messages.kbytes",
    "queued.min.messages",
    "session.timeout.ms",
)


class Connection:
    """Whether the broker answers, as librdkafka's threads report it; shared by a worker's clients."""

    def __init__(self) -> None:
        self.connected = False
        self.trouble = ""  # one sentence
        self.refused: KafkaError | None = None  # credentials or TLS that the broker does not take

    def on_error(self, error: KafkaError) -> None:
        """What librdkafka calls for errors of the client as a whole; it tries again by itself."""
        if error.code() in (KafkaError._AUTHENTICATION, KafkaError._SSL):
            self.refused = error
        elif _REFUSED_CERTIFICATE.search(error.str()):
            self.refused = KafkaError(KafkaError._SSL, error.str())
        if error.code() in (KafkaError._ALL_BROKERS_DOWN, KafkaError._TRANSPORT):
            self.connected = False
        self.trouble = error.str()

    def answered(self) -> None:
        """The broker did what it was asked."""
        self.connected = True
        self.trouble = ""
        self.refused = None


def check_properties(properties: Properties, where: str) -> None:
    """Raise `ConfigurationError` for properties that are not the user's to set."""
    for name, reason in RESERVED.items():
        if name in properties:
            raise ConfigurationError(f"{where}: `{name}` cannot be set: {reason}")


def make_client(kind: Callable[..., Any], properties: Properties, connection: Connection) -> Any:
    """A consumer, producer or admin client.

    Raises `ConfigurationError` where librdkafka does not know a property or its value; the message names the property.
    """
    try:
        return kind(
            {**properties, "error_cb": connection.on_error},
            logger=logging.getLogger("sigmac.librdkafka"),
        )
    except KafkaException as error:
        raise ConfigurationError(f"kafka: {error.args[0].str()}") from None
    except (TypeError, ValueError) as error:
        raise ConfigurationError(f"kafka: {error}") from None


def find_topics(
    client: Any, connection: Connection, topics: Collection[str]
) -> Mapping[str, int] | None:
    """How many partitions each topic has; None where the broker does not answer yet.

    Raises `StreamError` where a topic is missing, or where the broker does not let the client in.
    """
    try:
        known = client.list_topics(timeout=_ASK).topics
    except KafkaException as error:
        client.poll(0)  # why there is no connection is told to `on_error` no sooner
        stop = permanent(connection.refused or error.args[0], "the broker")
        if stop is not None:
            raise stop from None
        connection.connected = False
        connection.trouble = connection.trouble or error.args[0].str()
        return None
    connection.answered()
    # A broker does not tell a topic that may not be seen from one that is not there.
    if missing := sorted(set(topics) - set(known)):
        names = ", ".join(missing)
        raise StreamError(
            f"kafka: there is no topic {names}, or no permission to see it; create it first"
        )
    return {topic: len(known[topic].partitions) for topic in topics}


def permanent(error: KafkaError, what: str) -> StreamError | None:
    """The error to stop with, where trying again cannot mend it; `what` names the topic or group."""
    meaning = _PERMANENT.get(error.code())
    return StreamError(f"kafka: {what}: {meaning} ({error.str()})") if meaning else None


def consumer_properties(
    properties: Properties, own: Properties, max_mib: float, worker: int = 0
) -> dict[str, Any]:
    """Properties of a worker's consumer: ours, the user's over them."""
    classic = {**properties, **own}.get("group.protocol") != "consumer"
    made = {
        "auto.offset.reset": "earliest",
        # With the other protocol the broker assigns.
        **({"partition.assignment.strategy": "cooperative-sticky"} if classic else {}),
        "isolation.level": "read_committed",
        "queued.max.messages.kbytes": max(1024, int(max_mib * 2 * 1024)),
        # How long a partition is not fetched after the queue was full: librdkafka's second starves a quick worker.
        "fetch.queue.backoff.ms": 20,
        # A broker that is frozen is known by them alone, for a minute or more.
        "statistics.interval.ms": int(INTERVAL * 1000),
        **_without(properties, "message.timeout.ms", "transaction.timeout.ms"),
        **own,
        "enable.auto.commit": False,
        "enable.auto.offset.store": False,
    }
    if name := made.get("group.instance.id"):
        # Two members of one name would drive each other out of the group.
        made["group.instance.id"] = f"{name}-{worker}"
    return made


def producer_properties(
    properties: Properties, own: Properties, transactional_id: str | None
) -> dict[str, Any]:
    """Properties of a worker's producer: ours, the user's over them.

    Without transactions a message is tried for as long as it takes: a broker that is away is a stall, not a loss.
    """
    made: dict[str, Any] = {
        "linger.ms": 5,
        "compression.type": "lz4",
        **({} if transactional_id else {"message.timeout.ms": 0}),
        **_without(properties, *_OF_CONSUMERS),
        **own,
        "enable.idempotence": True,
    }
    if transactional_id:
        made["transactional.id"] = transactional_id
    return made


def shared_properties(properties: Properties) -> dict[str, Any]:
    """The user's properties for both clients, without those that only one of them knows."""
    return _without(properties, *_OF_CONSUMERS, "message.timeout.ms", "transaction.timeout.ms")


def is_fatal(error: KafkaError) -> bool:
    """Whether the client that reports it is of no use any more."""
    return error.fatal() or error.code() == KafkaError._FATAL


def _without(properties: Properties, *names: str) -> dict[str, Any]:
    """librdkafka warns of a consumer's property that is given to a producer, and the other way round."""
    return {name: value for name, value in properties.items() if name not in names}
