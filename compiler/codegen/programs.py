"""IR → decision programs: what the kernels evaluate of a rule; `runtime/engine/programs.py` has the form.

A program is the short-circuit code that compilers make of conditions (Aho et al., "Compilers", 6.6): each question
knows where to go on for either answer. What only the value itself can answer, a regular expression for example,
stands behind questions for the literals that the value must hold.
"""

from __future__ import annotations

from collections.abc import Iterable

from sigmac.compiler.codegen.questions import BITS, COMPARISON_OF, Questions, number_text, place_in
from sigmac.compiler.ir.expressions import (
    TRUE,
    And,
    AtLeast,
    Expression,
    Named,
    Not,
    Op,
    Or,
    Predicate,
    bottom_up,
    junction,
    transform,
)
from sigmac.compiler.ir.values import glob
from sigmac.compiler.optimizer.regex_literals import all_required_literals
from sigmac.runtime.engine import programs as rows
from sigmac.runtime.scalar.folding import default_fold
from sigmac.runtime.scalar.globs import Wild, plan, tokens
from sigmac.runtime.scalar.keywords import KEYWORDS

# Instructions of one program: a larger one is left to the generated condition.
MAX_INSTRUCTIONS = 20_000


def program(expression: Expression, asked: Questions) -> list[int]:
    """The rows of a program, one after the other; arguments are places in the lists of `asked`, which may grow.

    >>> from sigmac.compiler.codegen.questions import questions
    >>> whoami, system = Predicate("Image", Op.ENDSWITH, "whoami.exe"), Predicate("User", Op.EXISTS)
    >>> rule = And(whoami, Not(system))
    >>> asked = questions(rule)
    >>> program(rule, asked)  # endswith: go on or false; exists: false or true
    [1, 0, 1, -2, 20, 0, -2, -1]
    """
    known = transform(expression, _with_necessary_literals, (Predicate,))
    sizes: dict[Expression, int] = {}
    bottom_up(known, lambda node, operands: sizes.setdefault(node, _size(node, operands)))
    if sizes[known] > MAX_INSTRUCTIONS:
        return [rows.UNKNOWN, 0, rows.TRUE, rows.FALSE]
    return _Emitter(sizes, asked).emit(known)


def _size(node: Expression, operands: tuple[int, ...]) -> int:
    if isinstance(node, AtLeast):
        return max(1, sum(operands) * max(1, node.count))
    return max(1, sum(operands))


class _Emitter:
    """Lays out the instructions of an expression in the order of its operands."""

    def __init__(self, sizes: dict[Expression, int], asked: Questions):
        self._sizes = sizes
        self._asked = asked
        self._rows: dict[int, tuple[int, int, int, int]] = {}
        # What is still to be laid out: node, its first row, where to go on, and whether an odd number of Nots is above.
        self._waiting: list[tuple[Expression, int, int, int, int]] = []

    def emit(self, expression: Expression) -> list[int]:
        self._waiting.append((expression, 0, rows.TRUE, rows.FALSE, 0))
        while self._waiting:
            self._lay_out(*self._waiting.pop())
        # Rows that were kept free for operands of AtLeast which no way leads to are left out.
        numbers = {row: i for i, row in enumerate(sorted(self._rows))}
        numbers |= {rows.TRUE: rows.TRUE, rows.FALSE: rows.FALSE}
        return [
            number
            for row in sorted(self._rows)
            for kind, argument, yes, no in [self._rows[row]]
            for number in (kind, argument, numbers[yes], numbers[no])
        ]

    def _lay_out(self, node: Expression, first: int, yes: int, no: int, negated: int) -> None:
        if isinstance(node, Named):
            self._waiting.append((node.operand, first, yes, no, negated))
        elif isinstance(node, Not):
            self._waiting.append((node.operand, first, no, yes, rows.NEGATED - negated))
        elif isinstance(node, AtLeast) and node.operands and node.count > 0:
            self._count(node, first, yes, no, negated)
        elif isinstance(node, And | Or) and node.operands:
            *others, last = node.operands
            for each in others:
                after = first + self._sizes[each]
                ways = (after, no) if isinstance(node, And) else (yes, after)
                self._waiting.append((each, first, *ways, negated))
                first = after
            self._waiting.append((last, first, yes, no, negated))
        elif isinstance(node, Predicate):
            kind, argument = _question(node, self._asked)
            self._rows[first] = kind + negated, argument, yes, no
        else:
            true = node is TRUE or isinstance(node, And | AtLeast)
            if isinstance(node, AtLeast):
                true = node.count <= 0
            self._rows[first] = rows.CONSTANT + negated, int(true), yes, no

    def _count(self, node: AtLeast, first: int, yes: int, no: int, negated: int) -> None:
        """Operand i stands once for each number of operands before it that are true."""
        starts = []
        for each in node.operands:
            starts.append([first + held * self._sizes[each] for held in range(node.count)])
            first += self._sizes[each] * node.count
        for i, each in enumerate(node.operands):
            left = len(node.operands) - i - 1
            for held in range(min(i, node.count - 1) + 1):
                if held + 1 == node.count:
                    one_more = yes
                else:
                    one_more = starts[i + 1][held + 1] if held + 1 + left >= node.count else no
                none_more = starts[i + 1][held] if held + left >= node.count else no
                self._waiting.append((each, starts[i][held], one_more, none_more, negated))


