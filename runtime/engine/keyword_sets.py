"""Which literals are searched in the raw bytes of a kind's records: the Python part of `kernels/raw_search.py`."""

from __future__ import annotations

from collections.abc import Set

import numpy as np
from numpy.typing import NDArray

from sigmac.runtime.engine.layout import HASH_BITS, ODD_NUMBER, OUTLANDISH_TEXT, Kinds
from sigmac.runtime.number_texts import could_be_in_number

SETS = 32  # at most; kinds beyond share one of all literals
GRAM = 4  # bytes
_LONGEST_STRIDE = 12  # eight places of it are read at once, and end within the padding
_SAMPLED = 1 << 18  # bytes of logs that tell which grams are common
_MULTIPLIER = np.uint64(0x9E3779B97F4A7C15)


def hashes_of_grams(data: NDArray[np.uint8]) -> NDArray[np.uint64]:
    """The hash of the gram at each place, as the kernel makes it."""
    return grams_of(data) * _MULTIPLIER >> np.uint64(64 - HASH_BITS)


def grams_of(data: NDArray[np.uint8]) -> NDArray[np.uint64]:
    """The four bytes from each place on as a number, bit 5 of each set."""
    grams = np.zeros(max(len(data) - GRAM + 1, 0), np.uint64)
    for i in range(GRAM):
        part = data[i : i + len(grams)].astype(np.uint64) | np.uint64(0x20)
        grams |= part << np.uint64(8 * i)
    return grams


class KeywordSets:
    """The sets of literals that some kinds of records are searched for, and the tables that find them.

    Of each literal those grams are looked for that were rarest in the first logs.
    """

    def __init__(self, fragments: Set[bytes], kinds: Kinds):
        self._kinds = kinds
        self._all = frozenset(each for each in fragments if len(each) >= GRAM)
        self._numbers: dict[frozenset[bytes], int] = {}
        self._seen = np.zeros(1 << HASH_BITS, np.int64)  # how often each gram was seen
        self._sampled = self._due = 0  # bytes

    def number_of(self, fragments: frozenset[bytes]) -> int | None:
        """The number of a set; None where one of its literals is too short to be found."""
        if any(len(each) < GRAM for each in fragments):
            return None
        if len(self._numbers) >= SETS - 1 and fragments not in self._numbers:
            fragments = self._all
        number = self._numbers.get(fragments)
        if number is None:
            number = self._numbers[fragments] = len(self._numbers)
            self._choose(number, fragments)
        return number

    def learn(self, data: NDArray[np.uint8]) -> None:
        """Look at some logs to tell which grams are rare; does nothing once enough was seen."""
        if self._sampled < _SAMPLED:
            data = data[: _SAMPLED - self._sampled]
            self._sampled += len(data)
            self._seen += np.bincount(
                hashes_of_grams(data).astype(np.int64), minlength=1 << HASH_BITS
            )
            # Few bytes at a time must not mean many choices.
            if self._sampled >= self._due:
                self._due = 2 * self._sampled
                for fragments, number in self._numbers.items():
                    self._choose(number, fragments)

    def _choose(self, number: int, fragments: frozenset[bytes]) -> None:
        stride = min(min(map(len, fragments), default=_LONGEST_STRIDE) - GRAM + 1, _LONGEST_STRIDE)
        wanted = self._kinds.wanted[number << HASH_BITS : (number + 1) << HASH_BITS]
        wanted[:] = 0
        for each in fragments:
            hashes = hashes_of_grams(np.frombuffer(each, np.uint8)).astype(np.int64)
            common = np.convolve(self._seen[hashes], np.ones(stride, np.int64), "valid")
            best = int(np.argmin(common))
            wanted[hashes[best : best + stride]] = 1
        self._kinds.strides[number] = stride
        numbers = any(could_be_in_number(each.decode("ascii")) for each in fragments)
        self._kinds.exotic[number] = OUTLANDISH_TEXT | (ODD_NUMBER if numbers else 0)
