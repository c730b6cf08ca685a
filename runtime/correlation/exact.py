"""Numbers added, averaged and interpolated exactly, and rounded once: results depend on no order and no engine."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from fractions import Fraction

Number = int | float

_LEAST, _MOST = -(2**63), 2**64 - 1
# The exponent of the smallest float64: every one is a whole number of these.
_SCALE = 1074


def rounded(numerator: int, denominator: int) -> Number:
    """A quotient as an integer where it is one of 64 bits, else as the nearest float64; beyond these the last one.

    >>> rounded(6, 3), rounded(1, 10), rounded(10**400, 1) == sys.float_info.max
    (2, 0.1, True)
    """
    whole, rest = divmod(numerator, denominator)
    if not rest and _LEAST <= whole <= _MOST:
        return whole
    try:
        return numerator / denominator  # Python rounds the quotient of two integers correctly
    except OverflowError:
        return sys.float_info.max if numerator > 0 else -sys.float_info.max


class ExactSum:
    """A sum of integers and float64s to which each can be added, and taken away again."""

    __slots__ = ("_fractions", "_whole")

    def __init__(self) -> None:
        self._whole = 0
        self._fractions = 0  # of the floats, in units of the smallest one

    def add(self, number: Number, sign: int = 1) -> None:
        if isinstance(number, int):
            self._whole += sign * number
            return
        numerator, denominator = number.as_integer_ratio()
        self._fractions += sign * (numerator << (_SCALE + 1 - denominator.bit_length()))

    def over(self, count: int) -> Number:
        """The sum divided by a count, rounded."""
        if not self._fractions:
            return rounded(self._whole, count)
        return rounded((self._whole << _SCALE) + self._fractions, count << _SCALE)


def share_of(percentile: Number) -> tuple[int, int]:
    """A percentile as the share that it is, as the decimal that is written: 99.9, not the float next to it.

    >>> share_of(50), share_of(99.9)
    ((1, 2), (999, 1000))
    """
    return (Fraction(str(percentile)) / 100).as_integer_ratio()


def interpolated(numbers: Sequence[Number], share: tuple[int, int]) -> Number:
    """The percentile of sorted numbers, at least one: linear between the ranks around p/100 · (n - 1).

    >>> half = share_of(50)
    >>> interpolated([1, 2, 4], half), interpolated([1, 2], half), interpolated([7], share_of(99.9))
    (2, 1.5, 7)
    """
    numerator, denominator = share
    below, part = divmod(numerator * (len(numbers) - 1), denominator)
    low, low_over = numbers[below].as_integer_ratio()
    if not part:
        return rounded(low, low_over)
    high, high_over = numbers[below + 1].as_integer_ratio()
    # low + part / denominator * (high - low)
    over = low_over * high_over * denominator
    return rounded(low * high_over * (denominator - part) + high * low_over * part, over)
