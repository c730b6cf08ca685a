"""rsigma's correlations and ours: the same alerts where they mean the same, and the differences that are named.

rsigma is asked where the benchmark has built it.
"""

from __future__ import annotations

import random
import shutil
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import orjson
import pytest

import sigmac
from bench.logons import KINDS, write_correlations
from bench.peers import rsigma
from bench.peers.alerts import Counted, Raised, alerts_of, difference, group_of, raised
from bench.peers.result import PeerAlerts
from sigmac.compiler.packaging.build import BuildOptions, compile_sources
from sigmac.compiler.packaging.build_cache import Cache
from sigmac.compiler.packaging.writer import write_pack
from sigmac.compiler.syntax.rule_files import find_sources

if not rsigma.PROGRAM.exists() or not shutil.which("cargo"):
    pytest.skip(
        "rsigma is not built: `python -m bench correlations` does it", allow_module_level=True
    )

Plain = dict[str, Any]

SPAN = 10  # seconds
IN_ORDER = "in order"
RULES = list(KINDS)
BY_USER: Plain = {"rules": RULES, "group-by": ["User"], "timespan": f"{SPAN}s"}
SAME: Mapping[str, Plain] = {
    "many": {**BY_USER, "type": "event_count", "condition": {"gte": 4}},
    "exactly three": {**BY_USER, "type": "event_count", "condition": {"eq": 3}},
    "few": {**BY_USER, "type": "event_count", "condition": {"lt": 3}},
    "not two": {**BY_USER, "type": "event_count", "condition": {"neq": 2}},
    "two to four": {**BY_USER, "type": "event_count", "condition": {"gt": 1, "lte": 4}},
    "many hosts": {**BY_USER, "type": "value_count", "condition": {"gte": 3, "field": "Host"}},
    "one rule": {**BY_USER, "type": "event_count", "rules": "reset", "condition": {"gte": 2}},
    "all": {**BY_USER, "type": "temporal", "condition": {"gte": 3}},
    "all by default": {**BY_USER, "type": "temporal"},
    "two of three": {**BY_USER, "type": "temporal", "condition": {"eq": 2}},
    "either": {**BY_USER, "type": "temporal", "condition": "(failed or locked) and reset"},
    IN_ORDER: {**BY_USER, "type": "temporal_ordered"},
    "sum": {**BY_USER, "type": "value_sum", "condition": {"gte": 200, "field": "Size"}},
    "average": {**BY_USER, "type": "value_avg", "condition": {"lt": 40, "field": "Size"}},
    "median": {**BY_USER, "type": "value_median", "condition": {"gt": 60, "field": "Size"}},
    "highest": {
        **BY_USER,
        "type": "value_percentile",
        "condition": {"gte": 90, "field": "Size", "percentile": 100},
    },
    "by user and host": {
        **BY_USER,
        "type": "event_count",
        "group-by": ["User", "Host"],
        "condition": {"gte": 2},
    },
    "many of many": {
        **BY_USER,
        "type": "event_count",
        "rules": "many",
        "condition": {"gte": 3},
        "generate": True,
    },
}


class Difference(NamedTuple):
    """A correlation and events, of which records give our alerts and at which rsigma's condition holds."""

    correlation: Plain
    events: Sequence[Plain]
    ours: Sequence[int]
    theirs: Sequence[int]


def at(seconds: float, kind: Any = RULES[0], **fields: Any) -> Plain:
    time = round((1_700_000_000 + seconds) * 1000)
    return {"@timestamp": time, "Kind": kind, "User": "bob", **fields}


def of_type(kind: str, condition: Plain, **changes: Any) -> Plain:
    return {**BY_USER, "type": kind, "condition": condition, **changes}


