"""The window of one group as hits come in order, late and too late, and what its bounds forget."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import pytest

from tests.unit.runtime.correlation.definitions import alerts, correlator, made, seen


def counted(some: Any) -> dict[str, int]:
    """What is not 0."""
    return {name: count for name, count in asdict(some.counts["c0"]).items() if count}


def test_both_ends_of_the_window_are_in_it() -> None:
    some = correlator(made())
    assert alerts(some, seen(0), seen(10)) == [(10, 2, [0, 10])]
    assert alerts(correlator(made()), seen(0), seen(10.000001)) == []


def test_an_alert_is_written_when_the_condition_becomes_true() -> None:
    some = correlator(made(condition={"gte": 3}))
    assert alerts(some, *map(seen, range(6))) == [(2, 3, [0, 1, 2])]
    # At 15 only the hit at 5 is left beside it: false, and true again two hits later.
    assert alerts(some, seen(15), seen(16), seen(17)) == [(17, 3, [15, 16, 17])]
    assert alerts(correlator(made(condition={"eq": 2})), seen(0), seen(1), seen(2), seen(11.5)) == [
        (1, 2, [0, 1]),
        (11.5, 2, [2, 11.5]),
    ]


def test_a_pause_longer_than_the_span_makes_the_condition_false() -> None:
    some = correlator(made(condition={"gte": 1}))
    assert [at for at, _, _ in alerts(some, seen(0), seen(10), seen(20), seen(30.000001))] == [
        0,
        30.000001,
    ]


def test_a_late_hit_takes_its_place_and_the_condition_is_tested_with_it() -> None:
    some = correlator(made(condition={"gte": 3}))
    assert alerts(some, seen(5), seen(9), seen(5, source="late")) == [("late", 3, [5, "late", 9])]
    assert counted(some) == {"alerts": 1}


def test_a_late_hit_at_the_end_of_the_window_is_taken() -> None:
    some = correlator(made())
    assert alerts(some, seen(10), seen(0)) == [(0, 2, [0, 10])]


def test_too_late_is_set_aside() -> None:
    some = correlator(made())
    assert alerts(some, seen(20), seen(9.999999), seen(8)) == []
    assert counted(some) == {"late": 2}
    # One that is taken begins the count of those set aside anew.
    assert alerts(some, seen(20), seen(1), seen(2)) == [(20, 2, [20, 20])]
    assert counted(some) == {"late": 4, "alerts": 1}


def test_the_third_that_is_set_aside_begins_the_group_anew() -> None:
    some = correlator(made(condition={"gte": 3}))
    assert alerts(some, seen(1000), seen(1), seen(3), seen(2)) == [(2, 3, [1, 2, 3])]
    assert counted(some) == {"alerts": 1, "late": 3, "restarts": 1}
    assert alerts(some, seen(2.5)) == []  # true still, with four hits


def test_a_restart_forgets_hits_and_truth() -> None:
    some = correlator(made(condition={"gte": 1}))
    found = alerts(some, seen(0), seen(1000), seen(2), seen(2), seen(3))
    assert found == [(0, 1, [0]), (1000, 1, [1000]), (3, 3, [2, 2, 3])]


def test_a_restart_leaves_out_what_is_too_old_for_it() -> None:
    some = correlator(made(condition={"gte": 1}))
    assert alerts(some, seen(1000), seen(50), seen(100), seen(60)) == [(1000, 1, [1000])]
    assert counted(some) == {"alerts": 1, "late": 3, "restarts": 1}
    # The third was too old itself, and no test; the next hit finds the group at 100.
    assert alerts(some, seen(95)) == [(95, 2, [95, 100])]


def test_the_oldest_hits_are_forgotten_beyond_the_bound() -> None:
    some = correlator(made(condition={"gte": 3}), hits=2)
    assert alerts(some, seen(0), seen(1), seen(2)) == []
    assert counted(some) == {"evicted_hits": 1}
    # Late and the oldest: the new one is forgotten, and what is left is tested.
    some = correlator(made(condition={"lte": 1}), hits=1)
    assert alerts(some, seen(1), seen(0)) == [(1, 1, [1])]
    assert counted(some) == {"alerts": 1, "evicted_hits": 1}


def test_each_hit_that_a_restart_forgets_is_counted() -> None:
    some = correlator(made(condition={"gte": 1}), hits=1)
    assert alerts(some, seen(1000), seen(1), seen(2), seen(3)) == [
        (1000, 1, [1000]),
        (3, 1, [3]),
    ]
    assert counted(some) == {"alerts": 2, "late": 3, "restarts": 1, "evicted_hits": 2}


@pytest.mark.parametrize(
    ("given", "observations", "expected"),
    [
        ({"type": "temporal", "rules": ["a", "b"], "condition": None}, "a b", [(1, 2, [0, 1])]),
        ({"type": "temporal", "rules": ["a", "b"], "condition": {"eq": 1}}, "ab b", []),
        ({"type": "temporal_ordered", "rules": ["a", "b"], "condition": None}, "b a", []),
        ({"type": "temporal_ordered", "rules": ["a", "b"], "condition": None}, "ab", []),
        (
            {"type": "temporal_ordered", "rules": ["a", "b"], "condition": None},
            "ab b",
            [(1, 2, [0, 1])],
        ),
        (
            {"type": "temporal_ordered", "rules": ["a", "a", "b"], "condition": {"gte": 3}},
            "a b a b",
            [(3, 3, [0, 1, 2, 3])],
        ),
        (
            {"type": "temporal_ordered", "rules": ["a", "b", "c"], "condition": {"gte": 2}},
            "c b a c",
            [(3, 2, [0, 1, 2, 3])],
        ),
    ],
)
def test_rules_in_any_order_and_in_theirs(
    given: dict[str, Any], observations: str, expected: list[Any]
) -> None:
    some = correlator(made(**given))
    assert alerts(some, *(seen(i, r) for i, r in enumerate(observations.split()))) == expected


def test_a_condition_in_words_is_tested_where_a_positive_rule_is_seen() -> None:
    words = {"expression": {"and": ["a", {"not": "b"}]}}
    some = correlator(made(type="temporal", rules=["a", "b"], condition=words))
    assert alerts(some, seen(0, "a")) == [(0, 1, [0])]
    assert alerts(some, seen(1, "b"), seen(12, "b"), seen(13, "a")) == []
    # Not tested at `b`, the group stays true; the window of 11 has no `b`.
    some = correlator(made(type="temporal", rules=["a", "b"], condition=words))
    assert alerts(some, seen(0, "b"), seen(5, "a"), seen(10.5, "a")) == [(10.5, 1, [5, 10.5])]


def test_the_group_whose_last_hit_was_taken_longest_ago_goes_first() -> None:
    some = correlator(made(group_by=["u"]), groups=2)
    found = alerts(
        some,
        seen(0, u="ann"),
        seen(1, u="bob"),
        seen(2, u="ann"),  # an alert, and bob's is the oldest now
        seen(3, u="eve"),
        seen(4, u="ann"),  # true still
        seen(5, u="bob"),  # begins anew, in the place of eve's
        seen(6, u="eve"),
    )
    assert found == [(2, 2, [0, 2])]
    assert counted(some) == {"alerts": 1, "evicted_groups": 3}


def test_a_hit_that_is_set_aside_is_no_use_of_its_group() -> None:
    some = correlator(made(group_by=["u"]), groups=2)
    alerts(some, seen(100, u="ann"), seen(101, u="bob"), seen(1, u="ann"), seen(102, u="eve"))
    assert [*some.groups.values()] == [2]
    assert alerts(some, seen(103, u="bob")) == [(103, 2, [101, 103])]


def test_a_hit_that_is_true_is_one_of_the_parent_whether_an_alert_or_not() -> None:
    child = made(group_by=["u"], condition={"gte": 2})
    parent = made(rules=["c0"], group_by=["u"], condition={"gte": 2})
    some = correlator(child, parent)
    found = alerts(some, *(seen(i, u="bob") for i in range(3)))
    assert found == [(1, 2, [0, 1]), (2, 2, [1, 2])]
