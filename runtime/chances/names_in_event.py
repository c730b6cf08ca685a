"""The names under which a rule finds what an event holds."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from sigmac.runtime.scalar.scalars import flat

DEPTH = 32  # parts of a name
LONGEST = 200  # characters of it
_CONTAINERS = (dict, list)


def names_of(
    event: Mapping[str, Any], depth: int = DEPTH, longest: int = LONGEST
) -> tuple[str, ...]:
    """The names under which a rule finds the fields of an event: its keys, and the ways into objects with dots.

    Keys that have dots themselves lead no rule any deeper; what is below them is quoted. Names are left out that are
    longer, or have more parts, than said.

    >>> names_of({"a": {"b": [{"c": 1}, {"d": 2}]}, "x.y": {"z": 1}})
    ('a', 'x.y', 'a.b', '"x.y".z', 'a.b.c', 'a.b.d')
    """
    found = dict.fromkeys(event)
    held = [item for item in event.items() if item[1].__class__ in _CONTAINERS]
    level = [(_quoted(key), value) for key, value in held]
    for _ in range(depth):
        if not level:
            break
        inner = [*_inner(level, longest)]
        found |= dict.fromkeys(name for name, _ in inner)
        level = [pair for pair in inner if pair[1].__class__ in _CONTAINERS]
    return (
        tuple(found)
        if max(map(len, found), default=0) <= longest
        else _without_long(found, longest)
    )


def _without_long(names: Iterable[str], longest: int) -> tuple[str, ...]:
    return tuple(name for name in names if len(name) <= longest)


def _inner(level: Iterable[tuple[str, Any]], longest: int) -> Iterator[tuple[str, Any]]:
    for name, value in level:
        if len(name) < longest:
            for each in flat(value) if value.__class__ is list else (value,):
                if each.__class__ is dict:
                    for key, inner in each.items():
                        yield f"{name}.{_quoted(key)}", inner


def _quoted(key: str) -> str:
    return f'"{key}"' if "." in key else key
