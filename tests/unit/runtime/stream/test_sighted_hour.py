"""What a worker tells of what its pack has seen in the last hour."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from sigmac.runtime import Pack, load_pack
from sigmac.runtime.stream import sighted_hour
from sigmac.runtime.stream.sighted_hour import EVERY, FIRST, PART, PARTS, SightedHour
from tests.unit.packs import rule, write_text_pack
from tests.unit.runtime.stream.stand_ins import Bench

RULES = "---\n".join(
    [
        rule("s: {A: x}\ncondition: s", "A", "product: linux"),
        rule("s: {B: x}\ncondition: s", "B", "product: windows"),
    ]
)
LINUX = {"product": "linux"}


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_text_pack(RULES, tmp_path_factory.mktemp("pack"))


@pytest.fixture
def pack(folder: Path) -> Pack:
    return load_pack(folder)


def see(pack: Pack, **event: Any) -> None:
    pack.match_batch(json.dumps(event).encode(), logsource=LINUX)


def test_it_is_told_now_and_then(pack: Pack) -> None:
    clock = Clock()
    hour = SightedHour("edge", clock)
    assert hour.message(pack) is None
    see(pack, A=1)
    clock.now += FIRST
    assert hour.message(pack) == {
        "say": "sightings",
        "pack": "edge",
        "digest": pack.manifest["digest"],
        "fields": ["A"],
        "tried": "1",
        "meant": "1",
    }
    assert hour.message(pack) is None
    clock.now += EVERY
    assert hour.message(pack) is not None


def test_what_is_older_than_an_hour_is_forgotten(pack: Pack) -> None:
    clock = Clock()
    hour = SightedHour("edge", clock)
    hour.message(pack)
    see(pack, A=1)
    told: list[list[str]] = []
    for minute in range(90):
        clock.now += EVERY
        if minute % 10 == 5:
            see(pack, B=1)
        message = hour.message(pack)
        assert message is not None
        told.append(message["fields"])
    assert told[0] == ["A"]
    gone = next(minute for minute, fields in enumerate(told) if "A" not in fields)
    assert 60 <= gone <= (PARTS + 1) * PART / EVERY
    assert all("A" not in fields for fields in told[gone:])
    assert told[-1] == ["B"]


def test_another_pack_begins_anew(pack: Pack, folder: Path) -> None:
    clock = Clock()
    hour = SightedHour("edge", clock)
    hour.message(pack)
    see(pack, A=1)
    clock.now += PART
    assert hour.message(pack) is not None
    other = load_pack(folder)
    assert hour.message(other) is None
    clock.now += FIRST
    message = hour.message(other)
    assert message is not None
    assert (message["fields"], message["tried"], message["meant"]) == ([], "0", "0")


def test_a_worker_tells_it(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sighted_hour, "FIRST", 0.0)
    monkeypatch.setattr(sighted_hour, "EVERY", 0.0)
    bench = Bench(folder, [b'{"A": 1}'])
    bench.worker().run()
    told = [each for each in bench.link.said if each["say"] == "sightings"]
    assert told[-1]["fields"] == ["A"]
    assert int(told[-1]["tried"], 16) == int(told[-1]["meant"], 16) == 0b11
