"""What is asked first."""

from __future__ import annotations

from itertools import groupby

from sigmac.compiler.ir.expressions import And, Expression, Or, Predicate, bottom_up, rebuild
from sigmac.compiler.optimizer.estimates import (
    Estimate,
    Profile,
    estimate_call,
    estimate_junction,
    estimate_predicate,
)
from sigmac.compiler.optimizer.merge import question

_NEVER = 1e-9


def reorder(expression: Expression, profile: Profile | None = None) -> Expression:
    """Ask first what most likely settles an And or an Or for the least cost.

    Ordering by cost / probability to settle gives the least expected cost of independent tests
    (Simon and Kadane, "Optimal problem-solving search", 1975). Predicates that `merge` put together
    stay so; equals keep their order. `profile` gives truth rates that were measured.

    >>> from sigmac.compiler.ir.expressions import Op
    >>> pattern = Predicate("Image", Op.REGEX, "a+")
    >>> number = Predicate("LogonType", Op.NUMBER, 3)
    >>> reorder(And(pattern, number))
    number(LogonType, 3) and regex(Image, 'a+')
    >>> reorder(And(pattern, number), {pattern: 0.001, number: 0.99})
    regex(Image, 'a+') and number(LogonType, 3)
    """

    def compute(
        node: Expression, operands: tuple[tuple[Expression, Estimate], ...]
    ) -> tuple[Expression, Estimate]:
        if isinstance(node, Predicate):
            return node, estimate_predicate(node, profile)
        if isinstance(node, (And, Or)):
            return _ordered(node, operands)
        estimates = tuple(estimate for _, estimate in operands)
        return rebuild(node, tuple(each for each, _ in operands)), estimate_junction(
            node, estimates
        )

    return bottom_up(expression, compute)[0]


def _ordered(
    node: And | Or, operands: tuple[tuple[Expression, Estimate], ...]
) -> tuple[Expression, Estimate]:
    calls: list[tuple[list[Expression], Estimate]] = []
    for _, group in groupby(operands, key=lambda each: question(each[0])):
        members, estimates = zip(*group, strict=True)
        every = isinstance(node, And)
        calls.append((list(members), estimate_call(estimates, every=every)))

    def rank(call: tuple[list[Expression], Estimate]) -> float:
        cost, probability = call[1]
        return cost / max(1 - probability if isinstance(node, And) else probability, _NEVER)

    calls.sort(key=rank)
    made = rebuild(node, tuple([each for members, _ in calls for each in members]))
    return made, estimate_junction(node, tuple(estimate for _, estimate in calls))
