"""Numbers are exact until they are rounded once, at the edges of float64 and of 64-bit integers too."""

from __future__ import annotations

import math
import sys
from fractions import Fraction

import pytest

from sigmac.runtime.correlation.alert import plain_number
from sigmac.runtime.correlation.exact import ExactSum, Number, interpolated, rounded, share_of

MOST = sys.float_info.max
LEAST = math.ulp(0.0)  # the smallest float64 above 0


def total(*numbers: Number) -> Number:
    made = ExactSum()
    for number in numbers:
        made.add(number)
    return made.over(1)


def same(one: Number, other: Number) -> bool:
    """Equal, of one type, and of one sign where they are 0."""
    return repr(one) == repr(other)


@pytest.mark.parametrize(
    ("numerator", "denominator", "expected"),
    [
        (6, 3, 2),
        (1, 10, 0.1),
        (2**64 - 1, 1, 2**64 - 1),
        (2**64, 1, 2.0**64),
        (-(2**63), 1, -(2**63)),
        (-(2**63) - 1, 1, -(2.0**63)),
        (2**53 * 2 + 1, 2, 2.0**53),  # half to even
        (2**53 * 2 + 3, 2, 2.0**53 + 2),
        (1, 2**1074, LEAST),
        (1, 2**1075, 0.0),
        (3, 2**1075, 2 * LEAST),
        (10**400, 1, MOST),
        (-(10**400), 1, -MOST),
        (10**400, 3, MOST),
        (-(10**400), 3, -MOST),
    ],
)
def test_a_quotient_is_rounded_once(numerator: int, denominator: int, expected: Number) -> None:
    assert same(rounded(numerator, denominator), expected)


@pytest.mark.parametrize(
    ("numbers", "expected"),
    [
        ((0.1, 0.2), 0.30000000000000004),
        ((0.1,) * 10, 1.0),  # added one by one they are 0.9999999999999999
        ((1e308, 1e308, -1e308), 1e308),
        ((1e308, 1e308), MOST),
        ((-1e308, -1e308), -MOST),
        ((1e16, 1.0, -1e16), 1),
        ((2**64 - 1, 1, -1), 2**64 - 1),
        ((2**63 - 1, 0.5), 2.0**63),
        ((-0.0,), 0),
        ((-0.0, -0.0), 0),
        ((LEAST, -LEAST), 0),
        ((LEAST, LEAST), 2 * LEAST),
    ],
)
def test_sums(numbers: tuple[Number, ...], expected: Number) -> None:
    assert same(total(*numbers), expected)
    assert same(total(*reversed(numbers)), expected)


def test_what_is_taken_away_leaves_nothing() -> None:
    made = ExactSum()
    for number in (MOST, LEAST, 0.1, 2**64 - 1, -0.0):
        made.add(number)
    for number in (MOST, 0.1, 2**64 - 1, -0.0):
        made.add(number, -1)
    assert same(made.over(1), LEAST)
    made.add(LEAST, -1)
    assert same(made.over(1), 0)


def test_averages_of_what_floats_cannot_add() -> None:
    made = ExactSum()
    made.add(MOST)
    made.add(MOST)
    assert made.over(2) == MOST
    assert made.over(3) == float(Fraction(MOST) * 2 / 3)


@pytest.mark.parametrize(
    ("numbers", "percentile", "expected"),
    [
        ([7], 99.9, 7),
        ([1, 2, 3], 0, 1),
        ([1, 2, 3], 100, 3),
        ([1, 2], 50, 1.5),
        ([1, 3], 50, 2),
        ([0, 1000], 99.9, 999),  # 99.9 is a decimal, not the float64 next to it
        ([0, 10], 33.3, 3.33),
        ([-MOST, MOST], 50, 0),
        ([MOST, MOST], 50, MOST),
        ([2**64 - 2, 2**64 - 1], 100, 2**64 - 1),
        ([2**53, 2**53 + 1], 50, 2.0**53),
    ],
)
def test_percentiles(numbers: list[Number], percentile: Number, expected: Number) -> None:
    found = interpolated(numbers, share_of(percentile))
    assert found == expected
    if isinstance(expected, int) and abs(expected) >= 2**53:
        assert isinstance(found, int)


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (3.0, "3"),
        (-0.0, "0"),
        (2.0**53, "9007199254740992.0"),
        (2**53, "9007199254740992"),
        (0.5, "0.5"),
    ],
)
def test_whole_numbers_are_shown_without_a_fraction(value: Number, shown: str) -> None:
    assert repr(plain_number(value)) == shown
