"""Predicates and boolean expressions: the one language the middle of the compiler speaks.

A *predicate* asks one question of one field; an *expression* is And, Or, Not, Const or Named over
predicates. All nodes are immutable and hash-consed (Ershov 1958; Filliâtre and Conchon 2006):
building an equal node twice gives the same object, so equality is identity and a predicate that
occurs in 400 rules exists once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from enum import Enum
from typing import Any, ClassVar, TypeVar
from weakref import ref

from sigmac.compiler.ir.values import glob


class Op(Enum):
    """What a predicate asks; the value is the name of the generated call."""

    # Enum's own hashes the name, in Python; members are compared by identity.
    __hash__ = object.__hash__

    EQUALS = "equals"  # argument: str, folded unless cased
    CONTAINS = "contains"
    STARTSWITH = "startswith"
    ENDSWITH = "endswith"
    LIKE = "like"  # argument: tuple of literal runs and wildcards
    REGEX = "regex"  # argument: RE2 pattern, flags in front
    NUMBER = "number"  # argument: int or float, numeric equality
    LESS = "less"  # argument: int or float
    LESS_EQUAL = "less_equal"
    GREATER = "greater"
    GREATER_EQUAL = "greater_equal"
    CIDR = "cidr"  # argument: network in CIDR form
    TIME = "time"  # argument: (part, operator, number)
    EXISTS = "exists"  # argument: None
    NULL = "null"  # argument: None
    SAME = "same"  # argument: (other field, placement)


TEXT_OPS = frozenset({Op.EQUALS, Op.CONTAINS, Op.STARTSWITH, Op.ENDSWITH})
COMPARISONS = {
    "lt": Op.LESS,
    "lte": Op.LESS_EQUAL,
    "gt": Op.GREATER,
    "gte": Op.GREATER_EQUAL,
    "eq": Op.NUMBER,
}


class Expression:
    """A boolean question about an event. Compare with `is`; never built but through its class.

    `operands` are the expressions that it is made of.
    """

    __slots__ = ("__weakref__", "operands")
    operands: tuple[Expression, ...]

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError("expressions are immutable")

    def __delattr__(self, name: str) -> None:
        raise AttributeError("expressions are immutable")

    def __copy__(self) -> Expression:
        return self

    def __deepcopy__(self, memo: object) -> Expression:
        return self

    def __repr__(self) -> str:
        return bottom_up(self, _shown)


_E = TypeVar("_E", bound=Expression)
_T = TypeVar("_T")


class _Reference(ref["Expression"]):
    """A node for as long as somebody else holds it; `WeakValueDictionary` does this at twice the price."""

    __slots__ = ("key",)
    key: tuple[Any, ...]


_nodes: dict[tuple[Any, ...], _Reference] = {}


def _forget(gone: ref[Expression]) -> None:
    assert isinstance(gone, _Reference)
    if _nodes.get(gone.key) is gone:
        del _nodes[gone.key]


def intern(
    cls: type[_E], key: tuple[Any, ...], operands: tuple[Expression, ...] = (), **slots: Any
) -> _E:
    """The one node of this class and key; made with these operands and slots where there is none yet."""
    key = (cls, *key)
    known = _nodes.get(key)
    found = None if known is None else known()
    if found is None:
        made = object.__new__(cls)
        object.__setattr__(made, "operands", operands)
        for name, value in slots.items():
            object.__setattr__(made, name, value)
        reference = _Reference(made, _forget)
        reference.key = key
        # Another thread may have been faster, and then its node is the one.
        found = _nodes.setdefault(key, reference)()
        if found is None:
            _nodes[key] = reference
            found = made
    assert isinstance(found, cls)
    return found


class Const(Expression):
    """Always true or always false; there are two, `TRUE` and `FALSE`."""

    __slots__ = ("value",)
    value: bool

    def __new__(cls, value: bool) -> Const:
        return intern(cls, (value,), value=value)

    def __repr__(self) -> str:
        return "true" if self.value else "false"


class Predicate(Expression):
    """One question of one field; field None asks every scalar leaf (keywords)."""

    __slots__ = ("argument", "cased", "field", "op")
    field: str | None
    op: Op
    argument: Any
    cased: bool

    def __new__(
        cls, field: str | None, op: Op, argument: Any = None, cased: bool = False
    ) -> Predicate:
        # 1, 1.0 and True are equal to Python and are not equal here, hence the type in the key.
        key = (field, op, type(argument), argument, cased)
        return intern(cls, key, field=field, op=op, argument=argument, cased=cased)

    def __repr__(self) -> str:
        if self.op is Op.LIKE:
            shown = f"{glob(self.argument)!r}"
        elif self.argument is None:
            return f"{self.op.value}({'*' if self.field is None else self.field})"
        else:
            shown = repr(self.argument)
        name = "*" if self.field is None else self.field
        return f"{self.op.value}{'_cased' if self.cased else ''}({name}, {shown})"


class Not(Expression):
    __slots__ = ("operand",)
    operand: Expression

    def __new__(cls, operand: Expression) -> Not:
        return intern(cls, (operand,), (operand,), operand=operand)


class _Junction(Expression):
    __slots__ = ()
    word: ClassVar[str]


class And(_Junction):
    """All operands are true; the empty And is true."""

    __slots__ = ()
    word = "and"

    def __new__(cls, *operands: Expression) -> And:
        return intern(cls, operands, operands)


class Or(_Junction):
    """Some operand is true; the empty Or is false."""

    __slots__ = ()
    word = "or"

    def __new__(cls, *operands: Expression) -> Or:
        return intern(cls, operands, operands)


class AtLeast(Expression):
    """At least `count` of the operands are true (`2 of selection_*`)."""

    __slots__ = ("count",)
    count: int

    def __new__(cls, count: int, *operands: Expression) -> AtLeast:
        return intern(cls, (count, *operands), operands, count=count)


INTERNAL = ":"  # how the names begin that are no search identifiers
FILTER = f"{INTERNAL}filter "  # and of these, those of the search identifiers of filters
ADDED = "_cond_"  # how those of the selections begin that a pipeline's `add_condition` makes


class Named(Expression):
    """An operand under the name that the rule gives it, which generated code shows.

    One condition of a list and one variant of a rule have `INTERNAL` names: a match tells which of them held. So
    have the search identifiers of filters, of which a match tells nothing.
    """

    __slots__ = ("name", "operand")
    name: str
    operand: Expression

    def __new__(cls, name: str, operand: Expression) -> Named:
        return intern(cls, (name, operand), (operand,), name=name, operand=operand)

    @property
    def is_internal(self) -> bool:
        return self.name.startswith(INTERNAL)


TRUE = Const(True)
FALSE = Const(False)


def _shown(node: Expression, operands: tuple[str, ...]) -> str:
    if isinstance(node, AtLeast):
        return f"{node.count} of ({', '.join(operands)})"
    if not operands:
        return node.word if isinstance(node, (And, Or)) else repr(node)
    shown = [
        f"({text})" if children(child) and not isinstance(child, AtLeast) else text
        for child, text in zip(children(node), operands, strict=True)
    ]
    if isinstance(node, (And, Or)):
        return f" {node.word} ".join(shown)
    return f"{node.name}: {shown[0]}" if isinstance(node, Named) else f"not {shown[0]}"


def children(expression: Expression) -> tuple[Expression, ...]:
    """The direct operands of an expression."""
    return expression.operands


def rebuild(expression: Expression, operands: tuple[Expression, ...]) -> Expression:
    """The same kind of node over other operands; the node itself where they are its own."""
    if operands == expression.operands:
        return expression
    if isinstance(expression, And):
        return And(*operands)
    if isinstance(expression, Or):
        return Or(*operands)
    if isinstance(expression, AtLeast):
        return AtLeast(expression.count, *operands)
    if isinstance(expression, Not):
        return Not(operands[0])
    assert isinstance(expression, Named)
    return Named(expression.name, operands[0])


def junction(kind: type[And] | type[Or], operands: Sequence[Expression]) -> Expression:
    """`kind` over operands; the operand itself where there is one, a constant where none."""
    if len(operands) == 1:
        return operands[0]
    if not operands:
        return TRUE if kind is And else FALSE
    return kind(*operands)


def bottom_up(expression: Expression, compute: Callable[[Expression, tuple[_T, ...]], _T]) -> _T:
    """`compute(node, its results for the operands)` from the leaves up; each distinct node once.

    A stack of its own: an expression is as deep as its rule is nested, which is deeper than
    Python's.
    """
    done: dict[Expression, _T] = {}
    stack = [expression]
    while stack:
        node = stack[-1]
        if node in done:
            stack.pop()
            continue
        operands = node.operands
        waiting = False
        for operand in operands:
            if operand not in done:
                if type(operand) is Predicate:  # most nodes are, and need no stack
                    done[operand] = compute(operand, ())
                else:
                    stack.append(operand)
                    waiting = True
        if not waiting:
            stack.pop()
            done[node] = compute(node, tuple([done[operand] for operand in operands]))
    return done[expression]


def transform(
    expression: Expression,
    change: Callable[[Any], Expression],
    kinds: tuple[type[Expression], ...] = (Expression,),
) -> Expression:
    """Apply `change` to every node of these kinds from the leaves up; each distinct node once."""
    # Most nodes are predicates: they are changed where they are met, or not looked at.
    leaf = change if issubclass(Predicate, kinds) else None
    done: dict[Expression, Expression] = {}
    stack = [expression]
    while stack:
        node = stack[-1]
        if node in done:
            stack.pop()
            continue
        operands = node.operands
        waiting = []
        for operand in operands:
            if type(operand) is not Predicate:
                if operand not in done:
                    waiting.append(operand)
            elif leaf and operand not in done:
                done[operand] = leaf(operand)
        if waiting:
            stack += waiting
            continue
        stack.pop()
        made = rebuild(node, tuple([done.get(operand, operand) for operand in operands]))
        done[node] = change(made) if isinstance(made, kinds) else made
    return done[expression]


def walk(expression: Expression) -> Iterator[Expression]:
    """Every node of the tree, parents first; a shared node as often as it is used."""
    stack = [expression]
    while stack:
        node = stack.pop()
        yield node
        stack.extend(reversed(node.operands))


def predicates(expression: Expression) -> Iterator[Predicate]:
    """Every predicate of the tree in order of writing, repeats included."""
    for node in walk(expression):
        if isinstance(node, Predicate):
            yield node


def distinct_predicates(expression: Expression) -> list[Predicate]:
    """The predicates of an expression, each once, in order of writing."""
    seen: set[Expression] = set()
    found = []
    stack = [expression]
    while stack:
        node = stack.pop()
        if node not in seen:
            seen.add(node)
            if isinstance(node, Predicate):
                found.append(node)
            stack.extend(reversed(node.operands))
    return found
