"""Events and rules made from recorded and public ones by changing their values."""

from __future__ import annotations

import itertools
import random
import re
import uuid
from collections.abc import Callable, Collection, Iterable, Iterator
from pathlib import Path
from typing import Any

import orjson
import yaml

# Values of items with these modifiers are patterns, numbers or names: another text could be no value of theirs.
_FIXED = re.compile(
    r"\|(re|cidr|fieldref|exists|lte?|gte?|expand|minute|hour|day|week|month|year)\b"
)
_WORD = re.compile(r"[A-Za-z]{4,}")


def with_unique_values(lines: Iterable[bytes], keep: Collection[str]) -> Iterator[bytes]:
    """The records with a text of its own before each string value, so that none occurs twice.

    The end of a value and what it contains stay, so rules go on looking at it. The values of the fields `keep` stay as
    they are: where they say which rules concern an event, no rule would be left otherwise.
    """
    numbers = itertools.count()
    return with_values(lines, lambda value: f"{next(numbers):08x}{value}", keep)


def with_values(
    lines: Iterable[bytes], change: Callable[[str], str], keep: Collection[str]
) -> Iterator[bytes]:
    """The records with every string value changed, but for those of the fields `keep`."""
    for line in lines:
        event = orjson.loads(line)
        changed = {
            name: value if name in keep else _changed(value, change)
            for name, value in event.items()
        }
        yield orjson.dumps(changed)


def _changed(value: Any, change: Callable[[str], str]) -> Any:
    if isinstance(value, str):
        return change(value)
    if isinstance(value, list):
        return [_changed(each, change) for each in value]
    if isinstance(value, dict):
        return {name: _changed(inner, change) for name, inner in value.items()}
    return value


def write_rules(rules: Iterable[dict[str, Any]], folder: Path) -> Path:
    """A folder with a file for each rule."""
    folder.mkdir(parents=True)
    for number, rule in enumerate(rules):
        text = yaml.dump(rule, Dumper=yaml.CSafeDumper, sort_keys=False, allow_unicode=True)
        (folder / f"{number:05}.yml").write_text(text, "utf-8")
    return folder


def more_rules(rules: list[dict[str, Any]], count: int) -> list[dict[str, Any]]:
    """So many rules: the given ones in random order, then copies of them with about half of their values changed."""
    order = random.Random(1).sample(rules, len(rules))
    return [
        _copy(rule, number) if (number := place // len(order)) else rule
        for place, rule in zip(range(count), itertools.cycle(order), strict=False)
    ]


def _copy(rule: dict[str, Any], number: int) -> dict[str, Any]:
    chance = random.Random(f"{rule['id']} {number}")
    mark = "x" + "abcdefghijklmnopqrstuvwxyz"[number % 26]

    def change(value: str) -> str:
        return _WORD.sub(rf"\g<0>{mark}", value, count=1) if chance.random() < 0.5 else value

    detection = {
        name: inner if name in ("condition", "timeframe") else _varied(inner, change)
        for name, inner in rule["detection"].items()
    }
    identity = str(uuid.uuid5(uuid.NAMESPACE_OID, f"{rule['id']} {number}"))
    return {**rule, "title": f"{rule['title']} {number}", "id": identity, "detection": detection}


def _varied(value: Any, change: Callable[[str], str]) -> Any:
    if isinstance(value, dict):
        return {
            name: inner if _FIXED.search(name) else _varied(inner, change)
            for name, inner in value.items()
        }
    return (
        _changed(value, change)
        if not isinstance(value, list)
        else [_varied(v, change) for v in value]
    )
