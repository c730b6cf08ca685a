"""Why a rule matches an event or does not, in a few lines: what a failed case says."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from sigmac.compiler.diagnostics.diagnostic import Diagnostics, RuleError
from sigmac.compiler.meaning.explanation import (
    DetectionTruth,
    GroupTruth,
    ItemTruth,
    SelectionTruth,
    TermTruth,
    ValueTruth,
    VariantTruth,
    explain_rule,
    kind,
    meaning,
)
from sigmac.compiler.meaning.reference import text
from sigmac.compiler.pipeline import Pipelines
from sigmac.compiler.syntax.documents import FileContents, read_file
from sigmac.compiler.syntax.filter import join
from sigmac.compiler.syntax.links import acting_in
from sigmac.compiler.syntax.rule import Rule
from sigmac.compiler.syntax.rule_files import SourceFile
from sigmac.runtime.errors import EventError
from sigmac.runtime.printable import shortened
from sigmac.verdicts.verdict import JudgedRule

_MOST_LINES = 8
_MOST_VALUES = 3
_LENGTH = 120  # characters of a value
_FILTER = re.compile(rb"^[\"']?filter[\"']?\s*:|[{,]\s*[\"']?filter[\"']?\s*:", re.MULTILINE)


class Reasons:
    """Explains rules by their documents and pipelines; reads a file of rules when it is first asked about."""

    def __init__(self, sources: Iterable[SourceFile], pipelines: Pipelines) -> None:
        self._sources = {each.file: each for each in sources}
        self._pipelines = pipelines
        self._filters: list[FileContents] | None = None
        self._rules: dict[str, list[Rule]] = {}

    def of(self, judged: JudgedRule, event: dict[str, Any], *, matched: bool) -> list[str]:
        """Why the rule matched the event, or did not."""
        rule = next(
            (
                each
                for each in self._rules_of(judged.place.file)
                if (each.meta.title, each.place.line) == (judged.title, judged.place.line)
            ),
            None,
        )
        if rule is None:
            return []
        try:
            explanation = explain_rule(rule, self._pipelines.apply(rule, Diagnostics()), event)
        except (EventError, RuleError):
            return []
        if explanation.matched is not matched:
            return [
                "its logsource is another than the event's, so it is not tried; --logsource says what events are"
            ]
        lines = [
            line
            for variant in explanation.variants
            if variant.matched is matched
            for line in _variant_lines(variant, judged.place.file)
        ]
        unique = list(dict.fromkeys(lines))
        more = len(unique) - _MOST_LINES
        return [*unique[:_MOST_LINES], *([f"and {more} more"] if more > 0 else [])]

    def _rules_of(self, file: str) -> list[Rule]:
        if file not in self._rules:
            if self._filters is None:
                held = ((each, each.read()) for each in self._sources.values())
                self._filters = [
                    read_file(data, source.file) for source, data in held if _FILTER.search(data)
                ]
            own = read_file(self._sources[file].read(), file)
            files = [own, *(each for each in self._filters if each.file != file)]
            acting = acting_in(files, Diagnostics())
            self._rules[file] = [
                join(rule, filters) for rule, filters in zip(own.rules, acting.on, strict=False)
            ]
        return self._rules[file]


def _variant_lines(variant: VariantTruth, file: str) -> Iterator[str]:
    """What pipelines add, which is in no line of the file, is told where it is what keeps the rule from matching."""
    matched = variant.matched
    told = {
        each.name: each for each in variant.selections if not matched or each.place.file == file
    }
    for condition in variant.conditions:
        if condition.matched is matched:
            yield from _term_lines(condition.term, told)
    for each in variant.filters:
        if not each.matched and not matched:
            yield f"the filter `{shortened(each.filter.meta.title, _LENGTH)}` keeps it out"
            own = {selection.name: selection for selection in each.selections}
            yield from _term_lines(each.condition.term, own)


def _term_lines(term: TermTruth, selections: dict[str, SelectionTruth]) -> Iterator[str]:
    """The selections that make a term what it is."""
    waiting = [term]
    while waiting:
        each = waiting.pop(0)
        if not each.operands:
            if each.text in selections:
                yield from _selection_lines(selections[each.text])
            continue
        if each.text == "not":
            waiting[:0] = each.operands
            continue
        # What is as the whole is: of `and` that is false the false ones, of `or` that is true the true ones.
        waiting[:0] = [part for part in each.operands if part.matched is each.matched]


def _selection_lines(selection: SelectionTruth) -> Iterator[str]:
    truth = "true" if selection.matched else "false"
    name = shortened(selection.name, _LENGTH)
    for item in _decisive(selection.detection):
        yield f"{name} is {truth}: {_item_line(item)}"


def _decisive(detection: DetectionTruth) -> Iterator[ItemTruth]:
    if isinstance(detection, ItemTruth):
        yield detection
        return
    assert isinstance(detection, GroupTruth)
    for part in detection.parts:
        if part.matched is detection.matched:
            yield from _decisive(part)


def _item_line(truth: ItemTruth) -> str:
    item = truth.item
    name = shortened("|".join((item.field or "keywords", *item.modifiers)), _LENGTH)
    asked = _asked(truth)
    if item.field is None:
        return f"{name} {asked}"
    return f"{name} {asked}; the event has {_found(truth)}"


def _asked(truth: ItemTruth) -> str:
    """What is asked for and is not there, or what is."""
    wanted = truth.matched is not truth.item.negated
    values = [each for each in truth.values if each.matched is wanted] or list(truth.values)
    said = [_value(each) for each in values[:_MOST_VALUES]]
    more = len(values) - len(said)
    if more > 0:
        said.append(f"{more} more")
    joined = ", ".join(said)
    return joined if truth.matched else f"should be: {joined}"


def _value(truth: ValueTruth) -> str:
    parts: Sequence[ValueTruth] = [each for each in truth.alternatives if each.matched]
    return shortened(meaning((parts[0] if parts else truth).value), _LENGTH)


def _found(truth: ItemTruth) -> str:
    found = truth.found
    if not found.present:
        return "no such field"
    if not found.values:
        return "an empty list"
    shown = ", ".join(_scalar(each) for each in found.values[:_MOST_VALUES])
    more = len(found.values) - _MOST_VALUES
    return f"{shown}, and {more} more" if more > 0 else shown


def _scalar(value: Any) -> str:
    name = kind(value)
    if name in ("object", "null"):
        return "an object" if name == "object" else name
    return shortened(text(value) or "", _LENGTH, '"' if name == "string" else "")
