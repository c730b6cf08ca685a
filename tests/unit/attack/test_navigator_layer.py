"""Layers hold what the format of the Navigator asks for."""

from __future__ import annotations

from sigmac.attack.attack_table import shipped
from sigmac.attack.covered import CountedRule
from sigmac.attack.navigator_layer import layer

RULES = [
    CountedRule("A", "1", tags=("attack.t1003.001",)),
    CountedRule("B", "2", tags=("attack.t1003.001", "attack.t1086", "attack.t1059.001")),
    CountedRule("C", None, tags=("attack.impact", "attack.t0800", "attack.t9999")),
]


def test_a_technique_is_scored_by_its_rules() -> None:
    made = layer("rules", RULES, shipped())
    assert made["domain"] == "enterprise-attack"
    assert made["versions"] == {"attack": "19", "navigator": "5.0.0", "layer": "4.5"}
    assert made["techniques"] == [
        {"techniqueID": "T1003", "showSubtechniques": True},
        {"techniqueID": "T1003.001", "showSubtechniques": False, "score": 2, "comment": "A\nB"},
        {"techniqueID": "T1059", "showSubtechniques": True},
        {"techniqueID": "T1059.001", "showSubtechniques": False, "score": 1, "comment": "B"},
    ]
    assert (made["gradient"]["minValue"], made["gradient"]["maxValue"]) == (0, 2)


def test_what_fired_is_scored_and_the_rest_is_zero() -> None:
    made = layer("rules", RULES, shipped(), {("1", "A"): 7})
    scores = {each["techniqueID"]: each.get("score") for each in made["techniques"]}
    assert scores == {"T1003": None, "T1003.001": 1, "T1059": None, "T1059.001": 0}


def test_without_rules_a_layer_is_empty_and_valid() -> None:
    made = layer("none", [], shipped())
    assert made["techniques"] == []
    assert made["gradient"]["maxValue"] > made["gradient"]["minValue"]


def test_a_comment_names_the_first_rules_of_many() -> None:
    rules = [CountedRule(f"R{i}", tags=("attack.t1003",)) for i in range(25)]
    [technique] = layer("many", rules, shipped())["techniques"]
    assert technique["score"] == 25
    assert technique["comment"].endswith("R19\nand 5 more")
