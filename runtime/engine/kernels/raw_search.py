"""Whether a record can hold one of many literals at all, by a look at every fifth byte of it.

A literal of eight bytes or more has a gram of four bytes at some place divisible by five, wherever it stands: each is
listed with its grams at the offsets 0 to 4, and a bitmap of gram hashes rules out nearly every place (the idea of
Wu and Manber, 1994, with a fixed stride). The bytes are those of the file, letter case aside, so that the answer may be
yes for a key or for two values together, which costs a closer look and no more.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from sigmac.runtime.engine.kernels.compiling import kernel
from sigmac.runtime.engine.kernels.vector import load64

STRIDE = 5
PLACES = 8  # PADDING covers what they read past the end
_GRAM = np.uint64(0xFFFFFFFF)
_LOWER = np.uint64(0x20202020)
_MULTIPLIER = np.uint64(0x9E3779B97F4A7C15)
_SHIFT = np.uint64(48)  # 16 bits of hash
_SIX, _LOW_SIX, _ONE = np.uint64(6), np.uint64(63), np.uint64(1)


@kernel
def holds_literal(data: Any, start: int, stop: int, keywords: Any) -> bool:
    """Whether `data[start:stop]` may hold one of the literals."""
    bitmap = keywords.bitmap
    at = start
    while at < stop:
        # Several places a turn, so that no look waits for the last one. What lies behind `stop` is padding or the
        # next record, and ruled out by `is_literal`.
        some = np.uint64(0)
        for i in range(PLACES):
            h = ((load64(data, at + i * STRIDE) & _GRAM) | _LOWER) * _MULTIPLIER >> _SHIFT
            some |= bitmap[h >> _SIX] >> (h & _LOW_SIX)
        if some & _ONE:
            for i in range(PLACES):
                gram = (load64(data, at + i * STRIDE) & _GRAM) | _LOWER
                h = gram * _MULTIPLIER >> _SHIFT
                if begins_literal(data, at + i * STRIDE, start, stop, gram, np.int64(h), keywords):
                    return True
        at += PLACES * STRIDE
    return False


@kernel
def begins_literal(
    data: Any, at: int, start: int, stop: int, gram: Any, h: int, keywords: Any
) -> bool:
    """Whether a literal that has a gram stands around that gram at `at`."""
    entry = np.int64(keywords.slots[h])
    while entry >= 0:
        if keywords.gram[entry] == gram and is_literal(data, at, start, stop, entry, keywords):
            return True
        entry = np.int64(keywords.next[entry])
    return False


@kernel
def is_literal(data: Any, at: int, start: int, stop: int, entry: int, keywords: Any) -> bool:
    """Whether the literal of an entry stands around its gram at `at`, letter case aside."""
    at -= keywords.offset[entry]
    length = np.int64(keywords.length[entry])
    if at < start or at + length > stop:
        return False
    first = np.int64(keywords.start[entry])
    for i in range(length):
        c = data[at + i]
        if 65 <= c <= 90:
            c += 32
        if c != keywords.text[first + i]:
            return False
    return True
