"""The kernels' hash of bytes in plain Python, for tables that are made without Numba."""

from __future__ import annotations

_A, _B, _C = 0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9, 0x94D049BB133111EB
_WORD = 2**64 - 1


def hash_name(text: bytes) -> int:
    """What `kernels.hashing.hash_bytes` gives; a test compares the two."""
    h = len(text) * _C & _WORD
    for at in range(0, len(text), 8):
        part = text[at : at + 8]
        # A last part that is short stands in the upper bytes.
        word = int.from_bytes(part, "little") << 8 * (8 - len(part)) & _WORD
        h = (h ^ (word * _A & _WORD)) * _B & _WORD
        h ^= h >> 29
    return h | 1
