"""Every vector of correlations and filters holds: alerts, matches, counters and refusals, from rules to packs.

The reference is asked the same.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson
import pytest
import yaml

import sigmac
from sigmac.compiler.meaning import correlation_reference
from sigmac.compiler.packaging.build import BuildOptions, BuildResult, compile_sources
from sigmac.compiler.packaging.build_cache import Cache
from sigmac.compiler.packaging.writer import write_pack
from sigmac.compiler.syntax.rule_files import find_sources
from sigmac.runtime.correlation.alert import Alert
from sigmac.runtime.correlation.correlator import Limits
from tests.conformance.corpora import FOLDER, MISSING
from tests.rule_sets import read_rule_set

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


def pipelines_of(vector: Vector, folder: Path) -> tuple[str, ...]:
    if vector.pipeline is None:
        return ()
    (folder / "pipeline.yaml").write_text(vector.pipeline, encoding="utf-8")
    return (str(folder / "pipeline.yaml"),)


def build(vector: Vector, folder: Path) -> BuildResult:
    (folder / "rules.yml").write_text(vector.rules, encoding="utf-8")
    options = BuildOptions("vectors", pipelines=pipelines_of(vector, folder), skip_errors=True)
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


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: vector.name)
def test_reference(vector: Vector, tmp_path: Path) -> None:
    rule_set, _ = read_rule_set(vector.rules.encode(), pipelines_of(vector, tmp_path))
    found = correlation_reference.evaluate(
        rule_set,
        vector.events,
        vector.order,
        correlation_reference.Limits(**vector.limits),
        vector.timestamp_fields or correlation_reference.FIELDS,
    )
    alerts = [
        {
            "rule": rule_set.correlations[each.correlation].meta.title,
            "at": each.position,
            "group": each.group,
            "value": each.value,
            "count": each.count,
            "events": each.events,
            "first": each.first,
            "last": each.last,
        }
        for each in found.alerts
        if not each.silent
    ]
    if vector.order == "time":
        alerts.sort(key=lambda each: each["at"])
    assert alerts == vector.expect
    if vector.matches is not None:
        silent = rule_set.silent()
        assert [
            [position, rule_set.rules[rule].meta.title]
            for position, rule in found.matches
            if rule not in silent
        ] == vector.matches
    sums = sum(found.counters, Counter({"no_time": found.no_time}))
    assert {name: sums[name] for name in vector.counters} == vector.counters
