"""Every vector about filters: the reference, packs optimized or not, and what a build says."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson
import pytest
import yaml

import sigmac
from sigmac.compiler.checks.checker import check_sources
from sigmac.compiler.diagnostics.diagnostic import Diagnostics
from sigmac.compiler.meaning import reference
from sigmac.compiler.packaging.build import BuildOptions, BuildResult, compile_sources
from sigmac.compiler.packaging.build_cache import Cache
from sigmac.compiler.packaging.writer import write_pack
from sigmac.compiler.pipeline import load_pipelines
from sigmac.compiler.syntax.documents import read_file
from sigmac.compiler.syntax.filter import join
from sigmac.compiler.syntax.links import acting_in
from sigmac.compiler.syntax.rule_files import SourceFile
from tests.conformance.corpora import FOLDER, MISSING, Event

if not FOLDER.is_dir():
    pytest.skip(MISSING, allow_module_level=True)

Line = tuple[int, str]  # position of an event, title of the rule that matches it


@dataclass(frozen=True)
class Vector:
    """A file of rules, events, and the matches of detection rules; `error` is a code among those reported."""

    name: str
    rules: str
    events: list[Event]
    matches: list[Line]
    error: str = ""
    pipeline: str = ""
    why: str = ""

    @classmethod
    def of(cls, given: dict[str, Any]) -> Vector:
        lines = [(position, title) for position, title in given["matches"]]
        known = {
            key: given[key]
            for key in ("name", "rules", "events", "error", "pipeline", "why")
            if key in given
        }
        return cls(**known, matches=lines)


def vectors() -> Iterator[Vector]:
    """Those that tell the matches of rules, and where no correlation may keep them silent."""
    for each in yaml.safe_load((FOLDER / "correlation-vectors.yml").read_text(encoding="utf-8")):
        heard = "correlation:" not in each["rules"] or "generate: true" in each["rules"]
        if "filter:" in each["rules"] and heard and "matches" in each:
            yield Vector.of(each)


VECTORS = list(vectors())


@pytest.fixture(params=VECTORS, ids=lambda each: each.name)
def vector(request: pytest.FixtureRequest) -> Vector:
    found: Vector = request.param
    return found


def pipelines(vector: Vector, folder: Path) -> tuple[str, ...]:
    file = folder / "pipeline.yml"
    file.write_text(vector.pipeline, encoding="utf-8")
    return (str(file),) if vector.pipeline else ()


def source(vector: Vector, folder: Path) -> SourceFile:
    file = folder / "rules.yml"
    file.write_text(vector.rules, encoding="utf-8")
    return SourceFile(str(file), "rules.yml", file)


def build(vector: Vector, folder: Path, *, optimize: bool = True) -> BuildResult:
    options = BuildOptions(
        "pack", pipelines=pipelines(vector, folder), optimize=optimize, skip_errors=True
    )
    return compile_sources([source(vector, folder)], options, Cache(None))


@pytest.mark.parametrize("optimize", [True, False], ids=["optimized", "plain"])
def test_a_pack_agrees_with_a_vector(vector: Vector, tmp_path: Path, optimize: bool) -> None:
    write_pack(build(vector, tmp_path, optimize=optimize).rendered, tmp_path / "pack")
    pack = sigmac.load_pack(tmp_path / "pack")
    lines = b"".join(orjson.dumps(event) + b"\n" for event in vector.events)
    titles = [rule.title for rule in pack.rules]
    for result in (pack.match_batch(lines), pack.match_each(lines)):
        found = zip(result.record.tolist(), result.rule.tolist(), strict=True)
        assert [(record, titles[rule]) for record, rule in found] == vector.matches, vector.why
    one_by_one = [
        (position, match.rule.title)
        for position, event in enumerate(vector.events)
        for match in pack.match(event)
    ]
    assert one_by_one == vector.matches, vector.why


def test_the_reference_agrees_with_a_vector(vector: Vector, tmp_path: Path) -> None:
    loaded = load_pipelines(pipelines(vector, tmp_path))
    contents = read_file(vector.rules.encode(), "rules.yml")
    acting = acting_in([contents], Diagnostics())
    rules = [
        [each.rule for each in loaded.apply(join(rule, filters), Diagnostics())]
        for rule, filters in zip(contents.rules, acting.on, strict=True)
    ]
    found = [
        (position, variants[0].meta.title)
        for position, event in enumerate(vector.events)
        for variants in rules
        if any(reference.matches(each, event) for each in variants)
    ]
    assert found == vector.matches, vector.why


def test_check_and_build_say_the_same_errors(vector: Vector, tmp_path: Path) -> None:
    built = {each.code for each in build(vector, tmp_path).errors}
    found = check_sources([source(vector, tmp_path)], pipelines(vector, tmp_path))
    assert {each.code for each in found if each.is_error} == built
    assert built == ({vector.error} if vector.error else set())
