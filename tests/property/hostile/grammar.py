"""The grammar of generated code: all that the templates can make, and so all that a pack may hold.

It is written down here a second time, apart from the templates: text of a rule that became code would be found
wherever it came from.
"""

from __future__ import annotations

import ast
import textwrap
from collections.abc import Iterator

from sigmac.runtime.scalar.tracing_event import QUESTIONS

_HEAD = "def f(event: Event) -> bool:"
# The functions of matchers.py under one name, with one name for their constants.
_MATCHERS = (
    """
        def f(number):
            low, high = 0, len(C)
            while low < high:
                middle = (low + high) // 2
                if C[middle] < number:
                    low = middle + 1
                else:
                    high = middle
            if low < len(C) and C[low] == number:
                return 2 * low + 1
            return 2 * low
    """,
    """
        def f(address):
            low, high = 0, len(C)
            while low < high:
                middle = (low + high) // 2
                if C[middle] <= address:
                    low = middle + 1
                else:
                    high = middle
            return low
    """,
    """
        def f(upper, lower):
            low, high = 0, len(C_UPPER)
            while low < high:
                middle = (low + high) // 2
                first = C_UPPER[middle]
                if first < upper or (first == upper and C_LOWER[middle] <= lower):
                    low = middle + 1
                else:
                    high = middle
            return low
    """,
)


class NotGenerated(AssertionError):
    """Source that no template makes."""


def check_module(name: str, source: str) -> None:
    """Raise `NotGenerated` where a module of a pack holds anything but what the templates make of it."""
    tree = ast.parse(source)
    _expect(_is_text(tree.body[0]), tree.body[0], "a docstring")
    body = tree.body[1:]
    if name == "__init__.py":
        _expect([ast.unparse(_target(each)) for each in body] == ["NAME", "VERSION"], tree, "names")
        for each in body:
            _expect(isinstance(each, ast.Assign) and _is_string(each.value), each, "a string")
    elif name == "conditions/__init__.py":
        _expect(not body, tree, "a docstring alone")
    elif name == "rules.py":
        for each in _without_imports(body):
            _target(each)
            _check_metadata(each)
    elif name == "matchers.py":
        _check_matchers(list(_without_imports(body)))
    else:
        for each in _without_imports(body):
            _check_condition(each)


def _expect(holds: bool, node: ast.AST, what: str) -> None:
    if not holds:
        raise NotGenerated(f"not {what}: {ast.unparse(node)[:500]}")


_IMPORTS = {
    "from __future__ import annotations",
    "import numpy as np",
    "from sigmac.runtime import Event",
    "from sigmac.runtime import njit",
    "from sigmac.runtime import LogSource, Rule",
}


def _without_imports(body: list[ast.stmt]) -> Iterator[ast.stmt]:
    for each in body:
        if isinstance(each, (ast.Import, ast.ImportFrom)):
            _expect(ast.unparse(each) in _IMPORTS, each, "an import of generated code")
        else:
            yield each


def _is_string(node: ast.AST) -> bool:
    return isinstance(node, ast.Constant) and isinstance(node.value, str)


def _is_text(node: ast.AST) -> bool:
    return isinstance(node, ast.Expr) and _is_string(node.value)


def _target(node: ast.stmt) -> ast.Name:
    _expect(isinstance(node, ast.Assign) and len(node.targets) == 1, node, "an assignment")
    assert isinstance(node, ast.Assign)
    target = node.targets[0]
    _expect(isinstance(target, ast.Name), node, "an assignment to a name")
    assert isinstance(target, ast.Name)
    return target


def _is_literal(node: ast.AST) -> bool:
    """Constants, tuples and dicts of them; NaN and infinity, which have no literal, as `float("nan")`."""
    if isinstance(node, ast.Constant):
        return isinstance(node.value, str | int | float | bool | None)
    if isinstance(node, ast.UnaryOp):
        return isinstance(node.op, ast.USub) and isinstance(node.operand, ast.Constant)
    if isinstance(node, ast.Tuple):
        return all(map(_is_literal, node.elts))
    if isinstance(node, ast.Dict):
        return all(key and _is_literal(key) for key in node.keys) and all(
            map(_is_literal, node.values)
        )
    return ast.unparse(node) in {f"float('{each}')" for each in ("nan", "inf", "-inf")}


def _is_call_of(node: ast.AST, name: str) -> bool:
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == name


def _check_metadata(node: ast.stmt) -> None:
    assert isinstance(node, ast.Assign)
    rule = node.value
    _expect(_is_call_of(rule, "Rule"), rule, "a Rule")
    assert isinstance(rule, ast.Call)
    _expect(not rule.args, rule, "keywords alone")
    for each in rule.keywords:
        value = each.value
        if _is_call_of(value, "LogSource"):
            assert isinstance(value, ast.Call)
            _expect(
                not value.args and all(_is_string(k.value) for k in value.keywords), value, "text"
            )
        else:
            _expect(_is_literal(value), value, "a literal")


