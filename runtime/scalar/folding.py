"""Simple Unicode case folding, one code point to one code point.

`fold(c)` is `c.casefold()` where that is one character, else `c.lower()` where that is one, else `c`.
So the Kelvin sign folds to k and the final sigma to the other, while ß stays: lengths never change,
which keeps `?` and positions exact.
A pack carries the table of the Python that built it, so that its answers do not depend on where it runs.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

# No script above this plane has letter case in any version of Unicode.
LAST_FOLDED = 0x20000

_FOREIGN = re.compile("([^\\x00-\\x7f]+)")

Fold = Callable[[str], str]


@cache
def fold_table() -> dict[int, int]:
    """Code point → folded code point of this Python's Unicode, where they differ."""
    table = {}
    for code in range(LAST_FOLDED):
        character = chr(code)
        for folded in (character.casefold(), character.lower()):
            if len(folded) == 1:
                if folded != character:
                    table[code] = ord(folded)
                break
    return table


def folder(table: Mapping[int, int]) -> Fold:
    """A function that folds text by a table.

    >>> folder(fold_table())("ÄRZTE \\u212a ẞ ß İ")
    'ärzte k ß ß İ'
    """

    def fold(text: str) -> str:
        if text.isascii():
            return text.lower()
        # `translate` looks every character up; most of a text that is not all ASCII is.
        pieces = _FOREIGN.split(text)
        pieces[::2] = [piece.lower() for piece in pieces[::2]]
        pieces[1::2] = [piece.translate(table) for piece in pieces[1::2]]
        return "".join(pieces)

    return fold


@cache
def default_fold() -> Fold:
    """Folding by this Python's own table."""
    return folder(fold_table())


def as_array(table: Mapping[int, int]) -> NDArray[np.uint32]:
    """A table as an array of shape (n, 2), dtype uint32, sorted by code point."""
    import numpy as np

    return np.array(sorted(table.items()), dtype=np.uint32).reshape(-1, 2)


def from_array(pairs: NDArray[np.uint32]) -> dict[int, int]:
    """The table of an array that `as_array` made."""
    return dict(pairs.tolist())
