"""What was taken longest ago makes room, whoever looks, with all that belongs to it."""

from __future__ import annotations

from collections import OrderedDict

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sigmac.runtime.correlation.spread.bounds import KIND, Bounds, piece
from sigmac.runtime.errors import SigmacError
from tests.unit.runtime.correlation.spread.test_family_step import Shelf

ONE, OTHER = "1" * KIND, "2" * KIND


def put(stores: Shelf, kind: str, key: int, at: int) -> None:
    """An entry that has a piece, as a group with many hits has."""
    store = stores.of(b"%d" % (key % 3))
    store[f"{kind}{key}"] = b"[1,%d,0,true,0,0,1,0]" % at
    store[piece(f"{kind}{key}", 0)] = b"[0,[]]"


@settings(deadline=None, max_examples=200)
@given(
    takings=st.lists(
        st.tuples(st.sampled_from([ONE, OTHER]), st.integers(0, 30), st.booleans()), max_size=120
    ),
    most=st.sampled_from([1, 3, 12, 25]),
)
def test_the_oldest_makes_room(takings: list[tuple[str, int, bool]], most: int) -> None:
    stores, bounds = Shelf(), Bounds()
    wanted: dict[str, OrderedDict[int, None]] = {ONE: OrderedDict(), OTHER: OrderedDict()}
    for at, (kind, key, anew) in enumerate(takings):
        if anew:
            bounds = Bounds()  # another process
        known = wanted[kind]
        if key not in known:
            gone = bounds.make_room(stores, kind, most)
            assert gone == (len(known) == most)
            if gone:
                known.popitem(last=False)
        known[key] = None
        known.move_to_end(key)
        put(stores, kind, key, at)
    names = {name for key, name, _ in stores.items() if key != b"counts"}
    entries = {f"{kind}{key}" for kind, known in wanted.items() for key in known}
    assert names == entries | {piece(name, 0) for name in entries}


def test_a_bound_that_became_lower_holds_at_once() -> None:
    stores = Shelf()
    for key in range(10):
        assert Bounds().make_room(stores, ONE, 100) == 0
        put(stores, ONE, key, key)
    assert Bounds().make_room(stores, ONE, 4) == 7
    assert {name for _, name, _ in stores.items() if name[:KIND] == ONE} == {
        ONE,
        *(f"{ONE}{key}" for key in (7, 8, 9)),
    }


@pytest.mark.parametrize("damage", [b"nonsense", b"[1,x,2]", b"[]"])
def test_what_cannot_be_read_is_told(damage: bytes) -> None:
    stores = Shelf()
    assert Bounds().make_room(stores, ONE, 1) == 0
    stores.of(b"k")[f"{ONE}x"] = damage
    with pytest.raises(SigmacError, match="remove the state folder"):
        Bounds().make_room(stores, ONE, 1)
    stores.of(b"counts")[ONE] = b"-1"
    with pytest.raises(SigmacError, match="a number is none"):
        Bounds().make_room(stores, ONE, 1)
