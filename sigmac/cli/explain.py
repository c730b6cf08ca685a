"""`sigmac explain`: why a rule matches an event or does not."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.exceptions import Exit

from sigmac.cli.command import Argument, Command
from sigmac.cli.exit_status import ExitStatus
from sigmac.cli.options import (
    COMPILER,
    Form,
    counted,
    need,
    output_format,
    pipeline,
    placeholder,
    placeholders,
    read_source,
    say,
    wants_color,
)
from sigmac.runtime.errors import EventError, InputError
from sigmac.runtime.printable import escaped, shortened

if TYPE_CHECKING:
    from sigmac.compiler.diagnostics.diagnostic import Diagnostic, Place
    from sigmac.compiler.meaning.explanation import (
        ConditionTruth,
        DetectionTruth,
        Explanation,
        Found,
        ItemTruth,
        SelectionTruth,
        TermTruth,
        ValueTruth,
    )
    from sigmac.compiler.syntax.documents import FileContents
    from sigmac.compiler.syntax.rule import Rule

EXAMPLE = """Examples:

  sigmac explain whoami_as_system.yml event.json --pipeline windows

  sed -n 18p events.ndjson | sigmac explain 'rules.yml#Whoami As System' -

  sigmac explain rule.yml '{"Image": "C:\\\\Windows\\\\cmd.exe"}' --format json

  sigmac explain rules/whoami.yml event.json --with filters/
