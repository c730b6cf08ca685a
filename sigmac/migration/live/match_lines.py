"""A line that a program writes of matches, read as what it found and where."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import orjson

from sigmac.migration.live.live_settings import SideSettings
from sigmac.migration.live.pairing import Found
from sigmac.runtime.errors import InputError
from sigmac.runtime.stream.match_message import without_event

_LONGEST = 1000  # characters of a rule's id or title
_MOST = 1 << 62  # an offset is smaller


def read_line(line: bytes, side: SideSettings, topics: Mapping[str, int]) -> list[Found]:
    """What a line says; `topics` are those that are compared, with their numbers of partitions.

    Raises `InputError` where it is none that says which rule matches which of their events.
    """
    try:
        told = orjson.loads(line)
    except ValueError:
        told = _but_for_the_event(line)
    if not isinstance(told, dict):
        raise InputError("it is no object")
    topic, partition, offset, event = _place(_at(told, side.source), topics)
    return [
        Found(topic, partition, offset, event, *_rule(each, side)) for each in _results(told, side)
    ]


def _but_for_the_event(line: bytes) -> Any:
    """An event may be nested so deep that no parser takes it."""
    try:
        return without_event(line)
    except ValueError:
        raise InputError("it is no JSON") from None


def _results(told: dict[str, Any], side: SideSettings) -> Iterator[Any]:
    found = _at(told, side.results) if side.results else None
    yield from found if isinstance(found, list) else [told]


def _place(source: Any, topics: Mapping[str, int]) -> tuple[str, int, int, int]:
    if not isinstance(source, dict):
        raise InputError("it does not say where its event lies")
    topic = source.get("topic", next(iter(topics)) if len(topics) == 1 else None)
    if not isinstance(topic, str):
        raise InputError("it does not say of which topic or file its event is")
    alone = 0 if topics.get(topic) == 1 else None
    numbers = [source.get("partition", alone), source.get("offset"), source.get("index", 0)]
    if any(type(each) is not int or not 0 <= each < _MOST for each in numbers):
        raise InputError("where its event lies is no partition and offset")
    if not numbers[0] < topics.get(topic, 0):
        raise InputError("its event is of a topic or partition that is not compared")
    return topic, *numbers


def _rule(result: Any, side: SideSettings) -> tuple[str, str]:
    """The rule's id, or its title where it has none, and its title."""
    names = [_at(result, path) for path in side.rule]
    texts = [each for each in names if isinstance(each, str) and each]
    if not texts:
        raise InputError("it does not say which rule matches")
    if max(map(len, texts)) > _LONGEST:
        raise InputError("the name of its rule is too long")
    return texts[0], texts[-1]


def _at(value: Any, path: str) -> Any:
    """The value under dotted names; None where there is none."""
    for name in path.split("."):
        value = value.get(name) if isinstance(value, dict) else None
    return value
