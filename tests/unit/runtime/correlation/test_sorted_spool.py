"""Pieces come out by their keys, whether they stayed in memory or waited on disk."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from sigmac.runtime.correlation.sorted_spool import Key, SortedSpool

NUMBERS = st.integers(-(2**63), 2**63 - 1)
PIECES = st.lists(st.tuples(st.tuples(NUMBERS, st.integers(0, 2), NUMBERS), st.binary()))


@given(PIECES, st.integers(1, 2000))
def test_as_sorted_does(pieces: list[tuple[Key, bytes]], memory: int) -> None:
    spool = SortedSpool(memory)
    for key, piece in pieces:
        spool.add(key, piece)
    assert [*spool] == sorted(pieces, key=lambda each: each[0])
    assert [*spool] == sorted(pieces, key=lambda each: each[0])
    spool.close()
