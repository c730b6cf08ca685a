"""Every vector of correlations and filters holds: alerts, matches, counters and refusals, from rules to packs."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson
import pytest
import yaml

import sigmac
from sigmac.compiler.packaging.build import BuildOptions, BuildResult, compile_sources
from sigmac.compiler.packaging.build_cache import Cache
from sigmac.compiler.packaging.writer import write_pack
from sigmac.compiler.syntax.rule_files import find_sources
from sigmac.runtime.correlation.alert import Alert
from sigmac.runtime.correlation.correlator import Limits
from tests.conformance.corpora import FOLDER, MISSING

if not FOLDER.is_dir():
    pytest.skip(MISSING, allow_module_level=True)

Plain = dict[str, Any]


@dataclass(frozen=True)
class Vector:
    """Documents of one file, events by their positions, and the lines that come out."""

    name: str
    topic: str
    rules: str
    events: list[Plain]
    expect: list[Plain]
    why: str
    order: str = "time"
    matches: list[list[Any]] | None = None
    error: str | None = None
    pipeline: str | None = None
    limits: dict[str, int] = field(default_factory=dict)
    counters: dict[str, int] = field(default_factory=dict)
    timestamp_fields: list[str] | None = None


VECTORS = [
    Vector(**each)
    for each in yaml.load(
        (FOLDER / "correlation-vectors.yml").read_text(encoding="utf-8"), yaml.CSafeLoader
    )
]


def build(vector: Vector, folder: Path) -> BuildResult:
    (folder / "rules.yml").write_text(vector.rules, encoding="utf-8")
    pipelines: tuple[str, ...] = ()
    if vector.pipeline is not None:
        pipelines = (str(folder / "pipeline.yaml"),)
        Path(pipelines[0]).write_text(vector.pipeline, encoding="utf-8")
    options = BuildOptions("vectors", pipelines=pipelines, skip_errors=True)
    return compile_sources(find_sources([folder / "rules.yml"]), options, Cache(None))


def records(vector: Vector) -> bytes:
    return b"".join(orjson.dumps(event) + b"\n" for event in vector.events)


def shown(alert: Alert) -> Plain:
    plain = alert.plain()
    said = plain["correlation"]
    return {
        "rule": plain["rule"]["title"],
        "at": plain["source"],
        "group": said["group"],
        "value": said["value"],
        "count": said["count"],
        "events": said["events"],
        "first": said["first"],
        "last": said["last"],
    }


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: vector.name)
def test_alerts(vector: Vector, tmp_path: Path) -> None:
    result = build(vector, tmp_path)
    codes = {each.code for each in result.errors}
    assert vector.error in codes if vector.error else not codes, result.errors
    if not result.rendered:
        assert not vector.expect
        return
    write_pack(result.rendered, tmp_path / "pack")
    pack = sigmac.load_pack(tmp_path / "pack")
    correlator = pack.correlator(
        limits=Limits(**vector.limits), timestamp_fields=vector.timestamp_fields
    )
    data = records(vector)
    found = pack.match_each(data)
    observed = [each for _, each in correlator.observe(data, found)]
    if vector.order == "time":
        observed.sort(key=lambda each: each.time if each else 0)
    alerts = [shown(alert) for each in observed for alert in correlator.take(each)]
    alerts = [each for each in alerts if not silent(pack, each["rule"])]
    if vector.order == "time":
        alerts.sort(key=lambda each: each["at"])
    assert alerts == vector.expect
    if vector.matches is not None:
        pairs = zip(found.record.tolist(), found.rule.tolist(), strict=True)
        assert [
            [record, pack.rules[rule].title] for record, rule in pairs if rule not in pack.silent
        ] == vector.matches
    sums: dict[str, int] = {"no_time": correlator.no_time}
    for counts in correlator.counts.values():
        for name in counts.__slots__:
            sums[name] = sums.get(name, 0) + getattr(counts, name)
    assert {name: sums[name] for name in vector.counters} == vector.counters


def silent(pack: sigmac.Pack, title: str) -> bool:
    return next(each.silent for each in pack.correlations.values() if each.title == title)
