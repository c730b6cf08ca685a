"""The bytes of a state: what goes on from them, and what does not."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import orjson
import pytest

from sigmac.runtime.correlation.correlator import Correlator
from sigmac.runtime.errors import SigmacError
from tests.unit.runtime.correlation.definitions import alerts, correlator, made, seen

NUMBERS = {"field": ["n"], "gte": 5}
KINDS: list[dict[str, Any]] = [
    {"type": "event_count", "group_by": ["u"]},
    {"type": "value_count", "condition": {"field": ["n"], "gte": 2}},
    {"type": "value_count", "condition": {"field": ["n", "u"], "gte": 2}},
    {"type": "value_sum", "condition": NUMBERS},
    {"type": "value_avg", "condition": NUMBERS},
    {"type": "value_median", "condition": NUMBERS},
    {"type": "temporal", "rules": ["a", "b"], "condition": None},
    {"type": "temporal_ordered", "rules": ["a", "b"], "condition": None},
]


def all_kinds() -> Correlator:
    return correlator(*(made(**each) for each in KINDS))


def used() -> Correlator:
    """Groups in a window, late ones and two hits that were set aside."""
    some = all_kinds()
    for second, rules in ((100, "a"), (101, "ab"), (99.5, "b"), (1, "a"), (2, "a")):
        alerts(some, seen(second, rules, u="bob", n=[3, 0.5]), seen(second, "a", u="eve", n=2))
    return some


def test_the_bytes_are_those_of_the_state() -> None:
    some, again = used(), all_kinds()
    assert again.restore(some.snapshot()) == []
    assert again.snapshot() == some.snapshot()
    assert again.counts == some.counts
    after = seen(3, "ab", u="bob", n=7)
    assert alerts(again, after) == alerts(some, after) != []
    assert again.snapshot() == some.snapshot()


def test_what_has_changed_begins_anew() -> None:
    one, other = made(digest="one"), made(digest="other", condition={"gte": 3})
    some = correlator(one, other)
    alerts(some, seen(0), seen(1))
    changed = made(digest="new", condition={"gte": 3})
    again = correlator(changed, one)
    assert again.restore(some.snapshot()) == ["c0"]
    assert again.groups == {"c0": 0, "c1": 1}
    assert alerts(again, seen(2), seen(3), seen(4)) == [(4, 3, [2, 3, 4])]


def test_a_used_one_forgets_what_it_had() -> None:
    some = used()
    some.no_time = 3
    assert some.restore(correlator(made(digest="another")).snapshot()) == [*some.groups]
    assert some.snapshot() == all_kinds().snapshot()


def test_bounds_that_are_lower_now_hold_at_once() -> None:
    some = correlator(made(group_by=["u"], digest="same"))
    alerts(some, *(seen(i, u=u) for i, u in enumerate(["ann", "bob", "ann", "bob", "eve", "eve"])))
    again = correlator(made(group_by=["u"], digest="same"), groups=2, hits=1)
    again.restore(some.snapshot())
    assert again.groups == {"c0": 2}
    assert (again.counts["c0"].evicted_groups, again.counts["c0"].evicted_hits) == (1, 3)
    assert alerts(again, seen(6, u="bob")) == []
    assert again.counts["c0"].evicted_hits == 4


@pytest.mark.parametrize(
    ("state", "message"),
    [
        (b"", "this is no state of correlations: "),
        (b"\\xff", "this is no state of correlations: "),
        (b"[]", "this is no state of correlations: "),
        (b"null", "this is no state of correlations: "),
        (b"{}", "this is no state of correlations: version is missing"),
        (b'{"version": 1}', "this is no state of correlations: no_time is missing"),
        (b'{"version": 1, "no_time": -1}', "this is no state of correlations: a count is none"),
        (b'{"version": 1, "no_time": 0, "correlations": [1]}', "this is no state of correlations"),
        (
            b'{"version": 2}',
            "the state of correlations has version 2, and this is version 1; start without it",
        ),
    ],
)
def test_what_is_no_state_is_told_in_a_sentence(state: bytes, message: str) -> None:
    some = used()
    before = some.snapshot()
    with pytest.raises(SigmacError) as told:
        some.restore(state)
    assert str(told.value).startswith(message)
    assert "\n" not in str(told.value)
    assert some.snapshot() == before


def test_bytes_that_are_cut_off_are_no_state() -> None:
    state = used().snapshot()
    some = all_kinds()
    for length in range(0, len(state), 7):
        with pytest.raises(SigmacError, match="no state of correlations"):
            some.restore(state[:length])
    assert some.snapshot() == all_kinds().snapshot()


ODD = (None, True, -1, 1.5, 10**18, "", "x", "-1", [], {}, [[]], [1, 2, 3])


def spoilt(plain: Any) -> Iterator[Any]:
    """The same data with one part of it another one, for all parts."""
    yield from ODD
    if isinstance(plain, list):
        for i, each in enumerate(plain):
            yield plain[:i] + plain[i + 1 :]
            yield from ([*plain[:i], other, *plain[i + 1 :]] for other in spoilt(each))
    if isinstance(plain, dict):
        for name, each in plain.items():
            yield {key: value for key, value in plain.items() if key != name}
            yield from ({**plain, name: other} for other in spoilt(each))


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind["type"])
def test_a_damaged_state_is_refused_or_can_be_gone_on_from(kind: dict[str, Any]) -> None:
    definition = made(**kind)
    both = "".join(definition.rules)
    some = correlator(definition)
    for second in (100, 101, 1):
        alerts(some, seen(second, both, u="bob", n=[3, 0.5][: 3 - len(definition.looks_at)]))
    refused = 0
    for each in spoilt(orjson.loads(some.snapshot())):
        again = correlator(definition)
        empty = again.snapshot()
        told = refusal(again, orjson.dumps(each))
        if told:
            assert "\n" not in told
            assert again.snapshot() == empty
            refused += 1
            continue
        for second, rules in ((102, "a"), (100.5, both), (2, "a"), (2, both[-1]), (2, both)):
            alerts(again, seen(second, rules, u="bob", n=4))
        assert refusal(correlator(definition), again.snapshot()) is None
    assert refused > 200


def refusal(some: Correlator, state: bytes) -> str | None:
    """Why a state is refused."""
    try:
        some.restore(state)
    except SigmacError as error:
        return str(error)
    return None
