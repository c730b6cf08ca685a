"""Which pieces of literals are searched in raw bytes: the Python part of `kernels/piece_search.py`."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sigmac.runtime.engine.layout import GRAM_BITS, SLOT_BITS, Pieces, Searches

SEARCHES = 64  # at most
MOST_GRAMS = 1 << GRAM_BITS - 6  # of a search: more would be at every few places
NEEDLES = 64  # of a search at most; so many keywords of a pack may have LEAST bytes
GRAMS = (3, 4)  # bytes
LEAST = 2  # bytes of a piece that can be found at all
_LONGEST_STRIDE = 12  # eight places of it are read at once, and end within the padding
# Bytes of logs that tell which grams are common, and of those at most so many of each batch
_SAMPLED, _AT_ONCE = 1 << 22, 1 << 16
_LEAST_BITS, _SPARSE = 10, 7  # of a hash; and those by which there are more hashes than grams
_FACTOR = np.uint32(0x9E3779B1)
# Cycles of the processor: for a look at a gram, for one that is there, for a byte that a needle is looked for in
_LOOK, _HIT, _NEEDLE = 2.0, 100.0, 0.07


def hashes_of_grams(data: NDArray[np.uint8], size: int) -> NDArray[np.uint32]:
    """The hash of the gram of `size` bytes at each place, as the kernel makes it before it is shortened."""
    grams = np.zeros(max(len(data) - size + 1, 0), np.uint32)
    for i in range(size):
        grams |= (data[i : i + len(grams)] & 0xDF).astype(np.uint32) << np.uint32(8 * i)
    return grams * _FACTOR


def most_grams(lengths: NDArray[np.int32]) -> int:
    """How many grams of pieces of these lengths a search may look for."""
    return int(np.clip(lengths - GRAMS[0] + 1, 0, _LONGEST_STRIDE).sum())


@dataclass(slots=True)
class _Plan:
    """How some pieces are looked for: grams of `size` bytes, `stride` bytes apart; the rest are needles.

    `grams` has a row for each gram that is looked for: its hash, its offset in the piece, the piece. `cost` is an
    estimate in cycles for each byte.
    """

    size: int
    stride: int
    bits: int  # of a hash
    grams: NDArray[np.int64]
    needles: list[int]
    cost: float


class SearchTables:
    """The searches for some pieces each, and the tables that find them.

    Of each piece those grams, or that pair of bytes, are looked for that were rarest in the logs so far.
    """

    def __init__(self, pieces: Pieces, searches: Searches):
        self._searches = searches
        self._lengths: list[int] = pieces.length.tolist()
        self._texts = [
            pieces.text[start : start + length]
            for start, length in zip(pieces.start.tolist(), self._lengths, strict=True)
        ]
        self._heads = _heads(self._texts)
        self._numbers: dict[frozenset[int], int] = {}
        # How often each gram, by its shortened hash, and each pair of bytes was seen.
        self._grams = {size: np.zeros(1 << GRAM_BITS, np.int64) for size in GRAMS}
        self._pairs = np.zeros(1 << 16, np.int64)
        self._sampled = self._due = 0  # bytes

    def number_of(self, pieces: Collection[int]) -> int | None:
        """The number of a search for some pieces, and perhaps a few others; None where it cannot be made."""
        wanted = frozenset(pieces)
        known = [each for each in self._numbers if wanted <= each]
        if known:
            nearest = min(known, key=len)
            if len(nearest) <= 1.5 * len(wanted) + 8 or len(self._numbers) >= SEARCHES:
                return self._numbers[nearest]
        if len(self._numbers) >= SEARCHES or len(wanted) > MOST_GRAMS:
            return None
        number = self._numbers[wanted] = len(self._numbers)
        self._write(number, wanted)
        return number

    def learn(self, data: NDArray[np.uint8]) -> None:
        """Look at some logs to tell what is rare; does nothing once enough was seen."""
        if self._sampled < _SAMPLED and self._texts:
            data = data[:_AT_ONCE]
            self._sampled += len(data)
            for size, seen in self._grams.items():
                hashes = _shortened(hashes_of_grams(data, size), GRAM_BITS)
                seen += np.bincount(hashes, minlength=1 << GRAM_BITS)
            self._pairs += np.bincount(_pairs_of(data), minlength=1 << 16)
            # Few bytes at a time must not mean many choices.
            if self._sampled >= self._due:
                self._due = 2 * self._sampled
                for pieces, number in self._numbers.items():
                    self._write(number, pieces)

    def _write(self, number: int, pieces: Collection[int]) -> None:
        """Write the tables of a search; those of the searches before are written."""
        searches = self._searches
        has = searches.has[number * len(self._lengths) : (number + 1) * len(self._lengths)]
        has[:] = 0
        has[[*pieces]] = 1
        plan = min((self._plan(sorted(pieces), size) for size in GRAMS), key=lambda p: p.cost)
        hashes = plan.grams[:, 0].astype(np.uint32)
        wanted = searches.wanted[number << GRAM_BITS : (number + 1) << GRAM_BITS]
        wanted[:] = 0
        wanted[_shortened(hashes, plan.bits)] = 1
        searches.strides[number], searches.shifts[number] = plan.stride, 64 - plan.bits
        searches.masks[number] = 0xDFDFDFDF & (1 << 8 * plan.size) - 1
        slots = _shortened(hashes, SLOT_BITS)
        order = np.argsort(slots, kind="stable")
        first = number << SLOT_BITS
        begin = int(searches.first[first])
        ends = begin + np.searchsorted(slots[order], np.arange(1, (1 << SLOT_BITS) + 1))
        searches.first[first + 1 : first + 1 + (1 << SLOT_BITS)] = ends
        offset, piece = plan.grams[order, 1], plan.grams[order, 2]
        entries = searches.entries[4 * begin : 4 * (begin + len(order))].reshape(-1, 4)
        entries[:] = np.stack(
            [*self._heads[:, piece], offset.astype(np.uint64), piece.astype(np.uint64)], axis=1
        )
        needles = [self._needle(piece) for piece in plan.needles]
        before = int(searches.needle_ends[number])
        after = searches.needle_ends[number + 1] = before + len(needles)
        searches.needles[4 * before : 4 * after] = np.array(needles, np.int32).reshape(-1)

    def _plan(self, pieces: list[int], size: int) -> _Plan:
        """The best way to look for some pieces by grams of a size."""
        lengths = [self._lengths[piece] for piece in pieces]
        least = _least_of_grams(lengths, size)
        long = [piece for piece in pieces if self._lengths[piece] >= least]
        needles = [piece for piece in pieces if self._lengths[piece] < least]
        stride = _stride(least, len(long), size) if long else 0
        # So many bits of a hash keep false hits rare.
        bits = min(GRAM_BITS, max(_LEAST_BITS, (stride * len(long)).bit_length() + _SPARSE))
        seen = self._grams[size].reshape(1 << bits, -1).sum(1)
        rows: list[NDArray[np.int64]] = []
        for piece in long:
            hashes = hashes_of_grams(self._texts[piece], size)
            often = seen[_shortened(hashes, bits)]
            best = int(np.argmin(np.convolve(often, np.ones(stride, np.int64), "valid")))
            place = np.arange(best, best + stride)
            rows.append(np.stack([hashes[place], place, np.full(stride, piece)], axis=1))
        grams = np.concatenate(rows) if rows else np.zeros((0, 3), np.int64)
        hits = seen[np.unique(_shortened(grams[:, 0].astype(np.uint32), bits))].sum()
        look = _LOOK + _HIT * float(hits) / max(self._sampled, 1)
        cost = len(needles) * _NEEDLE + (look / stride if stride else 0.0)
        return _Plan(size, stride, bits, grams, needles, cost)

    def _needle(self, piece: int) -> list[int]:
        text = self._texts[piece]
        at = int(np.argmin(self._pairs[_pairs_of(text)]))
        return [int(text[at]), int(text[at + 1]), at, piece]


def _heads(texts: Sequence[NDArray[np.uint8]]) -> NDArray[np.uint64]:
    """The first eight bytes of each text without their bit 5, as a number, and a mask for as many: shape (2, n)."""
    heads = [int.from_bytes((text[:8] & 0xDF).tobytes(), "little") for text in texts]
    masks = [0xDFDFDFDFDFDFDFDF & (1 << 8 * min(len(text), 8)) - 1 for text in texts]
    return np.array([heads, masks], np.uint64)


def _shortened(hashes: NDArray[np.uint32], bits: int) -> NDArray[np.int64]:
    return (hashes >> np.uint32(32 - bits)).astype(np.int64)


def _pairs_of(data: NDArray[np.uint8]) -> NDArray[np.int64]:
    lower = data.astype(np.int64) | 0x20
    return lower[:-1] << 8 | lower[1:]


def _stride(least: int, pieces: int, size: int) -> int:
    """How many bytes apart the grams of some pieces are looked for, of which the shortest has `least` bytes."""
    return min(least - size + 1, _LONGEST_STRIDE, max(1, MOST_GRAMS // pieces))


def _least_of_grams(lengths: list[int], size: int) -> int:
    """From what length on pieces are looked for by grams: what costs least, as the shorter ones are needles."""

    def cost(least: int) -> float:
        short = sum(length < least for length in lengths)
        long = len(lengths) - short
        return (_LOOK / _stride(least, long, size) if long else 0.0) + short * _NEEDLE

    def is_possible(least: int) -> bool:
        return sum(length < least for length in lengths) <= NEEDLES

    possible = [*filter(is_possible, range(size, _LONGEST_STRIDE + size))]
    return min(possible, key=cost, default=size)
