"""Which rules had no chance, out of what workers say."""

from __future__ import annotations

from typing import Any

import pytest

from sigmac.runtime import Pack
from sigmac.runtime.service.packs.rule_chances import RuleChances
from tests.unit.packs import make_pack, rule

RULES = "---\n".join(
    [
        rule("s: {A: x}\ncondition: s", "A", "product: linux"),
        rule("s: {B: x, A: y}\ncondition: s", "B", "product: linux"),
        rule("s: {C: x}\ncondition: s", "C", "product: windows"),
    ]
)


@pytest.fixture(scope="module")
def pack(tmp_path_factory: pytest.TempPathFactory) -> Pack:
    return make_pack(RULES, tmp_path_factory.mktemp("pack"))


class Hour:
    """What workers say, on a clock."""

    def __init__(self, pack: Pack):
        self.now = 0.0
        self.pack = pack
        self.chances = RuleChances(lambda: self.now)

    def say(self, process: int, fields: list[str], tried: int, **more: Any) -> None:
        said = {"pack": "edge", "digest": self.pack.manifest["digest"], "meant": "3"}
        self.chances.heard(process, {**said, "fields": fields, "tried": f"{tried:x}", **more})

    def told(self) -> dict[int, list[str]] | None:
        found = self.chances.of("edge", self.pack)
        return None if found is None else {rule: [*names] for rule, names in found.items()}


def test_what_all_workers_saw_counts(pack: Pack) -> None:
    hour = Hour(pack)
    assert hour.told() is None
    hour.say(1, [], 0)
    assert hour.told() is None
    hour.say(1, ["A"], 0b11)
    assert hour.told() == {1: ["B"]}
    hour.say(2, ["B"], 0b11)
    assert hour.told() == {}
    hour.say(2, [], 0)
    assert hour.told() == {1: ["B"]}
    hour.say(1, ["A"], 0b01, meant="7")
    assert hour.told() == {1: [], 2: []}


def test_a_process_that_ended_counts_for_an_hour(pack: Pack) -> None:
    hour = Hour(pack)
    hour.say(1, ["A", "B"], 0b11)
    hour.now = 1800.0
    hour.say(2, ["A"], 0b11)
    assert hour.told() == {}
    hour.now = 3700.0
    assert hour.told() == {1: ["B"]}
    hour.now = 6000.0
    assert hour.told() is None


def test_what_is_said_of_another_pack_does_not_count(pack: Pack) -> None:
    hour = Hour(pack)
    hour.say(1, ["A"], 0b11, digest="other")
    assert hour.told() is None
    assert hour.chances.of("unknown", pack) is None


@pytest.mark.parametrize(
    "nonsense",
    [
        {"fields": [1]},
        {"fields": None},
        {"tried": "x"},
        {"meant": None},
        {"fields": [""] * 100_001},
    ],
)
def test_nonsense_is_refused(pack: Pack, nonsense: dict[str, Any]) -> None:
    hour = Hour(pack)
    with pytest.raises((TypeError, ValueError)):
        hour.chances.heard(
            1, {"pack": "edge", "digest": "", "fields": [], "tried": "0", "meant": "0", **nonsense}
        )
    hour.say(1, ["A"], (1 << 400) - 1, meant="f" * 100)
    assert hour.told() == {1: ["B"], 2: ["C"]}
