"""What questions cost and how often the answer is yes, where no profile of events says better.

The tables are all there is to tune. Costs are multiples of a look at whether a field is there.
Probabilities are the mean share of events on which such predicates of public rules were true, over
Windows events of very mixed recordings, rounded; what counts is their order.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple, Protocol

from sigmac.compiler.ir.expressions import (
    TEXT_OPS,
    And,
    AtLeast,
    Const,
    Expression,
    Not,
    Op,
    Or,
    Predicate,
)


class Profile(Protocol):
    """What is known of real events; `compiler/optimizer/measured_profile.py` has the one that is measured."""

    def get(self, predicate: Predicate, /) -> float | None:
        """The share of events on which a predicate was true; None where nothing is known."""


COSTS = {
    Op.EXISTS: 1,
    Op.NULL: 1,
    Op.EQUALS: 2,
    Op.NUMBER: 2,
    Op.LESS: 2,
    Op.LESS_EQUAL: 2,
    Op.GREATER: 2,
    Op.GREATER_EQUAL: 2,
    Op.STARTSWITH: 3,
    Op.ENDSWITH: 3,
    Op.CONTAINS: 4,
    Op.SAME: 6,
    Op.CIDR: 8,
    Op.TIME: 8,
    Op.LIKE: 12,
    Op.REGEX: 20,
}
KEYWORD = 20  # times the cost: every leaf of the event is asked
FURTHER = 0.1  # of the first predicate's cost for each further one that the same call answers

PROBABILITIES = {
    Op.EXISTS: 0.1,
    Op.NULL: 0.9,
    Op.EQUALS: 0.003,
    Op.NUMBER: 0.003,
    Op.LESS: 0.05,
    Op.LESS_EQUAL: 0.05,
    Op.GREATER: 0.05,
    Op.GREATER_EQUAL: 0.05,
    Op.STARTSWITH: 0.01,
    Op.ENDSWITH: 0.003,
    Op.CONTAINS: 0.001,
    Op.SAME: 0.05,
    Op.CIDR: 0.02,
    Op.TIME: 0.05,
    Op.LIKE: 0.001,
    Op.REGEX: 0.005,
}
# Of `contains`, by the least length of its text.
CONTAINS_BY_LENGTH = (
    *((12, 0.0003), (8, 0.001), (6, 0.002), (4, 0.005), (3, 0.02), (2, 0.05), (0, 0.2)),
)
RARE = 0.00001  # text in other letters than ASCII's, as emoji
# Text that most machines log all the time, whole or in part.
COMMON = 0.05
COMMON_TEXTS = frozenset(
    [
        r"c:\windows\system32\svchost.exe",
        r"c:\program files (x86)\microsoft",
        r"c:\program files\windows",
        r"|c:\windows\system32\kernelbase.dll+",
        r"|c:\windows\system32\ntdll.dll+",
        r"hkey_local_machine\software\microsoft\windows\currentversion\explorer",
        r"hklm\software\microsoft\windows nt\currentversion",
        r"\registry\machine\system\currentcontrolset\services",
        r"nt authority\system",
        "microsoft corporation",
        "security",
        "powershell",
        "http://",
        "https://",
        "key",
        "true",
        "false",
    ]
)
_IN_COMMON_TEXTS = "\n".join(sorted(COMMON_TEXTS))
# Fields that tell kinds of events apart: the most frequent kinds, and all where none are named.
KIND = 0.1
KINDS: dict[str, frozenset[str | int]] = {
    "Channel": frozenset(),
    "Provider_Name": frozenset(),
    "EventID": frozenset(
        [
            1,
            3,
            5,
            7,
            10,
            11,
            12,
            13,
            4103,
            4104,
            4624,
            4656,
            4658,
            4663,
            4688,
            4689,
            4690,
            4703,
            5156,
            5158,
        ]
    ),
}


class Estimate(NamedTuple):
    """The expected cost of an answer, and the probability that it is yes."""

    cost: float
    probability: float


def estimate_predicate(predicate: Predicate, profile: Profile | None = None) -> Estimate:
    """The estimate of one predicate; its probability is the profile's where that has it."""
    cost = float(COSTS[predicate.op])
    probability = profile.get(predicate) if profile is not None else None
    if predicate.field is None:
        cost *= KEYWORD
    return Estimate(cost, guess(predicate) if probability is None else probability)


def guess(predicate: Predicate) -> float:
    """The probability of a predicate of which nothing is known."""
    if predicate.field in KINDS and predicate.op in (Op.EQUALS, Op.NUMBER):
        kinds = KINDS[predicate.field]
        if not kinds or predicate.argument in kinds:
            return KIND
    elif predicate.op in TEXT_OPS:
        common = COMMON_TEXTS if predicate.op is Op.EQUALS else _IN_COMMON_TEXTS
        if predicate.argument in common:
            return COMMON
        if predicate.op is Op.CONTAINS:
            return _guess_contains(predicate.argument)
    return PROBABILITIES[predicate.op]


def _guess_contains(text: str) -> float:
    if not text.isascii():
        return RARE
    return next(rate for length, rate in CONTAINS_BY_LENGTH if len(text) >= length)


def estimate_call(group: Iterable[Estimate], *, every: bool) -> Estimate:
    """The estimate of one call that asks for all (`every`) or any of a field's predicates."""
    costs, probabilities = zip(*group, strict=True)
    cost = costs[0] * (1 + FURTHER * (len(costs) - 1))
    return Estimate(cost, _product(probabilities) if every else min(1.0, sum(probabilities)))


def estimate_junction(node: Expression, operands: tuple[Estimate, ...]) -> Estimate:
    """The estimate of any node but a predicate, from its operands in the order of asking.

    Operands are taken as independent, which they are not: the usual assumption, wrong for all
    orders alike.
    """
    if isinstance(node, Const):
        return Estimate(0.0, float(node.value))
    if isinstance(node, AtLeast):
        expected = sum(each.probability for each in operands)
        cost = sum(each.cost for each in operands)
        return Estimate(cost, min(1.0, expected / max(node.count, 1)))
    if not isinstance(node, (And, Or)):
        (only,) = operands
        return Estimate(only.cost, 1 - only.probability) if isinstance(node, Not) else only
    cost, asked = 0.0, 1.0
    for each in operands:
        cost += asked * each.cost
        asked *= each.probability if isinstance(node, And) else 1 - each.probability
    return Estimate(cost, asked if isinstance(node, And) else 1 - asked)


def _product(probabilities: Iterable[float]) -> float:
    found = 1.0
    for each in probabilities:
        found *= each
    return found
