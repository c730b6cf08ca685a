"""EVTX as JSON, `{"Event": {"System": …, "EventData" or "UserData": …}}`, made flat as rules expect it.

The shapes are those of evtx_dump; names follow the Sigma taxonomy (blanks in names of data are removed).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import orjson

from sigmac.runtime.scalar.json_record import json_bytes

_ATTRIBUTES = "#attributes"
_TEXT = "#text"
# On a conflict these are System's, whatever the data says.
_OF_SYSTEM = ("EventID", "Channel", "Computer", "Provider_")


def flatten(event: dict[str, Any]) -> dict[str, Any]:
    """An EVTX record as a flat event; any other object unchanged.

    >>> flatten({"Event": {"System": {"EventID": {"#text": 1}}, "EventData": {"Threat Name": "x"}}})
    {'EventID': 1, 'ThreatName': 'x'}
    """
    record = event.get("Event")
    if not isinstance(record, dict) or not isinstance(record.get("System"), dict):
        return event
    system = dict(_system(record["System"]))
    flat = dict(system)
    user_data = record.get("UserData")
    if isinstance(user_data, dict):
        for name, body in user_data.items():
            if name != _ATTRIBUTES and isinstance(body, dict):
                flat |= dict(_named(body))
    event_data = record.get("EventData")
    if isinstance(event_data, dict):
        flat |= dict(_named(event_data))
    flat |= {name: value for name, value in system.items() if name.startswith(_OF_SYSTEM)}
    return flat


def flatten_lines(records: bytes) -> bytes:
    """A batch of EVTX records, one a line, as a batch of flat events; a line that is no JSON object stays as it is."""
    lines = records.removeprefix(b"\xef\xbb\xbf").split(b"\n")
    return b"\n".join(map(_flatten_line, lines))


def _flatten_line(line: bytes) -> bytes:
    try:
        event = orjson.loads(line)
    except orjson.JSONDecodeError:
        return line
    if not isinstance(event, dict):
        return line
    flat = flatten(event)
    try:
        return json_bytes(flat)
    except RecursionError:
        return b"nested too deep"  # no JSON: rejected, not evaluated as what it is not


def _system(system: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    for name, value in system.items():
        if isinstance(value, dict):
            attributes = value.get(_ATTRIBUTES, {})
            if isinstance(attributes, dict):
                for attribute, content in attributes.items():
                    yield f"{name}_{attribute}", content
            if _TEXT in value:
                yield name, value[_TEXT]
        elif name != _ATTRIBUTES and value is not None:
            yield name, value


def _named(data: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    for name, value in data.items():
        if name == _ATTRIBUTES:
            continue
        if name == "Data":
            # Unnamed Data: one value, several, or an object with the texts
            yield name, value.get(_TEXT) if isinstance(value, dict) else value
        else:
            yield (
                name.replace(" ", ""),
                value.get(_TEXT, value) if isinstance(value, dict) else value,
            )
