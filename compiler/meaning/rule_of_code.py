"""A rule read back from its generated code: what a pack asks of events, in the form in which a rule says it.

The code is read as text and never run. Names of selections are those of the rule, but for what the optimizer made of
them: values of one field may stand together, and what another value answers is gone.
"""

from __future__ import annotations

import ast
import ipaddress
import itertools
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import re2

from sigmac.compiler.diagnostics.diagnostic import Place
from sigmac.compiler.ir.expressions import (
    COMPARISONS,
    FILTER,
    INTERNAL,
    And,
    AtLeast,
    Const,
    Expression,
    Named,
    Not,
    Op,
    Or,
    bottom_up,
    children,
    junction,
    rebuild,
    walk,
)
from sigmac.compiler.ir.values import (
    ANY,
    Compare,
    Exists,
    FieldRef,
    Network,
    Null,
    Number,
    Part,
    Regex,
    Text,
    TimePart,
    Value,
    Wildcard,
    join,
)
from sigmac.compiler.meaning.asked_item import AskedItem
from sigmac.compiler.syntax.condition import Condition, Identifier
from sigmac.compiler.syntax.modifiers.modifiers import RANGES
from sigmac.compiler.syntax.modifiers.regex_values import re2_options
from sigmac.compiler.syntax.rule import (
    AllOf,
    AnyOf,
    Detection,
    Item,
    LogSource,
    Metadata,
    Rule,
    items,
)
from sigmac.runtime.errors import PackError
from sigmac.runtime.pack.contents import Function, PackedRule

LOGSOURCE = "logsource"  # how the selection is called that is the condition of the rule's logsource
MAX_NODES = 100_000  # of a condition, each as often as it is used
_OPS = {op.value: op for op in Op}
# What reading raises of code that is none of ours
_FAULTS = (
    *(SyntaxError, ValueError, TypeError, LookupError, RecursionError, MemoryError),
    re2.error,
)
_OPERATORS = {op: name for name, op in COMPARISONS.items()}


