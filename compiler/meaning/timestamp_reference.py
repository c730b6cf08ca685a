"""When an event happened, read in the obvious way: exact numbers and Python's own calendar.

Source: `docs/semantics.md`, "Correlations, time".
"""

from __future__ import annotations

import datetime
import math
import re
from collections.abc import Sequence
from decimal import Decimal
from fractions import Fraction
from typing import Any

from sigmac.compiler.meaning import reference

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
SECOND = 1_000_000  # times are in microseconds
_EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)
_MICROSECOND = datetime.timedelta(microseconds=1)

_DATE = r"(\d{4})-(\d\d)-(\d\d)"
_CLOCK = r"[Tt ](\d\d):(\d\d)(?::(\d\d)(?:[.,](\d+))?)?"
_ZONE = r" ?(?:[Zz]|([+-])([01]\d|2[0-3])(?::?([0-5]\d))?)"


def event_time(event: dict[str, Any], fields: Sequence[str] = FIELDS) -> int | None:
    """Microseconds since 1970: the first timestamp in the first of the fields that has one."""
    values = (value for name in fields for value in reference.lookup(event, name)[1])
    times = map(microseconds, values)
    return next((time for time in times if time is not None), None)


def microseconds(value: Any) -> int | None:
    """What one scalar says; None where it is no timestamp of the years 1 to 9999."""
    found: int | None = None
    if isinstance(value, str):
        found = _of_text(value)
    elif isinstance(value, float) and math.isfinite(value):
        found = round(_of_number(Fraction(value)))
    elif isinstance(value, int) and not isinstance(value, bool):
        found = math.floor(_of_number(Fraction(value)))
    return found if found is not None and _is_in_calendar(found) else None


def _of_text(text: str) -> int | None:
    iso = re.fullmatch(f"{_DATE}(?:{_CLOCK})?(?:{_ZONE})?", text, re.ASCII)
    if iso:
        return _of_iso(*iso.groups(default=""))
    if re.fullmatch(r"[+-]?[0-9]+(\.[0-9]+)?", text, re.ASCII):
        return math.floor(_of_number(Fraction(Decimal(text))))
    dotnet = re.fullmatch(r"/Date\((-?\d{1,18})([+-]\d{4})?\)/", text, re.ASCII)
    return int(dotnet[1]) * 1000 if dotnet else None


def _of_iso(*parts: str) -> int | None:
    year, month, day, hour, minute, second, digits, sign, hours, minutes = parts
    offset = datetime.timedelta(hours=int(hours or 0), minutes=int(minutes or 0))
    try:
        when = datetime.datetime(
            int(year),
            int(month),
            int(day),
            int(hour or 0),
            int(minute or 0),
            int(second or 0),
            int(f"{digits:0<6}"[:6]),
            datetime.timezone(-offset if sign == "-" else offset),
        )
    except ValueError:
        return None
    return (when - _EPOCH) // _MICROSECOND


def _of_number(number: Fraction) -> Fraction:
    """A number of seconds, ms, µs or ns in microseconds: its size says which it is."""
    size = abs(number)
    if size < 10**11:
        return number * SECOND
    if size < 10**14:
        return number * 1000
    return number if size < 10**17 else number / 1000


def _is_in_calendar(time: int) -> bool:
    try:
        return bool(shown(time))
    except OverflowError:
        return False


def shown(time: int) -> str:
    """A time as alerts show it."""
    when = _EPOCH + time * _MICROSECOND
    return when.replace(tzinfo=None).isoformat(timespec="microseconds") + "Z"
