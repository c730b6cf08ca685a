"""The memory of one thread's engine: everything that grows while events are evaluated, within one budget."""

from __future__ import annotations

import mmap
import os
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sigmac.runtime.engine import layout
from sigmac.runtime.engine.kernel_tables import PADDING, Tables
from sigmac.runtime.engine.layout import (
    Classes,
    Kinds,
    Memo,
    Rows,
    Scratch,
    Searches,
)
from sigmac.runtime.engine.searches import ENTRY, SEARCHES, WINDOWS, most_grams

LEAST_BUDGET = 1 << 20
_TOKENS = 1 << 14  # values of one record that rules look at
_KEYS = 1 << 12  # keys of one record, where its keywords are looked for
_QUOTES = 1 << 17  # of one record
_HITS = 4096
_KINDS = 1024
_LARGE = 1 << 17  # bytes


class Caches:
    """Arrays for `evaluate`, of `budget` bytes together at most; pages are taken from the system as they fill.

    Shares of the budget: a half for values, a quarter for automata, an eighth for classes and kinds.
    """

    def __init__(self, tables: Tables, budget: int, most_values: int):
        self.budget = max(budget, LEAST_BUDGET)
        fields, rules = len(tables.fields), len(tables.gates.first_free)
        slots = _power_of_two(self.budget // 4 // 8 // layout.MEMO_WORDS)
        self.memo = Memo(
            slots=_zeros(layout.MEMO_WORDS * slots, np.uint64),
            text=_zeros(self.budget // 4 + PADDING, np.uint8),
            sizes=_zeros(4, np.int64),
            policy=_zeros(fields, np.uint8),
            looked=_zeros(fields, np.int64),
            found=_zeros(fields, np.int64),
            read=_zeros(fields, np.int64),
        )
        self.rows = Rows(
            cells=_zeros(self.budget // 4 // 4, np.uint32),
            of=_zeros(len(tables.automata.child), np.int32),
            sizes=np.ones(1, np.int64),
        )
        sets = self.budget // 8 // 100
        self.classes = Classes(
            **_sets(sets, 6 * sets),
            field=_zeros(sets, np.int32),
            first=_zeros(sets + 1, np.int32),
            second=_zeros(sets, np.int32),
            gates=_zeros(12 * sets, np.int32),
        )
        kinds = min(_KINDS, max(16, sets // 16))
        asked = _zeros(fields, np.uint8)
        asked[tables.logsource_fields] = 1
        self.kinds = Kinds(
            **_sets(kinds, 8 * kinds),
            key=_zeros(kinds, np.int32),
            asked=asked,
            logsources=_zeros(kinds * tables.logsources, np.uint8),
            active=_zeros(kinds * fields, np.uint8),
            rules=_zeros(kinds * rules, np.uint8),
        )
        grams = most_grams(tables.factors.length)
        self.searches = Searches(
            of_field=_zeros(fields, np.int32),
            wanted=_zeros(SEARCHES << layout.GRAM_BITS, np.uint8),
            shifts=np.full(SEARCHES, 64 - layout.GRAM_BITS, np.uint64),
            masks=_zeros(SEARCHES, np.uint64),
            strides=_zeros(SEARCHES, np.int64),
            first=_zeros(SEARCHES * ((1 << layout.SLOT_BITS) + 1), np.int32),
            entries=_zeros(ENTRY * SEARCHES * grams, np.uint64),
            nibbles=_zeros(SEARCHES * 32 * layout.WINDOW, np.uint8),
            window_first=_zeros(SEARCHES * (layout.WINDOW_SLOTS + 2), np.int32),
            windows=_zeros(ENTRY * SEARCHES * WINDOWS, np.uint64),
            has=_zeros(SEARCHES * len(tables.factors.start), np.uint8),
        )
        text = max(1 << 16, self.budget // 32)
        self.scratch = Scratch(
            field=_zeros(_TOKENS, np.int32),
            start=_zeros(_TOKENS, np.int64),
            stop=_zeros(_TOKENS, np.int64),
            form=_zeros(_TOKENS, np.uint8),
            class_=_zeros(_TOKENS, np.int32),
            hash=_zeros(_TOKENS, np.uint64),
            key_hash=_zeros(_KEYS, np.uint64),
            key_object=_zeros(_KEYS, np.int64),
            key_table=_zeros(2 * _KEYS, np.int32),
            key_used=_zeros(2 * _KEYS, np.int64),
            quotes=_zeros(_QUOTES, np.int64),
            entry_object=_zeros(len(tables.names.field), np.int64),
            field_record=_zeros(fields, np.int64),
            field_entry=_zeros(fields, np.int32),
            stack=_zeros(7 * layout.DEPTH, np.int64),
            text=_zeros(text + PADDING, np.uint8),
            spelled=_zeros(text + PADDING, np.uint8),
            hit_state=_zeros(_HITS, np.int32),
            hit_end=_zeros(_HITS, np.int32),
            predicates=_zeros(tables.predicates, np.int32),
            predicate_seen=_zeros(tables.predicates, np.int64),
            members=_zeros(_TOKENS + 2, np.int32),
            class_seen=_zeros(sets + 1, np.int64),
            opened=_zeros(rules, np.int64),
            listed=_zeros(rules, np.int64),
            described=_zeros(rules, np.int64),
            candidates=_zeros(rules, np.int32),
            field_needed=_zeros(fields, np.int64),
            fact=_zeros(tables.predicates, np.int64),
            noted=_zeros(fields, np.int64),
            low=_zeros(fields, np.int32),
            high=_zeros(fields, np.int32),
            only=_zeros(fields, np.int32),
            asked=_zeros(4 * layout.MOST_ASKED, np.int64),
            sizes=_zeros(23, np.int64),
        )
        self.scratch.sizes[layout.SPECIAL] = tables.special
        self.scratch.sizes[layout.N_FIELDS] = fields
        self.scratch.sizes[layout.FIELD_LISTS] = 2 * tables.predicates
        self.scratch.sizes[layout.NETWORKS] = tables.first_network
        self.scratch.sizes[layout.FIRST_FACTOR] = tables.first_factor
        self.scratch.sizes[layout.FIRST_VALUE] = tables.first_value
        self.scratch.sizes[layout.SEED] = _seed()
        self.scratch.sizes[layout.MOST_VALUES] = most_values
        # What opens no gate is looked at only when a candidate asks.
        self.memo.policy[~tables.gated] = layout.DEFER
        self.memo.policy[tables.rare] = layout.DEFER | layout.FORGET
        self.flushes = 0

    def bytes_in_use(self) -> int:
        """Bytes of the caches that hold something."""
        entries, text = self.memo.sizes[:2].tolist()
        used: int = 8 * layout.MEMO_WORDS * entries + text + 4 * int(self.rows.sizes[0])
        for table in (self.classes, self.kinds):
            used += 20 * int(table.sizes[0]) + 4 * int(table.sizes[1])
        return used

    def forget_values(self) -> None:
        self.memo.slots[:] = 0
        self.memo.sizes[:2] = 0
        self.flushes += 1

    def forget_rows(self) -> None:
        self.rows.of[:] = 0
        self.rows.sizes[0] = 1
        self.flushes += 1

    def forget_sets(self) -> None:
        """Classes and kinds, and with them the values whose classes these were."""
        for table in (self.classes, self.kinds):
            table.slots[:] = -1
            table.sizes[:] = 0
        self.forget_values()

    def forget_kinds(self) -> None:
        """Kinds, which are described anew when they are met again."""
        self.kinds.slots[:] = -1
        self.kinds.sizes[:] = 0


def _zeros(count: int, dtype: type[np.generic]) -> NDArray[Any]:
    """Zeros whose pages are taken from the system as they fill: those of the heap may have been used before."""
    size = count * np.dtype(dtype).itemsize
    if size < _LARGE or not hasattr(mmap, "MAP_PRIVATE"):
        return np.zeros(count, dtype)
    private = mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    return np.frombuffer(private, dtype)


def _seed() -> int:
    """A random number, so that nobody can choose values that meet in one slot."""
    return int.from_bytes(os.urandom(7), "little")


def _sets(most: int, members: int) -> dict[str, Any]:
    """The arrays of a table of at most so many sets, with so many members together."""
    return {
        "slots": np.full(_power_of_two(2 * most + 2), -1, np.int32),
        "hash": _zeros(most, np.uint64),
        "start": _zeros(most + 1, np.int32),
        "members": _zeros(members, np.int32),
        "sizes": _zeros(3, np.int64),
    }


def _power_of_two(least: int) -> int:
    size = 16
    while size < least:
        size *= 2
    return size
