"""Every test vector of the semantics holds in the reference and in compiled packs, optimized or not."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson
import pytest
import yaml

import sigmac
from sigmac.compiler.diagnostics.diagnostic import Diagnostics
from sigmac.compiler.meaning import reference
from sigmac.compiler.packaging.build import BuildOptions, BuildResult, compile_sources
from sigmac.compiler.packaging.build_cache import Cache
from sigmac.compiler.packaging.writer import write_pack
from sigmac.compiler.pipeline import load_pipelines
from sigmac.compiler.syntax.documents import read_file
from sigmac.compiler.syntax.rule_files import find_sources
from tests.conformance.corpora import FOLDER, MISSING, Event

if not FOLDER.is_dir():
    pytest.skip(MISSING, allow_module_level=True)


@dataclass(frozen=True)
class Vector:
    """A rule, an event, and whether they match; `pysigma` is what another parser says, which is not tested."""

    name: str
    rule: str
    why: str
    event: Event = field(default_factory=dict)
    match: bool = False
    error: bool = False
    placeholders: dict[str, list[Any]] = field(default_factory=dict)
    pysigma: str = ""


VECTORS = [
    Vector(**each) for each in yaml.safe_load((FOLDER / "vectors.yml").read_text(encoding="utf-8"))
]
SOUND = [each for each in VECTORS if not each.error]
FAULTY = [each for each in VECTORS if each.error]

Matches = Callable[[Vector], bool]


def build(vectors: list[Vector], folder: Path, *, optimize: bool) -> BuildResult:
    """A build of the vectors' rules, a file each; all have the placeholders of the first."""
    rules = folder / "rules"
    rules.mkdir(parents=True)
    for each in vectors:
        (rules / f"{each.name}.yml").write_text(each.rule, encoding="utf-8")
    options = BuildOptions(
        "vectors", optimize=optimize, placeholders=vectors[0].placeholders, skip_errors=True
    )
    return compile_sources(find_sources([rules]), options, Cache(None))


@dataclass(frozen=True)
class Packs:
    """The packs of all sound vectors: one of those without placeholders, and one each of the others."""

    of: dict[
        str, tuple[sigmac.Pack, int]
    ]  # the name of a vector → its pack and the place of its rule there

    def match(self, vector: Vector) -> bool:
        pack, position = self.of[vector.name]
        rule = pack.rules[position]
        return rule in [match.rule for match in pack.match(vector.event)]

    def match_lines(self, vector: Vector) -> list[bool]:
        """What the batch engine says, and what the scalar path does."""
        pack, position = self.of[vector.name]
        line = orjson.dumps(vector.event) + b"\n"
        results = [pack.match_batch(line), pack.match_each(line)]
        assert [result.rejected for result in results] == [(), ()]
        return [position in result.rule.tolist() for result in results]


def made_packs(folder: Path, *, optimize: bool) -> Iterator[tuple[str, tuple[sigmac.Pack, int]]]:
    plain = [each for each in SOUND if not each.placeholders]
    for number, vectors in enumerate([plain, *([each] for each in SOUND if each.placeholders)]):
        made = build(vectors, folder / str(number), optimize=optimize)
        assert made.errors == []
        write_pack(made.rendered, folder / str(number) / "pack")
        pack = sigmac.load_pack(folder / str(number) / "pack")
        for position, rule in enumerate(pack.rules):
            file, _, _ = rule.source.rpartition(":")
            yield file.removeprefix("rules/").removesuffix(".yml"), (pack, position)


@pytest.fixture(scope="module", params=[True, False], ids=["optimized", "plain"])
def packs(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Packs:
    folder = tmp_path_factory.mktemp("vectors")
    return Packs(dict(made_packs(folder, optimize=request.param)))


@pytest.mark.parametrize("vector", SOUND, ids=lambda each: each.name)
def test_the_reference_agrees_with_a_vector(vector: Vector) -> None:
    (rule,) = read_file(vector.rule.encode(), vector.name).rules
    (variant,) = load_pipelines([], vector.placeholders).apply(rule, Diagnostics())
    assert bool(reference.matches(variant.rule, vector.event)) is vector.match, vector.why


@pytest.mark.parametrize("vector", SOUND, ids=lambda each: each.name)
def test_a_pack_agrees_with_a_vector(vector: Vector, packs: Packs) -> None:
    assert packs.match(vector) is vector.match, vector.why
    assert packs.match_lines(vector) == [vector.match] * 2, vector.why


def test_the_rules_of_faulty_vectors_are_refused_each_for_a_reason_of_its_own(
    tmp_path: Path,
) -> None:
    made = build(FAULTY, tmp_path, optimize=True)
    refused = {Path(each.place.file).stem for each in made.errors}
    assert sorted(refused) == sorted(each.name for each in FAULTY)
    assert made.refused == len(FAULTY)
    assert made.rules == 0
