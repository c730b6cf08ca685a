"""One table: every modifier, what may follow it, what it means in a line.

`apply_modifiers.py` carries them out.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise

from sigmac.compiler.diagnostics.diagnostic import did_you_mean


class ModifierError(Exception):
    """An item that its modifiers do not allow: code, sentence, hint, and the index of the value at fault (or None).

    `others` are the faults of the item's other values.
    """

    def __init__(self, code: str, message: str, hint: str = "", index: int | None = None):
        super().__init__(message)
        self.code, self.message, self.hint, self.index = code, message, hint, index
        self.others: tuple[ModifierError, ...] = ()


@dataclass(frozen=True, slots=True)
class Modifier:
    """A row of the table: its class, the names that may follow it, and what it does in one line."""

    name: str
    kind: str  # flag, placement, encoding, preparation, type, regex-flag
    followers: frozenset[str]
    meaning: str


PLACEMENTS = frozenset({"contains", "startswith", "endswith"})
BASE64 = ("base64", "base64offset")
UTF16 = ("wide", "utf16le", "utf16be", "utf16")
_STRING = (*PLACEMENTS, *BASE64, *UTF16, "windash", "expand")
COMPARE = ("lt", "lte", "gt", "gte")
TIME = ("minute", "hour", "day", "week", "month", "year")
REGEX_FLAGS = {"i": "i", "ignorecase": "i", "m": "m", "multiline": "m", "s": "s", "dotall": "s"}
RANGES = {
    "minute": (0, 59),
    "hour": (0, 23),
    "day": (1, 31),
    "week": (1, 53),
    "month": (1, 12),
    "year": (1, 9999),
}


def _row(name: str, kind: str, followers: Iterable[str], meaning: str) -> tuple[str, Modifier]:
    return name, Modifier(name, kind, frozenset(followers), meaning)


MODIFIERS: dict[str, Modifier] = dict(
    [
        _row("all", "flag", (), "every value must match, not just one"),
        _row("neq", "flag", (), "negates the whole item; true for absent fields"),
        _row("cased", "flag", (), "letter case counts"),
        _row("contains", "placement", ("windash", "expand"), "anywhere in the value"),
        _row("startswith", "placement", ("windash", "expand"), "at the start of the value"),
        _row("endswith", "placement", ("windash", "expand"), "at the end of the value"),
        _row(
            "windash",
            "preparation",
            (*PLACEMENTS, *BASE64, *UTF16, "expand"),
            "a dash before a word stands for - / – — ―",  # noqa: RUF001
        ),
        _row(
            "expand",
            "preparation",
            (*PLACEMENTS, *BASE64, *UTF16, "windash"),
            "%name% is replaced by the placeholder's values",
        ),
        _row("base64", "encoding", (*PLACEMENTS, "base64offset"), "base64 of the bytes"),
        _row("base64offset", "encoding", PLACEMENTS, "base64 at each of the three offsets"),
        _row("wide", "encoding", (*BASE64, *PLACEMENTS), "UTF-16, little endian"),
        _row("utf16le", "encoding", (*BASE64, *PLACEMENTS), "UTF-16, little endian"),
        _row("utf16be", "encoding", (*BASE64, *PLACEMENTS), "UTF-16, big endian"),
        _row("utf16", "encoding", BASE64, "UTF-16 with a byte order mark, before base64"),
        _row("re", "type", (*REGEX_FLAGS, "expand"), "RE2 regular expression, searched"),
        *[
            _row(name, "regex-flag", (), f"regular expression flag {flag}")
            for name, flag in REGEX_FLAGS.items()
        ],
        _row("cidr", "type", (), "an address in the network"),
        _row("exists", "type", (), "the field is present (true) or absent (false)"),
        _row("fieldref", "type", PLACEMENTS, "compares with another field of the event"),
        *[_row(name, "type", (), f"compares numerically, {name}") for name in COMPARE],
        *[_row(name, "type", COMPARE, f"the {name} of a timestamp") for name in TIME],
    ]
)


def split(key: str) -> tuple[str | None, tuple[str, ...]]:
    """`field|mod|mod` as field (None for keywords) and modifier names."""
    field, *names = key.split("|")
    return field or None, tuple(names)


def check_names(names: tuple[str, ...]) -> None:
    """Raises `ModifierError` (`E_MODIFIER`) for a name that is unknown or stands twice."""
    for name in names:
        if name not in MODIFIERS:
            lower = name.lower().strip()
            hint = f"write `{lower}`" if lower in MODIFIERS else did_you_mean(lower, MODIFIERS)
            raise ModifierError("E_MODIFIER", f"there is no modifier `{name[:60]}`", hint)
    for name in names:
        if names.count(name) > 1:
            raise ModifierError("E_MODIFIER", f"the modifier `{name}` stands twice", "remove one")


def _conflict(message: str, hint: str = "") -> ModifierError:
    return ModifierError("E_MOD_CONFLICT", message, hint)


def check_order(
    names: tuple[str, ...], chain: tuple[str, ...], flags: set[str], field: str | None
) -> None:
    """Raises `ModifierError` (`E_MOD_CONFLICT`) for modifiers that do not go together."""
    for first in ("re", "cidr", "exists"):
        if first in names and names[0] != first:
            raise _conflict(f"`{first}` must be the first modifier", f"write `{first}|…`")
    if "exists" in names and len(names) > 1:
        raise _conflict("`exists` stands alone", "write two items")
    for name in chain:
        if MODIFIERS[name].kind == "regex-flag" and chain[0] != "re":
            raise _conflict(f"`{name}` needs `re` in front", f"write `re|{name}`")
    # What follows `re` changes the pattern, whatever stands between them; else each changes what stands before it.
    pairs = [("re", each) for each in chain[1:]] if chain[:1] == ("re",) else pairwise(chain)
    for before, after in pairs:
        if after not in MODIFIERS[before].followers:
            raise _conflict(f"`{after}` cannot follow `{before}`", _order_hint(before, after))
    if sum(name in PLACEMENTS for name in chain) > 1:
        raise _conflict("only one of contains, startswith, endswith can be used", "write two items")
    if any(name in BASE64 or name in UTF16 for name in chain) and chain[-1:] in (
        ("windash",),
        ("expand",),
    ):
        raise _conflict(f"`{chain[-1]}` must stand before an encoding")
    if "utf16" in chain and not any(name in BASE64 for name in chain):
        raise _conflict(
            "`utf16` needs base64 behind it: a byte order mark cannot occur inside text"
        )
    if "cased" in flags and chain and chain[0] not in (*_STRING, "fieldref"):
        raise _conflict(f"`cased` cannot be used with `{chain[0]}`")
    if field is None and chain and (chain[0] in ("exists", "fieldref") or chain[0] in TIME):
        raise _conflict(f"`{chain[0]}` needs a field, this is a keyword")


def _order_hint(before: str, after: str) -> str:
    if before in PLACEMENTS and (after in BASE64 or after in UTF16):
        return f"write `{after}|{before}`"
    return ""
