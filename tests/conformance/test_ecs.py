"""Recorded events in the form of Winlogbeat give, with `ecs`, the matches that they give flat with `windows`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import orjson
import pytest
import yaml

import sigmac
from sigmac.compiler.packaging.writer import write_pack
from tests.conformance import winlogbeat
from tests.conformance.corpora import ACTIVE, REGRESSION, Event, SigmaHQ

DIFFERENT = yaml.safe_load(Path(__file__).with_name("ecs.yml").read_text("utf-8"))
WINDOWS = {"product": "windows"}
SHAPES = {
    "ingested, nested": lambda event: winlogbeat.nested(winlogbeat.ingested(event)),
    "ingested, dotted": winlogbeat.ingested,
    "shipped, nested": lambda event: winlogbeat.nested(winlogbeat.shipped(event)),
}

Found = set[tuple[int, str]]


def in_use(source: str) -> bool:
    return source.split("/")[1] in ACTIVE and "/windows/" in source


@pytest.fixture(scope="module")
def pack(sigmahq: SigmaHQ, tmp_path_factory: pytest.TempPathFactory) -> sigmac.Pack:
    """All of SigmaHQ's rules for Windows that are in use."""
    build = sigmahq.build("ecs", sources=[each for each in sigmahq.sources if in_use(each.source)])
    refused = {error.place.file for error in build.errors if error.code == "E_PIPELINE"}
    assert {Path(file).relative_to(sigmahq.folder).as_posix() for file in refused} <= set(DIFFERENT)
    folder = tmp_path_factory.mktemp("ecs") / "pack"
    write_pack(build.rendered, folder)
    return sigmac.load_pack(folder)


@pytest.fixture(scope="module")
def flat(sigmahq: SigmaHQ) -> Found:
    compiled = sigmahq.pack("windows")
    rules = compiled.pack.rules
    return {
        (record, source)
        for record, rule in compiled.matches(REGRESSION)
        if in_use(source := rules[rule].source.rpartition(":")[0])
    }


@pytest.mark.parametrize("shape", SHAPES)
def test_matches_are_those_of_the_flat_events(shape: str, pack: sigmac.Pack, flat: Found) -> None:
    change: Callable[[Event], Event] = SHAPES[shape]
    data = b"\n".join(orjson.dumps(change(event)) for event in REGRESSION.events)
    result = pack.match_batch(data, logsource=WINDOWS)
    assert (result.records, result.rejected) == (len(REGRESSION.events), ())
    pairs = zip(result.record.tolist(), result.rule.tolist(), strict=True)
    found = {(record, pack.rules[rule].source.rpartition(":")[0]) for record, rule in pairs}
    assert len(found) > 100
    assert {source for _, source in found ^ flat} == set(DIFFERENT)
