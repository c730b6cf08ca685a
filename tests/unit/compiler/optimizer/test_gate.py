"""Gates, literals of regular expressions, what pipelines added: `fixtures/<function>.txt`."""

from __future__ import annotations

from pathlib import Path

import pytest

from sigmac.compiler.ir.expressions import And, Named, Op, Or, Predicate
from sigmac.compiler.optimizer import gate, logsource_part, optimize
from sigmac.compiler.optimizer.gate import MAX_PREDICATES
from sigmac.compiler.optimizer.regex_literals import required_literals
from tests.unit.compiler.optimizer.expressions import (
    Case,
    read_case_file,
    read_expression,
    read_expressions,
)
from tests.unit.compiler.optimizer.test_passes import nested

FIXTURES = Path(__file__).with_name("fixtures")


def cases(name: str) -> list[Case]:
    return read_case_file(FIXTURES / f"{name}.txt")


@pytest.mark.parametrize("case", cases("gate"), ids=lambda case: case.title)
def test_gate(case: Case) -> None:
    found = gate(read_expression(case.given))
    if case.expected == "none":
        assert found is None
        return
    assert found is not None
    expected = [] if case.expected == "nothing" else read_expressions(case.expected)
    assert list(found.predicates) == expected
    assert 0 <= found.probability <= 1


@pytest.mark.parametrize("case", cases("required_literals"), ids=lambda case: case.title)
def test_required_literals(case: Case) -> None:
    found = required_literals(case.given)
    assert found == (None if case.expected == "none" else tuple(case.expected.split()))


@pytest.mark.parametrize("case", cases("logsource_part"), ids=lambda case: case.title)
def test_logsource_part(case: Case) -> None:
    added, rest = logsource_part(read_expression(case.given))
    before, _, after = case.expected.partition(" | ")
    assert added is (None if before == "none" else read_expression(before))
    assert rest is read_expression(after)


def test_rules_with_the_same_added_conditions_share_them() -> None:
    channel, number = (
        Predicate("Channel", Op.EQUALS, "system"),
        Predicate("EventID", Op.NUMBER, 7045),
    )
    one, two = (
        And(Named("_cond_0", channel), Named("_cond_1", number), Predicate(name, Op.EQUALS, "x"))
        for name in ("ServiceName", "ImagePath")
    )
    other = And(Named("_cond_5", number), Predicate("A", Op.EXISTS), Named("_cond_3", channel))
    assert len({logsource_part(optimize(rule))[0] for rule in (one, two, other)}) == 1


def test_a_profile_decides_the_gate() -> None:
    a, b = Predicate("A", Op.EQUALS, "x"), Predicate("B", Op.EQUALS, "y")
    for rare, common in ((a, b), (b, a)):
        found = gate(And(a, b), {rare: 0.001, common: 0.5})
        assert found is not None
        assert found.predicates == (rare,)
        assert found.probability == pytest.approx(0.001)


def test_a_second_gate_looks_at_other_fields() -> None:
    rule = read_expression("equals(A, 'x') and (contains(B, 'yyyy') or contains(A, 'zzzz')) and a")
    first = gate(rule)
    second = gate(rule, without={"A"})
    assert first is not None
    assert first.predicates == (Predicate("A", Op.EQUALS, "x"),)
    assert second is not None
    assert second.predicates == (Predicate("a", Op.NUMBER, 1),)
    assert gate(rule, without={"A", "a"}) is None


def test_a_short_set_goes_before_a_long_one() -> None:
    many = Or(*(Predicate("A", Op.CONTAINS, f"text{i}") for i in range(100)))
    one = Predicate("B", Op.ENDSWITH, "zzz.exe")
    found = gate(And(many, one))
    assert found is not None
    assert found.predicates == (one,)


def test_a_set_over_the_limit_becomes_the_presence_of_its_fields() -> None:
    count = MAX_PREDICATES + 1
    found = gate(Or(*(Predicate("A", Op.CONTAINS, f"text{i}") for i in range(count))))
    assert found is not None
    assert found.predicates == (Predicate("A", Op.EXISTS),)
    assert gate(Or(*(Predicate(None, Op.CONTAINS, f"text{i}") for i in range(count)))) is None


def test_deep_expressions_are_no_deeper_than_pythons_stack() -> None:
    gate(nested(1500))
