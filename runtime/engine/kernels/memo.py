"""Level 1: what class a value of a field has, remembered by its raw bytes."""

from __future__ import annotations

from typing import Any

import numpy as np

from sigmac.runtime.engine.kernels.compiling import kernel
from sigmac.runtime.engine.kernels.hashing import hash_bytes, mix, same_bytes
from sigmac.runtime.engine.kernels.vector import PADDING

_SPREAD = np.uint64(20)
_HALF = np.uint64(32)


@kernel
def value_hash(data: Any, start: int, length: int, field: int) -> Any:
    """A uint64 other than 0 of a value and its field."""
    return mix(hash_bytes(data, start, length), np.uint64(field)) | np.uint64(1)


@kernel
def recall(data: Any, start: int, length: int, field: int, h: Any, memo: Any) -> int:
    """The class of a value; -1 where it is not remembered."""
    slots = memo.slots
    mask = len(slots) // 4 - 1
    slot = np.int64(h >> _SPREAD) & mask
    what = np.uint64(field) << _HALF | np.uint64(length)
    while True:
        at = slot * 4
        found = slots[at]
        if found == 0:
            return -1
        if (
            found == h
            and slots[at + 1] == what
            and same_bytes(data, start, memo.text, np.int64(slots[at + 2]), length)
        ):
            return np.int64(slots[at + 3])
        slot = (slot + 1) & mask


@kernel
def remember(
    data: Any, start: int, length: int, field: int, h: Any, class_: int, memo: Any
) -> bool:
    """Keep the class of a value; False where there is no room. Of eight slots at most five are taken."""
    slots = memo.slots
    entries, used = memo.sizes[0], memo.sizes[1]
    if entries * 32 >= len(slots) * 5 or used + length + PADDING > len(memo.text):
        return False
    mask = len(slots) // 4 - 1
    slot = np.int64(h >> _SPREAD) & mask
    while slots[slot * 4] != 0:
        slot = (slot + 1) & mask
    at = slot * 4
    slots[at] = h
    slots[at + 1] = np.uint64(field) << _HALF | np.uint64(length)
    slots[at + 2] = np.uint64(used)
    slots[at + 3] = np.uint64(class_)
    text = memo.text
    for i in range(length):
        text[used + i] = data[start + i]
    memo.sizes[0] = entries + 1
    memo.sizes[1] = used + length
    return True
