"""Which factors of literals stand in a record or in one of its values, found in the bytes as they are.

A factor of n bytes has a gram of three bytes at some place divisible by n - 2, wherever it stands (and one of four
bytes at one divisible by n - 3). So n - 2 neighbouring grams of each factor are looked for at such places, and a byte
for each hash of a gram rules out nearly all of them (the idea of Wu and Manber, 1994, with a fixed stride: that of the
shortest factor). A few that are shorter are looked for by comparing two of their bytes with 64 places at once.
"""

from __future__ import annotations

import numpy as np

from sigmac.runtime.engine.kernels.automaton import note
from sigmac.runtime.engine.kernels.compiling import kernel
from sigmac.runtime.engine.kernels.vector import (
    equal_pairs,
    load64,
    trailing_zeros,
    window_hits,
)
from sigmac.runtime.engine.layout import (
    EPOCH,
    FIRST_FACTOR,
    GRAM_BITS,
    NO,
    QUOTES,
    SLOT_BITS,
    UNKNOWN,
    WINDOW,
    WINDOW_BITS,
    WINDOW_SLOTS,
    YES,
    Bytes,
    Factors,
    Hashes,
    Scratch,
    State,
)

_PLACES = 8  # that are looked at in one turn
_MULTIPLIER = np.uint64(0x9E3779B1) << np.uint64(32)
_TO_SLOT = np.uint64(64 - SLOT_BITS)
_ONE = np.uint64(1)
_SET, _SLOTS = 1 << GRAM_BITS, (1 << SLOT_BITS) + 1
_NIBBLES = 32 * WINDOW
_THREE, _TO_WINDOW = np.uint64(0xDFDFDF), np.uint64(64 - WINDOW_BITS)


@kernel
def find_factors(text: Bytes, start: int, stop: int, record: bool, which: int, state: State) -> int:
    """Collect what factors of a search say of `text[start:stop]`; returns how many predicates.

    That is a whole `record`, whose quotes are noted, or the inside of a string.
    """
    searches = state.searches
    state.scratch.sizes[EPOCH] += 1
    stride = searches.strides[which]
    n = 0
    if stride > 0:
        n = search_every(stride, text, start, stop, record, which, state, n)
    first = which * (WINDOW_SLOTS + 2)
    if searches.window_first[first] < searches.window_first[first + WINDOW_SLOTS + 1]:
        at = start
        while at < stop:
            found = window_hits(text, at, searches.nibbles, which * _NIBBLES)
            while found != 0:
                place = at + trailing_zeros(found)
                n = look_at_window(text, place, start, stop, record, which, state, n)
                found &= found - _ONE
            at += 64
    return n


@kernel
def search_every(
    stride: int, text: Bytes, start: int, stop: int, record: bool, which: int, state: State, n: int
) -> int:
    """Look for grams at places so many bytes apart; returns how many predicates there are now."""
    searches = state.searches
    wanted, shift, mask = searches.wanted, searches.shifts[which], searches.masks[which]
    base = np.uint64(which * _SET)
    at = start
    while at < stop:
        # Several places a turn, so that no look waits for the last one. What lies behind `stop` is padding or the next
        # record, and ruled out by `is_factor`.
        some = np.uint8(0)
        for i in range(_PLACES):
            some |= wanted[base + hash_at(text, at + i * stride, mask, shift)]
        if some != 0:
            n = look_at(stride, text, at, start, stop, record, which, state, n)
        at += _PLACES * stride
    return n


@kernel
def look_at_window(
    text: Bytes, at: int, start: int, stop: int, record: bool, which: int, state: State, n: int
) -> int:
    """Add what factors say that have a window like the one at `at`; returns how many predicates there are now."""
    first, windows = state.searches.window_first, state.searches.windows
    slot = which * (WINDOW_SLOTS + 2) + np.int64(hash_at(text, at, _THREE, _TO_WINDOW))
    n = look_at_entries(
        text, at, start, stop, record, first[slot], first[slot + 1], windows, state, n
    )
    # What has no three bytes stands behind all others.
    slot = which * (WINDOW_SLOTS + 2) + WINDOW_SLOTS
    return look_at_entries(
        text, at, start, stop, record, first[slot], first[slot + 1], windows, state, n
    )


@kernel
def look_at_entries(
    text: Bytes,
    at: int,
    start: int,
    stop: int,
    record: bool,
    first: int,
    last: int,
    entries: Hashes,
    state: State,
    n: int,
) -> int:
    """Add what the factors of some entries say if they stand around `at`; returns how many predicates there are now."""
    for entry in range(first, last):
        begin = at - np.int64(entries[4 * entry + 2])
        # Nearly all that is no factor is told by its first bytes.
        if begin >= start and load64(text, begin) & entries[4 * entry + 1] == entries[4 * entry]:
            factor = np.int64(entries[4 * entry + 3])
            n = note_factor(text, begin, start, stop, record, factor, state, n)
    return n


