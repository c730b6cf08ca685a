"""One event in many spellings: JSON with other blanks, escapes, numbers and orders of keys, and with keys twice."""

from __future__ import annotations

from random import Random
from typing import Any

_BLANKS = ("", "", "", " ", "\t", "\r", "  \t ")
_SHORT = {
    '"': '\\"',
    "\\": "\\\\",
    "/": "\\/",
    "\b": "\\b",
    "\f": "\\f",
    "\n": "\\n",
    "\r": "\\r",
    "\t": "\\t",
}
_EXACT = 2**53  # whole numbers below it may be written as floats


def spelled(event: dict[str, Any], random: Random) -> bytes:
    """An event as a line of JSON; the last of equal keys has the event's value."""
    style = random.choice(["plain", "plain", "escapes", "twice", "wild"])
    return _value(event, random, style).encode()


def _value(value: Any, random: Random, style: str) -> str:
    blank = random.choice(_BLANKS) if style in ("escapes", "wild") else ""
    return blank + _bare(value, random, style) + blank


def _bare(value: Any, random: Random, style: str) -> str:
    if isinstance(value, dict):
        return "{" + ",".join(_members(value, random, style)) + "}"
    if isinstance(value, list):
        return "[" + ",".join(_value(each, random, style) for each in value) + "]"
    if isinstance(value, str):
        return '"' + "".join(_character(c, random, style) for c in value) + '"'
    if isinstance(value, bool) or value is None:
        return {True: "true", False: "false", None: "null"}[value]
    return _number(value, random, style)


def _members(value: dict[str, Any], random: Random, style: str) -> list[str]:
    members = list(value.items())
    if style != "plain":
        random.shuffle(members)
    if style in ("twice", "wild"):
        # Before the member that counts, others with its key.
        for key in value:
            if random.random() < 0.3:
                before = [k for k, _ in members].index(key)
                other = random.choice([*value.values(), None, "evil", {}, [], {key: value[key]}])
                members.insert(random.randint(0, before), (key, other))
    return [f"{_value(k, random, style)}:{_value(v, random, style)}" for k, v in members]


def _character(c: str, random: Random, style: str) -> str:
    code = ord(c)
    if style in ("escapes", "wild") and random.random() < 0.2:
        if c in _SHORT and random.random() < 0.5:
            return _SHORT[c]
        units = c.encode("utf-16-be").hex()
        if random.random() < 0.5:
            units = units.upper()
        return "".join("\\u" + units[i : i + 4] for i in range(0, len(units), 4))
    if c in '"\\':
        return "\\" + c
    return (_SHORT.get(c) or f"\\u{code:04x}") if code < 32 else c


def _number(value: float, random: Random, style: str) -> str:
    text = repr(value)
    if style == "plain" or abs(value) >= _EXACT or "e" in text:
        return text
    more = random.choice(["", "0", "000"])
    if isinstance(value, int):
        return text + random.choice(["", "", ".0" + more, "e0", "E+00", f".{more}0e-0"])
    return text + random.choice([more, more + "e0"])
