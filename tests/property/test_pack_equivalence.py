"""The law of the whole: reference, `match` and `match_batch` agree on every rule and event, optimized or not."""

from __future__ import annotations

import contextlib
import itertools
import json
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from hypothesis import assume, given
from hypothesis import strategies as st

import sigmac
from sigmac.compiler.diagnostics.diagnostic import Diagnostics, RuleError
from sigmac.compiler.meaning import reference
from sigmac.compiler.packaging.build import BuildOptions, compile_sources
from sigmac.compiler.packaging.build_cache import Cache
from sigmac.compiler.packaging.writer import write_pack
from sigmac.compiler.pipeline import load_pipelines
from sigmac.compiler.syntax.documents import read_file
from sigmac.compiler.syntax.filter import join
from sigmac.compiler.syntax.links import acting_in
from sigmac.compiler.syntax.rule import Rule
from sigmac.compiler.syntax.rule_files import SourceFile
from tests.examples import examples
from tests.property.strategies import PLACEHOLDERS, Event, aims, as_yaml, events, rule_sets


@dataclass(frozen=True)
class Case:
    """A file of rules, the pipelines to build it with, its rules as the reference sees them, and events."""

    data: bytes
    pipelines: tuple[str, ...]
    variants: dict[str, tuple[Rule, ...]]
    events: list[Event]


@contextlib.contextmanager
def pack_of(case: Case, *, optimize: bool) -> Iterator[sigmac.Pack]:
    """The pack of a file of rules; what is refused is left out."""
    with tempfile.TemporaryDirectory() as name:
        file = Path(name, "rules.yml")
        file.write_bytes(case.data)
        options = BuildOptions(
            "pack",
            pipelines=case.pipelines,
            placeholders=PLACEHOLDERS,
            optimize=optimize,
            skip_errors=True,
        )
        made = compile_sources([SourceFile(str(file), "rules.yml", file)], options, Cache(None))
        write_pack(made.rendered, Path(name, "pack"))
        yield sigmac.load_pack(Path(name, "pack"), memory_budget=1 << 20)


def variants_of(data: bytes, pipelines: Sequence[str]) -> dict[str, tuple[Rule, ...]]:
    """The rules of a file that no pipeline refuses, as the reference sees them, by where they stand."""
    loaded = load_pipelines(pipelines, PLACEHOLDERS)
    made = {}
    contents = read_file(data, "rules.yml")
    filters = acting_in([contents], Diagnostics()).on
    for rule, on_it in zip(contents.rules, filters, strict=True):
        with contextlib.suppress(RuleError):
            loaded.apply(rule, Diagnostics())  # a rule that is refused takes no filter
            variants = loaded.apply(join(rule, on_it), Diagnostics())
            made[f"rules.yml:{rule.place.line}"] = tuple(each.rule for each in variants)
    return made


@st.composite
def cases(draw: st.DrawFn, *pipelines: tuple[str, ...]) -> Case:
    """A file of rules and filters with some of these pipelines, and events near to what they ask for."""
    data = as_yaml(draw(rule_sets))
    chosen = draw(st.sampled_from(pipelines))
    variants = variants_of(data, chosen)
    assume(variants)
    some_events = draw(st.lists(events(aims(variants.values())), min_size=1, max_size=20))
    return Case(data, chosen, variants, some_events)


def lines_of(some_events: Sequence[Event], between: Sequence[str]) -> tuple[bytes, list[int]]:
    """Events as lines with some blank ones between them, and the line of each event from 0."""
    text, positions = "", []
    for event, gap in zip(some_events, itertools.cycle(between), strict=False):
        positions.append(text.count("\n"))
        text += json.dumps(event, ensure_ascii=len(gap) > 1) + gap
    return text.encode(), positions


@examples(100)
@given(
    cases((), ("windows", "windows-audit")),
    st.lists(st.sampled_from(["\n", "\r\n", "\n \t\n", "\n\n"]), min_size=1),
)
def test_every_path_says_what_the_reference_says(case: Case, between: list[str]) -> None:
    expected = [
        [
            source
            for source, variants in case.variants.items()
            if any(reference.matches(each, event) for each in variants)
        ]
        for event in case.events
    ]
    batch, lines = lines_of(case.events, between)
    positions = {source: position for position, source in enumerate(case.variants)}
    pairs = [
        (line, positions[source])
        for line, sources in zip(lines, expected, strict=True)
        for source in sources
    ]
    for optimize in (True, False):
        with pack_of(case, optimize=optimize) as pack:
            assert [rule.source for rule in pack.rules] == list(case.variants)
            said = [[match.rule.source for match in pack.match(event)] for event in case.events]
            assert said == expected
            result = pack.match_batch(batch)
            assert result.rejected == ()
            assert result.records == len(case.events)
            assert list(zip(result.record.tolist(), result.rule.tolist(), strict=True)) == pairs


@examples(50)
@given(cases(()), st.booleans())
def test_an_explanation_names_the_conditions_that_hold(case: Case, optimize: bool) -> None:
    with pack_of(case, optimize=optimize) as pack:
        for event in case.events:
            for match in pack.match(event, explain=True):
                (rule,) = case.variants[match.rule.source]
                assert match.explanation is not None
                assert list(match.explanation.conditions) == reference.matches(rule, event)
                assert match.explanation.selections.keys() <= rule.detections.keys()
                assert match.rule.filters == tuple(each.meta.title for each in rule.filters)
