"""What is held back: alike, for a while, by the time of events, of some rules and levels; kept with the positions."""

from __future__ import annotations

from pathlib import Path

import orjson
import pytest

from sigmac.runtime.correlation.suppression import Suppression, Suppressions, Suppressor
from sigmac.runtime.errors import SigmacError
from sigmac.runtime.match import Rule
from sigmac.runtime.stream.kept.suppressing import Suppressing

LOW = Rule("Low One", name="low_one", level="low")
HIGH = Rule("High One", id="5d2b1d5c-7f7b-4f9a-9d0a-1f2b3c4d5e6f", level="high")


def taken(
    suppressing: Suppressing, rule: Rule, second: float | None, host: object = "a"
) -> int | None:
    event = orjson.dumps({"time": second, "Computer": host})
    return suppressing.take(rule, event, None)


def test_the_first_goes_out_and_the_next_tells_how_many_were_held_back() -> None:
    suppressing = Suppressing("p", Suppressions([Suppression(60)]), None)
    assert [taken(suppressing, LOW, second) for second in (0, 1, 59.9, 60, 61, 200)] == [
        *(0, None, None, 2, None, 1)
    ]
    assert suppressing.held == 3
    assert taken(suppressing, HIGH, 61) == 0


def test_what_they_agree_in() -> None:
    suppressing = Suppressing("p", Suppressions([Suppression(60, ("Computer",))]), None)
    hosts = ["a", "b", "a", ["a", "b"], ["b", "a"], 5, "5", None, None]
    assert [taken(suppressing, LOW, 1, host) for host in hosts] == [
        *(0, 0, None, 0, None, 0, None, 0, None)
    ]
    assert taken(suppressing, HIGH, 1, "a") is None  # the rule is not among them


def test_the_first_that_fits_decides() -> None:
    given = [Suppression(10, rules=("low_one",)), Suppression(60, levels=("high",))]
    suppressing = Suppressing("p", Suppressions(given), None)
    assert [taken(suppressing, LOW, s) for s in (0, 9, 10)] == [0, None, 1]
    assert [taken(suppressing, HIGH, s) for s in (0, 9, 10)] == [0, None, None]
    assert [taken(suppressing, Rule("Other", level="low"), s) for s in (0, 0)] == [0, 0]


def test_without_a_time_the_records_counts_and_without_any_all_goes_out() -> None:
    suppressing = Suppressing("p", Suppressions([Suppression(60)]), None)
    assert [taken(suppressing, LOW, None) for _ in range(2)] == [0, 0]
    assert [suppressing.take(LOW, b"{}", timestamp) for timestamp in (1000, 2000)] == [0, None]


def test_late_events() -> None:
    suppressing = Suppressing("p", Suppressions([Suppression(60)]), None)
    assert [taken(suppressing, LOW, s) for s in (1000, 941, 900, 1001)] == [0, None, 0, None]


def test_rewound_restored_and_bounded(tmp_path: Path) -> None:
    suppressing = Suppressing("p", Suppressions([Suppression(60)]), tmp_path)
    assert taken(suppressing, LOW, 0) == 0
    note = suppressing.kept.write()
    assert taken(suppressing, LOW, 1) is None
    suppressing.kept.rewind()
    assert suppressing.held == 0
    again = Suppressing("p", Suppressions([Suppression(60)]), tmp_path)
    again.kept.restore(note)
    assert [taken(again, LOW, s) for s in (1, 60)] == [None, 1]
    bounded = Suppressor(max_keys=2)
    assert [bounded.take(key, 0, 10) for key in ("a", "b", "a", "c", "b")] == [0, 0, None, 0, 0]
    assert bounded.evicted == 2


@pytest.mark.parametrize(
    "state", [b"", b"{}", b'{"version":2,"held":0,"last":[]}', b'{"version":1}']
)
def test_what_is_no_state(state: bytes) -> None:
    with pytest.raises(SigmacError, match="no state of what is held back"):
        Suppressor().restore(state)
