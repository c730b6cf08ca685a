"""Scalars of an event as rules see them: canonical text, number, address, part of a timestamp.

Source of the rules: `docs/semantics.md`, "Canonical text and number of an event scalar" and "Modifiers".
"""

from __future__ import annotations

import datetime
import ipaddress
import math
import re
from collections.abc import Iterator, Mapping
from typing import Any

from sigmac.runtime.errors import EventError

Number = int | float

_DECIMAL = re.compile(r"[+-]?[0-9]+(\.[0-9]+)?", re.ASCII)
_LEAST, _MOST = -(2**63), 2**64 - 1


def text_of(value: Any) -> str | None:
    """The canonical text of a scalar; None for null and objects.

    Raises `EventError` for what JSON cannot hold.

    >>> text_of(True), text_of(5.0), text_of(0.1), text_of(None)
    ('true', '5', '0.1', None)
    """
    if isinstance(value, str):
        return value
    if value is None or isinstance(value, dict):
        return None
    if isinstance(value, bool):
        return "true" if value else "false"
    number = json_number(value)
    if isinstance(number, float) and number.is_integer() and abs(number) < 2**53:
        return str(int(number))
    return str(number)


def number_of(value: Any) -> Number | None:
    """The number of a scalar: JSON numbers, and strings that are plain decimals.

    >>> number_of("-4.50"), number_of("1e3"), number_of(True)
    (-4.5, None, None)
    """
    if isinstance(value, str):
        if not _DECIMAL.fullmatch(value):
            return None
        digits = value.lstrip("+-0")
        # The longest exact integer has 20 digits; float() reads any length in linear time, int() does not.
        if "." in value or len(digits) > 20:
            return float(value)
        return json_number(-int(digits or 0) if value[0] == "-" else int(digits or 0))
    if value is None or isinstance(value, (bool, dict)):
        return None
    return json_number(value)


def json_number(value: Any) -> Number:
    """A number as a JSON parser gives it: integers beyond 64 bits are floats.

    Raises `EventError` for NaN, infinity and what is no number.
    """
    if isinstance(value, int):
        return int(value) if _LEAST <= value <= _MOST else _finite(value)
    if isinstance(value, float):
        return _finite(value)
    raise EventError(f"a {type(value).__name__} is no JSON value")


def _finite(value: Number) -> float:
    try:
        number = float(value)
    except OverflowError:
        number = math.inf
    if not math.isfinite(number):
        raise EventError("NaN and infinity are no JSON values")
    return number


def lookup(event: Mapping[str, Any], name: str) -> list[Any] | None:
    """The values of a field, arrays flattened: scalars, nulls and objects; None where the field is absent.

    The literal top-level key goes first, whatever it holds; then dots walk into objects and over arrays.
    """
    if name in event:
        value = event[name]
        return list(flat(value)) if isinstance(value, list) else [value]
    if "." not in name:
        return None
    found: list[Any] = [event]
    for part in name.split("."):
        nodes: list[Any] = []
        for node in found:
            for each in flat(node) if isinstance(node, list) else (node,):
                if isinstance(each, dict) and part in each:
                    nodes.append(each[part])  # noqa: PERF401 - a comprehension of this hides the walk
        found = nodes
        if not found:
            return None
    return [value for end in found for value in flat(end)]


def values_of(event: Mapping[str, Any], name: str) -> list[Any] | None:
    """As `lookup`; the name `""` (keywords) gives every scalar leaf of the event."""
    return lookup(event, name) if name else list(leaves(event))


def flat(value: Any) -> Iterator[Any]:
    """The members of an array at any depth of arrays; a non-array is its own only member."""
    stack = [value]
    while stack:
        node = stack.pop()
        if isinstance(node, list):
            stack.extend(reversed(node))
        else:
            yield node


def leaves(event: Mapping[str, Any]) -> Iterator[Any]:
    """Every scalar leaf of an event at any depth; keys and nulls are none."""
    stack: list[Any] = [event]
    while stack:
        node = stack.pop()
        if isinstance(node, dict):
            stack.extend(node.values())
        elif isinstance(node, list):
            stack.extend(node)
        elif node is not None:
            yield node


def address_of(text: str) -> tuple[int, int] | None:
    """(version, address) of text that is a whole IPv4 or IPv6 address, a zone dropped.

    >>> address_of("10.0.0.1"), address_of("::1%eth0"), address_of("10.0.0.1:80")
    ((4, 167772161), (6, 1), None)
    """
    if not 2 <= len(text) <= 100:
        return None
    try:
        address = ipaddress.ip_address(text.partition("%")[0] if ":" in text else text)
    except ValueError:
        return None
    return address.version, int(address)


def mapped_ipv4(address: int) -> int | None:
    """The IPv4 address in an IPv4-mapped IPv6 address (`::ffff:a.b.c.d`), else None."""
    return address & 0xFFFFFFFF if address >> 32 == 0xFFFF else None


_ISO = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)(?:[T ](\d\d):(\d\d)(?::(\d\d)(?:[.,]\d+)?)?)?"
    r"(?:Z|[+-](?:[01]\d|2[0-3]):?[0-5]\d)?",
    re.ASCII,
)
_EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)


def time_of(value: Any) -> datetime.datetime | None:
    """When a scalar says: ISO strings with their fields as written, numbers as epoch s, ms, µs or ns in UTC."""
    try:
        if isinstance(value, str):
            match = _ISO.fullmatch(value)
            if match is None:
                return None
            year, month, day, hour, minute, second = (int(part or 0) for part in match.groups())
            return datetime.datetime(year, month, day, hour, minute, second, tzinfo=datetime.UTC)
        if value is None or isinstance(value, (bool, dict)):
            return None
        number = json_number(value)
        size = abs(number)
        unit = 1 if size < 1e11 else 10**3 if size < 1e14 else 10**6 if size < 1e17 else 10**9
        return _EPOCH + datetime.timedelta(seconds=int(number // unit))
    except (ValueError, OverflowError) as error:
        if isinstance(error, EventError):
            raise
        return None


PARTS = ("minute", "hour", "day", "week", "month", "year")


def part_of(when: datetime.datetime, part: str) -> int:
    """A part of a time: minute, hour, day, week (ISO 8601), month or year."""
    return when.isocalendar().week if part == "week" else int(getattr(when, part))
