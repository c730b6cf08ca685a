"""What the guided fuzzer has found, tried on every path: the reference, the scalar path, the engine, `pack.match`."""

from __future__ import annotations

import ast
from pathlib import Path

import orjson
import pytest

from sigmac.compiler.meaning import reference
from sigmac.compiler.syntax.rule import Rule
from sigmac.runtime import Pack, load_pack
from sigmac.runtime.engine import memory as caches
from tests.fuzz.fuzz_kernels import RULES, is_object, wrongly_taken
from tests.property.test_pack_equivalence import variants_of
from tests.unit.packs import write_text_pack
from tests.unit.runtime.engine.agreement import agreed

PIPELINES = ("windows",)


def read_corpus() -> list[bytes]:
    lines = Path(__file__).with_name("corpus.txt").read_text("ascii").splitlines()
    return [ast.literal_eval(f"b{line}") for line in lines if not line.startswith("#")]


@pytest.fixture(scope="module")
def rules() -> str:
    return "\n---\n".join(file.read_text("utf-8") for file in sorted(RULES.iterdir()))


@pytest.fixture(scope="module")
def folder(rules: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_text_pack(rules, tmp_path_factory.mktemp("corpus"), pipelines=PIPELINES)


@pytest.fixture(scope="module")
def variants(rules: str) -> list[tuple[Rule, ...]]:
    return [*variants_of(rules.encode(), PIPELINES).values()]


def test_the_reference_says_the_same(folder: Path, variants: list[tuple[Rule, ...]]) -> None:
    pack = load_pack(folder)
    taken = 0
    for data in read_corpus():
        pairs, rejected, _ = agreed(pack, data)
        assert wrongly_taken(data, (record for record, _, _ in rejected)) == [], data
        lines = data.removeprefix(b"\xef\xbb\xbf").split(b"\n")
        events = {i: orjson.loads(line) for i, line in enumerate(lines) if is_object(line)}
        taken += len(events)
        assert pairs == [
            (i, rule)
            for i, event in events.items()
            for rule, each in enumerate(variants)
            if any(reference.matches(one, event) for one in each)
        ], data
    assert taken > 50


def test_tiny_caches_and_full_ones_say_the_same(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    corpus = read_corpus()
    pack = load_pack(folder)
    first = [agreed(pack, data) for data in corpus]
    assert [agreed(pack, data) for data in corpus] == first
    monkeypatch.setattr(caches, "LEAST_BUDGET", 1 << 12)
    tiny = load_pack(folder, memory_budget=1 << 12)
    assert [agreed(tiny, data) for data in corpus] == first


def test_single_events_say_the_same(folder: Path) -> None:
    pack: Pack = load_pack(folder)
    events = [
        orjson.loads(line)
        for data in read_corpus()
        for line in data.split(b"\n")
        if is_object(line)
    ]
    first = [[match.rule.title for match in pack.match(event)] for event in events]
    assert [[match.rule.title for match in pack.match(event)] for event in events] == first
