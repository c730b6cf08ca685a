"""Three nodes of Apache Kafka, each broker and controller, of which one may be killed at any time."""

from __future__ import annotations

import random
import time
from pathlib import Path
from typing import Any

from confluent_kafka import KafkaException

from tests.integration.brokers import ApacheKafka, Broker

_NODES = 3
_WHOLE = 120.0  # seconds until all replicas are in sync again


class _Node(ApacheKafka):
    standalone = False

    def __init__(self, folder: Path, number: int):
        self._number = number
        self.voters = ""
        folder.mkdir()
        super().__init__(folder)

    def _format(self) -> None:
        pass  # when the ports of all are known

    def format(self, voters: str) -> None:
        self.voters = voters
        super()._format()

    def settings(self) -> dict[str, Any]:
        settings = super().settings()
        del settings["controller.quorum.bootstrap.servers"]
        return settings | {
            "node.id": self._number,
            "controller.quorum.voters": self.voters,
            "offsets.topic.replication.factor": _NODES,
            "transaction.state.log.replication.factor": _NODES,
            "transaction.state.log.min.isr": 2,
            "share.coordinator.state.topic.replication.factor": _NODES,
            "min.insync.replicas": 2,
            # A node that is gone is noticed, and followed, within seconds.
            "broker.session.timeout.ms": 3000,
            "broker.heartbeat.interval.ms": 500,
        }


class KafkaTrio(Broker):
    """All three as one broker: what is acknowledged is on two of them."""

    name = "kafka"
    properties = ApacheKafka.properties
    replicas = _NODES

    def __init__(self, folder: Path):
        super().__init__(folder)
        self.nodes = [_Node(folder / f"node-{number}", number) for number in range(1, _NODES + 1)]
        voters = ",".join(
            f"{number}@127.0.0.1:{node.controller}" for number, node in enumerate(self.nodes, 1)
        )
        for node in self.nodes:
            node.format(voters)

    @property
    def address(self) -> str:
        return ",".join(node.address for node in self.nodes)

    def start(self) -> None:
        for node in self.nodes:
            node.launch()
        for node in self.nodes:
            node.wait()
        self.until_whole()

    def kill(self) -> None:
        for node in self.nodes:
            node.kill()

    def create(self, topic: str, partitions: int, **settings: str) -> None:
        self.create_topic(topic, partitions, settings)

    def restart(self) -> None:
        """Kill one of the nodes, and start it again a little later; wait until all of them are whole before."""
        self.until_whole()
        node = random.choice(self.nodes)
        node.kill()
        time.sleep(random.uniform(0.0, 5.0))
        node.start()

    def until_whole(self) -> None:
        """Wait until all replicas of all partitions are in sync."""
        until = time.monotonic() + _WHOLE
        while not self._whole():
            assert time.monotonic() < until, "some replicas stay behind"
            time.sleep(0.2)

    def _whole(self) -> bool:
        try:
            told = self.admin().list_topics(timeout=5)
        except KafkaException:
            return False
        partitions = [one for topic in told.topics.values() for one in topic.partitions.values()]
        return len(told.brokers) == _NODES and all(len(one.isrs) == _NODES for one in partitions)
