"""Comparing a peer's matches and alerts with ours: see `bench/peers/agreement.py` and `bench/peers/alerts.py`."""

from __future__ import annotations

from pathlib import Path

from bench.peers.agreement import (
    Difference,
    agreed,
    copy_rules,
    describe,
    differences,
    read_rules,
)
from bench.peers.alerts import Counted, Raised, difference, raised
from bench.peers.result import PeerAlerts

OURS = {"same": 3, "never": 0, "fewer": 9, "more": 1, "refused": 2}
THEIRS = {"same": 3, "never": 0, "fewer": 4, "more": 2, "unknown": 7}


def test_only_rules_that_both_took_can_differ() -> None:
    assert differences(OURS, THEIRS) == [Difference("fewer", 9, 4), Difference("more", 1, 2)]


def test_timed_rules_are_those_that_match_as_often_and_those_that_never_match() -> None:
    assert agreed(OURS, THEIRS) == {"same", "never"}


def test_a_difference_is_told_with_title_and_reasons() -> None:
    rules = {"fewer": {"title": "Whoami"}, "more": {"title": "Netsh"}}
    limits = {"Whoami": ["case", "null"], "Netsh": []}
    lines = describe(differences(OURS, THEIRS), rules, lambda rule: limits[rule["title"]])
    assert list(lines) == [
        "Whoami (fewer): 9 here, 4 there: case; null",
        "Netsh (more): 1 here, 2 there: unexplained",
    ]


def test_chosen_rules_are_copied_alone(tmp_path: Path) -> None:
    rules, chosen = tmp_path / "rules", tmp_path / "chosen"
    for name in ("same", "fewer"):
        (rules / name).mkdir(parents=True)
        (rules / name / "rule.yml").write_text(f"id: {name}\n", "utf-8")
    chosen.mkdir()
    (chosen / "old.yml").write_text("id: old\n", "utf-8")
    copy_rules(rules, {"same"}, chosen)
    assert read_rules(chosen) == {"same": (chosen / "same" / "rule.yml", {"id": "same"})}


BOB, EVE = (("User", "bob"),), (("User", "eve"),)


def theirs(*alerts: tuple[tuple[tuple[str, str], ...], int]) -> PeerAlerts:
    found = [("Many", group, record) for group, record in alerts]
    return PeerAlerts("peer", "1", 9, 1.0, 1.0, [*found, ("Other", BOB, 0)])


def test_an_alert_is_where_a_condition_becomes_true_in_its_group() -> None:
    counted = [Counted(BOB, 0, 0), Counted(BOB, 1, 1), Counted(EVE, 2, 1), Counted(BOB, 3, 2)]
    repeated = theirs((BOB, 1), (EVE, 2), (BOB, 3))
    assert raised(repeated, "Many", counted, 5) == {Raised("Many", BOB, 1), Raised("Many", EVE, 2)}


def test_a_window_that_emptied_makes_an_alert_anew() -> None:
    counted = [Counted(BOB, 0, 0), Counted(BOB, 1, 5), Counted(BOB, 2, 11)]
    repeated = theirs((BOB, 0), (BOB, 1), (BOB, 2))
    assert raised(repeated, "Many", counted, 5) == {Raised("Many", BOB, 0), Raised("Many", BOB, 2)}


def test_the_first_alert_that_differs_is_named() -> None:
    ours, others = {Raised("Many", BOB, 1)}, {Raised("Many", BOB, 1), Raised("Many", EVE, 3)}
    assert difference(ours, ours) == ""
    assert difference(ours, others) == (
        "Many: 1 alerts here, 2 there; the first that differs is theirs, "
        "of {'User': 'eve'} at record 3"
    )
