"""Which factors of literals are searched in raw bytes: the Python part of `kernels/factor_search.py`."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sigmac.runtime.distinct import distinct
from sigmac.runtime.engine.layout import (
    BUCKETS,
    GRAM_BITS,
    SLOT_BITS,
    WINDOW,
    WINDOW_BITS,
    WINDOW_SLOTS,
    Factors,
    Searches,
)

SEARCHES = 64  # at most
ENTRY = 4  # words
MOST_GRAMS = 1 << GRAM_BITS - 6  # of a search: more would be at every few places
WINDOWS = 64  # factors of a search that are known by a window, at most; and keywords of a pack with LEAST bytes
GRAMS = (3, 4)  # bytes
LEAST = 2  # bytes of a factor that can be found at all
_LONGEST_STRIDE = 12  # eight places of it are read at once, and end within the padding
# Bytes of logs that tell which grams are common, and of those at most so many of each batch
_SAMPLED, _AT_ONCE = 1 << 21, 1 << 16
_LEAST_BITS, _SPARSE = 10, 7  # of a hash; and those by which there are more hashes than grams
_ROUNDS = 3  # in which windows are spread over buckets
_MULTIPLIER = np.uint32(0x9E3779B1)
# Cycles of the processor: for a look at a gram, for a byte that windows are looked for in, for what is found
_LOOK, _WINDOWS, _HIT = 3.0, 0.33, 60.0


def hashes_of_grams(data: NDArray[np.uint8], size: int) -> NDArray[np.uint32]:
    """The hash of the gram of `size` bytes at each place, as the kernel makes it before it is shortened."""
    grams = np.zeros(max(len(data) - size + 1, 0), np.uint32)
    for i in range(size):
        grams |= (data[i : i + len(grams)] & 0xDF).astype(np.uint32) << np.uint32(8 * i)
    return grams * _MULTIPLIER


def most_grams(lengths: NDArray[np.int32]) -> int:
    """How many grams of factors of these lengths a search may look for."""
    return min(int(np.clip(lengths - GRAMS[0] + 1, 0, _LONGEST_STRIDE).sum()), MOST_GRAMS)


@dataclass(slots=True)
class _Plan:
    """How some factors are looked for: grams of `size` bytes, `stride` bytes apart; the rest by windows.

    `grams` has a row for each gram that is looked for: its hash, its offset in the factor, the factor. `cost` is an
    estimate in cycles for each byte.
    """

    size: int
    stride: int
    bits: int  # of a hash
    grams: NDArray[np.int64]
    short: list[int]
    cost: float


class SearchTables:
    """The searches for some factors each, and the tables that find them.

    Of each factor those grams, or that pair of bytes, are looked for that were rarest in the logs so far.
    """

    def __init__(self, factors: Factors, searches: Searches):
        self._searches = searches
        self._factors = factors
        self._all: list[frozenset[int]] = []  # the factors of each search
        self._short: dict[
            int, dict[int, int]
        ] = {}  # and those that it knows by windows, with their offsets
        # How often each gram, by its shortened hash, and each byte was seen.
        self._grams = {size: np.zeros(1 << GRAM_BITS, np.int64) for size in GRAMS}
        self._bytes = np.ones(256, np.int64)
        self._sampled = self._due = 0  # bytes

    def number_of(self, factors: Collection[int]) -> int | None:
        """The number of a search for some factors, and perhaps a few others; None where there is none.

        A search for nearly the same factors is extended: what is found beyond what was asked for does no harm.
        """
        wanted = frozenset(factors)
        if len(wanted) > MOST_GRAMS:
            return None
        full = len(self._all) >= SEARCHES
        for number, known in enumerate(self._all):
            both = wanted | known
            if full or len(both) <= 1.25 * min(len(wanted), len(known)) + 4:
                if both > known and len(both) <= MOST_GRAMS:
                    self._all[number] = both
                    self._write(number)
                if wanted <= self._all[number]:
                    return number
        if full:
            return None
        self._all.append(wanted)
        self._write(len(self._all) - 1)
        return len(self._all) - 1

    def learn(self, data: NDArray[np.uint8]) -> None:
        """Look at some logs to tell what is rare; does nothing once enough was seen."""
        if self._sampled < _SAMPLED and len(self._factors.start):
            data = data[:_AT_ONCE]
            self._sampled += len(data)
            for size, seen in self._grams.items():
                hashes = _shortened(hashes_of_grams(data, size), GRAM_BITS)
                seen += np.bincount(hashes, minlength=1 << GRAM_BITS)
            self._bytes += np.bincount(data, minlength=256)
            # Few bytes at a time must not mean many choices.
            if self._sampled >= self._due:
                self._due = 4 * self._sampled
                for number in range(len(self._all)):
                    self._write(number)

    def _write(self, number: int) -> None:
        """Write the tables of a search."""
        searches, factors = self._searches, sorted(self._all[number])
        count = len(self._factors.start)
        has = searches.has[number * count : (number + 1) * count]
        has[:] = 0
        has[factors] = 1
        windows = self._windows_of(np.array(factors, np.int64))
        plan = min((self._plan(windows, size) for size in GRAMS), key=lambda plan: plan.cost)
        hashes = plan.grams[:, 0].astype(np.uint32)
        wanted = searches.wanted[number << GRAM_BITS : (number + 1) << GRAM_BITS]
        wanted[:] = 0
        wanted[_shortened(hashes, plan.bits)] = 1
        searches.strides[number], searches.shifts[number] = plan.stride, 64 - plan.bits
        searches.masks[number] = 0xDFDFDFDF & (1 << 8 * plan.size) - 1
        slots = _shortened(hashes, SLOT_BITS)
        order = np.argsort(slots, kind="stable")
        count = (1 << SLOT_BITS) + 1
        begin = number * (len(searches.entries) // SEARCHES // ENTRY)
        firsts = begin + np.searchsorted(slots[order], np.arange(count))
        searches.first[number * count : (number + 1) * count] = firsts
        entries = self._entries(plan.grams[order, 2], plan.grams[order, 1])
        searches.entries[ENTRY * begin : ENTRY * begin + len(entries)] = entries
        short = {factor: windows[factor][0] for factor in plan.short}
        if self._short.get(number) != short:  # spreading windows over buckets is most of the work
            self._write_windows(number, short)
            self._short[number] = short

    def _write_windows(self, number: int, short: Mapping[int, int]) -> None:
        """Write the tables of the windows of some factors, given with their offsets."""
        searches = self._searches
        texts = [self._text(factor)[at : at + WINDOW] for factor, at in short.items()]
        size = 32 * WINDOW
        nibbles = _nibbles_by_bucket(texts, self._bytes / self._bytes.sum())
        searches.nibbles[number * size : (number + 1) * size] = nibbles
        slots = np.array([_window_slot(text) for text in texts], np.int64)
        order = np.argsort(slots, kind="stable")
        begin, count = number * WINDOWS, WINDOW_SLOTS + 2
        firsts = begin + np.searchsorted(slots[order], np.arange(count))
        searches.window_first[number * count : (number + 1) * count] = firsts
        factor, offset = np.array([*short.items()], np.int64).reshape(-1, 2)[order].T
        entries = self._entries(factor, offset)
        searches.windows[ENTRY * begin : ENTRY * begin + len(entries)] = entries

    def _text(self, factor: int) -> NDArray[np.uint8]:
        start = self._factors.start[factor]
        return self._factors.text[start : start + self._factors.length[factor]]

    def _entries(self, factor: NDArray[np.int64], offset: NDArray[np.int64]) -> NDArray[np.uint64]:
        """Four words for each factor: its first eight bytes, the bits of these that count, the offset, the factor."""
        text, places = self._factors.text, self._factors.start[factor, None] + np.arange(8)
        within = np.arange(8) < self._factors.length[factor, None]
        masks = np.where(within, 0xDF, 0).astype(np.uint8)
        heads = text[np.minimum(places, max(len(text) - 1, 0))] & masks
        rows = np.empty((len(factor), ENTRY), np.uint64)
        rows[:, 0], rows[:, 1] = (each.view("<u8")[:, 0] for each in (heads, masks))
        rows[:, 2], rows[:, 3] = offset, factor
        return rows.reshape(-1)

    def _windows_of(self, factors: NDArray[np.int64]) -> dict[int, tuple[int, float]]:
        """The offset of the rarest window of each factor, and how often that is at a place."""
        found = dict.fromkeys(factors.tolist(), (0, 0.0))
        lengths = np.minimum(self._factors.length[factors], WINDOW)
        for size, seen in self._grams.items():
            these = factors[lengths == size]
            grams, ends = self._grams_of(these, size)
            at, least = _least(seen[_shortened(grams, GRAM_BITS)], ends)
            shares = least / max(self._sampled, 1)
            found.update(
                zip(these.tolist(), zip(at.tolist(), shares.tolist(), strict=True), strict=True)
            )
        return found

    def _grams_of(
        self, factors: NDArray[np.int64], size: int
    ) -> tuple[NDArray[np.uint32], NDArray[np.int64]]:
        """The hashes of all grams of some factors, one factor behind the other, and where each factor's end."""
        counts = self._factors.length[factors].astype(np.int64) - size + 1
        ends = np.cumsum(counts)
        starts = self._factors.start[factors] - np.concatenate([[0], ends[:-1]])[: len(ends)]
        places = np.arange(int(counts.sum())) + np.repeat(starts, counts)
        text = self._factors.text[places[:, None] + np.arange(size)].reshape(-1)
        return hashes_of_grams(text, size)[::size], ends

    def _plan(self, windows: Mapping[int, tuple[int, float]], size: int) -> _Plan:
        """The best way to look for some factors, given with their windows, by grams of a size."""
        factors = [*windows]
        lengths = self._factors.length[factors].astype(np.int64)
        often = np.array([share for _, share in windows.values()])
        least = _least_of_grams(lengths, often, size)
        long, short = (
            np.array(factors, np.int64)[each].tolist()
            for each in (lengths >= least, lengths < least)
        )
        stride = _stride(least, len(long), size) if long else 0
        # So many bits of a hash keep false hits rare.
        bits = min(GRAM_BITS, max(_LEAST_BITS, (stride * len(long)).bit_length() + _SPARSE))
        seen = self._grams[size].reshape(1 << bits, -1).sum(1)
        grams = self._rarest_grams(np.array(long, np.int64), size, stride, bits, seen)
        hits = seen[distinct(_shortened(grams[:, 0].astype(np.uint32), bits))].sum()
        look = _LOOK + _HIT * float(hits) / max(self._sampled, 1)
        cost = look / stride if stride else 0.0
        if short:
            cost += _cost_of_windows(often[lengths < least])
        return _Plan(size, stride, bits, grams, short, cost)

    def _rarest_grams(
        self, factors: NDArray[np.int64], size: int, stride: int, bits: int, seen: NDArray[np.int64]
    ) -> NDArray[np.int64]:
        """Of each factor the `stride` grams behind each other that were seen least; rows as of `_Plan.grams`."""
        if not len(factors):
            return np.zeros((0, 3), np.int64)
        grams, ends = self._grams_of(factors, size)
        sums = np.concatenate([[0], np.cumsum(seen[_shortened(grams, bits)])])
        runs = sums[stride:] - sums[: len(sums) - stride]
        # A run may not reach into the next factor.
        begins = np.concatenate([[0], ends[:-1]])
        whole = ends - (stride - 1) * np.arange(1, len(ends) + 1)
        counts = np.diff(whole, prepend=0)
        inside = np.arange(int(whole[-1])) + np.repeat(ends - whole - (stride - 1), counts)
        best, _ = _least(runs[inside], whole)
        places = best[:, None] + np.arange(stride)
        rows = np.stack(
            [
                grams[begins[:, None] + places].astype(np.int64),
                places,
                np.broadcast_to(factors[:, None], places.shape),
            ],
            axis=2,
        )
        return rows.reshape(-1, 3)


