"""The questions without which a rule cannot match."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass

from sigmac.compiler.ir.expressions import (
    FALSE,
    TEXT_OPS,
    And,
    AtLeast,
    Const,
    Expression,
    Not,
    Op,
    Or,
    Predicate,
    bottom_up,
)
from sigmac.compiler.optimizer.estimates import Profile, estimate_predicate
from sigmac.compiler.optimizer.regex_literals import MIN_LENGTH, required_literals
from sigmac.runtime.scalar.folding import default_fold

# A field is nearly always there in the logs that a rule is for, however rare those are.
PRESENT = 0.9
# A larger set is replaced by the presence of its fields.
MAX_PREDICATES = 20_000


@dataclass(frozen=True, slots=True)
class Gate:
    """Predicates of which one is true wherever an expression is; none at all where it never is.

    All are ones that an index answers at once for many rules: text predicates ignoring letter case,
    numeric equality, and existence. `probability` is the estimate that one of them is true.
    """

    predicates: tuple[Predicate, ...]
    probability: float


def gate(
    expression: Expression,
    profile: Profile | None = None,
    without: Collection[str | None] = (),
) -> Gate | None:
    """The least probable gate of an expression; None where it must always be evaluated.

    Predicates of the fields `without` are not taken: a second gate looks at other fields.

    >>> from sigmac.compiler.ir.expressions import Named
    >>> cmd, net = (Predicate("Image", Op.ENDSWITH, text) for text in ("cmd.exe", "net.exe"))
    >>> key = Predicate("CommandLine", Op.REGEX, r"/k\\s+(whoami|hostname)\\.exe")
    >>> gate(And(key, Named("selection", Or(cmd, net)))).predicates
    (contains(CommandLine, 'whoami.exe'), contains(CommandLine, 'hostname.exe'))
    >>> gate(And(Predicate("User", Op.NULL), Not(cmd))) is None
    True
    """

    def compute(node: Expression, operands: tuple[_Gates, ...]) -> _Gates:
        if isinstance(node, Predicate):
            return (None, None) if node.field in without else _of_predicate(node, profile)
        return _of_junction(node, operands)

    return bottom_up(expression, compute)[0]


# A node's gate, and the gate of its negation.
_Gates = tuple[Gate | None, Gate | None]
_NEVER = Gate((), 0.0)


def _of_junction(node: Expression, operands: tuple[_Gates, ...]) -> _Gates:
    if isinstance(node, Const):
        return (_NEVER, None) if node is FALSE else (None, _NEVER)
    true, false = [each for each, _ in operands], [each for _, each in operands]
    if isinstance(node, And):
        return _best(true), _union(false)
    if isinstance(node, Or):
        return _union(true), _best(false)
    if isinstance(node, AtLeast):
        return (_union(true) if node.count > 0 else None), None
    return (false[0], true[0]) if isinstance(node, Not) else (true[0], false[0])


def _best(gates: Iterable[Gate | None]) -> Gate | None:
    known = [each for each in gates if each is not None]
    return min(known, key=lambda each: (each.probability, len(each.predicates)), default=None)


def _union(gates: Iterable[Gate | None]) -> Gate | None:
    probability = 0.0
    predicates: dict[Predicate, None] = {}
    for each in gates:
        if each is None:
            return None
        probability += each.probability
        predicates.update(dict.fromkeys(each.predicates))
    if len(predicates) > MAX_PREDICATES:
        return _presence(predicates)
    return Gate(tuple(predicates), min(1.0, probability))


def _presence(predicates: Iterable[Predicate]) -> Gate | None:
    fields = dict.fromkeys(predicate.field for predicate in predicates)
    if None in fields:
        return None
    return _union(_gate_of((Predicate(field, Op.EXISTS),)) for field in fields)


def _gate_of(predicates: tuple[Predicate, ...], profile: Profile | None = None) -> Gate:
    rates = [_probability(each, profile) for each in predicates]
    return Gate(predicates, min(1.0, sum(rates)))


def _probability(predicate: Predicate, profile: Profile | None) -> float:
    if predicate.op is Op.EXISTS:
        measured = profile.get(predicate) if profile is not None else None
        return PRESENT if measured is None else measured
    return estimate_predicate(predicate, profile).probability


def _of_predicate(node: Predicate, profile: Profile | None) -> _Gates:
    if node.op is Op.NULL:
        return None, _gate_of((Predicate(node.field, Op.EXISTS),), profile)
    found = [_gate_of(each, profile) for each in _implied(node)]
    if not found and node.field is not None:
        found = [_gate_of((Predicate(node.field, Op.EXISTS),), profile)]
    return _best(found), None


def _implied(node: Predicate) -> Iterable[tuple[Predicate, ...]]:
    """Sets of indexable predicates: where the predicate is true, one of each set is."""
    if node.op is Op.NUMBER:
        yield (node,)
    elif node.op in TEXT_OPS:
        if node.argument or node.op is Op.EQUALS:
            yield (_folded(node.field, node.op, node.argument) if node.cased else node,)
    elif node.op is Op.LIKE:
        yield from _implied_by_like(node)
    elif node.op is Op.REGEX:
        literals = required_literals(node.argument)
        if literals:
            yield tuple(Predicate(node.field, Op.CONTAINS, text) for text in literals)


def _folded(field: str | None, op: Op, text: str) -> Predicate:
    return Predicate(field, op, default_fold()(text))


def _implied_by_like(node: Predicate) -> Iterable[tuple[Predicate, ...]]:
    last = len(node.argument) - 1
    for i, part in enumerate(node.argument):
        if isinstance(part, str) and len(part) >= MIN_LENGTH:
            op = Op.STARTSWITH if i == 0 else Op.ENDSWITH if i == last else Op.CONTAINS
            yield (
                _folded(node.field, op, part) if node.cased else Predicate(node.field, op, part),
            )
