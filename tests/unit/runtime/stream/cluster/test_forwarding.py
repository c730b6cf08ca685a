"""A worker's hits: one message for each place of a family, none where there is no group, all told in counts."""

from __future__ import annotations

from pathlib import Path

import orjson
import pytest

from sigmac.runtime.pack.pack import Pack
from sigmac.runtime.stream.cluster.forwarding import Forwarding
from sigmac.runtime.stream.cluster.hit_message import MOST_BYTES, decode
from sigmac.runtime.stream.evaluation import Evaluated, Stream, evaluate
from sigmac.runtime.stream.pack_slot import PackSlot
from sigmac.runtime.stream.record import Origin
from tests.unit.packs import make_pack, write_text_pack

RULES = """
title: A
name: a
logsource: {category: test}
detection: {s: {k: a}, condition: s}
---
title: B
name: b
logsource: {category: test}
detection: {s: {n|exists: true}, condition: s}
---
title: Two A
name: two
correlation: {type: event_count, rules: a, group-by: u, timespan: 10s, condition: {gte: 2}}
---
title: Then B
name: then
correlation: {type: temporal_ordered, rules: [two, b], group-by: u, timespan: 20s, generate: true}
---
title: Sum
name: sum
correlation: {type: value_sum, rules: b, timespan: 10s, condition: {field: m, gte: 0.3}}
"""


class Records:
    """A batch of records of one partition."""

    stream = 0
    long_lines: dict[int, object] = {}  # noqa: RUF012 - none of them is

    def __init__(self, *events: dict[str, object]):
        self.values = [orjson.dumps(each) for each in events]

    def origin(self, record: int) -> Origin:
        return Origin("events", 3, 100 + record)

    def sizes(self) -> list[tuple[str, int, int]]:
        return []


@pytest.fixture(scope="module")
def slot(tmp_path_factory: pytest.TempPathFactory) -> PackSlot:
    folder = write_text_pack(RULES, tmp_path_factory.mktemp("forwarding"))
    return PackSlot(
        "p",
        folder,
        forward=lambda name, pack: Forwarding(name, pack, timestamp_fields=None, event=True),
    )


def evaluated(slot: PackSlot, *events: dict[str, object]) -> Evaluated:
    return evaluate([Records(*events)], [Stream(slot)])  # type: ignore[list-item]


def test_an_event_is_told_to_each_place_with_what_is_asked_of_it(slot: PackSlot) -> None:
    made = evaluated(
        slot,
        {"time": 1, "k": "a", "u": "x"},
        {"time": 2, "k": "z", "u": "x"},
        {"time": 3, "n": 1, "m": 0.5, "u": 5},
    )
    hits = [decode(each.value) for each in made.hits]
    assert [(hit.place, hit.observation.source[2]) for hit in hits] == [
        (("x",), 100),
        (("5",), 102),
        ((), 102),
    ]
    assert [orjson.loads(each.key or b"") for each in made.hits] == [
        [["u"], ["x"]],
        [["u"], ["5"]],
        [[], []],
    ]
    assert hits[0].observation.matched == {slot.pack.manifest["rules"][0]: ()}
    assert hits[2].observation.values["m"] == [0.5]
    assert hits[0].event == orjson.dumps({"time": 1, "k": "a", "u": "x"})
    # The rules only count: one is output, as the chain that refers to it says.
    assert [orjson.loads(each.value)["rule"]["title"] for each in made.matches] == ["B"]
    assert made.correlations == {}


def test_what_is_no_hit_is_counted_once(slot: PackSlot) -> None:
    made = evaluated(
        slot,
        {"time": 1, "k": "a"},
        {"time": 1, "k": "a", "u": ["x", "y"]},
        {"k": "a", "u": "x"},
        {"time": 1, "n": 1, "u": "x"},
    )
    assert len(made.hits) == 1
    assert made.correlations == {
        "no_group": {"p/two": 2},
        "no_value": {"p/sum": 1},
        "no_time": {"p": 1},
    }


def test_what_is_too_large_to_be_remembered_is_a_dead_letter(slot: PackSlot) -> None:
    event = {"time": 1, "k": "a", "u": "x" * MOST_BYTES}
    made = evaluated(slot, event)
    assert made.hits == []
    (letter,) = made.dead
    assert (letter.kind, letter.value) == ("hit", orjson.dumps(event))
    assert "more than 204,800" in letter.reason


def test_a_pack_without_correlations_forwards_nothing(tmp_path: Path) -> None:
    rule = RULES.partition("---")[0]
    plain: Pack = make_pack(rule, tmp_path)
    assert plain.correlations == {}
    slot = PackSlot("p", tmp_path / "pack", forward=lambda name, pack: pytest.fail("it has none"))
    made = evaluated(slot, {"time": 1, "k": "a", "u": "x"})
    assert (len(made.matches), made.hits) == (1, [])
