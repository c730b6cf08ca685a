"""One record as JSON: strictly read, and written again for the kernels."""

from __future__ import annotations

from typing import Any

import orjson

from sigmac.runtime.errors import EventError


def record_of(event: dict[str, Any]) -> bytes | None:
    """The bytes of an event; None where it holds what JSON cannot, such as NaN or a tuple."""
    try:
        data = orjson.dumps(event)
        return data if orjson.loads(data) == event else None
    except (TypeError, ValueError, RecursionError):
        return None


def parse_record(text: bytes) -> dict[str, Any]:
    """A record as a dict. Raises `EventError` saying why it is no JSON object."""
    try:
        event = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise EventError(f"not JSON: {error}") from None
    if not isinstance(event, dict):
        kind = {list: "an array", str: "a string", type(None): "null", bool: "a boolean"}
        raise EventError(f"not a JSON object but {kind.get(type(event), 'a number')}")
    return event
