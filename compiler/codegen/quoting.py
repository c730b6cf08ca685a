"""Everything that a rule author wrote enters generated source through this file, and only through it.

`quote` makes string literals, `literal` other Python literals, `identifier` names, `prose` the text of docstrings and
comments. They return `Code`; the templates refuse to print anything else.
"""

from __future__ import annotations

import builtins
import keyword
import re
from typing import Any


class Code(str):
    """Text that is safe to stand in generated source."""

    __slots__ = ()


# Names that generated modules use themselves, or that a reader would misread.
_TAKEN = frozenset(
    {"event", "Event", "Rule", "LogSource", "njit", "np", "annotations"}
    | set(keyword.kwlist)
    | set(keyword.softkwlist)
    | set(dir(builtins))
)


def quote(text: str) -> Code:
    r"""A Python string literal of any text: raw where that reads better, nothing unprintable or bidirectional.

    >>> print(quote("cmd.exe"), quote("\\cmd.exe"), quote('\\d "hi"'), quote('"hi"\n'), quote("\u202e"))
    "cmd.exe" r"\cmd.exe" r'\d "hi"' "\"hi\"\n" "\u202e"
    """
    if text.isprintable() and not text.endswith("\\"):
        raw = "r" if "\\" in text else ""
        for mark in ('"', "'"):
            if mark not in text:
                return Code(f"{raw}{mark}{text}{mark}")
    return Code('"' + "".join(map(_escaped, text)) + '"')


_ESCAPES = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\r": "\\r", "\t": "\\t"}


def _escaped(character: str) -> str:
    if character in _ESCAPES:
        return _ESCAPES[character]
    if character.isprintable():
        return character
    code = ord(character)
    if code < 0x100:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def literal(value: Any) -> Code:
    """A Python literal of None, booleans, numbers, text, and lists (as tuples) and dicts of these.

    >>> print(literal({"a": [1, "x"], "b": None}))
    {"a": (1, "x"), "b": None}
    """
    if isinstance(value, str):
        return quote(value)
    if value is None or isinstance(value, bool | int):
        return Code(repr(value))
    if isinstance(value, float):
        return Code(repr(value) if value - value == 0 else f'float("{value}")')
    if isinstance(value, list | tuple):
        items = ", ".join(literal(each) for each in value)
        return Code(f"({items},)" if len(value) == 1 else f"({items})")
    if isinstance(value, dict):
        pairs = (f"{literal(key)}: {literal(each)}" for key, each in value.items())
        return Code("{" + ", ".join(pairs) + "}")
    return quote(str(value))


def identifier(text: str, prefix: str = "rule") -> Code:
    """A Python name as near to the text as can be: letters, digits, `_`; never a keyword, builtin or name in use.

    >>> print(identifier("filter_main_mdadm.conf"), identifier("1st"), identifier("class"), identifier("é"))
    filter_main_mdadm_conf rule_1st class_ rule
    """
    name = re.sub(r"[^0-9A-Za-z_]+", "_", text[:120]).strip("_" if not text.startswith("_") else "")
    name = name or prefix
    if name[0].isdigit():
        name = f"{prefix}_{name}"
    if name in _TAKEN:
        name = f"{name}_"
    # Names of that form are Python's own; a pack with one is refused.
    return Code(f"{prefix}{name}" if name.startswith("__") else name)


def prose(text: str, width: int = 200) -> Code:
    r"""Text for a docstring or comment: one line of printable characters without quotes or backslashes at risk.

    >>> print(prose('two\nlines "quoted" \\ done'))
    two lines 'quoted' / done
    """
    flat = " ".join(text[: width * 2].split())
    safe = "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in flat)
    safe = safe.replace("\\", "/").replace('"', "'")
    return Code(safe if len(safe) <= width else safe[: width - 1] + "…")
