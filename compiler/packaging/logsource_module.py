"""`event_logsources.py` of a pack: what tells from an event itself which logsource it is of."""

from __future__ import annotations

import json
from functools import cache
from typing import Any

from sigmac import __version__
from sigmac.compiler.codegen.formatter import format_pieces
from sigmac.compiler.codegen.printer import print_expression
from sigmac.compiler.codegen.programs import program
from sigmac.compiler.codegen.questions import questions
from sigmac.compiler.codegen.quoting import Code, identifier, prose
from sigmac.compiler.codegen.templates import render
from sigmac.compiler.packaging.units import Options, compile_rule, fields_of
from sigmac.compiler.pipeline import Pipelines
from sigmac.compiler.syntax.documents import read_file
from sigmac.runtime.match import LOGSOURCE_KEYS
from sigmac.runtime.pack.event_logsources import EVENT_LOGSOURCES, EventLogsource

FILE = "event_logsources.py"
_NO_PIPELINES = Pipelines((), {}, "")


@cache
def conditions() -> tuple[dict[str, Any], ...]:
    """For each of the table: `name`, `logsource`, `function`, `fields` and `questions`, as a rule's unit has them."""
    made = [_condition(each) for each in EVENT_LOGSOURCES]
    functions = format_pieces([each["function"] for each in made])
    return tuple({**each, "function": text} for each, text in zip(made, functions, strict=True))


def _condition(given: EventLogsource) -> dict[str, Any]:
    detection = {"selection": given.detection, "condition": "selection"}
    rule = {"title": given.title, "logsource": given.logsource, "detection": detection}
    contents = read_file(json.dumps(rule).encode(), FILE)  # JSON is YAML
    compiled = compile_rule(contents.rules[0], Options(_NO_PIPELINES), contents)
    assert compiled.optimized is not None
    asked = questions(compiled.optimized)
    decision = program(compiled.optimized, asked)  # which asks for more
    name = identifier(given.title.lower())
    function = render(
        "event_logsource",
        name=name,
        title=prose(given.title),
        logsource=prose(" ".join(given.logsource.values())),
        value=Code(print_expression(compiled.optimized)),
    )
    return {
        "name": name,
        "logsource": [given.logsource.get(key, "") for key in LOGSOURCE_KEYS],
        "function": function,
        "fields": sorted({*fields_of(compiled.optimized)}),
        "questions": {**asked.plain(), "guard_program": decision},
    }


def render_event_logsources() -> tuple[str, list[tuple[int, int]], int]:
    """The module, first and last line of each function in it, and how many lines its head has."""
    text = str(render("event_logsources", version=Code(__version__)))
    head = lines = text.count("\n")
    pieces, spans = [text], []
    for each in conditions():
        spans.append((lines + 3, lines + 2 + each["function"].count("\n")))
        pieces.append(f"\n\n{each['function']}")
        lines += 2 + each["function"].count("\n")
    return "".join(pieces), spans, head
