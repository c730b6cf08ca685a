"""Why a rule matched: its generated function run once more, with every question and every selection written down."""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import CodeType, FunctionType
from typing import Any

from sigmac.runtime.errors import PackError
from sigmac.runtime.match import Explanation, Question
from sigmac.runtime.scalar.event import Event
from sigmac.runtime.scalar.vocabulary import Vocabulary

_INTERNAL = ":"  # how the names begin that the compiler gives to what is no search identifier
_FILTER = ":filter "  # and of these, those of what is a filter's
_CONDITION = re.compile(r":(?:\w+_)?condition (\d+)")
_VARIANT = re.compile(r":variant (\w+)")
_SINGLE = frozenset(
    {"exists", "null", "less", "less_equal", "greater", "greater_equal", "time", "same"}
)


class TracingEvent(Event):
    """An event that writes down what it is asked."""

    __slots__ = ("questions",)

    def __init__(self, fields: Mapping[str, Any], vocabulary: Vocabulary):
        super().__init__(fields, vocabulary)
        self.questions: list[Question] = []


def _traced(name: str) -> Callable[..., bool]:
    plain = getattr(Event, name)

    def ask(self: TracingEvent, field: str, *arguments: Any, **options: Any) -> bool:
        answer = bool(plain(self, field, *arguments, **options))
        if name in _SINGLE:
            held = arguments if answer else ()
        else:
            held = tuple(each for each in arguments if plain(self, field, each))
        line = sys._getframe(1).f_lineno
        self.questions.append(Question("", field, name, arguments, held, answer, line))
        return answer

    return ask


QUESTIONS = tuple(
    name
    for name, value in vars(Event).items()
    if callable(value) and not name.startswith("_") and name != "facts"
)
for _name in QUESTIONS:
    setattr(TracingEvent, _name, _traced(_name))


@dataclass(frozen=True, slots=True)
class TracedRule:
    """A rule's function made so that all its selections are evaluated and kept; `spans` are the lines of each."""

    run: Callable[[TracingEvent], dict[str, Any]]
    spans: list[tuple[int, int, str]]
    renamed: Mapping[str, str]


def traced(source: str, renamed: Mapping[str, str], namespace: dict[str, Any]) -> TracedRule:
    """A rule's function made anew from its source text, to be asked why it answers as it does.

    `renamed` maps those local variables of the function that are spelled differently from the rule's search
    identifiers to these. Raises `PackError` where the text is no function of a rule.
    """
    tree = ast.parse(source)
    function = tree.body[0]
    if len(tree.body) != 1 or not isinstance(function, ast.FunctionDef):
        raise PackError("a rule's lines are not its function; build the pack again")
    if not isinstance(function.body[-1], ast.Return):
        raise PackError("a rule's lines are not all of its function; build the pack again")
    spans: list[tuple[int, int, str]] = []
    body: list[ast.stmt] = []
    for statement in function.body:
        if isinstance(statement, ast.Assign) and isinstance(statement.targets[0], ast.Name):
            spans.append((statement.lineno, statement.end_lineno or 0, statement.targets[0].id))
        if isinstance(statement, ast.Return):
            body.append(ast.parse("return locals()").body[0])
        elif not isinstance(statement, ast.If):
            body.append(statement)
    function.body = body
    module = compile(ast.fix_missing_locations(tree), "<explain>", "exec")
    code = next(each for each in module.co_consts if isinstance(each, CodeType))
    return TracedRule(FunctionType(code, namespace), spans, renamed)


def explain(rule: TracedRule, event: TracingEvent) -> Explanation:
    """Why a rule matches an event, or does not; what filters ask is left out.

    Lines of questions count from the function's first.
    """
    spans, renamed = rule.spans, rule.renamed
    found: dict[str, Any] = rule.run(event)
    spelled = {
        name: renamed.get(name, name) for name, truth in found.items() if isinstance(truth, bool)
    }
    conditions = {
        int(match[1])
        for name, text in spelled.items()
        if found[name] and (match := _CONDITION.fullmatch(text))
    }
    variants = tuple(
        match[1]
        for name, text in spelled.items()
        if found[name] and (match := _VARIANT.fullmatch(text))
    )
    questions = tuple(
        Question(
            _selection(q.line, spans, renamed),
            q.field,
            q.test,
            q.arguments,
            q.held,
            q.answer,
            q.line,
        )
        for q in event.questions
        if not _selection(q.line, spans, renamed).startswith(_FILTER)
    )
    selections: dict[str, bool] = {}
    for name, text in spelled.items():
        if text and not text.startswith(_INTERNAL):
            selections[name if text in selections else text] = found[name]
    return Explanation(tuple(sorted(conditions)) or (0,), selections, questions, variants)


def _selection(line: int, spans: list[tuple[int, int, str]], renamed: Mapping[str, str]) -> str:
    for first, last, name in spans:
        if first <= line <= last:
            return renamed.get(name, name)
    return ""