# How the compiler calls the variants of a rule, and its conditions where there are several
_VARIANT = re.compile(f"{INTERNAL}variant (.*)", re.DOTALL)
_CONDITION = re.compile(f"{INTERNAL}(?:.*_)?condition ([0-9]+)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class CodeVariant:
    """A rule as pipelines left it, read back; `name` is None where they made no variants."""

    name: str | None
    rule: Rule


def rule_of_code(packed: PackedRule) -> tuple[Rule, tuple[CodeVariant, ...]]:
    """The rule that a pack's functions ask, and its variants; without any the rule itself is the only one.

    Raises `PackError` where the functions are none that sigmac writes.
    """
    function = packed.function
    try:
        asked = _Function(function, packed.metadata.get("renamed", {})).expression()
        guard = None
        if packed.logsource_function is not None:
            guard = Named(LOGSOURCE, _Function(packed.logsource_function, {}).expression())
        rule = _rule(packed, guard, asked)
        variants = [
            CodeVariant(name[1], _rule(packed, guard, operand, f"{name[1]}_"))
            for name, operand in _alternatives(asked, _VARIANT)
        ]
    except _FAULTS as error:
        raise PackError(
            f"{function.path}:{function.line}: this is no condition that sigmac writes; build the pack again"
        ) from error
    return rule, tuple(variants) or (CodeVariant(None, rule),)


def _alternatives(
    asked: Expression, name: re.Pattern[str]
) -> list[tuple[re.Match[str], Expression]]:
    """The operands of an Or, where the compiler has given each such a name; else none."""
    operands = asked.operands if isinstance(asked, Or) else (asked,)
    found = [
        (match, each.operand)
        for each in operands
        if isinstance(each, Named) and (match := name.fullmatch(each.name))
    ]
    return found if len(found) == len(operands) else []


def _rule(
    packed: PackedRule, guard: Expression | None, asked: Expression, prefix: str = ""
) -> Rule:
    """A rule of what is asked where a guard holds; search identifiers lose a `prefix`."""
    meta = packed.metadata
    made = _Selections(Place(str(packed.function.path), packed.function.line), prefix)
    named = _alternatives(asked, _CONDITION)
    alternatives = [each for _, each in sorted(named, key=lambda pair: int(pair[0][1]))]
    conditions = []
    for each in alternatives or [asked]:
        own = each.operands if isinstance(each, And) else (each,)
        condition = made.condition(each if guard is None else And(guard, *own))
        if _size(condition) > MAX_NODES:
            raise ValueError("too large a condition")
        conditions.append(Condition(repr(condition), condition, made.place))
    source = meta.get("logsource") or {}
    return Rule(
        Metadata(str(meta["title"]), meta.get("id"), meta.get("name"), level=meta.get("level")),
        LogSource(source.get("category"), source.get("product"), source.get("service")),
        made.detections,
        tuple(conditions),
        made.place,
        made.places,
    )


class _Function:
    """A generated function; its statements give names to parts of what it returns."""

    def __init__(self, function: Function, renamed: Mapping[str, str]):
        (self.body,) = ast.parse(function.source).body
        self.place = Place(str(function.path), function.line)
        self.renamed = renamed
        self.known: dict[str, Expression] = {}
        self.numbers = itertools.count()

    def expression(self) -> Expression:
        """What the function says. Raises `ValueError` where a statement is none that sigmac writes."""
        if not isinstance(self.body, ast.FunctionDef):
            raise ValueError("no function")
        needed: list[Expression] = []
        for statement in self.body.body:
            match statement:
                case ast.Expr(ast.Constant(str())):
                    pass
                case ast.Assign([ast.Name(name)], value):
                    self.known[name] = self._named(name, self._read(value))
                case ast.If(test, [ast.Return(ast.Constant(False))], []):
                    needed.append(_negated(self._read(test)))
                case ast.Return(ast.expr() as value):
                    return junction(And, [*needed, self._read(value)])
                case _:
                    raise ValueError("no such statement")
        raise ValueError("no result")

    def _named(self, variable: str, value: Expression) -> Expression:
        name = str(self.renamed.get(variable, variable))
        if not name:
            return value  # a part that stands for nothing
        # What stands in a filter is a selection as others are.
        return Named(name.removeprefix(INTERNAL) if name.startswith(FILTER) else name, value)

    def _read(self, node: ast.expr) -> Expression:
        match node:
            case ast.BoolOp(ast.And(), values):
                return junction(And, [*map(self._read, values)])
            case ast.BoolOp(ast.Or(), values):
                return junction(Or, [*map(self._read, values)])
            case ast.UnaryOp(ast.Not(), operand):
                return _negated(self._read(operand))
            case ast.Compare(ast.Call(ast.Name("sum"), [ast.List(values)], []), [ast.GtE()], [n]):
                return AtLeast(int(ast.literal_eval(n)), *map(self._read, values))
            case ast.Constant(bool(value)):
                return Const(value)
            case ast.Name(name):
                return self.known[name]
            case ast.Call(ast.Attribute(ast.Name("event"), method), arguments, options):
                given = [ast.literal_eval(each) for each in arguments]
                cased = any(each.arg == "cased" for each in options)
                place = Place(
                    self.place.file, self.place.line + node.lineno - 1, node.col_offset + 1
                )
                return AskedItem(_item(method, given, cased, place), next(self.numbers))
        raise ValueError("no such expression")


def _negated(expression: Expression) -> Expression:
    return expression.operand if isinstance(expression, Not) else Not(expression)


def _item(method: str, given: Sequence[Any], cased: bool, place: Place) -> Item:
    """The item that a call asks: `event.contains_all_cased("Field", "a", "b")`."""
    field, *arguments = given
    name = method.removesuffix("_cased")
    every = name.endswith("_all")
    op = _OPS[name.removesuffix("_all")]
    cased = cased or method.endswith("_cased")
    if op in (Op.TIME, Op.SAME):
        arguments = [tuple(arguments)]
    values = tuple(_value(op, each, cased) for each in arguments or [None])
    modifiers = [_MODIFIERS.get(op, op.value), *["all"] * every, *["cased"] * cased]
    if not field and isinstance(values[0], Text) and not modifiers[0]:
        # What stands anywhere in a text needs no modifier; what does not has the one that says where.
        anywhere = values[0].parts[:1] == (ANY,) == values[0].parts[-1:]
        modifiers[0] = (
            "" if anywhere else "endswith" if values[0].parts[:1] == (ANY,) else "startswith"
        )
    if not isinstance(field, str):
        raise ValueError("no field")
    return Item(field or None, tuple(filter(None, modifiers)), values, every, False, place)


# Where a rule would write it otherwise than the call is named
_MODIFIERS: dict[Op, str] = {
    **dict.fromkeys((Op.EQUALS, Op.LIKE, Op.NUMBER, Op.NULL, Op.TIME), ""),
    **{op: name for op, name in _OPERATORS.items() if op is not Op.NUMBER},
    Op.REGEX: "re",
    Op.SAME: "fieldref",
}


def _value(op: Op, argument: Any, cased: bool) -> Value:
    """What a value was compiled to this argument. Raises `ValueError`, `TypeError` or `LookupError`."""
    match op, argument:
        case ((Op.EQUALS | Op.CONTAINS | Op.STARTSWITH | Op.ENDSWITH), str(text)):
            before = (ANY,) if op in (Op.CONTAINS, Op.ENDSWITH) else ()
            after = (ANY,) if op in (Op.CONTAINS, Op.STARTSWITH) else ()
            return Text(join((*before, text, *after)), cased)
        case Op.LIKE, str(text):
            return Text(_parts(text), cased)
        case Op.REGEX, str(pattern):
            re2.compile(pattern, re2_options())
            return Regex((pattern,))
        case Op.NUMBER, (int() | float()):
            return Number(argument)
        case ((Op.LESS | Op.LESS_EQUAL | Op.GREATER | Op.GREATER_EQUAL), (int() | float())):
            return Compare(_OPERATORS[op], argument)
        case Op.CIDR, str(network):
            ipaddress.ip_network(network)
            return Network(network)
        case Op.TIME, (str(part), str(operator), (int() | float()) as number) if part in RANGES:
            return TimePart(part, _OPERATORS[COMPARISONS[operator]], number)
        case Op.EXISTS, None:
            return Exists(True)
        case Op.NULL, None:
            return Null()
        case Op.SAME, (str(other), *rest):
            placement = str(rest[0]) if rest else "equals"
            if placement not in ("equals", "contains", "startswith", "endswith"):
                raise ValueError("no placement")
            return FieldRef(other, placement, cased)
    raise ValueError("no such question")


def _parts(text: str) -> tuple[Part, ...]:
    """The parts that `glob` made this text of."""
    parts: list[Part] = []
    at = 0
    while at < len(text):
        char = text[at]
        if char == "\\":
            parts.append(text[at + 1])
            at += 2
        elif text.startswith(Wildcard.DASH.value, at):
            parts.append(Wildcard.DASH)
            at += len(Wildcard.DASH.value)
        else:
            parts.append(Wildcard(char) if char in "*?" else char)
            at += 1
    return join(parts)


class _Selections:
    """Makes search identifiers of what is named, and of questions that stand in no selection."""

    def __init__(self, place: Place, prefix: str):
        self.place = place
        self.prefix = prefix
        self.detections: dict[str, Detection] = {}
        self.places: dict[str, Place] = {}
        self._names: dict[Expression, Identifier] = {}

    def condition(self, asked: Expression) -> Expression:
        """What is asked, over search identifiers."""
        waiting, met = [asked], set(self._names)
        while waiting:
            node = waiting.pop()
            if node in met:
                continue
            met.add(node)
            if isinstance(node, AskedItem | Const):
                self._names[node] = self._identifier(repr(node), _detection(node))
            elif isinstance(node, Named) and not node.is_internal and _is_plain(node):
                name = node.name.removeprefix(self.prefix)
                self._names[node] = self._identifier(name, _detection(node))
            else:
                waiting += reversed(children(node))
        return bottom_up(asked, self._term)

    def _term(self, node: Expression, operands: tuple[Expression, ...]) -> Expression:
        if node in self._names:
            return self._names[node]
        return operands[0] if isinstance(node, Named) else rebuild(node, operands)

    def _identifier(self, wanted: str, detection: Detection) -> Identifier:
        number, name = 1, wanted
        while name in self.detections:
            number += 1
            name = f"{wanted} {number}"
        self.detections[name] = detection
        self.places[name] = next((each.place for each in items(detection)), self.place)
        return Identifier(name)


def _is_plain(named: Named) -> bool:
    """Whether a selection of a rule can say it."""
    if _size(named) > MAX_NODES:
        raise ValueError("too large a selection")
    return not any(isinstance(node, AtLeast) for node in walk(named))


def _size(expression: Expression) -> int:
    return bottom_up(expression, lambda _, sizes: min(1 + sum(sizes), MAX_NODES + 1))


def _detection(node: Expression, negated: bool = False) -> Detection:
    match node:
        case AskedItem(item=item):
            modifiers = (*item.modifiers, "neq") if negated else item.modifiers
            return replace(item, negated=negated, modifiers=modifiers)
        case Const(value=value):
            return AllOf(()) if value is not negated else AnyOf(())
        case Named(operand=operand):
            return _detection(operand, negated)
        case Not(operand=operand):
            return _detection(operand, not negated)
    assert isinstance(node, And | Or)
    parts = tuple(_detection(each, negated) for each in node.operands)
    return AllOf(parts) if isinstance(node, And) is not negated else AnyOf(parts)
