"""Correlations spread over places, with groups in a store, find what one process finds that sees everything."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sigmac.runtime.correlation.correlator import Correlator, Limits
from sigmac.runtime.correlation.definition import Correlation
from sigmac.runtime.correlation.observation import Observation
from sigmac.runtime.correlation.spread import stored_groups
from sigmac.runtime.correlation.spread.families import Spreading, find_families
from sigmac.runtime.correlation.spread.family_step import FamilySteps
from sigmac.runtime.errors import SigmacError

RULES = ["a", "b"]
SECOND = 1_000_000


def correlation(
    name: str, kind: str, rules: str, span: int, by: str, **more: object
) -> Correlation:
    condition = more or None
    return Correlation(
        name, kind, rules.split(), span, tuple(by.split()), condition, digest=f"digest of {name}"
    )


ALL = [
    correlation("two", "event_count", "a", 10, "u", gte=2),
    correlation("many", "event_count", "a", 1000, "u", gte=9),
    correlation("few", "event_count", "b", 10, "u", lt=3),
    correlation("then", "temporal_ordered", "two b", 20, "u"),
    correlation("chain", "temporal", "then a", 30, "h u"),
    correlation("apart", "temporal", "few a", 30, "h"),
    correlation("sum", "value_sum", "b", 100, "", field=["n"], gte=5),
    correlation("kinds", "value_count", "a b", 50, "h u", field=["n"], gte=3),
    correlation("middle", "value_median", "a", 50, "u", field=["n"], gt=1),
]
DEFINITIONS = {each.title: each for each in ALL}


class Kept(dict[str, bytes]):
    """A store."""

    def get_bytes(self, key: str) -> bytes | None:
        return self.get(key)

    def set_bytes(self, key: str, value: bytes) -> None:
        self[key] = value

    def delete(self, key: str) -> None:
        self.pop(key, None)


class Shelf:
    """The stores of a partition."""

    def __init__(self) -> None:
        self.stores: dict[bytes, Kept] = defaultdict(Kept)
        self.partition = 0

    def of(self, key: bytes) -> Kept:
        return self.stores[key]

    def items(self) -> Iterator[tuple[bytes, str, bytes]]:
        for key, store in self.stores.items():
            for name, entry in store.items():
                yield key, name, entry


def test_families_have_the_names_that_all_members_group_by() -> None:
    found = {each.members: each.names for each in find_families(DEFINITIONS, RULES)}
    assert found == {
        ("two", "then", "chain"): ("u",),
        ("many",): ("u",),
        ("few", "apart"): (),
        ("sum",): (),
        ("kinds",): ("h", "u"),
        ("middle",): ("u",),
    }


def test_a_name_that_a_child_calls_otherwise_is_in_common_no_more() -> None:
    child = correlation("child", "event_count", "a", 10, "u", gte=2)
    parent = Correlation(
        "parent", "temporal", ["child", "b"], 10, ("u",), fields={"u": {"child": ["h"], "b": ["u"]}}
    )
    (family,) = find_families({"child": child, "parent": parent}, RULES)
    assert family.names == ()


EVENTS = st.lists(
    st.tuples(
        st.integers(0, 3),  # seconds since the one before
        st.sampled_from([0, 0, 0, 2, 15, 300]),  # how late it is
        st.sampled_from([["a"], ["b"], ["a", "b"]]),
        st.sampled_from([["x"], ["x"], ["y"], [5], ["x", "y"], []]),
        st.sampled_from(["p", "q"]),
        st.sampled_from([1, 2, 0.5, 3]),
    ),
    max_size=80,
)


@settings(deadline=None, max_examples=150)
@given(
    events=EVENTS,
    most=st.sampled_from([3, 8, 100_000]),
    groups=st.sampled_from([1, 2, 3, 100_000]),
    piece=st.sampled_from([2, 3, 64]),
    again=st.sets(st.integers(0, 80)),
)
def test_what_is_spread_finds_the_same(
    events: list[tuple[int, int, list[str], list[object], str, float]],
    most: int,
    groups: int,
    piece: int,
    again: set[int],
) -> None:
    limits = Limits(groups, most)
    whole = Correlator(DEFINITIONS, RULES, limits=limits)
    spreading = Spreading(DEFINITIONS, RULES)
    steps = FamilySteps("pack", DEFINITIONS, RULES, limits)
    processes = [steps]
    kept, offset, clock = Shelf(), 0, 0
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(stored_groups, "_PIECE_HITS", piece)
        for number, (wait, late, matched, user, host, value) in enumerate(events):
            clock += wait
            seen = Observation(
                (clock - late) * SECOND,
                ("t", 0, number, None),
                dict.fromkeys(matched, ()),
                {"u": user, "h": [host], "n": [value]},  # type: ignore[dict-item]
            )
            expected = sorted(orjson.dumps(each.plain()) for each in whole.take(seen))
            if number in again:  # another process takes over what is kept
                steps = FamilySteps("pack", DEFINITIONS, RULES, limits)
                processes.append(steps)
            found = []
            for family, place in spreading.places(seen):
                offset += 1
                key = orjson.dumps([family.names, place])
                alerts = steps.take(family, place, seen, kept, key, offset)
                found += [orjson.dumps(each.plain()) for each in alerts]
            assert sorted(found) == expected
    for name, counts in whole.counts.items():
        forgotten = sum(each.counts[name].evicted_groups for each in processes)
        assert forgotten == counts.evicted_groups


def test_what_is_told_twice_counts_once() -> None:
    definitions = {"two": DEFINITIONS["two"]}
    steps, kept = FamilySteps("pack", definitions, RULES, Limits()), Shelf()
    (family,) = steps.families.values()
    for number, alerts in ((1, 0), (1, 0), (2, 1), (2, 0)):
        seen = Observation(number, ("t", 0, number, None), {"a": ()}, {"u": ["x"]})
        assert len(steps.take(family, ("x",), seen, kept, b"x", number)) == alerts
    assert steps.counts["two"].alerts == 1


@pytest.mark.parametrize("damage", [b"[2, 1]", b"[1, 1]", b"{}", b"nonsense"])
def test_a_state_that_cannot_be_read_is_told(damage: bytes) -> None:
    steps, kept = FamilySteps("pack", {"two": DEFINITIONS["two"]}, RULES, Limits()), Shelf()
    (family,) = steps.families.values()
    seen = Observation(1, ("t", 0, 1, None), {"a": ()}, {"u": ["x"]})
    steps.take(family, ("x",), seen, kept, b"x", 1)
    (name,) = kept.of(b"x")
    kept.of(b"x")[name] = damage
    with pytest.raises(SigmacError, match="remove the state folder and the changelog topic"):
        steps.take(family, ("x",), seen, kept, b"x", 2)
