"""Level 1: what class a value of a field has, remembered by its raw bytes."""

from __future__ import annotations

import numpy as np

from sigmac.runtime.engine.kernels.compiling import kernel
from sigmac.runtime.engine.kernels.hashing import hash_bytes, same_bytes
from sigmac.runtime.engine.kernels.vector import PADDING, load64, prefetch
from sigmac.runtime.engine.layout import (
    FORGET,
    MEMO_BYTES,
    MEMO_INLINE,
    MEMO_WORDS,
    SEED,
    Bytes,
    Hashes,
    Memo,
    Scratch,
)

_SPREAD = np.uint64(20)
_HALF = np.uint64(32)
_TEXT = np.uint64(1 << 31)


@kernel
def value_hash(data: Bytes, start: int, length: int, field: int, scratch: Scratch) -> np.uint64:
    """A uint64 other than 0 of a value and its field, under this process's seed."""
    seed = np.uint64(scratch.sizes[SEED]) ^ np.uint64(field)
    return hash_bytes(data, start, length, seed) | np.uint64(1)


@kernel
def is_remembered(field: int, length: int, memo: Memo) -> bool:
    """Whether values of a field are remembered, if they are so long."""
    return memo.policy[field] & FORGET == 0 and length * 16 <= len(memo.text)


@kernel
def fetch_slot(h: np.uint64, memo: Memo) -> None:
    """Have the processor fetch where a value with this hash is looked for first."""
    mask = len(memo.slots) // MEMO_WORDS - 1
    prefetch(memo.slots, (np.int64(h >> _SPREAD) & mask) * MEMO_WORDS)


@kernel
def what_of(data: Bytes, start: int, length: int, field: int) -> np.uint64:
    """A uint64 of a value's field, its length and whether it is a string, which only a quote follows.

    To a question about a time a number is not what a string of the same text is.
    """
    what = np.uint64(field) << _HALF | np.uint64(length)
    return what | _TEXT if data[start + length] == 34 else what


@kernel
def recall(data: Bytes, start: int, length: int, field: int, h: np.uint64, memo: Memo) -> int:
    """The class of a value; -1 where it is not remembered."""
    slot = slot_of(data, start, length, field, h, memo)
    return -1 if slot < 0 else np.int64(memo.slots[slot * MEMO_WORDS + 2])


@kernel
def correct(
    data: Bytes, start: int, length: int, field: int, h: np.uint64, class_: int, memo: Memo
) -> None:
    """Remember another class of a value, if it is remembered at all."""
    slot = slot_of(data, start, length, field, h, memo)
    if slot >= 0:
        memo.slots[slot * MEMO_WORDS + 2] = np.uint64(class_)


@kernel
def slot_of(data: Bytes, start: int, length: int, field: int, h: np.uint64, memo: Memo) -> int:
    """The slot of a value; -1 where it has none."""
    slots = memo.slots
    mask = len(slots) // MEMO_WORDS - 1
    slot = np.int64(h >> _SPREAD) & mask
    what = what_of(data, start, length, field)
    while True:
        at = slot * MEMO_WORDS
        found = slots[at]
        if found == 0:
            return -1
        if found == h and slots[at + 1] == what:
            if length <= MEMO_INLINE:
                same = is_inline(data, start, length, slots, at + MEMO_BYTES)
            else:
                same = same_bytes(data, start, memo.text, np.int64(slots[at + MEMO_BYTES]), length)
            if same:
                return slot
        slot = (slot + 1) & mask


@kernel
def is_inline(data: Bytes, start: int, length: int, slots: Hashes, at: int) -> bool:
    """Whether a value is what stands in a slot; the rest of its last word there is 0."""
    left = length
    while left >= 8:
        if load64(data, start) != slots[at]:
            return False
        start += 8
        at += 1
        left -= 8
    return left == 0 or load64(data, start) << np.uint64(64 - 8 * left) == slots[at]


@kernel
def remember(
    data: Bytes, start: int, length: int, field: int, h: np.uint64, class_: int, memo: Memo
) -> bool:
    """Keep the class of a value; False where there is no room. Of eight slots at most five are taken."""
    slots = memo.slots
    entries, used = memo.sizes[0], memo.sizes[1]
    if entries * 8 * MEMO_WORDS >= len(slots) * 5 or used + length + PADDING > len(memo.text):
        return False
    mask = len(slots) // MEMO_WORDS - 1
    slot = np.int64(h >> _SPREAD) & mask
    while slots[slot * MEMO_WORDS] != 0:
        slot = (slot + 1) & mask
    at = slot * MEMO_WORDS
    slots[at] = h
    slots[at + 1] = what_of(data, start, length, field)
    slots[at + 2] = np.uint64(class_)
    memo.sizes[0] = entries + 1
    if length <= MEMO_INLINE:
        place = at + MEMO_BYTES
        left = length
        while left >= 8:
            slots[place] = load64(data, start)
            place += 1
            start += 8
            left -= 8
        if left > 0:
            slots[place] = load64(data, start) << np.uint64(64 - 8 * left)
    else:
        slots[at + MEMO_BYTES] = np.uint64(used)
        text = memo.text
        for i in range(length):
            text[used + i] = data[start + i]
        memo.sizes[1] = used + length
    return True
