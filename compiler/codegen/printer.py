"""IR → the statements of a rule's function: a local variable for every search identifier, then the condition.

Expression text only; templates lay out functions and modules, the formatter breaks lines.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from sigmac.compiler.codegen.quoting import Code, identifier, literal, quote
from sigmac.compiler.ir.expressions import (
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
)
from sigmac.compiler.ir.values import glob

# Deeper nesting is given a name of its own: a person stops reading there, and Python stops at 200 parentheses.
MAX_NESTING = 12

# Questions that take several arguments, any of which may hold.
_MANY = frozenset(
    {Op.EQUALS, Op.CONTAINS, Op.STARTSWITH, Op.ENDSWITH, Op.LIKE, Op.REGEX, Op.NUMBER, Op.CIDR}
)
_OR, _AND, _NOT, _ATOM = range(4)


@dataclass(slots=True)
class Body:
    """The inside of a function: its statements in order, and what it returns.

    A statement is (variable, value), or (None, condition): the function returns False where that holds. `renamed` has
    the variables that are spelled differently from their search identifier; `""` for those that stand for none.
    """

    statements: list[tuple[Code | None, Code]] = field(default_factory=list)
    result: Code = field(default_factory=lambda: Code("False"))
    renamed: dict[str, str] = field(default_factory=dict)


def print_body(expression: Expression) -> Body:
    """The statements that compute an expression."""
    printer = _Printer()
    *first, last = _conjuncts(expression)
    for each in first:
        printer.flatten(each)
        printer.leave_unless(each)
    printer.flatten(last)
    printer.body.result = Code(printer.text(last, _OR, 0))
    return printer.body


def _conjuncts(expression: Expression) -> Iterator[Expression]:
    """What must all be true, one after the other: the cheap and doubtful things stand first."""
    if isinstance(expression, And) and expression.operands:
        for operand in expression.operands:
            yield from _conjuncts(operand)
    elif isinstance(expression, Not) and isinstance(expression.operand, Or):
        for operand in expression.operand.operands:
            yield Not(operand)
    else:
        yield expression


def print_expression(expression: Expression) -> Code:
    """One Python expression without local variables; `Named` nodes are printed in place."""
    return Code(_Printer(inline=True).text(expression, _OR, 0))


class _Printer:
    def __init__(self, inline: bool = False):
        self.inline = inline
        self.body = Body()
        self.variables: dict[Expression, str] = {}
        self.taken: set[str] = {"logsource"}
        self.numbers: dict[str, int] = {}
        self.too_deep: set[Expression] = set()

    def text(self, node: Expression, context: int, depth: int) -> str:
        """Python text of a node that binds at least as tightly as `context`."""
        if isinstance(node, Named) and not self.inline:
            return self.variable(node)
        if isinstance(node, Named):
            return self.text(node.operand, context, depth)
        if isinstance(node, Const):
            return repr(node.value)
        if isinstance(node, Predicate):
            return call([node])
        if depth and node in self.too_deep:
            return self.hoisted(node)
        if isinstance(node, Not):
            return wrapped(f"not {self.text(node.operand, _NOT, depth + 1)}", _NOT, context)
        if isinstance(node, AtLeast):
            operands = ", ".join(self.text(each, _OR, depth + 1) for each in node.operands)
            return wrapped(f"sum([{operands}]) >= {node.count}", _NOT, context)
        assert isinstance(node, And | Or)
        if not node.operands:
            return repr(isinstance(node, And))
        if len(node.operands) == 1:
            return self.text(node.operands[0], context, depth)
        binding = _AND if isinstance(node, And) else _OR
        pieces = [
            self.text(group[0], binding + 1, depth + 1)
            if len(group) == 1
            else call(group, every=isinstance(node, And))
            for group in grouped(node)
        ]
        if len(pieces) == 1:
            return pieces[0]
        return wrapped(f" {node.word} ".join(pieces), binding, context)

    def leave_unless(self, node: Expression) -> None:
        """A statement that ends the function where the node is false."""
        unwanted = node.operand if isinstance(node, Not) else Not(node)
        self.body.statements.append((None, Code(self.text(unwanted, _OR, 0))))

    def variable(self, node: Named) -> str:
        known = self.variables.get(node)
        if known is None:
            value = self.text(node.operand, _OR, 0)
            known = self.assign(node.name, value)
            self.variables[node] = known
        return known

    def hoisted(self, node: Expression) -> str:
        known = self.variables.get(node)
        if known is None:
            known = self.variables[node] = self.assign("part", self.text(node, _OR, 0))
            self.body.renamed[known] = ""
        return known

    def assign(self, name: str, value: str) -> str:
        base = chosen = identifier(name, "selection")
        number = self.numbers.get(
            base, 1
        )  # the last one taken, so that colliding names cost no search
        while chosen in self.taken:
            number += 1
            chosen = Code(f"{base}_{number}")
        self.numbers[base] = number
        self.taken.add(chosen)
        if chosen != name:
            self.body.renamed[str(chosen)] = name
        self.body.statements.append((Code(chosen), Code(value)))
        return chosen

    def flatten(self, top: Expression) -> None:
        """Put what is nested too deeply below an expression into variables of its own, from the inside out."""
        deep: list[Expression] = []
        tops = {top}

        def height(node: Expression, operands: tuple[int, ...]) -> int:
            if isinstance(node, Named):
                tops.add(node.operand)
                return 0
            if max(operands, default=0) < MAX_NESTING:
                return 1 + max(operands, default=0)
            deep.append(node)
            return 1  # a variable, to whatever stands above it

        bottom_up(top, height)
        self.too_deep.update(deep)
        for node in deep:
            if node not in tops:
                self.hoisted(node)


def wrapped(text: str, binding: int, context: int) -> str:
    return f"({text})" if binding < context else text


def grouped(node: And | Or) -> Iterator[list[Expression]]:
    """Operands in order; adjacent predicates that one call can ask stand together."""
    together = _MANY if isinstance(node, Or) else frozenset({Op.CONTAINS})
    group: list[Expression] = []
    previous: object = None
    for operand in node.operands:
        key = None
        if isinstance(operand, Predicate) and operand.op in together:
            key = (operand.field, operand.op, operand.cased)
        if group and (key is None or key != previous):
            yield group
            group = []
        group.append(operand)
        previous = key
    yield group


def call(predicates: Iterable[Expression], *, every: bool = False) -> str:
    """The question to the event that asks for any (or every) of some predicates of one field and kind."""
    asked = [each for each in predicates if isinstance(each, Predicate)]
    first = asked[0]
    arguments: list[str] = [quote(first.field or "")]
    method = first.op.value
    if every and len(asked) > 1:
        method += "_all"
    if first.cased and first.op is not Op.SAME:
        method += "_cased"
    if first.op is Op.LIKE:
        arguments += [quote(glob(each.argument)) for each in asked]
    elif first.op is Op.TIME:
        arguments += [literal(part) for part in first.argument]
    elif first.op is Op.SAME:
        other, placement = first.argument
        arguments.append(quote(other))
        if placement != "equals":
            arguments.append(quote(placement))
        if first.cased:
            arguments.append("cased=True")
    elif first.argument is not None:
        arguments += [literal(each.argument) for each in asked]
    return f"event.{method}({', '.join(arguments)})"