def _check_condition(node: ast.stmt) -> None:
    """A function that assigns questions to local variables, leaves early where it can, and returns a truth value."""
    _expect(isinstance(node, ast.FunctionDef), node, "a function")
    assert isinstance(node, ast.FunctionDef)
    head = ast.unparse(node).splitlines()[0].replace(f"def {node.name}(", "def f(")
    _expect(head == _HEAD and not node.decorator_list, node, "a condition")
    _expect(_is_text(node.body[0]), node.body[0], "a docstring")
    known: set[str] = set()
    for each in node.body[1:]:
        if isinstance(each, ast.Assign):
            _check_truth(each.value, known)
            known.add(_target(each).id)
        elif isinstance(each, ast.If):
            _check_truth(each.test, known)
            _expect([ast.unparse(s) for s in each.body] == ["return False"], each, "an early exit")
            _expect(not each.orelse, each, "an early exit")
        else:
            _expect(isinstance(each, ast.Return), each, "a statement of a condition")
            assert isinstance(each, ast.Return)
            assert each.value is not None
            _check_truth(each.value, known)
    _expect(not known & {"event", "logsource"}, node, "names of its own")


def _check_truth(node: ast.expr, known: set[str]) -> None:
    if isinstance(node, ast.BoolOp):
        for value in node.values:
            _check_truth(value, known)
    elif isinstance(node, ast.UnaryOp):
        _expect(isinstance(node.op, ast.Not), node, "a negation")
        _check_truth(node.operand, known)
    elif isinstance(node, ast.Name):
        _expect(node.id in known, node, "a local variable")
    elif isinstance(node, ast.Compare):
        _check_count(node, known)
    elif isinstance(node, ast.Call):
        _check_question(node)
    else:
        _expect(
            isinstance(node, ast.Constant) and isinstance(node.value, bool), node, "a truth value"
        )


def _check_count(node: ast.Compare, known: set[str]) -> None:
    """`sum([a, b, c]) >= 2`"""
    _expect(_is_call_of(node.left, "sum") and isinstance(node.ops[0], ast.GtE), node, "a count")
    assert isinstance(node.left, ast.Call)
    (operands,) = node.left.args
    _expect(isinstance(operands, ast.List) and not node.left.keywords, node, "a count")
    assert isinstance(operands, ast.List)
    for each in operands.elts:
        _check_truth(each, known)
    (least,) = node.comparators
    _expect(isinstance(least, ast.Constant) and type(least.value) is int, node, "a count")


def _check_question(node: ast.Call) -> None:
    """`event.contains("Image", "a", "b")`"""
    method = node.func
    _expect(isinstance(method, ast.Attribute) and method.attr in QUESTIONS, node, "a question")
    assert isinstance(method, ast.Attribute)
    _expect(ast.unparse(method.value) == "event", node, "a question to the event")
    _expect(bool(node.args) and _is_string(node.args[0]), node, "a question of a field")
    _expect(all(map(_is_literal, node.args)), node, "a question with literals")
    options = [f"{each.arg}={ast.unparse(each.value)}" for each in node.keywords]
    _expect(options in ([], ["cased=True"]), node, "a question")


class _Anonymous(ast.NodeTransformer):
    """Names that depend on a field replaced by those of `_MATCHERS`."""

    def __init__(self, function: str):
        self.constant = function.upper()

    def visit_Name(self, node: ast.Name) -> ast.Name:
        if node.id.startswith(self.constant):
            node.id = f"C{node.id[len(self.constant) :]}"
        return node


def _shape(node: ast.FunctionDef) -> str:
    body = node.body[1:] if _is_text(node.body[0]) else node.body
    bare = ast.FunctionDef("f", node.args, body, [], lineno=1)
    return ast.unparse(_Anonymous(node.name).visit(bare))


_SHAPES = {ast.unparse(ast.parse(textwrap.dedent(function))) for function in _MATCHERS}


def _check_matchers(body: list[ast.stmt]) -> None:
    for each in body:
        if isinstance(each, ast.FunctionDef):
            _expect(_shape(each) in _SHAPES, each, "a function of the templates")
            decorators = [ast.unparse(decorator) for decorator in each.decorator_list]
            _expect(decorators in ([], ["njit"]), each, "a plain or compilable function")
        else:
            _target(each)
            assert isinstance(each, ast.Assign)
            _check_table(each.value)


def _check_table(node: ast.expr) -> None:
    """Numbers; sets of networks, one an interval; arrays of numbers; or field → (constant, function)."""
    if isinstance(node, ast.Dict):
        for key, entry in zip(node.keys, node.values, strict=True):
            _expect(key is not None and _is_literal(key), node, "a table by field")
            names = entry.elts if isinstance(entry, ast.Tuple) else []
            _expect(
                len(names) == 2 and all(isinstance(n, ast.Name) for n in names), entry, "a pair"
            )
    elif isinstance(node, ast.Tuple) and node.elts and _is_call_of(node.elts[0], "frozenset"):
        for each in node.elts:
            _expect(_is_call_of(each, "frozenset"), each, "a set")
            assert isinstance(each, ast.Call)
            _expect(
                all(map(_is_literal, each.args)) and not each.keywords, each, "a set of networks"
            )
    elif isinstance(node, ast.Call):
        _expect(
            ast.unparse(node.func) == "np.array" and _is_literal(node.args[0]), node, "an array"
        )
        _expect([ast.unparse(k.value) for k in node.keywords] == ["np.uint64"], node, "an array")
    else:
        _expect(_is_literal(node), node, "a table")
