"""Hashes of bytes, and compares that decide where hashes agree.

A hash never decides: whoever finds one compares the bytes. It only has to be quick and to spread well.
"""

from __future__ import annotations

import numpy as np

from sigmac.runtime.engine.kernels.compiling import kernel
from sigmac.runtime.engine.kernels.vector import differing, load64
from sigmac.runtime.engine.layout import Bytes

_ONE, _ALL = np.uint64(1), np.uint64(0xFFFFFFFFFFFFFFFF)
_SHIFT = np.uint64(29)
_A = np.uint64(0x9E3779B97F4A7C15)
_B = np.uint64(0xBF58476D1CE4E5B9)
_C = np.uint64(0x94D049BB133111EB)


@kernel
def mix(a: np.uint64, b: np.uint64) -> np.uint64:
    """Two uint64 as one."""
    h = (a ^ (b * _A)) * _B
    return h ^ (h >> _SHIFT)


@kernel
def hash_bytes(data: Bytes, start: int, length: int, seed: np.uint64) -> np.uint64:
    """A uint64 of `data[start:start + length]` and a seed (uint64); reads up to 8 bytes further.

    The seed is the factor of each word too: with one that is known, words can be chosen whose differences cancel.
    """
    factor = (seed << _ONE) | _ONE
    h = seed ^ np.uint64(length) * _C
    at = start
    left = length
    if left >= 64:
        # Each step waits for the one before it: four that do not depend on each other wait together.
        two, three, four = h + _A, h + _B, h + _C
        while left >= 32:
            h = stir(h, load64(data, at) * factor)
            two = stir(two, load64(data, at + 8) * factor)
            three = stir(three, load64(data, at + 16) * factor)
            four = stir(four, load64(data, at + 24) * factor)
            at += 32
            left -= 32
        h = stir(stir(stir(h, two * factor), three * factor), four * factor)
    while left >= 8:
        h = stir(h, load64(data, at) * factor)
        at += 8
        left -= 8
    if left > 0:
        h = stir(h, (load64(data, at) << np.uint64(64 - 8 * left)) * factor)
    return h


@kernel
def stir(a: np.uint64, b: np.uint64) -> np.uint64:
    """A uint64 of two, of which `b` is multiplied already."""
    h = (a ^ b) * _B
    return h ^ (h >> _SHIFT)


@kernel
def key_hash(data: Bytes, start: int, length: int, node: int) -> np.uint64:
    """A uint64 of a node, a key's length, its first and its last eight bytes; reads up to 8 bytes further."""
    whole = length >= 8
    mask = _ALL if whole else (_ONE << np.uint64(8 * length)) - _ONE
    first = load64(data, start) & mask
    last = load64(data, start + length - 8 if whole else start) & mask
    return mix(first ^ np.uint64(length << 32 | node), last)


@kernel
def same_bytes(one: Bytes, at: int, other: Bytes, start: int, length: int) -> bool:
    """Whether `one[at:at + length]` equals `other[start:start + length]`; reads up to 8 bytes further in both."""
    left = length
    while left >= 64:
        if differing(one, at, other, start) != 0:
            return False
        at += 64
        start += 64
        left -= 64
    while left >= 8:
        if load64(one, at) != load64(other, start):
            return False
        at += 8
        start += 8
        left -= 8
    if left == 0:
        return True
    return (load64(one, at) ^ load64(other, start)) << np.uint64(64 - 8 * left) == np.uint64(0)