# By the row of the table in docs/semantics.md
DIFFERENCES: Mapping[str, Difference] = {
    "the condition stays true": Difference(
        of_type("event_count", {"gte": 2}), [at(0), at(1), at(2)], [1], [1, 2]
    ),
    "parts of a second": Difference(
        of_type("event_count", {"gte": 2}), [at(0), at(SPAN + 0.9)], [], [1]
    ),
    "one event that several rules match": Difference(
        of_type("event_count", {"gte": 2}), [at(0, RULES)], [], [0, 0]
    ),
    "events after one from the future": Difference(
        of_type("event_count", {"gte": 3}), [at(0), at(10**6), at(1), at(2)], [], [3]
    ),
    "one event as several steps of `temporal_ordered`": Difference(
        of_type("temporal_ordered", {"gte": 3}), [at(0, RULES)], [], [0]
    ),
    "steps of `temporal_ordered` at the same time, in another order": Difference(
        of_type("temporal_ordered", {"gte": 3}), [at(0, kind) for kind in RULES[::-1]], [], [2]
    ),
    "a rule twice in `temporal_ordered`": Difference(
        {**BY_USER, "type": "temporal_ordered", "rules": [RULES[0], RULES[0], RULES[1]]},
        [at(0, RULES[0]), at(1, RULES[1])],
        [],
        [1],
    ),
    "`temporal_ordered` with `gte: 2` of three rules": Difference(
        of_type("temporal_ordered", {"gte": 2}), [at(0, RULES[0]), at(1, RULES[1])], [1], []
    ),
    "an event without the `field`": Difference(
        of_type("value_avg", {"lt": 5, "field": "Size"}), [at(0)], [], [0]
    ),
    "null in the `field` of `value_count`": Difference(
        of_type("value_count", {"gte": 2, "field": "Host"}),
        [at(0, Host="a"), at(1, Host=None)],
        [],
        [1],
    ),
    "an array in the `field`": Difference(
        of_type("value_count", {"gte": 2, "field": "Host"}), [at(0, Host=["a", "b"])], [0], []
    ),
    "an array of one value in `group-by`": Difference(
        of_type("event_count", {"gte": 1}), [at(0, User=["bob"])], [0], []
    ),
    "a negative bound": Difference(
        of_type("value_sum", {"gte": -5, "field": "Size"}), [at(0, Size=1)], [0], []
    ),
    "sums of fractions": Difference(
        of_type("value_sum", {"gte": 1, "field": "Size"}), [at(0, Size=0.1)] * 10, [9], []
    ),
}
ANOTHER_GROUP = "a parent that groups by what its child does not"


def answers(
    correlations: Mapping[str, Plain], events: Sequence[Plain], folder: Path
) -> tuple[set[Raised], PeerAlerts]:
    """Our alerts, and rsigma's with their repetitions."""
    rules = write_correlations(correlations, folder / "rules")
    data = b"".join(orjson.dumps(event) + b"\n" for event in events)
    (folder / "events.ndjson").write_bytes(data)
    result = compile_sources(find_sources([rules]), BuildOptions("peer"), Cache(None))
    assert not result.errors
    write_pack(result.rendered, folder / "pack")
    pack = sigmac.load_pack(folder / "pack")
    ours = alerts_of(pack.correlator().feed_batch(data, pack.match_each(data)))
    return ours, rsigma.run_correlations(rules, folder / "events.ndjson", passes=1)


def stream(seed: int, ties: bool) -> list[Plain]:
    """Bursts of whole seconds, and pauses of about a span."""
    dice = random.Random(seed)
    time, events = 1_700_000_000, []
    for _ in range(2_000):
        time += dice.choices((0, 1, 2, SPAN, SPAN + 1), (30 * ties, 40, 20, 1, 1))[0]
        events.append(
            {
                "@timestamp": time * 1000,
                "Kind": dice.choice(RULES),
                "User": f"user-{dice.randrange(4)}",
                "Host": f"host-{dice.randrange(4)}",
                "Size": dice.randrange(100),
            }
        )
    return events


def counted(title: str, events: Sequence[Plain], theirs: PeerAlerts) -> Iterator[Counted]:
    """The events that count for a correlation; for one above another those at which that one holds."""
    correlation = SAME[title]
    below = {
        (group, record) for name, group, record in theirs.alerts if name in correlation["rules"]
    }
    for number, event in enumerate(events):
        group = group_of((name, event[name]) for name in correlation["group-by"])
        if event["Kind"] in correlation["rules"] or (group, number) in below:
            yield Counted(group, number, event["@timestamp"] // 1000)


@pytest.mark.parametrize("ties", [False, True])
@pytest.mark.parametrize("seed", range(3))
def test_the_same_alerts(seed: int, ties: bool, tmp_path: Path) -> None:
    events = stream(seed, ties)
    ours, theirs = answers(SAME, events, tmp_path)
    for title in SAME.keys() - {IN_ORDER} if ties else SAME:
        mine = {alert for alert in ours if alert.title == title}
        assert mine, f"{title} gives no alert"
        assert not difference(mine, raised(theirs, title, counted(title, events, theirs), SPAN))


@pytest.mark.parametrize("case", DIFFERENCES)
def test_a_difference(case: str, tmp_path: Path) -> None:
    correlation, events, *expected = DIFFERENCES[case]
    ours, theirs = answers({"case": correlation}, events, tmp_path)
    assert [
        sorted(alert.record for alert in ours),
        [record for _, _, record in theirs.alerts],
    ] == expected


def test_a_parent_by_another_group(tmp_path: Path) -> None:
    child = {**BY_USER, "type": "event_count", "condition": {"gte": 1}}
    parent = {**child, "rules": "child", "group-by": ["Host"], "generate": True}
    ours, theirs = answers({"child": child, "parent": parent}, [at(0, Host="a")], tmp_path)
    assert {alert.title for alert in ours} == {"child", "parent"}
    assert [title for title, _, _ in theirs.alerts] == ["child"]


@pytest.mark.parametrize("case", [*DIFFERENCES, ANOTHER_GROUP])
def test_differences_are_named(case: str) -> None:
    page = Path(__file__).resolve().parents[2] / "docs" / "semantics.md"
    assert f"\n| {case} | " in page.read_text("utf-8")
