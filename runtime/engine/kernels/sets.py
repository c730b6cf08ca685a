"""Sets of numbers, each kept once and known by a number of its own: classes, signatures and kinds.

A set is looked up by a hash that does not depend on order, then member by member: `seen[m] == epoch` says that m is in
the set at hand.
"""

from __future__ import annotations

import numpy as np

from sigmac.runtime.engine.kernels.compiling import kernel
from sigmac.runtime.engine.layout import Classes, Ints, Kinds, Longs

FULL = -1


@kernel
def find_set(
    table: Classes | Kinds, keys: Ints, h: np.uint64, key: int, n: int, seen: Longs, epoch: int
) -> int:
    """The number of the set of `n` members that `seen` marks with `epoch`, under a key; -1 where it is new."""
    mask = len(table.slots) - 1
    slot = np.int64(h >> np.uint64(20)) & mask
    while True:
        i = table.slots[slot]
        if i < 0:
            return -1
        if table.hash[i] == h and keys[i] == key and table.start[i + 1] - table.start[i] == n:
            at, end = table.start[i], table.start[i + 1]
            while at < end and seen[table.members[at]] == epoch:
                at += 1
            if at == end:
                return np.int64(i)
        slot = (slot + 1) & mask


@kernel
def add_set(
    table: Classes | Kinds, keys: Ints, h: np.uint64, key: int, members: Ints, n: int
) -> int:
    """The number of a new set; FULL where there is no room."""
    i = table.sizes[0]
    used = table.sizes[1]
    if i + 1 >= len(table.start) or used + n > len(table.members):
        return FULL
    mask = len(table.slots) - 1
    slot = np.int64(h >> np.uint64(20)) & mask
    while table.slots[slot] >= 0:
        slot = (slot + 1) & mask
    table.slots[slot] = i
    table.hash[i] = h
    keys[i] = key
    for j in range(n):
        table.members[used + j] = members[j]
    table.start[i + 1] = used + n
    table.sizes[0] = i + 1
    table.sizes[1] = used + n
    return i
