"""One record as JSON: strictly read, written again for the kernels, and what is no JSON told apart."""

from __future__ import annotations

import json
import math
from collections.abc import Collection, Iterator, Mapping
from typing import Any

import numpy as np
import orjson

from sigmac.runtime.errors import EventError

_SCALARS = frozenset({str, int, bool, type(None)})
MAX_DEPTH = 1024  # objects and arrays within each other; what reads records allows no more


def json_bytes(value: Any) -> bytes:
    """Plain data as JSON.

    Integers beyond 64 bits are legal in rules and events; orjson, which is quick, writes none, and reads four times
    deeper than it writes. Raises `RecursionError` where Python's own cannot either.
    """
    try:
        return orjson.dumps(value)
    except (TypeError, orjson.JSONEncodeError):
        return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


def bytes_of(event: dict[str, Any]) -> bytes | None:
    """The bytes of an event of JSON's own types alone, to the letter; None where it holds anything else.

    orjson writes more than those: tuples, members of enumerations, NaN as null.
    """
    try:
        data = orjson.dumps(event)
    except (TypeError, RecursionError):
        return None
    return data if _is_plain(event.values()) else None


def _is_plain(values: Collection[Any]) -> bool:
    """Whether all values are what JSON has; they are not deep, as orjson has written them."""
    if _SCALARS.issuperset(map(type, values)):
        return True
    for value in values:
        kind = value.__class__
        if kind in _SCALARS:
            continue
        if kind is float:
            if not math.isfinite(value):
                return False
        elif not (kind is list or kind is dict) or not _is_plain(
            value if kind is list else value.values()
        ):
            return False
    return True


def check_values(event: dict[str, Any], most: int, size: int | None = None) -> None:
    """Raises `EventError` where an event has more than `most` values, containers counted, at any depth.

    Each costs more than the bytes that it takes: without a bound one record could hold up all others. `size` is the
    event's length in bytes as JSON, where that is known: two bytes at least are needed for each value.
    """
    if size is not None and size <= 2 * most:
        return
    count = 0
    left: list[Any] = [event]
    while left:
        held = left.pop()
        values = held.values() if isinstance(held, dict) else held
        count += len(values)
        if count > most:
            raise EventError(f"the record has more than {most:,} values")
        left += [value for value in values if isinstance(value, (dict, list))]


def records_in(data: bytes) -> Iterator[tuple[int, int, bytes]]:
    """Each line of a batch that is not blank: its number from 0, its byte offset, and the record that stands in it."""
    position = 0
    for number, line in enumerate(data.split(b"\n")):
        text = line.removeprefix(b"\xef\xbb\xbf") if number == 0 else line
        if text := text.strip(b" \t\r"):
            yield number, position, text
        position += len(line) + 1


def parse_record(text: bytes) -> dict[str, Any]:
    """A record as a dict. Raises `EventError` saying why it is no JSON object."""
    try:
        event = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise EventError(f"not JSON: {error}") from None
    if not isinstance(event, dict):
        raise EventError(reason_of(event))
    return event


def reason_of(value: Any) -> str:
    """Why a JSON value that is no object is no event."""
    kind = {list: "an array", str: "a string", type(None): "null", bool: "a boolean"}
    return f"not a JSON object but {kind.get(type(value), 'a number')}"


def plain_event(event: Mapping[str, Any]) -> dict[str, Any]:
    """An event of JSON's own types: mappings as dicts, tuples and NumPy's arrays as lists, subclasses as what they are.

    Raises `EventError` naming the field where a value is none that JSON can hold, whichever rule asks for it: NaN,
    bytes, a set, a time, a lone surrogate, a key that is no text, more than `MAX_DEPTH` levels (as in a value that
    holds itself).
    """
    if not isinstance(event, Mapping):
        raise EventError(f"an event is a dict or another mapping, not a {type(event).__name__}")
    made: dict[str, Any] = {}
    # Containers whose content is still to be taken over: what from, what to, name, depth
    left: list[tuple[Any, Any, str, int]] = [(event, made, "", 1)]
    while left:
        source, target, name, depth = left.pop()
        if depth > MAX_DEPTH:
            raise EventError(f"the event is nested deeper than {MAX_DEPTH} levels")
        is_object = isinstance(source, Mapping)
        for key, value in source.items() if is_object else enumerate(source):
            if is_object:
                key = _key(key, name)
            inner = name if not is_object else f"{name}.{key}" if name else str(key)
            taken = value.tolist() if isinstance(value, (np.ndarray, np.generic)) else value
            container: dict[str, Any] | list[Any] | None = None
            if isinstance(taken, Mapping):
                container = {}
            elif isinstance(taken, (list, tuple)):
                container = []
            else:
                taken = _scalar(taken, inner)
            if container is not None:
                left.append((taken, container, inner, depth + 1))
            if is_object:
                target[key] = taken if container is None else container
            else:
                target.append(taken if container is None else container)
    return made


def _key(key: Any, name: str) -> str:
    if not isinstance(key, str):
        where = f" in the field {name!r}" if name else ""
        raise EventError(f"a key{where} is no text but a {type(key).__name__}")
    return str(_scalar(key, key))


def _scalar(value: Any, name: str) -> Any:
    """The value, of a subclass what it is in JSON."""
    if isinstance(value, str):
        try:
            value.encode()
        except UnicodeEncodeError:
            raise EventError(f"the field {name!r} holds a lone surrogate") from None
        return str.__str__(value)
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, (int, float)):
        try:
            if math.isfinite(value):
                return int.__int__(value) if isinstance(value, int) else float.__float__(value)
        except OverflowError:  # an integer beyond what a float can be
            pass
        raise EventError(f"the field {name!r} holds a number that is no JSON value")
    kind = type(value).__name__
    raise EventError(f"the field {name!r} holds a {kind}, which is no JSON value")
