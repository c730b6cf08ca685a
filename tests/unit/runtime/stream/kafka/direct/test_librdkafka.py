"""The C library is found wherever an installation has put it."""

from __future__ import annotations

import ctypes.util
import sys
from collections.abc import Iterator

import confluent_kafka.cimpl
import pytest

from sigmac.runtime.stream.kafka.direct import librdkafka
from sigmac.runtime.stream.kafka.direct.librdkafka import LibraryMissing, load


@pytest.fixture(autouse=True)
def _afresh() -> Iterator[None]:
    load.cache_clear()
    yield
    load.cache_clear()


def test_it_is_the_one_that_the_client_uses() -> None:
    library = load("rd_kafka_version", "rd_kafka_mock_cluster_new")
    assert library.rd_kafka_version() == confluent_kafka.libversion()[1]


def test_the_one_of_the_system_is_next(monkeypatch: pytest.MonkeyPatch) -> None:
    # A client without librdkafka's names: any other module. And the system's: the one that is loaded.
    monkeypatch.setattr(confluent_kafka.cimpl, "__file__", sys.modules["_ctypes"].__file__)
    there = load_path()
    monkeypatch.setattr(ctypes.util, "find_library", lambda _: there)
    assert load("rd_kafka_version").rd_kafka_version() == confluent_kafka.libversion()[1]


def load_path() -> str:
    """Where the client's librdkafka lies."""
    with open("/proc/self/maps", encoding="ascii") as maps:
        return next(line.split()[-1] for line in maps if "librdkafka" in line)


def test_none_is_one_clear_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(LibraryMissing, match="no librdkafka with no_such_function is found"):
        load("no_such_function")
    monkeypatch.setitem(sys.modules, "confluent_kafka", None)
    with pytest.raises(
        LibraryMissing, match=r"confluent-kafka is missing: pip install 'sigmac\[kafka\]'"
    ):
        load("rd_kafka_version")


def test_it_is_an_import_error_so_that_tests_can_skip() -> None:
    assert issubclass(librdkafka.LibraryMissing, ImportError)
