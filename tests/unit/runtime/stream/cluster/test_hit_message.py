"""A hit is read as it was written, and nothing else is taken for one."""

from __future__ import annotations

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sigmac.runtime.correlation.observation import Observation
from sigmac.runtime.correlation.spread.families import Family
from sigmac.runtime.errors import InputError
from sigmac.runtime.stream.cluster.hit_message import MOST_BYTES, HitTooLarge, decode, encode

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=8) | st.just("event")
SCALARS = TEXTS | st.integers(-(2**63), 2**64 - 1) | st.booleans() | st.floats(allow_nan=False)
PACK = {"name": "p", "version": "1"}


@given(
    place=st.lists(TEXTS, max_size=3),
    matched=st.dictionaries(TEXTS, st.lists(TEXTS, max_size=2).map(tuple), max_size=3),
    values=st.dictionaries(TEXTS, st.lists(SCALARS, max_size=3), max_size=3),
    index=st.none() | st.integers(0, 9),
    event=st.none() | st.just(b'{"a":1,"event":{"b":2}}'),
)
def test_a_hit_is_read_as_it_was_written(
    place: list[str],
    matched: dict[str, tuple[str, ...]],
    values: dict[str, list[str | int | float | bool]],
    index: int | None,
    event: bytes | None,
) -> None:
    if any(each in (float("inf"), -float("inf")) for some in values.values() for each in some):
        return  # no JSON has it
    family = Family("0123", ("x",), tuple(f"n{i}" for i in range(len(place))))
    seen = Observation(5, ("topic", 1, 2, index), matched, values)
    key, value = encode("slot", PACK, family, tuple(place), seen, event)
    hit = decode(value)
    assert (hit.slot, hit.pack, hit.family, hit.place) == ("slot", PACK, "0123", tuple(place))
    assert (hit.observation, hit.event) == (seen, event)
    assert orjson.loads(key) == [list(family.names), place]


def test_long_places_have_short_keys() -> None:
    seen = Observation(5, ("topic", 1, 2, None), {"a": ()}, {})
    family = Family("0123", ("x",), ("u",))
    keys = {encode("s", PACK, family, (each * 1000,), seen, None)[0] for each in "xy"}
    assert {len(each) for each in keys} == {66}
    assert len(keys) == 2


def test_what_is_too_large_is_refused_and_an_event_left_out() -> None:
    family = Family("0123", ("x",), ())
    seen = Observation(5, ("topic", 1, 2, None), {"a": ()}, {"n": ["x" * MOST_BYTES]})
    with pytest.raises(HitTooLarge, match="more than 204,800"):
        encode("s", PACK, family, (), seen, None)
    _, value = encode("s", PACK, family, (), seen._replace(values={}), b"x" * (1 << 20))
    assert decode(value).event is None


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        ({"v": 2}, "a hit of version 2; this is version 1"),
        ({"time": "x"}, "not a hit: a number is none"),
        ({"time": True}, "not a hit: a number is none"),
        ({"place": [1]}, "not a hit: a text is none"),
        ({"values": [["n", [{}]]]}, "not a hit: a value is no text and no number"),
        ({"source": {}}, "not a hit: 'topic'"),
        ({"matched": 5}, "not a hit: "),
    ],
)
def test_what_is_no_hit_is_refused(damage: dict[str, object], said: str) -> None:
    seen = Observation(5, ("topic", 1, 2, None), {"a": ()}, {"n": [1]})
    _, value = encode("s", PACK, Family("0", ("x",), ()), (), seen, None)
    with pytest.raises(InputError) as caught:
        decode(orjson.dumps({**orjson.loads(value), **damage}))
    assert str(caught.value).startswith(said)


@pytest.mark.parametrize("value", [None, b"", b"nonsense", b"[]", b"{}", b'{"v":1}', b"5"])
def test_nonsense_is_refused(value: bytes | None) -> None:
    with pytest.raises(InputError):
        decode(value)
