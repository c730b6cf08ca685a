"""Events made of rules: everything that a rule asks is seen both true and false."""

from __future__ import annotations

import pytest

from sigmac.compiler.syntax.documents import read_file
from sigmac.compiler.validation.rule_tree import tree_of, wanted_for
from sigmac.compiler.validation.synthesis import MAX_EVENTS, Case, Synthesis
from tests.unit.packs import rule

DETECTIONS = [
    "s: {f: abc}",
    "s: {f: ''}",
    "s: {f: 'a*b?c'}",
    "s: {'f|contains|all': [abc, def, 'g?i']}",
    "s: {'f|startswith': [ab, abc], 'f|endswith': [yz, z]}",
    "s: {'f|cased': Abc, 'g|endswith|cased': [Xy, xy]}",
    "s: {'f|windash|contains': ' -enc /c'}",
    "s: {'f|base64offset|contains': foobar}",
    "s: {'f|wide|base64|contains': foobar}",
    r"s: {'f|re': '^net\s+(user|group)\b.{5,}$', 'g|re|i|all': [ab, bc]}",
    "s: {f: 10, g: [1.5, '7', true]}",
    "s: {'f|gte': 10, 'g|lt': 5, 'h|gt': 2.5, 'i|lte': -1}",
    "s: {'f|cidr': [10.0.0.0/8, '2001:db8::/33']}",
    "s: {'f|hour|gte': 22, 'g|week': 7, 'h|year|lt': 2020, 'i|minute': 59, 'j|day': 31}",
    "s: {f: null, 'g|exists': true, 'h|exists': false}",
    "s: {'f|fieldref': g, 'h|fieldref|endswith': i}",
    "s: {'f|neq': abc, 'f|contains': b}",
    "s: {'f|neq|all': [a, b]}",
    "s: {'a.b.c': x, 'a.b.d|contains': y, a.e: [z, null]}",
    "s: [sudo, doas, 4625]",
    "s: {'|all': [sudo, doas], '|re': '[0-9]{4}'}",
    "s: [{f: a, g: b}, {f: c}, [d, e]]",
    "s: {f: İß😀K, 'g|contains': Straße}",
]


def cases_of(detection: str, condition: str = "s") -> tuple[Synthesis, list[Case]]:
    text = rule(f"{detection}\ncondition: {condition}")
    (made,) = read_file(text.encode(), "rule.yml").rules
    synthesis = Synthesis(tree_of([made]))
    return synthesis, synthesis.cases()


@pytest.mark.parametrize("detection", DETECTIONS)
def test_every_question_is_seen_both_true_and_false(detection: str) -> None:
    for condition in ("s", "not s"):
        synthesis, cases = cases_of(detection, condition)
        nodes = synthesis.tree.nodes
        assert [n for n in nodes if {case.seen[n] for case in cases} != {True, False}] == []


def test_conditions_of_every_form_are_covered() -> None:
    names = "\n".join(f"s{i}: {{f{i}: x, g{i}: [y, z]}}" for i in range(4))
    for condition in (
        "2 of s*",
        "all of s*",
        "1 of s* and not (s1 or s2)",
        "s0 or not (s1 and 1 of s2*)",
    ):
        synthesis, cases = cases_of(names, condition)
        for node in synthesis.tree.nodes:
            assert {case.seen[node] for case in cases} == {True, False}


def test_the_number_of_events_is_bounded_whatever_the_rule_has() -> None:
    values = ", ".join(f"v{i}" for i in range(700))
    synthesis, cases = cases_of(f"s: {{'f|contains': [{values}]}}")
    assert len(cases) <= MAX_EVENTS
    leaves = synthesis.tree.leaves
    assert [n for n in leaves if {case.seen[n] for case in cases} != {True, False}] == []


def test_each_condition_is_shown_to_decide_by_itself() -> None:
    synthesis, _ = cases_of("a: {f: x}\nb: {g: y}\nc: {h: z}", "a and (b or not c)")
    root = synthesis.tree.root
    for leaf in synthesis.tree.leaves:
        found = []
        for truth in (True, False):
            case = synthesis.case(wanted_for(synthesis.tree, leaf, truth))
            assert case.seen[leaf] is truth
            found.append(case.seen[root])
        assert sorted(found) == [False, True]
