"""What keeps a rule from matching events: counts that are those of the reference, the nearest misses, the bounds."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import orjson
import pytest

from sigmac.compiler.diagnostics.diagnostic import Diagnostics
from sigmac.compiler.meaning import near_misses, reference
from sigmac.compiler.meaning.near_misses import Miss, NearMisses
from sigmac.compiler.meaning.rule_of_code import rule_of_code
from sigmac.compiler.pipeline import Variant, load_pipelines
from sigmac.compiler.syntax.documents import read_file
from sigmac.runtime.errors import EventError
from sigmac.runtime.pack.contents import Function, PackedRule
from tests.unit.packs import rule

ROOT = Path(__file__).resolve().parents[4]
WHOAMI = rule(
    r"""
user: {User|contains: [AUTHORI, AUTORI]}
image:
  - Image|endswith: '\whoami.exe'
  - OriginalFileName: whoami.exe
filter: {ParentImage: agent, Level|gte: 3}
condition: user and image and not filter
"""
)


def misses_of(text: str) -> NearMisses:
    (found,) = read_file(text.encode(), "rule.yml").rules
    return NearMisses(found, (Variant(None, found),))


def looked_at(text: str, *events: dict[str, Any]) -> NearMisses:
    found = misses_of(text)
    for position, event in enumerate(events):
        found.add(event, ("e", position))
    return found


def lacked(found: NearMisses, miss: Miss) -> list[tuple[str, str | None, bool]]:
    parts = [(found.parts[number], truth) for number, truth in miss.needed]
    return [(part.selection, part.item.field, truth) for part, truth in parts]


def test_the_smallest_set_of_items_is_what_an_event_lacks() -> None:
    system = {"User": "NT AUTHORITY"}
    found = looked_at(
        WHOAMI,
        {**system, "Image": r"c:\whoami.exe"},
        {**system, "Image": r"c:\cmd.exe"},
        {**system, "Image": r"c:\whoami.exe", "ParentImage": "agent", "Level": 4},
        {},
        {**system, "Image": r"c:\net.exe"},
    )
    assert (found.events, found.matched, found.first) == (5, 1, [("e", 0)])
    assert [(miss.count, lacked(found, miss)) for miss in found.nearest()] == [
        (2, [("image", "Image", True)]),
        (1, [("filter", "ParentImage", False)]),
        (1, [("user", "User", True), ("image", "Image", True)]),
    ]
    nearest, _, farthest = found.nearest()
    held = nearest.held[nearest.needed[0][0]]
    assert held.texts == {("string", r"c:\cmd.exe"): 1, ("string", r"c:\net.exe"): 1}
    assert nearest.first == [("e", 1), ("e", 4)]
    assert [each.absent for each in farthest.held.values()] == [1, 1]
    counted = {each.name: each.matched for each in found.counted()}
    assert counted == {"user": 4, "image": 2, "filter": 1}
    by_field = {part.item.field: found.counts(part) for part in found.parts}
    assert by_field == {
        "User": (4, 1),
        "Image": (2, 1),
        "OriginalFileName": (0, 5),
        "ParentImage": (1, 4),
        "Level": (1, 4),
    }


def test_quantifiers_keywords_and_field_references() -> None:
    text = rule(
        "x1: {a: 1}\nx2: {b: 1}\nx3: {c: 1}\nk: [word]\nr: {p|fieldref: q}\n"
        "condition: 2 of x* and k and r"
    )
    found = looked_at(
        text,
        {"a": 1, "t": "a word", "p": "x", "q": "x"},
        {"a": 1, "b": 1, "p": "x", "q": "x"},
        {"a": 1, "b": 1, "t": "word", "p": "x", "q": "y"},
        {"a": 1, "b": 1, "t": "word", "p": "x", "q": "x"},
    )
    assert [lacked(found, miss) for miss in found.nearest()] == [
        [("x2", "b", True)],
        [("k", None, True)],
        [("r", "p", True)],
    ]
    assert found.matched == 1


def test_counts_are_those_of_the_reference() -> None:
    shipped = ("windows", "windows-audit")
    pipelines = load_pipelines([*shipped, str(ROOT / "rules" / "pipelines" / "demo.yml")])
    data = (ROOT / "rules" / "events" / "demo.ndjson").read_bytes()
    events = [orjson.loads(line) for line in data.splitlines()]
    for path in sorted((ROOT / "rules" / "examples").rglob("*.yml")):
        for each in read_file(path.read_bytes(), str(path)).rules:
            variants = pipelines.apply(each, Diagnostics())
            found = NearMisses(each, variants)
            for position, event in enumerate(events):
                found.add(event, ("demo", position))
            held = [any(reference.matches(one.rule, event) for one in variants) for event in events]
            assert found.matched == sum(held), each.meta.title
            assert found.first == [("demo", i) for i, truth in enumerate(held) if truth][:5]
            kept = sum(miss.count for miss in found.nearest())
            assert kept + found.further + found.matched == len(events)


def test_memory_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(near_misses, "MAX_MISSES", 3)
    monkeypatch.setattr(near_misses, "MAX_TEXTS", 4)
    monkeypatch.setattr(near_misses, "_MOST_ANSWERS", 5)
    monkeypatch.setattr(near_misses, "_MOST_TRUTHS", 0)
    names = [f"f{i}" for i in range(8)]
    items = "".join(f"  {name}: 1\n" for name in names)
    text = rule(f"s:\n{items}condition: s")
    found = misses_of(text)
    for number in range(1 << 8):
        event = {name: 1 if number >> i & 1 else f"v{number}" for i, name in enumerate(names)}
        found.add(event, ("e", number))
    assert found.matched == 1
    assert [len(miss.needed) for miss in found.nearest()] == [1, 1, 1]
    assert found.further == 256 - 1 - 3
    assert len(found._answers) <= 5
    found = looked_at(rule("s: {a: 1}\ncondition: s"), *({"a": f"v{i}"} for i in range(10)))
    (miss,) = found.nearest()
    (held,) = miss.held.values()
    assert (len(held.texts), held.others, miss.count, len(miss.first)) == (4, 6, 10, 5)


def test_an_event_that_nothing_would_make_match_is_far() -> None:
    never = Function(Path("conditions.py"), 1, "def f(event):\n    return False\n")
    misses = NearMisses(*rule_of_code(PackedRule({"title": "Never"}, never, None)))
    misses.add({"a": 1}, ("e", 0))
    assert (misses.nearest(), misses.further) == ([], 1)


def test_an_event_that_is_too_deep_is_refused() -> None:
    deep: Any = 1
    for _ in range(500):
        deep = [deep]
    with pytest.raises(EventError):
        looked_at(WHOAMI, {"a": deep})
