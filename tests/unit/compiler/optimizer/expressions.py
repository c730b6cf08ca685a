r"""Expressions and cases as text, for fixtures and documentation.

An expression is written as the IR shows itself: `contains(Image, 'ab') and not (a or selection:
b)`. `*` for a field asks every one (keywords), the argument of `like` is a glob, and a small letter
alone is short for some predicate: `a` is `number(a, 1)`.

A case is an input over its expected output, after a line that says what it shows; blank lines end
it:

    # an And inside an And
    a and (b and c)
    => a and b and c

`=> unchanged` expects the input.
"""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sigmac.compiler.ir.expressions import (
    FALSE,
    TRUE,
    And,
    AtLeast,
    Expression,
    Named,
    Not,
    Op,
    Or,
    Predicate,
)
from sigmac.compiler.ir.values import Part, Wildcard, join

_TOKEN = re.compile(r"""\s*('(?:\\.|[^'\\])*'|"(?:\\.|[^"\\])*"|[(),:]|[^\s(),:'"]+)\s*""")
_GLOB = re.compile(r"\\([*?\[\\])|(\[-\]|[*?])", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Case:
    title: str
    given: str
    expected: str

    @property
    def unchanged(self) -> bool:
        return self.expected == "unchanged"


def read_cases(text: str) -> list[Case]:
    """The cases of a fixture file; raises `ValueError` for a block that is not one."""
    found = []
    for block in re.split(r"\n\s*\n", text.strip()):
        lines = [line.strip() for line in block.splitlines()]
        title = " ".join(line[1:].strip() for line in lines if line.startswith("#"))
        body = " ".join(line for line in lines if not line.startswith("#"))
        if not body:
            continue
        given, arrow, expected = body.partition("=>")
        if not arrow or "=>" in expected:
            raise ValueError(f"not a case:\n{block}")
        found.append(Case(title or given.strip(), given.strip(), expected.strip()))
    return found


def read_case_file(file: Path) -> list[Case]:
    return read_cases(file.read_text("utf-8"))


def read_expression(text: str) -> Expression:
    """The expression that a text shows; raises `ValueError` where it shows none."""
    (expression,) = read_expressions(text)
    return expression


def read_expressions(text: str) -> list[Expression]:
    """The expressions that a text shows with commas between them."""
    reader = _Reader(text)
    found = [reader.disjunction()]
    while reader.take(","):
        found.append(reader.disjunction())
    if reader.token:
        raise ValueError(f"unexpected {reader.token!r} in {text!r}")
    return found


class _Reader:
    def __init__(self, text: str):
        self._tokens: list[str] = []
        end = 0
        while end < len(text):
            match = _TOKEN.match(text, end)
            if not match:
                raise ValueError(f"cannot read {text[end:]!r}")
            self._tokens.append(match[1])
            end = match.end()

    @property
    def token(self) -> str:
        return self._tokens[0] if self._tokens else ""

    def next(self) -> str:
        if not self._tokens:
            raise ValueError("the expression ends too early")
        return self._tokens.pop(0)

    def take(self, word: str) -> bool:
        if self.token != word:
            return False
        self.next()
        return True

    def expect(self, word: str) -> None:
        if not self.take(word):
            raise ValueError(f"expected {word!r}, not {self.token!r}")

    def disjunction(self) -> Expression:
        operands = [self.conjunction()]
        while self.take("or"):
            operands.append(self.conjunction())
        return operands[0] if len(operands) == 1 else Or(*operands)

    def conjunction(self) -> Expression:
        operands = [self.primary()]
        while self.take("and"):
            operands.append(self.primary())
        return operands[0] if len(operands) == 1 else And(*operands)

    def primary(self) -> Expression:
        if self.take("not"):
            return Not(self.primary())
        if self.take("("):
            inside = self.disjunction()
            self.expect(")")
            return inside
        word = self.next()
        if word in ("true", "false"):
            return TRUE if word == "true" else FALSE
        if self.take(":"):
            return Named(word, self.primary())
        if self.take("of"):
            self.expect("(")
            operands = [self.disjunction()]
            while self.take(","):
                operands.append(self.disjunction())
            self.expect(")")
            return AtLeast(int(word), *operands)
        if re.fullmatch("[a-z]", word) and self.token != "(":
            return Predicate(word, Op.NUMBER, 1)
        return self.predicate(word)

    def predicate(self, word: str) -> Predicate:
        op = Op(word.removesuffix("_cased"))
        self.expect("(")
        field = self.next()
        argument = ""
        if self.take(","):
            depth = 0
            while depth or self.token != ")":
                depth += {"(": 1, ")": -1}.get(self.token, 0)
                argument += self.next()
        self.expect(")")
        value: Any = ast.literal_eval(argument) if argument else None
        if op is Op.LIKE:
            value = _parts(value)
        return Predicate(None if field == "*" else field, op, value, word.endswith("_cased"))


def _parts(glob: str) -> tuple[Part, ...]:
    parts: list[Part] = []
    end = 0
    for match in _GLOB.finditer(glob):
        parts += [glob[end : match.start()], match[1] or Wildcard(match[2])]
        end = match.end()
    return join([*parts, glob[end:]])
