"""Text in the cells of a terminal: hostile text shown, cut and padded to a width, wide characters counted as two."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rich.cells import cell_len, set_cell_size

from sigmac.runtime.printable import escaped

_MOST = 2000  # characters of a text that are looked at
_COLORS = {
    "critical": "\x1b[1;31m",
    "high": "\x1b[31m",
    "medium": "\x1b[33m",
    "low": "\x1b[36m",
}
_PLAIN = "\x1b[0m"
_LAST = ("EventID", "Channel", "Provider_Name")  # which the kind of log decides


def fit(text: str, width: int) -> str:
    """Exactly so many cells of a text: what is cut off is an ellipsis, what is missing are blanks.

    >>> fit("a\\tb", 6), fit("机器学习", 5)
    ('a\\\\tb  ', '机器…')
    """
    shown = escaped(text[:_MOST])
    if cell_len(shown) > width:
        return set_cell_size(set_cell_size(shown, width - 1).rstrip() + "…", width)
    return set_cell_size(shown, width)


def colored(text: str, level: str | None) -> str:
    """A text in the colour of a level."""
    color = _COLORS.get((level or "").lower())
    return f"{color}{text}{_PLAIN}" if color else text


def fields_text(fields: Mapping[str, Sequence[Any]]) -> str:
    """The fields that matched, as `Image=C:\\\\a.exe User=anna`.

    >>> fields_text({"Image": ["a b"], "id": [1, None]})
    'Image="a b" id=1,null'
    """
    return " ".join(
        f"{name}={','.join(map(value_text, values))}" for name, values in fields.items()
    )


def value_text(value: Any) -> str:
    """One scalar, quoted where it has blanks."""
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    text = str(value)[:_MOST]
    return f'"{text}"' if " " in text or not text else text
