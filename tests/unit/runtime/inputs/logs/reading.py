"""What the tests of readers of text logs share: a log read to its end."""

from __future__ import annotations

import io
from typing import Any

import orjson

from sigmac.runtime.inputs.format import Event, Format, Unreadable


def events_of(form: Format, log: bytes) -> list[dict[str, Any]]:
    """The events of a log that is read without fault."""
    found = []
    for item in form.read(io.BytesIO(log)):
        assert isinstance(item, Event), item
        found.append(orjson.loads(item.data))
    return found


def event_of(form: Format, line: bytes | str) -> dict[str, Any]:
    """The event of a log of one."""
    [event] = events_of(form, line.encode() if isinstance(line, str) else line)
    return event


def faults_of(form: Format, log: bytes) -> dict[int, str]:
    """The reasons of what is unreadable, by line."""
    items = form.read(io.BytesIO(log))
    return {item.position: item.reason for item in items if isinstance(item, Unreadable)}
