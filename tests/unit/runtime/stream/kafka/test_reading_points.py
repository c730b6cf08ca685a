"""Where a partition is read from when the group's offset cannot be."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sigmac.runtime.stream.kafka.reading_points import ReadingPoint, Unreadable, reading_point

NONE = Unreadable(None, False, "none")


@pytest.mark.parametrize(
    ("which", "reset", "found"),
    [
        (NONE, "earliest", ReadingPoint(35)),
        (NONE, "latest", ReadingPoint(50)),
        (Unreadable(10, False, "gone"), "earliest", ReadingPoint(35, 25)),
        (Unreadable(10, False, "gone"), "latest", ReadingPoint(50, 40)),
        # Behind the end: the topic was made anew, or its brokers lost records.
        (Unreadable(90, False, "gone"), "earliest", ReadingPoint(35)),
        (Unreadable(90, False, "gone"), "latest", ReadingPoint(50)),
        (Unreadable(45, True, "truncated"), "earliest", ReadingPoint(45)),
        (Unreadable(45, True, "truncated"), "latest", ReadingPoint(45)),
        (Unreadable(90, True, "truncated"), "earliest", ReadingPoint(50)),
    ],
)
def test_where_it_goes_on(which: Unreadable, reset: str, found: ReadingPoint) -> None:
    assert reading_point(which, reset, 35, 50) == found


@given(
    st.integers(0, 100),
    st.integers(0, 100),
    st.integers(0, 100),
    st.sampled_from(["earliest", "latest"]),
    st.booleans(),
)
def test_what_is_there_from_the_point_on_is_read_and_the_rest_counted(
    wanted: int, first: int, length: int, reset: str, truncated: bool
) -> None:
    found = reading_point(Unreadable(wanted, truncated, ""), reset, first, first + length)
    assert first <= found.offset <= first + length
    if not truncated:
        assert found.lost == max(0, found.offset - wanted)
