"""The consumer of a source: over librdkafka's own functions where that can be, else confluent-kafka's."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

from confluent_kafka import Consumer

from sigmac.runtime.engine.machine_code.choice import find_kernels
from sigmac.runtime.stream.kafka.connection import Connection, Properties, make_client
from sigmac.runtime.stream.kafka.direct.librdkafka import LibraryMissing
from sigmac.runtime.stream.kafka.direct.polled import Polled
from sigmac.runtime.stream.kafka.message_batch import PolledMessages

# Environment variable: `python` for confluent-kafka's consumer
CHOICE = "SIGMAC_CONSUMER"


class Messages(NamedTuple):
    """How messages come from a consumer.

    `take` gives at most so many, within so many seconds. `more` gives what waits besides, while no rebalance does; one
    that comes meanwhile waits for `catch_up`, or for the next `take`.
    """

    take: Callable[[int, float], Polled]
    more: Callable[[int], Polled]
    catch_up: Callable[[], None]


log = logging.getLogger("sigmac.stream.kafka")


def make_consumer(properties: Properties, connection: Connection) -> tuple[Any, Messages]:
    """A consumer with the methods of confluent-kafka's, and its messages. Raises as `make_client`."""
    direct = _direct()
    if direct is not None:
        consumer = make_client(direct, properties, connection)
        return consumer, Messages(consumer.take, consumer.more, consumer.catch_up)
    consumer = make_client(Consumer, properties, connection)

    def take(most: int, wait: float) -> Polled:
        return PolledMessages(consumer.consume(most, wait))

    # confluent-kafka puts nothing off, so there is no more.
    return consumer, Messages(take, lambda _: PolledMessages([]), lambda: None)


def _direct() -> Callable[..., Any] | None:
    if os.environ.get(CHOICE) == "python" or sys.maxsize < 2**32:
        return None
    kernels = find_kernels()
    if kernels is None:
        return None
    from sigmac.runtime.stream.kafka.direct.direct_consumer import DirectConsumer
    from sigmac.runtime.stream.kafka.direct.functions import functions

    try:
        functions()
    except LibraryMissing as error:
        log.info("records become objects one by one, which costs more: %s", error)
        return None
    return partial(DirectConsumer, kernels=kernels)
