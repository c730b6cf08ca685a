"""Which fields occurred and which rules were tried, however records were evaluated."""

from __future__ import annotations

import json
from typing import Any

import pytest

from sigmac.runtime import Pack, load_pack
from sigmac.runtime.scalar.event import Event
from sigmac.runtime.scalar.scalars import lookup
from sigmac.runtime.scalar.sightings import Seen
from tests.unit.packs import make_pack, rule, write_text_pack

RULES = "---\n".join(
    [
        rule("s: {Image: x, a.b.c: y}\ncondition: s", "P", "product: windows, category: process_creation"),
        rule("s: {Image: x}\ncondition: s", "M", "product: windows, category: image_load"),
        rule("s: {User|fieldref: Other}\ncondition: s", "S", "product: windows, service: security"),
        rule("s: {d.e: x, f: 1}\nk: [needle]\ncondition: s or k", "L", "product: linux"),
    ]
)  # fmt: skip
EVENTS: list[list[dict[str, Any]]] = [
    [{"Image": 1}, {"a": {"b": [{"x": 1}, {"c": None}]}}],
    [{"a.b.c": 1, "unknown": 2}],
    [{"a": {"b.c": 1}}, {"a.b": {"c": 1}}],
    [{"d": [[{"e": []}]]}, {"f": {}}],
    [{"Channel": "Security", "User": "u"}, {"Channel": "Security", "Other": "o"}],
    [{"Channel": "Microsoft-Windows-Sysmon/Operational", "EventID": 7}],
    [{"Channel": "Microsoft-Windows-Sysmon/Operational", "EventID": number} for number in range(9)],
]
# What the kernels leave to the scalar path: a key with an escape, and one that occurs twice
LEFT = [b'{"Im\\u0061ge": 1, "Other": 2}', b'{"User": 1, "User": 2, "a": {"b": {"c": 3}}}']


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Any:
    return write_text_pack(RULES, tmp_path_factory.mktemp("pack"), pipelines=["windows"])


def expected(pack: Pack, events: list[dict[str, Any]], logsource: Any = None) -> Seen:
    asked = pack.dispatch.sightings.asked
    tried = meant = 0
    for event in events:
        wanted = pack.tagged(pack.logsource_of(event) if logsource == "auto" else logsource)
        tried |= pack.dispatch.concerned_and_own(Event(event, pack.vocabulary))[0] & wanted
        meant |= wanted
    fields = {name for name in asked if any(lookup(e, name) is not None for e in events)}
    return Seen(frozenset(fields), tried, meant)


@pytest.mark.parametrize("events", EVENTS, ids=range(len(EVENTS)))
@pytest.mark.parametrize("way", ["match_batch", "match_each"])
@pytest.mark.parametrize("logsource", [None, {"product": "windows"}, "auto"])
def test_what_is_seen(folder: Any, events: Any, way: str, logsource: Any) -> None:
    pack = load_pack(folder)
    data = "\n".join(map(json.dumps, events)).encode()
    getattr(pack, way)(data, logsource=logsource)
    assert pack.sightings() == expected(pack, events, logsource)


@pytest.mark.parametrize("record", LEFT)
def test_what_is_left_to_the_scalar_path_is_seen(folder: Any, record: bytes) -> None:
    pack = load_pack(folder)
    pack.match_batch(record)
    assert pack.engine_counts()["fallbacks"] == 1
    assert pack.sightings() == expected(pack, [json.loads(record)])


def test_what_was_seen_outlives_a_flush(folder: Any) -> None:
    pack = load_pack(folder)
    events = EVENTS[5] + EVENTS[0]
    for event in events:
        pack.match_batch(json.dumps(event).encode())
        engines = pack.engines()
        assert engines is not None
        engines.all[0].caches.forget_sets()
    assert pack.sightings() == expected(pack, events)


def test_nothing_is_seen_before_the_first_event(tmp_path: Any) -> None:
    pack = make_pack(RULES, tmp_path)
    assert pack.sightings() == Seen()
    pack.match_batch(b"\n[1]\nno JSON")
    assert pack.sightings() == Seen()


@pytest.mark.parametrize("way", ["match_batch", "match_each"])
def test_what_was_seen_can_be_forgotten(folder: Any, way: str) -> None:
    pack = load_pack(folder)
    for events in (EVENTS[5] + EVENTS[0], EVENTS[4], EVENTS[5]):
        data = "\n".join(map(json.dumps, events)).encode()
        getattr(pack, way)(data)
        assert pack.sightings() == expected(pack, events)
        pack.forget_sightings()
        assert pack.sightings() == Seen()
