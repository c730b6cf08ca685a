"""Comparing a peer's matches with ours in the benchmark: see `bench/peers/agreement.py`."""

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
