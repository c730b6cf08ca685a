"""What the engine counts, forgets and shares between threads; the answers are those of the scalar path throughout."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from random import Random
from typing import Any

import pytest

from sigmac.runtime import Pack, load_pack
from sigmac.runtime.engine import batch, layout
from sigmac.runtime.engine import memory as caches
from sigmac.runtime.engine.library import Kernels
from sigmac.runtime.engine.machine_code import choice
from tests.unit.packs import make_pack, rule
from tests.unit.runtime.engine.agreement import agreed, said

Folders = Callable[[str], Path]


def lines(events: list[dict[str, Any]]) -> bytes:
    return b"".join(json.dumps(event).encode() + b"\n" for event in events)


# Counters


def test_counters_tell_what_was_done_with_records(pack_folders: Folders) -> None:
    pack = load_pack(pack_folders("undecided"))
    agreed(pack, b'{"A":"evil keyword"}\n\n{"Z":1}\n{"A":\n{"A":1,"A":2}\n{"B":"10.1.0.0"}')
    counts = pack.engine_counts()
    names = ("records", "fallbacks", "undecided", "asked", "kinds", "flushes")
    assert [counts[name] for name in names] == [5, 1, 0, 5, 1, 0]
    assert 0 < counts["bytes"] <= 64 << 20


def test_what_is_known_is_not_resolved_again(pack_folders: Folders) -> None:
    pack = load_pack(pack_folders("texts"))
    data = lines([{"A": "evil", "B": "x"}, {"A": "good"}, {"A": ["evil", "x"]}] * 100)
    agreed(pack, data)
    agreed(pack, data)
    counts = pack.engine_counts()
    assert counts["found"] > 0.9 * counts["looked"]


def test_what_is_answered_is_not_asked_again(pack_folders: Folders) -> None:
    pack = load_pack(pack_folders("undecided"))
    data = lines([{"A": "evil keyword"}, {"A": ["evil keyword", "a Key"]}, {"B": "::1"}])
    agreed(pack, data)
    asked = pack.engine_counts()["asked"]
    assert asked > 3
    agreed(pack, data * 100)
    counts = pack.engine_counts()
    assert (counts["asked"], counts["undecided"]) == (asked, 0)


def test_nothing_is_asked_of_what_lacks_what_the_answer_needs(tmp_path: Path) -> None:
    detection = r"""
        one: {A|re: '\w`\w'}
        two: {A|re: '[0-9a-f]{40}'}
        condition: 1 of *
    """
    pack = make_pack(rule(detection), tmp_path)
    texts = ["a`b", "no", "\\`\\", "0123456789" * 4, "0123456789" * 3, "` `"]
    agreed(pack, lines([{"A": text} for text in texts]))
    asked = pack.engine_counts()["asked"]
    agreed(pack, lines([{"A": f"no {i}"} for i in range(100)]))
    agreed(pack, b'{"A":"a\\u0060b"}\n{"A":["x","a`c","y`"]}\n{"A":12345678901234567890}')
    assert pack.engine_counts()["asked"] <= asked + 6


# Flushes


@pytest.fixture
def stops(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """What the kernels return, call after call."""
    kernels = choice.find_kernels()
    assert kernels is not None
    seen: list[int] = []

    def evaluate(address: int) -> int:
        seen.append(kernels.evaluate_at(address))
        return seen[-1]

    spied = Kernels("spied", kernels._build, evaluate, kernels._gather, owner=kernels)
    monkeypatch.setattr(choice, "find_kernels", lambda: spied)
    return seen


def small_pack(
    folder: Path, monkeypatch: pytest.MonkeyPatch, budget: int, found_at_once: int = 4096
) -> Pack:
    monkeypatch.setattr(caches, "LEAST_BUDGET", budget)
    monkeypatch.setattr(batch, "FOUND", found_at_once)
    return load_pack(folder, memory_budget=budget)


def values(count: int) -> Iterator[str]:
    made = Random(1)
    for _ in range(count):
        size = made.randint(0, 60)
        yield "".join(made.choices(["evil", "x", " keyword", "\\", "é", "ß", "1", "5."], k=size))


@pytest.mark.parametrize("found_at_once", [1, 40, 4096])
def test_full_caches_are_flushed(
    found_at_once: int,
    pack_folders: Folders,
    monkeypatch: pytest.MonkeyPatch,
    stops: list[int],
) -> None:
    made = Random(2)
    events: list[dict[str, Any]] = [{"A": text, "B": text[::-1]} for text in values(500)]
    events += [{"A": [f"{made.random()} {'y' * 300}"], "B": {}} for _ in range(100)]
    for size in (10, 12, 14, 16):
        pack = small_pack(pack_folders("all"), monkeypatch, 1 << size, found_at_once)
        agreed(pack, lines(events))
        assert pack.engine_counts()["flushes"] > 0
    assert {layout.FULL_MEMO, layout.FULL_ROWS, layout.FULL_CLASSES} <= set(stops)


@pytest.mark.parametrize("budget", [1 << 12, 1 << 14, 1 << 16])
def test_a_record_that_fills_every_cache_alone_is_left_to_the_scalar_path(
    budget: int, pack_folders: Folders, monkeypatch: pytest.MonkeyPatch, stops: list[int]
) -> None:
    pack = small_pack(pack_folders("texts"), monkeypatch, budget)
    filling = {"A": list(values(2000)), "B": list(values(2000))}
    agreed(pack, lines([{"A": "evil"}, filling, {"A": "evil"}, filling, filling]))
    assert pack.engine_counts()["fallbacks"] == 3
    # Each cache is flushed once for a record, and what is new is described once after each flush.
    assert len(stops) < 3 * 20


# Policy


def test_long_values_that_do_not_repeat_are_not_remembered(pack_folders: Folders) -> None:
    pack = load_pack(pack_folders("texts"))
    made = Random(3)

    def events() -> bytes:
        return lines(
            [
                {"A": f"{made.random()} {'text ' * 60}{made.choice(['evil', 'good'])}", "B": "x"}
                for _ in range(4096)
            ]
        )

    agreed(pack, events())
    engines = pack.engines()
    assert engines is not None
    (engine,) = engines.all
    numbers, memo = engines.tables.numbers, engine.caches.memo
    assert memo.policy[numbers["A"]] & layout.FORGET
    assert memo.policy[numbers["B"]] & layout.FORGET == 0
    entries = int(memo.sizes[0])
    agreed(pack, events())
    assert int(memo.sizes[0]) - entries < 10


# Threads


@pytest.mark.parametrize("workers", [1, 2])
def test_threads_share_a_pack(workers: int, pack_folders: Folders) -> None:
    pack = load_pack(pack_folders("all"), memory_budget=1 << 20, workers=workers)
    batches = []
    for number in range(12):
        made = Random(number)
        texts = list(values(50))
        batches.append(
            lines([{"A": made.choice(texts), "N": made.random(), "B": number} for _ in range(300)])
        )
    expected = [said(pack.match_each(data)) for data in batches]
    with ThreadPoolExecutor(6) as pool:
        for _ in range(3):
            assert [said(each) for each in pool.map(pack.match_batch, batches)] == expected
    engines = pack.engines()
    assert engines is not None
    assert 1 <= len(engines.all) <= workers


# Stream tags

SYSMON = "Microsoft-Windows-Sysmon/Operational"
WINDOWS = lines(
    [
        {"Channel": SYSMON, "EventID": 1, "A": "evil keyword", "N": 5},
        {"Channel": SYSMON, "EventID": 13, "A": "an evil keyword", "N": 5},
        {"Channel": "Security", "EventID": 4624, "A": "evil keyword", "N": 5},
        {"Channel": "security", "N": "5"},
        {"A": "evil"},
        {"Channel": [SYSMON, "Security"], "EventID": [13, 1], "A": ["evil", "evil keyword"]},
        {"Channel": None, "EventID": {}, "A": "evil"},
    ]
)
TAGS: list[dict[str, str]] = [
    {},
    {"product": "windows"},
    {"product": "LINUX"},
    {"product": "windows", "category": "process_creation"},
    {"service": "security"},
    {"product": "macos"},
]


@pytest.mark.parametrize("name", ["logsources", "all"])
def test_a_stream_says_which_rules_concern_it(name: str, pack_folders: Folders) -> None:
    pack = load_pack(pack_folders(name))
    for tag in [*TAGS, *reversed(TAGS)]:
        one_by_one = [
            (record, match.rule.title)
            for record, line in enumerate(WINDOWS.splitlines())
            for match in pack.match(json.loads(line), logsource=tag)
        ]
        result = pack.match_batch(WINDOWS, logsource=tag)
        found = zip(result.record.tolist(), result.rule.tolist(), strict=True)
        assert [(record, pack.rules[rule].title) for record, rule in found] == one_by_one


# Kinds


def test_rules_are_asked_of_events_of_their_logsource(pack_folders: Folders) -> None:
    pack = load_pack(pack_folders("logsources"))
    pairs, _, _ = agreed(pack, WINDOWS)
    titles = [(record, pack.rules[rule].title) for record, rule in pairs]
    assert titles == [
        *[
            (0, "Process"),
            (0, "Linux"),
            (1, "Registry"),
            (1, "Linux"),
            (2, "Security"),
            (2, "Linux"),
        ],
        *[(3, "Security"), (4, "Linux")],
        *[(5, "Process"), (5, "Registry"), (5, "Security"), (5, "Linux"), (6, "Linux")],
    ]


def test_an_event_of_an_unknown_kind_is_left_to_the_scalar_path(pack_folders: Folders) -> None:
    pack = load_pack(pack_folders("logsources"))
    line = b'{"Channel":"%s","EventID":%s,"A":"evil"}\n'
    data = b"".join(line % (SYSMON.encode(), number) for number in (b"1", b"1e0", b'"1.0"', b"1e1"))
    pairs, _, _ = agreed(pack, data)
    assert [record for record, r in pairs if pack.rules[r].title == "Process"] == [0, 1, 2]
    assert pack.engine_counts()["fallbacks"] >= 2


def test_a_rule_that_nothing_gates_is_asked_of_every_event(tmp_path: Path) -> None:
    pack = make_pack(rule("s: {A: x}\ncondition: not s"), tmp_path)
    assert agreed(pack, b'{}\n{"A":"x"}\n{"A":["x"]}\n{"B":1}')[0] == [(0, 0), (3, 0)]