@kernel
def hash_at(text: Bytes, at: int, mask: np.uint64, shift: np.uint64) -> np.uint64:
    """The hash of the gram at a place (uint64 of 64 - `shift` bits), letter case aside; `mask` has its bytes."""
    return (load64(text, at) & mask) * _MULTIPLIER >> shift


@kernel
def look_at(
    stride: int,
    text: Bytes,
    at: int,
    start: int,
    stop: int,
    record: bool,
    which: int,
    state: State,
    n: int,
) -> int:
    """Add what factors say whose grams are at some of a few places; returns how many predicates there are now."""
    searches = state.searches
    base, shift, mask = np.uint64(which * _SET), searches.shifts[which], searches.masks[which]
    hits = np.uint64(0)
    for i in range(_PLACES):
        hits |= np.uint64(
            searches.wanted[base + hash_at(text, at + i * stride, mask, shift)]
        ) << np.uint64(i)
    while hits != 0:
        place = at + trailing_zeros(hits) * stride
        slot = which * _SLOTS + np.int64(hash_at(text, place, mask, _TO_SLOT))
        first, last = searches.first[slot], searches.first[slot + 1]
        n = look_at_entries(
            text, place, start, stop, record, first, last, searches.entries, state, n
        )
        hits &= hits - _ONE
    return n


@kernel
def note_factor(
    text: Bytes, at: int, start: int, stop: int, record: bool, factor: int, state: State, n: int
) -> int:
    """Add what a factor says if it stands at `at`."""
    scratch, factors = state.scratch, state.factors
    predicate = np.int64(factors.predicate[factor])
    epoch = scratch.sizes[EPOCH]
    if scratch.predicate_seen[predicate] != epoch and is_factor(
        text, at, start, stop, factor, factors
    ):
        if record:
            end = at + np.int64(factors.length[factor])
            where = place_of(text, at, end, start, scratch)
        else:
            where = YES if begins_character(text, at, start) else NO
        if where == YES:
            n = note(predicate, n, scratch, epoch)
        elif where == UNKNOWN:
            n = note(scratch.sizes[FIRST_FACTOR] + factor, n, scratch, epoch)
    return n


@kernel
def is_factor(text: Bytes, at: int, start: int, stop: int, factor: int, factors: Factors) -> bool:
    """Whether a factor stands at `at`, letter case aside."""
    length = np.int64(factors.length[factor])
    if at < start or at + length > stop:
        return False
    first = np.int64(factors.start[factor])
    for i in range(length):
        c = text[at + i]
        if 65 <= c <= 90:
            c += 32
        if c != factors.text[first + i]:
            return False
    return True


@kernel
def place_of(text: Bytes, at: int, end: int, start: int, scratch: Scratch) -> int:
    """Whether `text[at:end]` lies in one value and begins with a character of it.

    UNKNOWN outside of strings: a number may be spelled in other ways than Python spells it.
    """
    quotes = scratch.quotes
    low, high = 0, scratch.sizes[QUOTES]
    while low < high:
        middle = (low + high) // 2
        if quotes[middle] < at:
            low = middle + 1
        else:
            high = middle
    # `low` quotes stand before `at`.
    if low & 1 == 0:
        return UNKNOWN
    if end > quotes[low]:
        return NO
    if not begins_character(text, at, start):
        return NO
    after = quotes[low] + 1
    while text[after] == 32 or text[after] == 9 or text[after] == 13:
        after += 1
    return NO if text[after] == 58 else YES


@kernel
def begins_character(text: Bytes, at: int, start: int) -> bool:
    """Whether the byte at `at` is not the second one of an escape: no odd number of backslashes stands before it."""
    before = at - 1
    while before >= start and text[before] == 92:
        before -= 1
    return (at - before) & 1 == 1


@kernel
def find_factor(text: Bytes, start: int, stop: int, factor: int, state: State) -> int:
    """Whether a factor stands in some value of the record `text[start:stop]`."""
    factors = state.factors
    first = np.int64(factors.start[factor])
    one, two = np.int64(factors.text[first]), np.int64(factors.text[first + 1])
    length = np.int64(factors.length[factor])
    answer = NO
    at = start
    while at < stop:
        found = equal_pairs(text, at, one, two)
        while found != 0:
            place = at + trailing_zeros(found)
            if is_factor(text, place, start, stop, factor, factors):
                answer = max(answer, place_of(text, place, place + length, start, state.scratch))
                if answer == YES:
                    return YES
            found &= found - _ONE
        at += 64
    return answer
