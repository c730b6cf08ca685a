"""The fields of an event that is being made: a dotted one stands in objects within objects where these have room."""

from __future__ import annotations

import copy
from typing import Any

from sigmac.compiler.validation.near_values import ABSENT

Event = dict[str, Any]


def put(event: Event, field: str, value: Any) -> None:
    """Set a field that is not there yet; where no object has room for a dotted one it is a key of the event."""
    *path, last = field.split(".")
    node = event
    for part in path:
        below = node.setdefault(part, {})
        if not isinstance(below, dict):
            event[field] = value
            return
        node = below
    if last in node and node is not event:
        event[field] = value
    else:
        node[last] = value


def remove(event: Event, field: str) -> None:
    """Take a field out, whichever way it stands there."""
    event.pop(field, None)
    *path, last = field.split(".")
    node: Any = event
    for part in path:
        node = node.get(part) if isinstance(node, dict) else None
    if isinstance(node, dict):
        node.pop(last, None)


def replace_value(event: Event, field: str, value: Any) -> None:
    """Set a field, or take it out if the value is ABSENT."""
    remove(event, field)
    if value is not ABSENT:
        put(event, field, value)


def with_value(event: Event, field: str, value: Any) -> Event:
    """A copy of an event with another value in one field."""
    made = copy.deepcopy(event)
    replace_value(made, field, value)
    return made


def value_of(event: Event, field: str) -> Any:
    """The value of a field, ABSENT where there is none."""
    if field in event:
        return event[field]
    node: Any = event
    for part in field.split("."):
        if not isinstance(node, dict) or part not in node:
            return ABSENT
        node = node[part]
    return node
