"""What of a literal stands in the bytes of a record wherever the literal is in a value, as JSON mostly spells it.

That is with short escapes; a record that has others is spelled again before it is searched. Letters beyond ASCII have
two cases, and some control characters no short escape: of a literal that holds such only the longest part without is
taken.
"""

from __future__ import annotations

import re

import numpy as np
import orjson
from numpy.typing import NDArray

_PART = re.compile(r"[\b\t\n\f\r\x20-\x7f]+")


def raw_factor(text: str) -> bytes:
    """The factor of one literal; empty where there is none.

    >>> raw_factor('\\\\cmd.exe "ä"'), raw_factor("über\\n")
    (b'\\\\\\\\cmd.exe \\\\"', b'ber\\\\n')
    """
    parts = (orjson.dumps(part)[1:-1] for part in _PART.findall(text))
    return max(parts, key=len, default=b"")


def raw_factors(
    strings: NDArray[np.uint8], ends: NDArray[np.int64], chosen: NDArray[np.int64]
) -> tuple[NDArray[np.uint8], NDArray[np.int64], NDArray[np.int64], NDArray[np.bool_]]:
    """The factors of some texts of a pool, given by their numbers.

    Returns bytes, and for each factor where it begins in them, how long it is, and whether it is the whole text.
    """
    escaped = (strings == ord('"')) | (strings == ord("\\"))
    places = np.concatenate([[0], np.cumsum(1 + escaped)])
    data = np.repeat(strings, 1 + escaped)
    data[places[:-1][escaped]] = ord("\\")
    borders = np.concatenate([[0], ends])
    odd = np.concatenate([[0], np.cumsum((strings < 32) | (strings >= 128))])
    first, last = borders[chosen], borders[chosen + 1]
    start, length = places[first], places[last] - places[first]
    whole = odd[first] == odd[last]
    # Few literals are of another kind.
    more: list[bytes] = []
    used = len(data)
    for i in np.flatnonzero(~whole).tolist():
        text = strings[first[i] : last[i]].tobytes().decode("utf-8")
        more.append(raw_factor(text))
        whole[i] = more[-1] == orjson.dumps(text)[1:-1]
        start[i], length[i] = used, len(more[-1])
        used += len(more[-1])
    return np.concatenate([data, np.frombuffer(b"".join(more), np.uint8)]), start, length, whole
