"""What is written as it is, because all of it is JSON's own, and what is not."""

from __future__ import annotations

import datetime
import enum
import uuid
from typing import Any

import numpy as np
import orjson
import pytest

from sigmac.runtime.scalar.json_record import bytes_of


class Colour(enum.Enum):
    RED = "red"


class Name(enum.StrEnum):
    ANN = "ann"


class Text(str):
    __slots__ = ()


@pytest.mark.parametrize(
    "value",
    ["é\n", 1, -(2**63), 2**64 - 1, 0.5, True, None, [], {}, [1, [None, {"b": [0.1]}]], {"a": {"": ""}}],
    ids=repr,
)  # fmt: skip
def test_json_is_written_as_it_is(value: Any) -> None:
    event = {"x": "y", "value": value}
    data = bytes_of(event)
    assert data is not None
    assert orjson.loads(data) == event


@pytest.mark.parametrize(
    "value",
    [
        float("nan"), float("-inf"), (1,), Colour.RED, Name.ANN, Text("a"), uuid.UUID(int=1), 2**64, "\ud800", b"",
        datetime.date(2024, 1, 1), np.float64(1.0), {1: 2}, {"a": {1}},
    ],
    ids=repr,
)  # fmt: skip
@pytest.mark.parametrize("depth", range(3))
def test_anything_else_is_not(value: Any, depth: int) -> None:
    for _ in range(depth):
        value = [{"v": value}]
    assert bytes_of({"x": "y", "value": value}) is None


def test_what_is_nested_too_deep_is_not() -> None:
    event: dict[str, Any] = {}
    for _ in range(2000):
        event = {"a": event}
    assert bytes_of(event) is None
