"""The law of the whole: reference, `match` and `match_batch` agree on every rule and event, optimized or not."""

from __future__ import annotations

import contextlib
import itertools
import json
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

import sigmac
from sigmac.compiler import reference
from sigmac.compiler.build import BuildOptions, compile_sources
from sigmac.compiler.cache import Cache
from sigmac.compiler.diagnostics import Diagnostics, RuleError
from sigmac.compiler.documents import read_file
from sigmac.compiler.pack import write_pack
from sigmac.compiler.pipeline import load_pipelines
from sigmac.compiler.rule import Rule
from sigmac.compiler.sources import SourceFile
from tests.property.strategies import PLACEHOLDERS, Event, as_yaml, events, mentioned, rules

PIPELINES: tuple[tuple[str, ...], ...] = ((), ("windows", "windows-audit"))


@contextlib.contextmanager
def pack_of(data: bytes, pipelines: Sequence[str], *, optimize: bool) -> Iterator[sigmac.Pack]:
    """The pack of a file of rules; what is refused is left out."""
    with tempfile.TemporaryDirectory() as name:
        file = Path(name, "rules.yml")
        file.write_bytes(data)
        options = BuildOptions(
            "pack",
            pipelines=tuple(pipelines),
            placeholders=PLACEHOLDERS,
            optimize=optimize,
            skip_errors=True,
        )
        made = compile_sources([SourceFile(str(file), "rules.yml", file)], options, Cache(None))
        write_pack(made.rendered, Path(name, "pack"))
        yield sigmac.load_pack(Path(name, "pack"))


def variants_of(data: bytes, pipelines: Sequence[str]) -> dict[str, tuple[Rule, ...]]:
    """The rules of a file that no pipeline refuses, as the reference sees them, by where they stand."""
    loaded = load_pipelines(pipelines, PLACEHOLDERS)
    made = {}
    for rule in read_file(data, "rules.yml").rules:
        with contextlib.suppress(RuleError):
            variants = loaded.apply(rule, Diagnostics())
            made[f"rules.yml:{rule.place.line}"] = tuple(each.rule for each in variants)
    return made


@st.composite
def rules_and_events(draw: st.DrawFn) -> tuple[bytes, list[Event]]:
    made = draw(st.lists(rules, min_size=1, max_size=12))
    values = [each for rule in made for each in mentioned(rule["detection"])]
    return as_yaml(made), draw(st.lists(events(values), min_size=1, max_size=12))


def lines_of(some_events: Sequence[Event], between: Sequence[str]) -> tuple[bytes, list[int]]:
    """Events as lines with some blank ones between them, and the line of each event from 0."""
    text, positions = "", []
    for event, gap in zip(some_events, itertools.cycle(between), strict=False):
        positions.append(text.count("\n"))
        text += json.dumps(event, ensure_ascii=len(gap) > 1) + gap
    return text.encode(), positions


@pytest.mark.parametrize("pipelines", PIPELINES, ids=lambda names: "+".join(names) or "detection")
@settings(max_examples=60)
@given(rules_and_events(), st.lists(st.sampled_from(["\n", "\r\n", "\n \t\n", "\n\n"]), min_size=1))
def test_every_path_says_what_the_reference_says(
    pipelines: tuple[str, ...], made: tuple[bytes, list[Event]], between: list[str]
) -> None:
    data, some_events = made
    variants = variants_of(data, pipelines)
    assume(variants)
    expected = [
        [
            source
            for source, each in variants.items()
            if any(reference.matches(v, event) for v in each)
        ]
        for event in some_events
    ]
    batch, lines = lines_of(some_events, between)
    for optimize in (True, False):
        with pack_of(data, pipelines, optimize=optimize) as pack:
            assert [rule.source for rule in pack.rules] == list(variants)
            said = [[match.rule.source for match in pack.match(event)] for event in some_events]
            assert said == expected
            result = pack.match_batch(batch)
            assert result.rejected == ()
            assert result.records == len(some_events)
            pairs = [
                (line, list(variants).index(source))
                for line, sources in zip(lines, expected, strict=True)
                for source in sources
            ]
            assert list(zip(result.record.tolist(), result.rule.tolist(), strict=True)) == pairs


@settings(max_examples=40)
@given(rules_and_events())
def test_an_explanation_names_the_conditions_that_hold(made: tuple[bytes, list[Event]]) -> None:
    data, some_events = made
    variants = variants_of(data, ())
    assume(variants)
    with pack_of(data, (), optimize=False) as pack:
        for event in some_events:
            for match in pack.match(event, explain=True):
                (rule,) = variants[match.rule.source]
                assert match.explanation is not None
                assert list(match.explanation.conditions) == reference.matches(rule, event)
