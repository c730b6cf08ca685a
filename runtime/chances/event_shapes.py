"""What events look like whose fields no rule asks for: EVTX that is not flat, events in a wrapping, another schema."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

EVTX = "evtx"
MESSAGE = "message"
WRAPPED = "wrapped:"  # followed by the path to the event
SCHEMA = "schema:"  # followed by the name of a pipeline
# What PowerShell's `Get-WinEvent | ConvertTo-Json` leaves of an event beside its message
_BESIDE_MESSAGE = frozenset(
    {"Channel", "Computer", "Data", "EventID", "Level", "Message", "Provider_Name"}
)
_BESIDE = 6  # values beside an event that is in a wrapping, at most
_LEAST = 3  # fields of an event


class EventShapes:
    """Says of an event that it looks like what needs an option or a pipeline.

    `asked` are the fields that rules ask; `schemas` has for the name of a pipeline sets of fields: an event that has
    all of one set is of its schema.
    """

    def __init__(self, asked: Collection[str], schemas: Mapping[str, Sequence[Sequence[str]]]):
        self._asked = frozenset(asked)
        self._schemas = {name: [frozenset(each) for each in sets] for name, sets in schemas.items()}

    def shape_of(self, event: Mapping[str, Any], names: Collection[str]) -> str | None:
        """`evtx`, `message`, `wrapped:PATH` or `schema:PIPELINE`; None for what is not known, or is as rules ask."""
        found = frozenset(names)
        if {"Event.System", "Event.System.EventID"} <= found:
            return EVTX
        if {"Channel", "EventID", "Message"} <= found <= _BESIDE_MESSAGE:
            return MESSAGE
        for name, sets in self._schemas.items():
            if any(each <= found for each in sets):
                return SCHEMA + name
        if found.isdisjoint(self._asked):
            path = wrapping_of(event)
            return None if path is None else WRAPPED + path
        return None


def wrapping_of(event: Mapping[str, Any]) -> str | None:
    """The path to what the event seems to be, in one value that stands among a few others; None where there is none.

    >>> wrapping_of({"took": 3, "docs": [{"EventID": 1, "Image": "a", "Channel": "c"}]})
    'docs[]'
    """
    inner = {key: value for key, value in event.items() if isinstance(value, (dict, list))}
    if len(inner) != 1 or len(event) > _BESIDE + 1:
        return None
    ((key, value),) = inner.items()
    if "." in key or key.endswith("[]"):
        return None  # no path leads there
    if isinstance(value, list):
        objects = bool(value) and all(isinstance(each, dict) for each in value)
        return f"{key}[]" if objects and len(value[0]) >= _LEAST else None
    deeper = wrapping_of(value)
    if deeper is not None:
        return f"{key}.{deeper}"
    return key if len(value) >= _LEAST else None
