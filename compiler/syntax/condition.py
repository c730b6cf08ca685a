"""Conditions: the parse tree of `condition.lark` turned into expressions over search identifiers.

Leaves are `Identifier` and `Quantifier`; `resolve` replaces them by what a rule's detections say, once its
pipelines have run.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib import resources
from typing import TYPE_CHECKING, Any

from sigmac.compiler.diagnostics.diagnostic import Diagnostics, Place, RuleError, did_you_mean
from sigmac.compiler.ir.expressions import (
    And,
    AtLeast,
    Expression,
    Not,
    Or,
    intern,
    transform,
    walk,
)
from sigmac.compiler.syntax.yaml_nodes import place_inside

if TYPE_CHECKING:
    from lark import Lark

MAX_DEPTH = 200
MAX_LENGTH = 100_000
MAX_QUANTIFIED = 100_000  # names, each as often as a quantifier looks at it
_REMEMBERED = (
    1000  # characters of the longest condition whose tree is kept for the next rule that has it
)
KEYWORDS = frozenset({"and", "or", "not", "of", "all", "any", "them"})
_KEYWORD = re.compile(rf"(?<![\w.*-])(?:{'|'.join(sorted(KEYWORDS))})(?![\w.*-])", re.IGNORECASE)


class Identifier(Expression):
    """A search identifier named directly."""

    __slots__ = ("name",)
    name: str

    def __new__(cls, name: str) -> Identifier:
        return intern(cls, (name,), name=name)

    def __repr__(self) -> str:
        return self.name


class Quantifier(Expression):
    """`count of target`; count None means all. Target is a name with stars in it, or `them`."""

    __slots__ = ("count", "target")
    count: int | None
    target: str

    def __new__(cls, count: int | None, target: str) -> Quantifier:
        return intern(cls, (count, target), count=count, target=target)

    def __repr__(self) -> str:
        return f"{'all' if self.count is None else self.count} of {self.target}"


@dataclass(frozen=True, slots=True)
class Remark:
    """A warning of the parser about the word that begins at a position of the condition."""

    code: str
    message: str
    position: int
    word: str


@dataclass(frozen=True, slots=True)
class Condition:
    """One condition: its text, its expression, where it stands, and what the parser remarked.

    `raw` is how the text is written, as `source.Node` has it.
    """

    text: str
    expression: Expression
    place: Place
    remarks: tuple[Remark, ...] = ()
    raw: str = ""

    def place_of(self, word: str) -> Place:
        """The place of a name or pattern in the condition."""
        match = re.search(rf"(?<![\w.*-]){re.escape(word)}(?![\w.*-])", self.text)
        if match is None:
            return self.place
        return place_inside(self.place, self.text, self.raw, match.start(), len(word))


@dataclass(frozen=True, slots=True)
class _Parsed:
    expression: Expression
    remarks: tuple[Remark, ...]


class _Fault(Exception):
    def __init__(self, message: str, position: int = 0, hint: str = "", code: str = "E_CONDITION"):
        super().__init__(message)
        self.position, self.hint, self.code = position, hint, code


@lru_cache(maxsize=1)
def _grammar() -> Lark:
    from lark import Lark

    text = resources.files("sigmac.compiler.syntax").joinpath("condition.lark").read_text("utf-8")
    return Lark(text, parser="lalr", lexer="basic")


def parse(text: str, place: Place, timeframe: str | None = None, raw: str = "") -> Condition:
    """Parse one condition; `timeframe` only serves the advice for a legacy aggregation, `raw` is `Node.raw`.

    Raises `RuleError` with `E_CONDITION` or `E_AGGREGATION`, at the place inside the condition where it can be told.
    """
    try:
        parsed = _parse(text) if len(text) <= _REMEMBERED else _parse.__wrapped__(text)
    except _Fault as fault:
        hint = fault.hint
        if fault.code == "E_AGGREGATION":
            hint = _as_correlation(text, timeframe)
        inside = place_inside(place, text, raw, fault.position)
        raise RuleError(fault.code, str(fault), inside, hint) from None
    return Condition(text, parsed.expression, place, parsed.remarks, raw)


@lru_cache(maxsize=4096)
def _parse(text: str) -> _Parsed:
    from lark.exceptions import UnexpectedCharacters, UnexpectedEOF, UnexpectedToken

    if len(text) > MAX_LENGTH:
        raise _Fault(f"the condition is longer than {MAX_LENGTH} characters")
    if (bar := text.find("|")) >= 0 and "||" not in text:
        raise _Fault(
            "aggregations after `|` are not part of Sigma any more; write a correlation rule",
            bar,
            code="E_AGGREGATION",
        )
    _bound_nesting(text)
    try:
        tree = _grammar().parse(text)
    except UnexpectedCharacters as error:
        raise _Fault(
            f"unexpected {error.char!r}",
            error.pos_in_stream or 0,
            _replacement(text, error.pos_in_stream or 0),
        ) from None
    except UnexpectedEOF:
        raise _Fault("the condition ends too early", max(len(text) - 1, 0)) from None
    except UnexpectedToken as error:
        if error.token.type == "$END":
            message = (
                "the condition is empty" if not text.strip() else "the condition ends too early"
            )
            raise _Fault(message, max(len(text) - 1, 0), _expected(error.accepts)) from None
        raise _Fault(
            f"unexpected `{str(error.token)[:60]}`",
            error.token.start_pos or 0,
            _expected(error.accepts),
        ) from None
    remarks = [
        Remark(
            "W_KEYWORD_CASE", f"write the keyword `{word[0]}` in lower case", word.start(), word[0]
        )
        for word in _KEYWORD.finditer(text)
        if not word[0].islower()
    ]
    return _Parsed(_expression(tree, remarks), tuple(remarks))


def _bound_nesting(text: str) -> None:
    depth = run = 0
    for token in re.finditer(r"[()]|\bnot\b|[^\s()]+", text, re.IGNORECASE):
        word = token[0].lower()
        if word == "(":
            depth += 1
        elif word == ")":
            depth, run = depth - 1, 0
        elif word == "not":
            run += 1
        else:
            run = 0
        if depth + run > MAX_DEPTH:
            raise _Fault(f"nested deeper than {MAX_DEPTH} levels", token.start())


_REPLACEMENTS = {"&": "and", "|": "or", "!": "not", ",": "or"}


def _replacement(text: str, position: int) -> str:
    word = _REPLACEMENTS.get(text[position])
    if word:
        return f"write `{word}`"
    return "names are letters, digits, `_`, `-` and `.`"


_READABLE = {
    "NAME": "a name",
    "PATTERN": "a pattern",
    "LPAR": "`(`",
    "RPAR": "`)`",
    "_OR": "`or`",
    "_AND": "`and`",
    "_NOT": "`not`",
    "_OF": "`of`",
    "THEM": "`them`",
    "ALL": "`all of`",
    "ANY": "`any of`",
    "COUNT": "`1 of`",
    "$END": "the end",
}


def _expected(terminals: Iterable[str]) -> str:
    words = [_READABLE[t] for t in _READABLE if t in set(terminals)]
    return f"expected {', '.join(words)}" if words else ""


def _expression(tree: Any, remarks: list[Remark]) -> Expression:
    # The tree is no deeper than MAX_DEPTH nestings, each of a few rules: recursion is bounded.
    from lark import Tree

    assert isinstance(tree, Tree)
    kind = tree.data
    if kind in {"disjunction", "conjunction"}:
        # map and no comprehension: half the stack
        operands = list(map(_expression, tree.children, itertools.repeat(remarks)))
        return Or(*operands) if kind == "disjunction" else And(*operands)
    if kind == "negated":
        return Not(_expression(tree.children[0], remarks))
    if kind == "identifier":
        return Identifier(str(tree.children[0]))
    assert kind == "quantified", kind
    quantifier, target = tree.children
    assert isinstance(quantifier, Tree) and isinstance(target, Tree)
    count_token: Any = quantifier.children[0]
    target_token: Any = target.children[0]
    name = "them" if target_token.type == "THEM" else str(target_token)
    if count_token.type == "ALL":
        return Quantifier(None, name)
    if count_token.type == "ANY":
        return Quantifier(1, name)
    if len(count_token) > 9 or int(count_token) == 0:
        message = f"`{str(count_token)[:20]} of` cannot be" + (
            " met" if len(count_token) > 9 else ""
        )
        raise _Fault(message, count_token.start_pos, "the least is `1 of`")
    if int(count_token) > 1:
        message = f"`{count_token} of` is an extension that other tools refuse"
        remarks.append(Remark("W_N_OF", message, count_token.start_pos, str(count_token)))
    return Quantifier(int(count_token), name)


def names_matching(target: str, names: Iterable[str]) -> list[str]:
    """The search identifiers that a quantifier's target selects, in their order.

    Names that begin with `_` are left out unless the pattern itself begins with it.

    >>> names_matching("sel*", ["sel1", "sel2", "_sel", "filter"]), names_matching("them", ["a", "_b"])
    (['sel1', 'sel2'], ['a'])
    """
    if target == "them":
        return [name for name in names if not name.startswith("_")]
    # Globs of hostile length stay linear: the runs between stars are searched for one after the other.
    runs = target.split("*")
    return [
        name
        for name in names
        if _selects(runs, name) and (target.startswith("_") or not name.startswith("_"))
    ]


def _selects(runs: list[str], name: str) -> bool:
    if len(runs) == 1:
        return name == runs[0]
    if not name.startswith(runs[0]) or len(name) < len(runs[0]) + len(runs[-1]):
        return False
    at, end = len(runs[0]), len(name) - len(runs[-1])
    if not name.endswith(runs[-1]):
        return False
    for run in runs[1:-1]:
        found = name.find(run, at, end)
        if found < 0:
            return False
        at = found + len(run)
    return True


def name_faults(condition: Condition, names: Sequence[str]) -> Iterator[RuleError]:
    """What a condition names that does not exist, and quantifiers that look at more than can be tested."""
    known = set(names)
    leaves = dict.fromkeys(walk(condition.expression))
    if len(names) * sum(isinstance(leaf, Quantifier) for leaf in leaves) > MAX_QUANTIFIED:
        message = f"the quantifiers of the condition look at more than {MAX_QUANTIFIED:,} names"
        yield RuleError("E_CONDITION", message, condition.place, "split the rule")
        return
    for leaf in leaves:
        if isinstance(leaf, Identifier) and leaf.name not in known:
            yield RuleError(
                "E_CONDITION",
                f"the condition names `{leaf.name[:80]}`, which the detection does not define",
                condition.place_of(leaf.name),
                did_you_mean(leaf.name, names) or _known(names),
            )
        if isinstance(leaf, Quantifier):
            chosen = names_matching(leaf.target, names)
            if not chosen:
                yield RuleError(
                    "E_SELECTOR_EMPTY",
                    f"`{leaf.target[:80]}` selects no search identifier",
                    condition.place_of(leaf.target),
                    _known(names),
                )
            elif leaf.count is not None and leaf.count > len(chosen):
                yield RuleError(
                    "E_CONDITION",
                    f"`{leaf.count} of {leaf.target[:80]}` asks for more than the {len(chosen)} there are",
                    condition.place_of(leaf.target),
                )


def _known(names: Sequence[str]) -> str:
    return f"defined are {', '.join(f'`{name[:40]}`' for name in names[:8])}" if names else ""


def names_used(condition: Condition, names: list[str]) -> set[str]:
    """The search identifiers that a condition refers to, directly or by a quantifier."""
    used: set[str] = set()
    for leaf in set(walk(condition.expression)):
        if isinstance(leaf, Identifier):
            used.add(leaf.name)
        elif isinstance(leaf, Quantifier):
            used.update(names_matching(leaf.target, names))
    return used


def resolve(
    expression: Expression, names: list[str], meaning: Callable[[str], Expression]
) -> Expression:
    """Replace identifiers by `meaning(name)` and quantifiers by the And, Or or AtLeast of theirs."""

    def change(node: Expression) -> Expression:
        if isinstance(node, Identifier):
            return meaning(node.name)
        if isinstance(node, Quantifier):
            chosen = [meaning(name) for name in names_matching(node.target, names)]
            if node.count is None:
                return And(*chosen)
            return Or(*chosen) if node.count == 1 else AtLeast(node.count, *chosen)
        return node

    return transform(expression, change)


# Of text whose white space is single blanks; no two repeats of it meet, so that no text takes long.
_AGGREGATION = re.compile(
    r" ?(?P<function>count|sum|avg|min|max)(?: ?\((?P<field>[^()]*)\))?"
    r"(?: ?by (?P<group>[\w.,-]+(?: [\w.,-]+)*))?"
    r"(?: ?(?P<operator><=|>=|==|=|<|>) ?(?P<number>[\d.]+))? ?",
    re.IGNORECASE,
)
_OPERATORS = {"<=": "lte", ">=": "gte", "=": "eq", "==": "eq", "<": "lt", ">": "gt"}
_TYPES = {"count": "value_count", "sum": "value_sum", "avg": "value_avg"}


def _as_correlation(text: str, timeframe: str | None) -> str:
    """Advice for a legacy aggregation: the correlation that says the same, in YAML's flow form."""
    head, _, tail = text.partition("|")
    match = _AGGREGATION.fullmatch(re.sub(r"\s+", " ", tail[:500]))
    span = (timeframe or "<how long>")[:40]
    if re.match(r"\s*near\b", tail, re.IGNORECASE):
        return (
            "make a rule of each part and join them: "
            f"correlation: {{type: temporal, rules: [...], group-by: [...], timespan: {span}}}"
        )
    if not match:
        return "see the correlation rules of the Sigma specification"
    function, field = match["function"].lower(), (match["field"] or "").strip()
    if function in {"min", "max"} or not match["operator"]:
        return (
            "no correlation type says the same; value_sum, value_avg and value_percentile come near"
        )
    kind = "event_count" if function == "count" and not field else _TYPES[function]
    fields = [each for each in re.split(r"[, ]+", match["group"] or "") if each]
    group = f", group-by: [{', '.join(fields)}]" if fields else ""
    condition = f"{_OPERATORS[match['operator']]}: {match['number']}"
    if field:
        condition = f"field: {field}, {condition}"
    return (
        f"keep `condition: {' '.join(head.split())[:200]}` here, give the rule a name and add a document "
        f"`correlation: {{type: {kind}, rules: [<name>]{group}, timespan: {span}, condition: {{{condition}}}}}`"
    )


def report_remarks(condition: Condition, diagnostics: Diagnostics) -> None:
    for each in condition.remarks:
        place = place_inside(
            condition.place, condition.text, condition.raw, each.position, len(each.word)
        )
        diagnostics.report(each.code, each.message, place)
