"""Whether an expression can be true: what contradicts itself, or is true whatever the event.

Two questions, both answered "surely" or not at all. Over search identifiers a truth table decides
exactly. Over predicates, unit propagation (Davis and Putnam 1960) with implication between
predicates of one field finds what follows step by step, without guessing and so without exponential
work. A field may hold an array of which each predicate needs only one member, so that `A: x` and
`A: y` do not exclude each other; what only an array could satisfy is told apart.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from sigmac.compiler.ir.expressions import (
    TEXT_OPS,
    And,
    AtLeast,
    Const,
    Expression,
    Named,
    Not,
    Op,
    Or,
    Predicate,
    bottom_up,
    children,
)
from sigmac.compiler.ir.values import Part
from sigmac.compiler.syntax.condition import Identifier, Quantifier, names_matching
from sigmac.runtime.scalar.folding import default_fold

MAX_NAMES = 12  # of a truth table: 4,096 rows
MAX_COMPARISONS = 50_000  # of predicates, for one question

# Truth tables


@dataclass(frozen=True, slots=True)
class TruthTable:
    """A condition as a function of its search identifiers: bit `i` of `rows` is its value in row
    `i`.

    In row `i` the identifier `names[k]` is true where bit `k` of `i` is set.
    """

    names: tuple[str, ...]
    rows: int

    @property
    def constant(self) -> bool | None:
        """The value that the condition always has, or None."""
        full = (1 << (1 << len(self.names))) - 1
        return {0: False, full: True}.get(self.rows)

    @property
    def without_effect(self) -> list[str]:
        """The identifiers that never make a difference."""
        found = []
        for k, name in enumerate(self.names):
            true = _column(k, len(self.names))
            if (self.rows & true) >> (1 << k) == self.rows & ~true:
                found.append(name)
        return found


def _column(k: int, names: int) -> int:
    """The rows in which identifier `k` is true, as bits."""
    block = ((1 << (1 << k)) - 1) << (1 << k)
    rows, width = block, 2 << k
    while width < 1 << names:
        rows |= rows << width
        width *= 2
    return rows


def truth_table(condition: Expression, names: Sequence[str]) -> TruthTable | None:
    """The truth table of a condition over those of `names` that it uses; None where they are more
    than `MAX_NAMES`.
    """
    used: dict[str, int] = {}

    def collect(node: Expression, _: tuple[None, ...]) -> None:
        if isinstance(node, Identifier):
            used.setdefault(node.name, len(used))
        elif isinstance(node, Quantifier):
            for name in names_matching(node.target, names):
                used.setdefault(name, len(used))

    bottom_up(condition, collect)
    if len(used) > MAX_NAMES:
        return None
    full = (1 << (1 << len(used))) - 1

    def rows(node: Expression, operands: tuple[int, ...]) -> int:
        if isinstance(node, Identifier):
            return _column(used[node.name], len(used))
        if isinstance(node, Quantifier):
            columns = [_column(used[n], len(used)) for n in names_matching(node.target, names)]
            return _at_least(len(columns) if node.count is None else node.count, columns, full)
        if isinstance(node, Not):
            return full & ~operands[0]
        assert isinstance(node, (And, Or)), node
        return _at_least(len(operands) if isinstance(node, And) else 1, operands, full)

    return TruthTable(tuple(used), bottom_up(condition, rows))


def _at_least(count: int, columns: Sequence[int], full: int) -> int:
    """The rows in which at least `count` of the columns are true."""
    reached = [full] + [0] * count  # reached[i]: rows with i or more so far
    for column in columns:
        for i in range(count, 0, -1):
            reached[i] |= reached[i - 1] & column
    return reached[count]


# Predicates of one field


def implies(one: Predicate, other: Predicate) -> bool:
    """Whether `other` is surely true wherever `one` is, on arrays too."""
    if one is other:
        return True
    if one.field != other.field or one.op is Op.NULL:
        return False
    if other.op in TEXT_OPS and (one.op in TEXT_OPS or one.op is Op.LIKE):
        return _text_implies(one, other)
    if other.op is Op.EXISTS:
        return True
    if other.op is Op.CONTAINS and not other.argument:
        return one.op is not Op.EXISTS  # a scalar has satisfied `one`
    if one.op in _NUMERIC and other.op in _NUMERIC:
        return _range_within(_range(one), _range(other))
    if one.op is Op.EQUALS and other.op in _NUMERIC:
        number = _number_of(one.argument)
        return number is not None and _range_within(_point(number), _range(other))
    if one.op is Op.CIDR and other.op is Op.CIDR:
        a, b = network(one.argument), network(other.argument)
        return bool(a.version == b.version and a.subnet_of(b))
    return False


def _text_implies(one: Predicate, other: Predicate) -> bool:
    text = other.argument
    if other.cased and not one.cased and not (text.isascii() and text.lower() == text.upper()):
        return False
    fold = default_fold() if one.cased and not other.cased else str
    parts: Sequence[Part] = one.argument if one.op is Op.LIKE else (one.argument,)
    match other.op:
        case Op.CONTAINS:
            return any(isinstance(part, str) and text in fold(part) for part in parts)
        case Op.STARTSWITH:
            begins = one.op in (Op.EQUALS, Op.STARTSWITH, Op.LIKE) and isinstance(parts[0], str)
            return begins and fold(str(parts[0])).startswith(text)
        case Op.ENDSWITH:
            ends = one.op in (Op.EQUALS, Op.ENDSWITH, Op.LIKE) and isinstance(parts[-1], str)
            return ends and fold(str(parts[-1])).endswith(text)
    return one.op is Op.EQUALS and fold(one.argument) == text


def excludes(one: Predicate, other: Predicate) -> bool:
    """Whether no single value satisfies both; members of one array still can."""
    if one.field is None or one.field != other.field:
        return False
    if Op.NULL in (one.op, other.op):
        return one.op is not other.op and Op.EXISTS not in (one.op, other.op)
    if one.op in _NUMERIC and other.op in _NUMERIC:
        return _disjoint(_range(one), _range(other))
    for text, numeric in ((one, other), (other, one)):
        if text.op is Op.EQUALS and numeric.op in _NUMERIC:
            number = _number_of(text.argument)
            if number is None:
                return not _may_be_a_number(text.argument)
            return _disjoint(_point(number), _range(numeric))
    if one.op is Op.CIDR and other.op is Op.CIDR:
        a, b = network(one.argument), network(other.argument)
        return a.version == b.version and not a.overlaps(b)
    if one.op not in TEXT_OPS or other.op not in TEXT_OPS:
        return False
    fold = default_fold()
    a, b = fold(one.argument), fold(other.argument)
    if one.cased and other.cased:
        a, b = one.argument, other.argument
    for (p, x), (q, y) in (((one, a), (other, b)), ((other, b), (one, a))):
        if p.op is Op.EQUALS:
            test: dict[Op, Callable[[str, str], bool]] = {
                Op.EQUALS: str.__eq__,
                Op.STARTSWITH: str.startswith,
                Op.ENDSWITH: str.endswith,
                Op.CONTAINS: str.__contains__,
            }
            return not test[q.op](x, y)
    if one.op is other.op is Op.STARTSWITH:
        return not (a.startswith(b) or b.startswith(a))
    if one.op is other.op is Op.ENDSWITH:
        return not (a.endswith(b) or b.endswith(a))
    return False


_NUMERIC = frozenset({Op.NUMBER, Op.LESS, Op.LESS_EQUAL, Op.GREATER, Op.GREATER_EQUAL})
_Range = tuple[float | int, bool, float | int, bool]  # low, closed, high, closed


def _range(predicate: Predicate) -> _Range:
    number, infinite = predicate.argument, float("inf")
    match predicate.op:
        case Op.NUMBER:
            return number, True, number, True
        case Op.LESS:
            return -infinite, False, number, False
        case Op.LESS_EQUAL:
            return -infinite, False, number, True
        case Op.GREATER:
            return number, False, infinite, False
    return number, True, infinite, False


def _point(number: float | int) -> _Range:
    return number, True, number, True


def _number_of(text: str) -> float | int | None:
    """The number that a value of this text surely is; see "Text and numbers" in `docs/semantics.md`."""
    if len(text) > 30 or not re.fullmatch(r"[+-]?[0-9]+(\.[0-9]+)?", text):
        return None
    return float(text) if "." in text else int(text)


def _may_be_a_number(text: str) -> bool:
    """Whether a value of this text may be a number of JSON, as 1e+300 is."""
    return re.fullmatch(r"[+-]?[0-9.]+(e[+-]?[0-9]+)?", text, re.IGNORECASE) is not None


def _range_within(inner: _Range, outer: _Range) -> bool:
    low = inner[0] > outer[0] or (inner[0] == outer[0] and (outer[1] or not inner[1]))
    high = inner[2] < outer[2] or (inner[2] == outer[2] and (outer[3] or not inner[3]))
    return low and high


def _disjoint(one: _Range, other: _Range) -> bool:
    low, high = (one, other) if one[2] <= other[0] else (other, one)
    return low[2] < high[0] or (low[2] == high[0] and not (low[3] and high[1]))


@lru_cache(maxsize=4096)
def network(cidr: str) -> Any:
    """An `IPv4Network` or `IPv6Network`; typed loosely, because their methods take their own kind."""
    return ipaddress.ip_network(cidr)


# Propagation

_Signed = tuple[Expression, bool]  # an expression, and whether it or its negation is meant


class _Contradiction(Exception):
    pass


class _TooMuch(Exception):
    """The question is not decided: it would take too long."""


def contradicts_itself(
    expression: Expression, *, single_valued: bool = False, arrays: Collection[str] = ()
) -> bool:
    """Whether an expression is surely false for every event; `single_valued`: for every one that
    has arrays in the fields `arrays` only.
    """
    if not single_valued and not _is_mixed(expression):
        return False
    try:
        _Facts(single_valued, arrays).assume(expression)
    except _Contradiction:
        return True
    except _TooMuch:
        return False
    return False


def _is_mixed(expression: Expression) -> bool:
    """Whether there are predicates that should be true and others that should be false, or
    constants.

    Without that everything can be so at once, on an event with arrays.
    """
    signs: set[bool] = set()
    seen: set[_Signed] = set()  # a condition may use one selection thousands of times
    stack = [(expression, True)]
    while stack and len(signs) < 2:
        node, sign = stack.pop()
        if isinstance(node, Predicate):
            signs.add(sign)
            continue
        if (node, sign) in seen:
            continue
        seen.add((node, sign))
        below = children(node)
        if not below:
            return True  # a constant, as an empty And or Or is
        if type(below[0]) is Predicate and len(set(map(type, below))) == 1:
            below = below[:1]  # most nodes are lists of predicates: one stands for all
        stack.extend([(each, sign is not isinstance(node, Not)) for each in below])
    return len(signs) > 1


@dataclass(slots=True)
class _Facts:
    """Predicates known to be true and to be false, by field, as long as they do not contradict each
    other.
    """

    single_valued: bool
    arrays: Collection[str]
    true: dict[str | None, dict[Predicate, None]] = field(default_factory=dict)
    false: dict[str | None, dict[Predicate, None]] = field(default_factory=dict)
    compared: int = 0

    def assume(self, expression: Expression) -> None:
        """Take an expression for true, and all that follows.

        Raises `_Contradiction`, or `_TooMuch` where that is not known after `MAX_COMPARISONS`.
        """
        choices: list[list[_Signed]] = []
        pending: list[_Signed] = [(expression, True)]
        while pending:
            self.take(pending, choices)
            # Choices are gone through until none of them says anything new.
            undecided: list[list[_Signed]] = []
            for choice in choices:
                left = [each for each in choice if self.known(each) is not False]
                if not left:
                    raise _Contradiction
                if len(left) == 1:
                    pending.append(left[0])
                elif not any(self.known(each) for each in left):
                    undecided.append(left)
            choices = undecided

    def take(self, pending: list[_Signed], choices: list[list[_Signed]]) -> None:
        """Take apart what is pending: predicates become facts, alternatives choices."""
        while pending:
            node, sign = pending.pop()
            self.count(1)
            if isinstance(node, Predicate):
                self.add(node, sign)
            elif isinstance(node, Const):
                if node.value is not sign:
                    raise _Contradiction
            elif isinstance(node, Not):
                pending.append((node.operand, not sign))
            elif isinstance(node, Named):
                pending.append((node.operand, sign))
            elif isinstance(node, AtLeast):
                if sign and node.count == len(node.operands):
                    pending.extend((each, True) for each in node.operands)
            elif isinstance(node, And) is sign:
                pending.extend((each, sign) for each in children(node))
            else:
                choices.append([(each, sign) for each in children(node)])

    def add(self, predicate: Predicate, sign: bool) -> None:
        true, false = self.true.get(predicate.field, {}), self.false.get(predicate.field, {})
        if predicate in (true if sign else false):
            return
        self.count(len(false) + len(true) if sign else len(true))
        if sign:
            impossible = any(implies(predicate, fact) for fact in false)
            impossible = impossible or self.is_excluded(predicate)
        else:
            impossible = any(implies(fact, predicate) for fact in true)
        if impossible:
            raise _Contradiction
        facts = self.true if sign else self.false
        facts.setdefault(predicate.field, {})[predicate] = None

    def known(self, signed: _Signed) -> bool | None:
        """What the facts say of an expression, looking no deeper than one And of Nots and
        predicates.
        """
        node, sign = signed
        while isinstance(node, (Named, Not)):
            sign = sign is not isinstance(node, Not)
            node = node.operand
        if isinstance(node, Const):
            return node.value is sign
        if isinstance(node, Predicate):
            value = self.of(node)
            return None if value is None else value is sign
        if isinstance(node, (And, Or)) and isinstance(node, And) is sign:
            # All of its operands must be so: one that is known not to be decides.
            plain = [each for each in node.operands if isinstance(each, (Predicate, Not))]
            if any(self.literal(each, sign) is False for each in plain):
                return False
        return None

    def literal(self, node: Expression, sign: bool) -> bool | None:
        if isinstance(node, Not):
            node, sign = node.operand, not sign
        if not isinstance(node, Predicate):
            return None
        value = self.of(node)
        return None if value is None else value is sign

    def of(self, predicate: Predicate) -> bool | None:
        """Whether a predicate follows from the facts, contradicts them, or neither (None)."""
        true, false = self.true.get(predicate.field, {}), self.false.get(predicate.field, {})
        if not (true or false):
            return None
        if predicate in true:
            return True
        if predicate in false:
            return False
        self.count(len(true) + len(false))
        if any(implies(fact, predicate) for fact in true):
            return True
        if any(implies(predicate, fact) for fact in false):
            return False
        return False if self.is_excluded(predicate) else None

    def is_excluded(self, predicate: Predicate) -> bool:
        """Whether the field's one value satisfies something that excludes the predicate."""
        if not self.single_valued or predicate.field in self.arrays:
            return False
        return any(excludes(fact, predicate) for fact in self.true.get(predicate.field, ()))

    def count(self, comparisons: int) -> None:
        self.compared += comparisons
        if self.compared > MAX_COMPARISONS:
            raise _TooMuch