"""
MAX_EVENT = 4 << 20  # bytes; the evaluator that explains is the slow one
MAX_SHOWN = 160  # characters of a value
MAX_VALUES = 5  # of a field, where an event holds several

# Text and its style
_Span = tuple[str, str]


@click.command(cls=Command, epilog=EXAMPLE)
@click.argument(
    "rule",
    cls=Argument,
    type=click.Path(),
    metavar="RULE",
    help="Rule file; FILE#ID or FILE#TITLE for one of its rules.",
)
@click.argument(
    "event",
    cls=Argument,
    type=click.Path(),
    metavar="EVENT",
    help="File with one JSON object, - for standard input, or the JSON.",
)
@click.option(
    "--with",
    "others",
    multiple=True,
    type=click.Path(),
    metavar="PATH",
    help="File or folder of the same rule set: its filters act on the rule. Repeatable.",
)
@pipeline
@placeholder
@click.option(
    "--evtx",
    is_flag=True,
    help='The event is EVTX as JSON, {"Event": {"System": …, "EventData": …}}.',
)
@output_format
def explain(
    rule: str,
    event: str,
    others: tuple[str, ...],
    pipeline: tuple[str, ...],
    placeholder: tuple[str, ...],
    evtx: bool,
    form: Form,
) -> None:
    """Show which parts of a rule are true for an event, and what the event holds there."""
    need("compiler", *COMPILER)
    from sigmac.compiler.diagnostics.diagnostic import Diagnostics, RuleError
    from sigmac.compiler.meaning.explanation import explain_rule
    from sigmac.compiler.pipeline import load_pipelines

    fields = _read_event(event, evtx)
    rules, errors = _read_rules(rule, others)
    explanations = []
    try:
        pipelines = load_pipelines(pipeline, placeholders(placeholder))
    except RuleError as error:
        rules, errors = [], [error.diagnostic]
    for each in rules:
        try:
            variants = pipelines.apply(each, Diagnostics())
        except RuleError as error:
            errors.append(error.diagnostic)
        else:
            explanations.append(explain_rule(each, variants, fields))
    if form is Form.json:
        _print_json(explanations)
    else:
        _print_text(explanations)
    if errors:
        from sigmac.compiler.checks.report import render_text

        sys.stdout.flush()
        sys.stderr.write(render_text(errors, read_source, color=wants_color(sys.stderr)))
        raise Exit(ExitStatus.FAILED)


# What is given


def _read_event(given: str, evtx: bool) -> dict[str, Any]:
    """Raises `EventError` or `InputError`."""
    from sigmac.runtime.scalar.json_record import parse_record

    name, data = _event_bytes(given)
    record = data.strip().removeprefix(b"\xef\xbb\xbf")
    if not record:
        raise EventError(f"{name}: there is no event")
    try:
        event = parse_record(record)
    except EventError as error:
        raise EventError(f"{name}: {error}{_advice(record)}") from None
    if evtx:
        from sigmac.runtime.inputs.evtx_json import flatten

        return flatten(event)
    return event


def _event_bytes(given: str) -> tuple[str, bytes]:
    from sigmac.runtime.inputs.lines import STDIN, read_blocks

    text = given.lstrip()
    if not text or text[0] == "{" or (text[0] == "[" and not os.path.exists(given)):
        return "EVENT", given.encode("utf-8", "surrogateescape")
    name = "standard input" if given == STDIN else given
    blocks = []
    size = 0
    for block in read_blocks(given):
        blocks.append(block.data)
        size += len(block.data)
        if size > MAX_EVENT:
            message = f"longer than {MAX_EVENT:,} bytes: give one event, not a file of many"
            raise InputError(f"{name}: {message}")
    return name, b"".join(blocks)


def _advice(record: bytes) -> str:
    from sigmac.runtime.scalar.json_record import parse_record

    first, _, rest = record.partition(b"\n")
    try:
        parse_record(first)
    except EventError:
        return ""
    return "; choose one event, as `sed -n 18p FILE | sigmac explain RULE -`" if rest else ""


def _read_rules(given: str, others: tuple[str, ...]) -> tuple[list[Rule], list[Diagnostic]]:
    """The rules that are meant, with the filters of their file and of `others`, and the errors of what cannot
    be read.

    Raises `InputError` where there is no such file or rule.
    """
    from sigmac.compiler.syntax.documents import read_file
    from sigmac.compiler.syntax.rule_files import SourceFile

    path, wanted = _split(given)
    if path.is_dir():
        raise InputError(f"{path}: is a folder; name one rule file")
    contents = read_file(SourceFile(str(path), path.name, path, named=True).read(), str(path))
    rules, faults = _filtered(contents, others)
    errors = contents.diagnostics.errors + faults
    if wanted is None:
        if contents.correlations and rules:
            number = len(contents.correlations)
            say(f"sigmac: {path}: only detection rules are explained; {number} others are not")
        if not rules and not errors:
            raise InputError(f"{path}: holds no detection rule")
        return rules, errors
    chosen = [each for each in rules if _is_called(each, wanted)]
    if chosen:
        return chosen, faults
    if wanted not in contents.refused_names or not errors:
        raise InputError(_unknown(path, wanted, contents))
    return [], errors


def _filtered(
    contents: FileContents, others: tuple[str, ...]
) -> tuple[list[Rule], list[Diagnostic]]:
    """The rules of a file with the filters that act on them, and the errors of filters."""
    from sigmac.compiler.diagnostics.diagnostic import Diagnostics, RuleError
    from sigmac.compiler.syntax.documents import read_file
    from sigmac.compiler.syntax.filter import join
    from sigmac.compiler.syntax.links import acting_in
    from sigmac.compiler.syntax.rule_files import find_sources

    files = [
        read_file(source.read(), source.file)
        for source in (find_sources(others) if others else ())
        if not source.path.samefile(contents.file)
    ]
    if left_out := sum(file.refused for file in files):
        verb = "is" if left_out == 1 else "are"
        say(
            f"sigmac: --with: {counted(left_out, 'document')} {verb} left out: `sigmac check` tells why"
        )
    found = Diagnostics()
    rules = []
    acting = acting_in([contents, *files], found)
    for rule, filters in zip(contents.rules, acting.on, strict=False):
        try:
            rules.append(join(rule, filters))
        except RuleError as error:
            found.catch(error)
    return rules, found.errors


def _split(given: str) -> tuple[Path, str | None]:
    """A file that exists, and what stands behind a `#`; both file names and titles may hold one."""
    if Path(given).exists():
        return Path(given), None
    for at, char in enumerate(given):
        if char == "#" and Path(given[:at]).is_file():
            return Path(given[:at]), given[at + 1 :]
    return Path(given), None


def _is_called(rule: Rule, wanted: str) -> bool:
    meta = rule.meta
    return wanted in (meta.title, meta.name) or wanted.lower() == (meta.id or "").lower()


def _unknown(path: Path, wanted: str, contents: FileContents) -> str:
    from sigmac.compiler.diagnostics.diagnostic import did_you_mean

    titles = [each.meta.title for each in contents.rules]
    hint = did_you_mean(wanted, titles)
    if not hint and titles:
        hint = f"there are {', '.join(f'`{shortened(title, 80)}`' for title in titles[:5])}"
    message = f"{path}: no rule has the id or title `{shortened(wanted, 80)}`"
    return f"{message}; {escaped(hint)}" if hint else message


# What is printed


def _print_json(explanations: Iterable[Explanation]) -> None:
    import json

    report = {"version": 1, "rules": [each.plain() for each in explanations]}
    print(json.dumps(report, indent=2))


def _print_text(explanations: Iterable[Explanation]) -> None:
    """A tree in colour on a terminal, else indented lines that begin with `yes` or `no`."""
    if sys.stdout.isatty():
        _print_trees(explanations)
        return
    for number, each in enumerate(explanations):
        if number:
            print()
        for depth, matched, spans in _lines(each):
            print(f"{'  ' * depth}{'yes' if matched else 'no '}  {''.join(s for s, _ in spans)}")


def _print_trees(explanations: Iterable[Explanation]) -> None:
    from rich.console import Console
    from rich.text import Text
    from rich.tree import Tree

    color = wants_color(sys.stdout)
    console = Console(highlight=False, color_system="auto" if color else None)
    for each in explanations:
        above: list[Tree] = []
        for depth, matched, spans in _lines(each):
            mark = ("✓ ", "bold green") if matched else ("✗ ", "red")
            label = Text.assemble(mark, *spans)
            del above[depth:]
            above.append(above[-1].add(label) if above else Tree(label, guide_style="dim"))
        console.print(above[0])


def _lines(explanation: Explanation) -> Iterator[tuple[int, bool, list[_Span]]]:
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
        yield from _search_lines(variant.conditions, variant.selections, file, depth)
        for each in variant.filters:
            place, name = each.filter.place, shortened(each.filter.meta.title, MAX_SHOWN)
            yield depth, each.matched, [("filter ", ""), (name, "bold"), _place(place, file)]
            yield from _search_lines((each.condition,), each.selections, place.file, depth + 1)


def _search_lines(
    conditions: Iterable[ConditionTruth],
    selections: Iterable[SelectionTruth],
    file: str,
    depth: int,
) -> Iterator[tuple[int, bool, list[_Span]]]:
    for condition in conditions:
        text = shortened(" ".join(condition.condition.text.split()), 4 * MAX_SHOWN)
        yield depth, condition.matched, [("condition ", ""), (text, "cyan")]
        if condition.term.operands:
            yield from _term_lines(condition.term, depth + 1)
    for selection in selections:
        name = (shortened(selection.name, MAX_SHOWN), "bold cyan")
        yield depth, selection.matched, [name, _place(selection.place, file)]
        yield from _detection_lines(selection.detection, depth + 1)


def _place(place: Place, file: str) -> _Span:
    """Where it stands, as a line of the file that is spoken of or as a place in another one, a pipeline perhaps."""
    where = f"line {place.line}" if place.file == file else str(place)
    return f"  {escaped(where)}", "dim"


def _term_lines(term: TermTruth, depth: int) -> Iterator[tuple[int, bool, list[_Span]]]:
    # A condition nests deeper than Python's stack may be.
    stack = [(depth, term)]
    while stack:
        depth, term = stack.pop()
        yield depth, term.matched, [(shortened(term.text, MAX_SHOWN), "")]
        stack += [(depth + 1, operand) for operand in reversed(term.operands)]


def _detection_lines(
    detection: DetectionTruth, depth: int
) -> Iterator[tuple[int, bool, list[_Span]]]:
    from sigmac.compiler.meaning.explanation import ItemTruth

    if isinstance(detection, ItemTruth):
        yield depth, detection.matched, _item_spans(detection)
        for value in detection.values:
            yield from _value_lines(value, detection, depth + 1)
        return
    if not detection.all:
        yield depth, detection.matched, [("any of", "")]
        depth += 1
    for part in detection.parts:
        if not isinstance(part, ItemTruth) and part.all and len(part.parts) > 1:
            yield depth, part.matched, [("all of", "")]
            yield from _detection_lines(part, depth + 1)
        else:
            yield from _detection_lines(part, depth)


def _item_spans(truth: ItemTruth) -> list[_Span]:
    item = truth.item
    name = "|".join((item.field or "keywords", *item.modifiers))
    spans = [(shortened(name, MAX_SHOWN), "bold")]
    if item.field is None:
        return [*spans, (f": {len(truth.found.values):,} values of the event", "dim")]
    return [*spans, (": ", ""), *_found_spans(truth.found)]


def _found_spans(found: Found) -> list[_Span]:
    if not found.present:
        return [("absent", "dim italic")]
    if not found.values:
        return [("an empty list", "dim italic")]
    shown = ", ".join(map(_scalar, found.values[:MAX_VALUES]))
    more = len(found.values) - MAX_VALUES
    return [(f"{shown}, and {more:,} more" if more > 0 else shown, "yellow")]


def _scalar(value: Any) -> str:
    from sigmac.compiler.meaning.explanation import kind
    from sigmac.compiler.meaning.reference import text

    name = kind(value)
    if name == "object":
        return "an object"
    if name == "null":
        return name
    return shortened(text(value) or "", MAX_SHOWN, '"' if name == "string" else "")


def _value_lines(
    value: ValueTruth, item: ItemTruth, depth: int
) -> Iterator[tuple[int, bool, list[_Span]]]:
    from sigmac.compiler.meaning.explanation import meaning

    spans = [(shortened(meaning(value.value), 2 * MAX_SHOWN), "")]
    if value.other is not None:
        spans += [(": ", ""), *_found_spans(value.other)]
    if value.witness is not None and len(item.found.values) > 1:
        spans += [(", as ", "dim"), (_scalar(value.witness), "yellow")]
    yield depth, value.matched, spans
    for each in value.alternatives:
        yield from _value_lines(each, item, depth + 1)
