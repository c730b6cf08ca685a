"""An event that is asked a few questions gives the answers of one whose values are looked up."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from sigmac.runtime.scalar.event import BriefEvent, Event
from tests.unit.packs import make_pack, rule

CONDITIONS = {
    "equals": "{A: [abc, '', 'über', '1e2', 'true', 12]}",
    "contains": "{A|contains: [bc, 'ÜB', '1', 'ru']}",
    "contains all": "{A|contains|all: [a, c]}",
    "starts with": "{A|startswith: [ab, '1', 'T']}",
    "ends with": "{A|endswith: [bc, '2', 'ue']}",
    "any text": "{A: '*'}",
    "wildcards": "{A: ['a?c', '*b*c', 'a*', '*\\**']}",
    "regular expression": "{A|re: '(?i)B.$'}",
    "cased": "{A|contains|cased: [Bc, bc]}",
    "number": "{N: [12, 100]}",
    "greater": "{N|gt: 11.5}",
    "network": "{A|cidr: [10.0.0.0/8, 'fe80::/10']}",
    "exists": "{A|exists: true}",
    "null": "{A: null}",
    "same": "{A|fieldref: B}",
    "starts with a field": "{A|fieldref|startswith: B}",
    "hour": "{A|hour: 12}",
    "keyword": "[abc, 'Ü*R', ' 12']",
}
VALUES: tuple[Any, ...] = (
    "abc", "ABC", "Über", "", " ", "a*c", "aXc", "10.1.2.3", "fe80::1", "12", "2026-01-01T12:00:00Z",
    12, 12.0, 100, 1e2, 1e300, -0.0, True, None, [], {}, {"B": "abc"}, ["x", "abc"], [None, "abc"],
    [["abc"], {"x": "über 12"}], [12, {}],
)  # fmt: skip


@pytest.mark.parametrize("condition", CONDITIONS)
def test_brief_answers_are_the_answers(tmp_path: Path, condition: str) -> None:
    pack = make_pack(rule(f"one: {CONDITIONS[condition]}\ncondition: one"), tmp_path)
    holds = pack.conditions[0]
    said = []
    for value in VALUES:
        for fields in ({"A": value, "N": value, "B": "ab"}, {"B": value, "A": "abc"}, {"C": value}):
            said.append(holds(Event(fields, pack.vocabulary)))
            assert holds(BriefEvent(fields, pack.vocabulary)) == said[-1], fields
    assert {*said} == {True, False}
