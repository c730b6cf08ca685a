"""The explanation of a rule as lines of text, and lines as text or as a tree."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from sigmac.cli.options import wants_color
from sigmac.runtime.printable import escaped, shortened

if TYPE_CHECKING:
    from sigmac.compiler.diagnostics.diagnostic import Place
    from sigmac.compiler.meaning.explanation import (
        ConditionTruth,
        DetectionTruth,
        Explanation,
        Found,
        ItemTruth,
        Near,
        SelectionTruth,
        TermTruth,
        ValueTruth,
    )

MAX_SHOWN = 160  # characters of a text of a rule

# Text and its style
Span = tuple[str, str]
# How far a line is indented, its truth if it has one, and what it says
Line = tuple[int, bool | None, list[Span]]
_MARKS = {True: "yes  ", False: "no   ", None: ""}
_SIGNS = {True: ("✓ ", "bold green"), False: ("✗ ", "red"), None: ("", "")}


def print_lines(blocks: Iterable[Iterable[Line]]) -> None:
    """A tree for each block of lines in colour on a terminal, else indented lines that begin with `yes` or `no`."""
    if sys.stdout.isatty():
        _print_trees(blocks)
        return
    for number, lines in enumerate(blocks):
        if number:
            print()
        for indent, truth, spans in lines:
            print(f"{' ' * indent}{_MARKS[truth]}{''.join(text for text, _ in spans)}")


def _print_trees(blocks: Iterable[Iterable[Line]]) -> None:
    from rich.console import Console
    from rich.text import Text
    from rich.tree import Tree

    color = wants_color(sys.stdout)
    console = Console(highlight=False, color_system="auto" if color else None)
    for lines in blocks:
        above: list[tuple[int, Tree]] = []
        for indent, truth, spans in lines:
            label = Text.assemble(_SIGNS[truth], *spans)
            while len(above) > 1 and above[-1][0] >= indent:
                above.pop()
            tree = above[-1][1].add(label) if above else Tree(label, guide_style="dim")
            above.append((indent, tree))
        console.print(above[0][1])


def rule_lines(explanation: Explanation, near: Near = lambda _: None) -> Iterator[Line]:
    """A rule over an event, the rule itself first; `near` names the event's field nearest to one that is absent."""
    for depth, matched, spans in _lines(explanation, near):
        yield 2 * depth, matched, spans


def _lines(explanation: Explanation, near: Near) -> Iterator[tuple[int, bool, list[Span]]]:
    """Depth, truth and text of every line, the rule itself first."""
    rule = explanation.rule
    level = f" ({rule.meta.level})" if rule.meta.level else ""
    title = (shortened(rule.meta.title, MAX_SHOWN) + level, "bold")
    yield 0, explanation.matched, [title, (f"  {escaped(str(rule.place))}", "dim")]
    for variant in explanation.variants:
        depth = 1
        if variant.name is not None:
            yield 1, variant.matched, [("variant ", ""), (variant.name, "bold")]
            depth = 2
        file = rule.place.file
        yield from _search_lines(variant.conditions, variant.selections, file, depth, near)
        for each in variant.filters:
            place, name = each.filter.place, shortened(each.filter.meta.title, MAX_SHOWN)
            yield depth, each.matched, [("filter ", ""), (name, "bold"), _place(place, file)]
            yield from _search_lines(
                (each.condition,), each.selections, place.file, depth + 1, near
            )


def _search_lines(
    conditions: Iterable[ConditionTruth],
    selections: Iterable[SelectionTruth],
    file: str,
    depth: int,
    near: Near,
) -> Iterator[tuple[int, bool, list[Span]]]:
    for condition in conditions:
        text = shortened(" ".join(condition.condition.text.split()), 4 * MAX_SHOWN)
        yield depth, condition.matched, [("condition ", ""), (text, "cyan")]
        if condition.term.operands:
            yield from _term_lines(condition.term, depth + 1)
    for selection in selections:
        name = (shortened(selection.name, MAX_SHOWN), "bold cyan")
        yield depth, selection.matched, [name, _place(selection.place, file)]
        yield from _detection_lines(selection.detection, depth + 1, near)


def _place(place: Place, file: str) -> Span:
    """Where it stands, as a line of the file that is spoken of or as a place in another one, a pipeline perhaps."""
    where = f"line {place.line}" if place.file == file else str(place)
    return f"  {escaped(where)}", "dim"


def _term_lines(term: TermTruth, depth: int) -> Iterator[tuple[int, bool, list[Span]]]:
    # A condition nests deeper than Python's stack may be.
    stack = [(depth, term)]
    while stack:
        depth, term = stack.pop()
        yield depth, term.matched, [(shortened(term.text, MAX_SHOWN), "")]
        stack += [(depth + 1, operand) for operand in reversed(term.operands)]


def _detection_lines(
    detection: DetectionTruth, depth: int, near: Near
) -> Iterator[tuple[int, bool, list[Span]]]:
    from sigmac.compiler.meaning.explanation import ItemTruth

    if isinstance(detection, ItemTruth):
        yield depth, detection.matched, _item_spans(detection, near)
        for value in detection.values:
            yield from _value_lines(value, detection, depth + 1)
        return
    if not detection.all:
        yield depth, detection.matched, [("any of", "")]
        depth += 1
    for part in detection.parts:
        if not isinstance(part, ItemTruth) and part.all and len(part.parts) > 1:
            yield depth, part.matched, [("all of", "")]
            yield from _detection_lines(part, depth + 1, near)
        else:
            yield from _detection_lines(part, depth, near)


def _item_spans(truth: ItemTruth, near: Near) -> list[Span]:
    item = truth.item
    name = "|".join((item.field or "keywords", *item.modifiers))
    spans = [(shortened(name, MAX_SHOWN), "bold")]
    if item.field is None:
        return [*spans, (f": {len(truth.found.values):,} values of the event", "dim")]
    return [*spans, (": ", ""), *_found_spans(truth.found, near(item.field))]


def _found_spans(found: Found, meant: str | None = None) -> list[Span]:
    from sigmac.compiler.meaning.found_words import found_words, hint_words

    if found.present and found.values:
        return [(found_words(found), "yellow")]
    nothing = [(found_words(found), "dim italic")]
    return nothing if meant is None or found.present else [*nothing, (hint_words(meant), "dim")]


def _value_lines(
    value: ValueTruth, item: ItemTruth, depth: int
) -> Iterator[tuple[int, bool, list[Span]]]:
    from sigmac.compiler.meaning.explanation import meaning
    from sigmac.compiler.meaning.found_words import scalar_words

    spans = [(shortened(meaning(value.value), 2 * MAX_SHOWN), "")]
    if value.other is not None:
        spans += [(": ", ""), *_found_spans(value.other)]
    if value.witness is not None and len(item.found.values) > 1:
        spans += [(", as ", "dim"), (scalar_words(value.witness), "yellow")]
    yield depth, value.matched, spans
    for each in value.alternatives:
        yield from _value_lines(each, item, depth + 1)
