"""Whether a record can hold one of many literals at all, by a look at every few bytes of it.

A literal of n bytes has a gram of four bytes at some place divisible by n - 3, wherever it stands. So n - 3
neighbouring grams of each literal are looked for at such places, and a table of gram hashes rules out nearly all of
them (the idea of Wu and Manber, 1994, with a fixed stride: that of the shortest literal). The bytes are those of the
file, letter case aside, so that the answer may be yes for a key or for two values together, which costs a closer look
and no more.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from sigmac.runtime.engine.kernels.compiling import kernel
from sigmac.runtime.engine.kernels.vector import load64
from sigmac.runtime.engine.layout import HASH_BITS

PLACES = 8
_GRAM = np.uint64(0xFFFFFFFF)
_LOWER = np.uint64(0x20202020)
_MULTIPLIER = np.uint64(0x9E3779B97F4A7C15)
_SHIFT = np.uint64(64 - HASH_BITS)


@kernel
def holds_literal(data: Any, start: int, stop: int, which: int, kinds: Any, keywords: Any) -> bool:
    """Whether `data[start:stop]` may hold a literal of the set `which`."""
    wanted = kinds.wanted
    base = np.uint64(which << HASH_BITS)
    stride = kinds.strides[which]
    at = start
    while at < stop:
        # Several places a turn, so that no look waits for the last one. What lies behind `stop` is padding or the
        # next record, and ruled out by `is_literal`.
        some = np.uint8(0)
        for i in range(PLACES):
            h = ((load64(data, at + i * stride) & _GRAM) | _LOWER) * _MULTIPLIER >> _SHIFT
            some |= wanted[base + h]
        if some != 0:
            for i in range(PLACES):
                gram = (load64(data, at + i * stride) & _GRAM) | _LOWER
                h = gram * _MULTIPLIER >> _SHIFT
                if wanted[base + h] != 0 and begins_literal(
                    data, at + i * stride, start, stop, gram, np.int64(h), keywords
                ):
                    return True
        at += PLACES * stride
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