def _least(
    values: NDArray[np.int64], ends: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Of each run of values, which end so, the offset of the least, and that value; of equal ones the first."""
    if not len(ends):
        return np.zeros(0, np.int64), np.zeros(0, np.int64)
    begins = np.concatenate([[0], ends[:-1]])
    least = np.minimum.reduceat(values, begins)
    hits = np.flatnonzero(values == np.repeat(least, np.diff(ends, prepend=0)))
    first = hits[np.searchsorted(hits, begins)]
    return first - begins, least


def _cost_of_windows(often: NDArray[np.float64]) -> float:
    """Cycles a byte. Buckets mix the bytes of their windows: what they find is taken as twice what is there."""
    return _WINDOWS + 2 * _HIT * float(often.sum())


def _least_of_grams(lengths: NDArray[np.int64], often: NDArray[np.float64], size: int) -> int:
    """From what length on factors are looked for by grams: what costs least, as the shorter ones are by windows."""
    best, least = float("inf"), size
    for length in (*range(size, _LONGEST_STRIDE + size), int(lengths.max(initial=0)) + 1):
        short = lengths < length
        if short.sum() > WINDOWS:
            break
        long = len(lengths) - int(short.sum())
        cost = _LOOK / _stride(length, long, size) if long else 0.0
        if short.any():
            cost += _cost_of_windows(often[short])
        if cost < best:
            best, least = cost, length
    return least


def _window_slot(window: NDArray[np.uint8]) -> int:
    """The slot of a window: by its first three bytes, the last one where it has none."""
    if len(window) < GRAMS[0]:
        return WINDOW_SLOTS
    return int(_shortened(hashes_of_grams(window[: GRAMS[0]], GRAMS[0]), WINDOW_BITS)[0])


def _nibbles_by_bucket(
    windows: Sequence[NDArray[np.uint8]], often: NDArray[np.float64]
) -> NDArray[np.uint8]:
    """For each byte of a window, and each lower and upper nibble of it, the buckets that may have it there, as bits.

    `often` is the share of each byte among those of logs. Each window goes where it adds least to what the buckets
    find, in several rounds: a bucket takes every mixture of its windows' nibbles for one of them.
    """
    share = often.reshape(16, 16)  # by upper and lower nibble
    each = [_nibbles_of(window) for window in windows]
    chosen = np.full(len(windows), -1, np.int64)
    # Of each bucket, byte of a window, lower and upper nibble: how many of its windows may have it there
    counts = np.zeros((BUCKETS, WINDOW, 2, 16), np.int64)

    found = np.zeros(BUCKETS)

    def found_by(counts: NDArray[np.int64]) -> Any:
        has = (counts > 0).astype(np.float64)
        return ((has[..., 1, :] @ share) * has[..., 0, :]).sum(-1).prod(-1)

    for _ in range(_ROUNDS):
        for i, nibbles in enumerate(each):
            before = chosen[i]
            if before >= 0:
                counts[before] -= nibbles
                found[before] = found_by(counts[before])
            then = found_by(counts + nibbles)
            after = chosen[i] = int(np.argmin(then - found))
            counts[after] += nibbles
            found[after] = then[after]
    bits = (1 << np.arange(BUCKETS, dtype=np.uint8))[:, None, None, None]
    table = ((counts > 0) * bits).sum(0).astype(np.uint8)
    made: NDArray[np.uint8] = table.reshape(-1)
    return made


def _nibbles_of(window: NDArray[np.uint8]) -> NDArray[np.int64]:
    """1 for each nibble that a byte of a window may have: shape (WINDOW, 2, 16), the lower nibbles first."""
    nibbles = np.zeros((WINDOW, 2, 16), np.int64)
    nibbles[len(window) :] = 1
    for at, byte in enumerate(window.tolist()):
        nibbles[at, 0, byte & 15] = 1
        nibbles[at, 1, byte >> 4] = 1
        if 97 <= byte <= 122:
            nibbles[at, 1, (byte ^ 0x20) >> 4] = 1
    return nibbles


def _shortened(hashes: NDArray[np.uint32], bits: int) -> NDArray[np.int64]:
    return (hashes >> np.uint32(32 - bits)).astype(np.int64)


def _stride(least: int, factors: int, size: int) -> int:
    """How many bytes apart the grams of some factors are looked for, of which the shortest has `least` bytes."""
    return min(least - size + 1, _LONGEST_STRIDE, max(1, MOST_GRAMS // factors))
