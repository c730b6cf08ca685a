"""The environment that Quix Streams lives in, with services that run in it."""

from __future__ import annotations

import subprocess
import uuid
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.integration.brokers import Broker
from tests.integration.ledger import Service, Topics

ROOT = Path(__file__).resolve().parents[2]
PYTHON = ROOT / ".cache" / "cluster-1" / "bin" / "python"


def cluster_python() -> str:
    """The interpreter with Quix Streams; a test without it skips."""
    if not PYTHON.exists():
        pytest.skip("Quix Streams is not installed: `make cluster-tools` does that")
    asked = subprocess.run([PYTHON, "-c", "import quixstreams"], capture_output=True, check=False)
    if asked.returncode:
        pytest.skip("Quix Streams does not load here")
    return str(PYTHON)


@dataclass(slots=True)
class Cluster:
    """Topics, and services of either stage or of both."""

    broker: Broker
    pack: Path
    folder: Path
    delivery: str = "exactly-once"
    partitions: int = 1  # of the events
    hit_partitions: int = 4
    topics: Topics = field(init=False)
    hits: str = field(init=False)

    def __post_init__(self) -> None:
        self.topics = Topics(self.broker, self.partitions)
        self.hits = f"hits-{self.topics.suffix}"

    def service(
        self, stages: list[str], workers: int = 1, *, python: str = "", **changes: Any
    ) -> Service:
        """A service that is not started yet, in the environment of Quix Streams where no other is named."""
        name = "-".join([*stages, uuid.uuid4().hex[:6]])
        folder = self.folder / name
        folder.mkdir()
        return Service(
            self.topics,
            self.pack,
            folder,
            python=python or cluster_python(),
            **{
                "name": name,
                "workers": workers,
                "delivery": self.delivery,
                "correlations": {
                    "topic": self.hits,
                    "stages": stages,
                    "workers": workers,
                    "partitions": self.hit_partitions,
                    "replication": self.broker.replicas,
                },
                **changes,
            },
        )
