"""Texts that may stand in how a number is written: no other is true of a number that is left to Python."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

# What Python writes of a finite number
_CHARACTERS = "0123456789+-.e"
_OTHER = np.ones(256, np.uint8)
_OTHER[[*_CHARACTERS.encode()]] = 0


def could_be_in_number(text: str) -> bool:
    """Whether a folded text may stand in a number's canonical text.

    >>> could_be_in_number("e-05"), could_be_in_number("5 e"), could_be_in_number("")
    (True, False, True)
    """
    return not text.strip(_CHARACTERS)


def could_be_in_numbers(strings: NDArray[np.uint8], ends: NDArray[np.int64]) -> NDArray[np.bool_]:
    """The same of each text of a pool, given as bytes and where each ends."""
    starts = np.concatenate([[0], ends[:-1]])
    # A pool may end with empty texts, and of an empty one the next byte is taken.
    others = np.maximum.reduceat(np.append(_OTHER[strings], 0), starts)
    found: NDArray[np.bool_] = (others == 0) | (starts == ends)
    return found