def _question(predicate: Predicate, asked: Questions) -> tuple[int, int]:
    """Kind and argument of the instruction that asks a predicate."""
    name, op, argument = predicate.field or KEYWORDS, predicate.op, predicate.argument
    if op in BITS and not predicate.cased and (name != KEYWORDS or op is Op.CONTAINS):
        if not argument and op is not Op.EQUALS:
            return rows.TEXTUAL, place_in(asked.present, name)
        return rows.TEXT, place_in(asked.literals, name, argument, BITS[op])
    if op in COMPARISON_OF and name != KEYWORDS:
        number = number_text(argument)
        return rows.COMPARE, place_in(asked.comparisons, name, COMPARISON_OF[op], number)
    if op is Op.EXISTS or op is Op.NULL:
        return (rows.EXISTS if op is Op.EXISTS else rows.NULL), place_in(asked.present, name)
    if op is Op.SAME:
        return rows.SAME, place_in(asked.pairs, name, *argument, predicate.cased)
    if name == KEYWORDS:
        return rows.UNKNOWN, 0
    if op is Op.CIDR:
        return rows.ADDRESS, place_in(asked.networks, name, argument)
    question = f"{op.value}_cased" if predicate.cased else op.value
    if op is Op.LIKE:
        argument = glob(argument)
    elif op is Op.TIME:
        part, comparison, number = argument
        argument = f"{part} {comparison} {number_text(number)}"
    return rows.VALUE, place_in(asked.values, name, question, argument)


def _with_necessary_literals(predicate: Predicate) -> Expression:
    """The same predicate, behind others that the kernels can answer and that hold wherever it does."""
    field, op = predicate.field, predicate.op
    if op is Op.LIKE:
        return _of_like(predicate)
    if op is Op.REGEX:
        sets = all_required_literals(predicate.argument)
        literals = [_some(field, Op.CONTAINS, map(default_fold(), texts)) for texts in sets]
        return And(*literals, *_presence(field, literals), predicate)
    if op in BITS and predicate.cased:
        return And(Predicate(field, op, default_fold()(predicate.argument)), predicate)
    if op in BITS and field is None and op is not Op.CONTAINS:
        return And(Predicate(field, Op.CONTAINS, predicate.argument), predicate)
    if op is Op.TIME:
        return And(Predicate(field, Op.EXISTS), predicate)
    return predicate


def _of_like(predicate: Predicate) -> Expression:
    field, pattern = predicate.field, glob(predicate.argument)
    if predicate.cased:
        runs = [run for run in tokens(pattern) if not isinstance(run, Wild)]
        longest = default_fold()(max(runs, key=len, default=""))
        return And(_some(field, Op.CONTAINS, [longest]), predicate)
    how = plan(pattern)
    if how.test:
        return _some(field, Op(how.test), how.literals)
    return And(_some(field, Op.CONTAINS, how.literals or [""]), predicate)


def _some(field: str | None, op: Op, texts: Iterable[str]) -> Expression:
    """One of some texts; on keywords only whether they are contained is known."""
    return junction(Or, [_with_necessary_literals(Predicate(field, op, text)) for text in texts])


def _presence(field: str | None, literals: list[Expression]) -> list[Expression]:
    return [] if literals or field is None else [Predicate(field, Op.EXISTS)]
