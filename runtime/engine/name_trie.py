"""The trie of the keys that rules look at; its hashes are those of the kernels, made without Numba."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np

from sigmac.runtime.engine.layout import ENTRY_TAG, MOST_ENTRIES, Names
from sigmac.runtime.scalar.keywords import KEYWORDS

_A, _B = 0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9
_WORD = 2**64 - 1
_ESCAPED = re.compile(r'["\\\x00-\x1f]')


def name_trie(fields: Sequence[str], padding: int) -> Names:
    """The trie of field names: each whole name is a key of the event, each dotted one a path too.

    `padding` bytes may be read past the last key.
    """
    entries: dict[tuple[int, str], list[int]] = {}
    nodes = 1
    for number, name in enumerate(fields):
        if name == KEYWORDS:
            continue
        entries.setdefault((0, name), [-1, -1])[0] = number
        if "." in name:
            node = 0
            *path, last = name.split(".")
            for part in path:
                entry = entries.setdefault((node, part), [-1, -1])
                if entry[1] < 0:
                    entry[1] = nodes
                    nodes += 1
                node = entry[1]
            entries.setdefault((node, last), [-1, -1])[0] = number
    # A key that is written with escapes is left to the scalar path, so that no name with one is found here.
    entries = {key: each for key, each in entries.items() if not _ESCAPED.search(key[1])}
    keys = [name.encode("utf-8", "surrogatepass") for _, name in entries]
    size = 16
    while size < 8 * len(entries):  # most keys are in no entry: they meet a free slot at once
        size *= 2
    if len(entries) >= MOST_ENTRIES:
        raise ValueError("the rules look at too many fields")
    slots = np.zeros(size, np.uint32)
    for i, ((node, _), key) in enumerate(zip(entries, keys, strict=True)):
        h = hash_name(key, node)
        slot = h & size - 1
        while slots[slot]:
            slot = (slot + 1) & size - 1
        slots[slot] = h >> 32 & ENTRY_TAG | i + 1
    values = list(entries.values())
    return Names(
        slots=slots,
        start=np.cumsum([0, *(len(key) + 1 for key in keys)])[:-1].astype(np.int32),
        field=np.array([field for field, _ in values], np.int32),
        child=np.array([child for _, child in values], np.int32),
        text=np.frombuffer(b"".join(key + b'"' for key in keys) + bytes(padding), np.uint8),
    )


def hash_name(text: bytes, node: int) -> int:
    """What `kernels.hashing.key_hash` gives; a test compares the two."""
    first, last = (int.from_bytes(part, "little") for part in (text[:8], text[-8:]))
    h = (first ^ (len(text) << 32 | node) ^ (last * _A & _WORD)) * _B & _WORD
    return h ^ h >> 29
