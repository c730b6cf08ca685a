"""Recorded events in the form of other products give the matches that they give flat; differences have reasons."""

from __future__ import annotations

from pathlib import Path

import orjson
import pytest
import yaml

import sigmac
from sigmac.compiler.packaging.writer import write_pack
from tests.conformance.corpora import REGRESSION, SigmaHQ
from tests.conformance.ecs_matches import Found, flat_matches, rules_in_use
from tests.conformance.other_shapes import SHAPES

DIFFERENT = yaml.safe_load(Path(__file__).with_name("other_shapes.yml").read_text("utf-8"))


@pytest.fixture(scope="module")
def flat(sigmahq: SigmaHQ) -> Found:
    return flat_matches(sigmahq)


@pytest.mark.parametrize("name", SHAPES)
def test_matches_are_those_of_the_flat_events(
    name: str, sigmahq: SigmaHQ, flat: Found, tmp_path: Path
) -> None:
    matching = {file for _, file in flat}
    sources = [each for each in rules_in_use(sigmahq) if each.source in matching]
    write_pack(sigmahq.build(name, sources=sources).rendered, tmp_path / "pack")
    pack = sigmac.load_pack(tmp_path / "pack")
    changed = {
        line: made
        for line, event in enumerate(REGRESSION.events)
        if event["Channel"] == "Microsoft-Windows-Sysmon/Operational"
        and (made := SHAPES[name](event)) is not None
    }
    lines = [*changed]
    result = pack.match_batch(b"\n".join(map(orjson.dumps, changed.values())))
    found = {
        (lines[record], pack.rules[rule].source.rpartition(":")[0])
        for record, rule in zip(result.record.tolist(), result.rule.tolist(), strict=True)
    }
    expected = {pair for pair in flat if pair[0] in changed}
    assert len(expected) > 100
    missing = {file.rpartition("/")[2] for _, file in expected - found}
    more = {f"+{file.rpartition('/')[2]}" for _, file in found - expected}
    assert missing | more == set(DIFFERENT[name])
