"""`Pack.match` by the engine: what it says is what the scalar path says, and what is no JSON is left to that."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

import orjson
import pytest

from sigmac.runtime import EventError, Pack, load_pack
from sigmac.runtime.engine.batch import SINGLE
from sigmac.runtime.pack.pack import EVENTS_BEFORE_ENGINE
from tests.unit.packs import titles
from tests.unit.runtime.engine.records import read_records

Folders = Callable[[str], Path]


def practised(folder: Path) -> Pack:
    """A pack whose `match` goes through the engine."""
    pack = load_pack(folder)
    for _ in range(EVENTS_BEFORE_ENGINE):
        pack.match({})
    return pack


def scalar(pack: Pack, event: dict[str, Any]) -> list[str]:
    return [pack.rules[i].title for i in pack.dispatch.matching(event, -1)]


def evaluated(pack: Pack) -> int:
    return pack.engine_counts().get("records", 0)


def test_the_engine_is_loaded_when_there_were_some_events(pack_folders: Folders) -> None:
    pack = load_pack(pack_folders("texts"))
    for number in range(EVENTS_BEFORE_ENGINE + 3):
        assert evaluated(pack) == max(0, number - EVENTS_BEFORE_ENGINE)
        pack.match({"A": f"evil {number}"})


def test_an_event_is_matched_as_its_record_is(pack: Pack) -> None:
    events = []
    for line in read_records():
        with suppress(ValueError):
            events.append(orjson.loads(line))
    events = [event for event in events if isinstance(event, dict)]
    for _ in range(EVENTS_BEFORE_ENGINE):
        pack.match({})
    before = evaluated(pack)
    for event in events * 2:
        assert titles(pack, event) == scalar(pack, event)
    assert evaluated(pack) > before + len(events)


@pytest.mark.parametrize("size", [SINGLE - 100, SINGLE - 9, SINGLE - 8, SINGLE, 3 * SINGLE])
def test_an_event_may_be_long(size: int, pack_folders: Folders) -> None:
    pack = practised(pack_folders("texts"))
    events = [{"A": "evil"}, {"A": "x" * size + " evil"}, {"A": "evil"}, {"B": "good"}]
    for event in events:
        assert titles(pack, event) == scalar(pack, event)
    assert evaluated(pack) == len(events)


class Text(str):
    """A text of a class of its own."""


@pytest.mark.parametrize(
    "event",
    [
        {"A": 2**70},
        {"A": Text("evil"), "N": 5},
        {"A": ["evil", 1 << 64]},
    ],
    ids=ascii,
)
def test_what_has_no_bytes_is_left_to_the_scalar_path(
    event: dict[str, Any], pack_folders: Folders
) -> None:
    pack = practised(pack_folders("all"))
    assert titles(pack, event) == scalar(pack, event)


@pytest.mark.parametrize("value", [float("nan"), float("-inf"), "\ud800", {1}, b"evil"], ids=ascii)
def test_what_is_no_json_is_refused_by_either_path(value: Any, pack_folders: Folders) -> None:
    first, later = load_pack(pack_folders("texts")), practised(pack_folders("texts"))
    for pack in (first, later):
        with pytest.raises(EventError, match=r"no JSON value|lone surrogate"):
            pack.match({"A": value})


def test_a_stream_says_which_rules_concern_it(pack_folders: Folders) -> None:
    pack = practised(pack_folders("logsources"))
    event = {"A": "evil", "Channel": "Security", "EventID": 4624}
    for tag in ({}, {"product": "windows"}, {"product": "linux"}, {"service": "security"}) * 2:
        engine = titles(pack, event, logsource=tag)
        assert engine == [
            pack.rules[i].title for i in pack.dispatch.matching(event, pack.tagged(tag))
        ]


def test_a_busy_engine_is_not_waited_for(pack_folders: Folders) -> None:
    pack = practised(pack_folders("texts"))
    event = {"A": "evil"}
    engines = pack.engines()
    assert engines is not None
    with engines.borrow():
        thread = threading.Thread(target=pack.match, args=(event,))
        thread.start()
        thread.join(60)
        assert not thread.is_alive()
        assert evaluated(pack) == 0
    assert titles(pack, event) == scalar(pack, event)
    assert evaluated(pack) == 1


def test_threads_share_an_engine(pack_folders: Folders) -> None:
    pack = practised(pack_folders("all"))
    events = [{"A": f"evil {number} keyword", "N": number} for number in range(200)]
    expected = [scalar(pack, event) for event in events]
    with ThreadPoolExecutor(4) as pool:
        for _ in range(5):
            assert list(pool.map(lambda event: titles(pack, event), events)) == expected
