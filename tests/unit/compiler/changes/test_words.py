"""What changed in a rule is said in words that its author knows."""

from __future__ import annotations

import pytest

from sigmac.compiler.changes.documented import Documented, Written
from sigmac.compiler.changes.words import words
from sigmac.compiler.syntax.documents import read_file
from sigmac.compiler.syntax.rule import plain_detection
from tests.unit.packs import rule

BASE = r"""
s:
  Image|endswith: ['\a.exe', '\b.exe']
  User: x
f: {User: y}
condition: s and not f
"""


def documented(detection: str) -> Documented:
    [read] = read_file(rule(detection).encode(), "r.yml").rules
    detections = {name: plain_detection(each) for name, each in read.detections.items()}
    written = Written(detections, tuple(each.text for each in read.conditions))
    return Documented("rule", {"title": "Rule"}, "", written)


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        (r"'\b.exe'", r"'\c.exe'", [r"s: Image|endswith has `\c.exe` more, `\b.exe` no more"]),
        (r", '\b.exe'", "", [r"s: Image|endswith has `\b.exe` no more"]),
        (
            "endswith",
            "contains",
            [
                r"s: Image|endswith is no more asked for (`\a.exe`, `\b.exe`)",
                r"s: Image|contains is asked for (`\a.exe`, `\b.exe`)",
            ],
        ),
        ("  User: x\n", "", ["s: User is no more asked for (`x`)"]),
        ("f: {User: y}", "f: [{User: y}, {User: z}]", ["f: User has `z` more"]),
        ("f: {User: y}", "f: [User: y]", ["f: the same items are joined in another way"]),
        (
            r"['\a.exe', '\b.exe']",
            r"['\b.exe', '\a.exe']",
            ["s: the same items are joined in another way"],
        ),
        (
            "f: {User: y}\ncondition: s and not f",
            "condition: s",
            ["f: is gone (User `y`)", "condition: `s and not f` → `s`"],
        ),
        ("f: {User: y}", "f: {User: y}\ng: [kw]", ["g: is new (keywords `kw`)"]),
        ("User: x", "User: null", ["s: User has `none` more, `x` no more"]),
    ],
)
def test_a_change_is_said(before: str, after: str, said: list[str]) -> None:
    assert before in BASE
    assert words(documented(BASE), documented(BASE.replace(before, after))) == said


def test_nothing_is_said_of_what_is_the_same() -> None:
    assert words(documented(BASE), documented(BASE)) == []


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ({"level": "low"}, {}, ["level: low → none"]),
        ({"tags": ("a.b",)}, {"tags": ("a.b", "c.d")}, ["tags: has c.d more"]),
        ({"tags": ("a", "b")}, {"tags": ("b", "a")}, ["tags: has them in another order"]),
        ({"description": "x"}, {"description": "y"}, ["description: changed"]),
        ({"source": "a.yml:1"}, {"source": "b.yml:7"}, []),
        (
            {"condition": {"gte": 5}},
            {"condition": {"gte": 6}},
            ['condition: {"gte": 5} → {"gte": 6}'],
        ),
    ],
)
def test_metadata_is_compared(
    old: dict[str, object], new: dict[str, object], said: list[str]
) -> None:
    assert words(Documented("rule", old), Documented("rule", new)) == said


def test_long_values_are_cut() -> None:
    [said] = words(Documented("rule", {"level": "x" * 500}), Documented("rule", {}))
    assert len(said) < 120
