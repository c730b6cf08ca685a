"""Brokers and the pack that the service tests use."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.integration.brokers import BROKERS, Broker, Unavailable
from tests.integration.ledger import RULES
from tests.unit.packs import write_text_pack

logging.getLogger("rdkafka").setLevel(logging.CRITICAL)


@pytest.fixture(scope="session")
def start_broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], Broker]]:
    """Brokers by name, started when first asked for; a test skips, saying so, where one cannot be had."""
    running: dict[str, Broker] = {}

    def start(name: str) -> Broker:
        if name not in running:
            try:
                broker = BROKERS[name](tmp_path_factory.mktemp(name))
                broker.start()
            except Unavailable as error:
                pytest.skip(str(error))
            running[name] = broker
        return running[name]

    yield start
    for broker in running.values():
        broker.kill()


def _marked(names: list[str]) -> list[object]:
    return [pytest.param(name, marks=pytest.mark.java if name == "kafka" else ()) for name in names]


@pytest.fixture(params=_marked(["embedded", "kafka"]))
def broker(request: pytest.FixtureRequest, start_broker: Callable[[str], Broker]) -> Broker:
    """Each broker: the embedded one, and Apache Kafka."""
    return start_broker(request.param)


@pytest.fixture(scope="session")
def pack_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_text_pack(RULES, tmp_path_factory.mktemp("pack"))
