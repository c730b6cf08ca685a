"""The kernels' hash of keys in plain Python, for tables that are made without Numba."""

from __future__ import annotations

_A, _B = 0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9
_WORD = 2**64 - 1


def hash_name(text: bytes, node: int) -> int:
    """What `kernels.hashing.key_hash` gives; a test compares the two."""
    first, last = (int.from_bytes(part, "little") for part in (text[:8], text[-8:]))
    h = (first ^ (len(text) << 32 | node) ^ (last * _A & _WORD)) * _B & _WORD
    return h ^ h >> 29
