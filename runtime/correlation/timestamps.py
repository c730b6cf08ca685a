"""When an event happened: the first of its fields that holds a timestamp, to the microsecond.

Source: `docs/semantics.md`, "Correlations, time".
"""

from __future__ import annotations

import datetime
import re
from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import Any

from sigmac.runtime.scalar.scalars import lookup

FIELDS = (
    "@timestamp",
    "timestamp",
    "TimeCreated_SystemTime",
    "TimeCreated",
    "SystemTime",
    "UtcTime",
    "EventTime",
    "eventTime",
    "time",
)
SECOND = 1_000_000  # microseconds
_EPOCH_DAY = datetime.date(1970, 1, 1).toordinal()
# The least and the greatest time that there is
FIRST = (datetime.date(1, 1, 1).toordinal() - _EPOCH_DAY) * 86_400 * SECOND
LAST = (datetime.date(9999, 12, 31).toordinal() + 1 - _EPOCH_DAY) * 86_400 * SECOND - 1
_EPOCH = datetime.datetime(1970, 1, 1)  # noqa: DTZ001 - shown with a Z of our own

_ISO = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)"
    r"(?:[Tt ]([01]\d|2[0-3]):([0-5]\d)(?::([0-5]\d)(?:[.,](\d++))?)?)?"
    r"(?: ?(?:[Zz]|([+-])([01]\d|2[0-3])(?::?([0-5]\d))?))?",
    re.ASCII,
)
_DATE = re.compile(r"/Date\((-?\d{1,18})(?:[+-]\d{4})?\)/", re.ASCII)
_DECIMAL = re.compile(r"([+-]?)([0-9]++)(?:\.([0-9]++))?", re.ASCII)
_MOST_DIGITS = 21  # of the nanoseconds since 1970 in the year 9999


def event_time(event: Mapping[str, Any], fields: Sequence[str] = FIELDS) -> int | None:
    """When an event happened, in microseconds since 1970 (UTC); None where no field has a timestamp.

    >>> event_time({"time": "none", "UtcTime": "1970-01-01 00:00:01.5"}, ("time", "UtcTime"))
    1500000
    """
    for name in fields:
        values = lookup(event, name)
        if values is None:
            continue
        for value in values:
            found = microseconds_of(value)
            if found is not None:
                return found
    return None


def microseconds_of(value: Any) -> int | None:
    """The microseconds since 1970 (UTC) that one scalar says; None where it is no timestamp.

    >>> microseconds_of("1970-01-01T01:00+01:00"), microseconds_of(2.5), microseconds_of("/Date(3)/")
    (0, 2500000, 3000)
    """
    if isinstance(value, str):
        found = _of_text(value)
    elif isinstance(value, bool):
        return None
    elif isinstance(value, int):
        found = _scaled(value)
    elif isinstance(value, float) and value - value == 0:
        found = round(Fraction(value) * Fraction(*_unit(abs(value))))
    else:
        return None
    return found if found is not None and FIRST <= found <= LAST else None


def _of_text(text: str) -> int | None:
    if match := _ISO.fullmatch(text):
        return _of_iso(match)
    if match := _DECIMAL.fullmatch(text):
        sign, whole, fraction = match.groups(default="")
        return _of_decimal(sign == "-", whole.lstrip("0"), fraction)
    if match := _DATE.fullmatch(text):
        return int(match[1]) * 1000
    return None


def _of_iso(match: re.Match[str]) -> int | None:
    year, month, day, hour, minute, second, fraction, sign, hours, minutes = match.groups()
    try:
        days = datetime.date(int(year), int(month), int(day)).toordinal() - _EPOCH_DAY
    except ValueError:
        return None
    seconds = days * 86_400
    if hour is not None:
        seconds += int(hour) * 3600 + int(minute) * 60 + int(second or 0)
    if sign is not None:
        offset = int(hours) * 3600 + int(minutes or 0) * 60
        seconds += offset if sign == "-" else -offset
    return seconds * SECOND + (int(fraction[:6].ljust(6, "0")) if fraction else 0)


def _of_decimal(negative: bool, whole: str, fraction: str) -> int | None:
    """A decimal text cut down to the microsecond, exactly, whatever its length."""
    if len(whole) > _MOST_DIGITS:
        return None
    multiple, divisor = _unit(int(whole or 0))
    digits = len(str(multiple)) - 1
    number = int(whole + fraction[:digits].ljust(digits, "0") or 0)
    rest = bool(fraction[digits:].strip("0"))
    found, left = divmod(number, divisor)
    return -found - (rest or left > 0) if negative else found


def _scaled(number: int) -> int:
    multiple, divisor = _unit(abs(number))
    return number * multiple // divisor


def _unit(size: float) -> tuple[int, int]:
    """What a number so large is multiplied with and divided by to be microseconds: it is s, ms, µs or ns."""
    if size < 1e11:
        return SECOND, 1
    if size < 1e14:
        return 1000, 1
    return (1, 1) if size < 1e17 else (1, 1000)


def shown(time: int) -> str:
    """A time as alerts show it.

    >>> shown(1_500_000)
    '1970-01-01T00:00:01.500000Z'
    """
    when = _EPOCH + datetime.timedelta(microseconds=time)
    return f"{when.isoformat(timespec='microseconds')}Z"
