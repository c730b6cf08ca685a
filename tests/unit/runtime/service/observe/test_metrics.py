"""Metrics: what Prometheus reads is what the status says."""

from __future__ import annotations

import math
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from sigmac.runtime.match import Rule
from sigmac.runtime.service.observe import metrics
from sigmac.runtime.service.observe.metrics import CATALOG, Metrics
from sigmac.runtime.stream.counts import Counts
from tests.unit.runtime.service.fixed_service import (
    ENGINE,
    RULES,
    STATUS,
    WINDOWS,
    FixedService,
    counts,
    worker,
)

PAGE = Path(__file__).resolve().parents[5] / "docs" / "metrics.md"
Series = dict[tuple[str, frozenset[tuple[str, str]]], float]


def read(source: Metrics) -> Series:
    """All series as Prometheus reads them: by name and labels."""
    found: Series = {}
    for family in text_string_to_metric_families(source.exposition().decode("utf-8")):
        for sample in family.samples:
            key = sample.name, frozenset(sample.labels.items())
            assert key not in found, f"{key} is given twice"
            found[key] = sample.value
    return found


def value(series: Series, name: str, /, **labels: str) -> float:
    return series[name, frozenset(labels.items())]


def all_of(series: Series, name: str, label: str) -> dict[str, float]:
    """The values of a metric by one of its labels."""
    return {dict(labels)[label]: v for (n, labels), v in series.items() if n == name}


@pytest.fixture(scope="module")
def series() -> Series:
    return read(Metrics(FixedService()))


@pytest.mark.parametrize(
    ("name", "labels", "wanted"),
    [
        ("sigmac_info", {"name": "edge", "version": "0.1.0", "delivery": "at-least-once"}, 1),
        ("sigmac_start_time_seconds", {}, 1.6e9),
        ("sigmac_ready", {}, 1),
        ("sigmac_paused", {}, 0),
        ("sigmac_records_total", {"topic": "windows-events"}, 990),
        ("sigmac_record_bytes_total", {"topic": "linux-events"}, 1000),
        ("sigmac_lag_records", {"topic": "windows-events", "partition": "1"}, 10),
        ("sigmac_records_lost_total", {"topic": "windows-events"}, 7),
        ("sigmac_rebalances_total", {}, 3),
        ("sigmac_events_total", {}, 1000),
        ("sigmac_rejected_total", {}, 4),
        ("sigmac_matches_total", {"pack": "windows", "level": "high"}, 20),
        ("sigmac_matches_total", {"pack": "windows", "level": "none"}, 1),
        ("sigmac_matches_total", {"pack": "windows", "level": "critical"}, 0),
        (
            "sigmac_rule_matches_total",
            {
                "pack": "windows",
                "rule": "5b1f6a8e-43d0-4d8a-9d0c-6a9b6a3f2c11",
                "title": "Whoami",
                "level": "high",
            },
            20,
        ),
        (
            "sigmac_rule_matches_total",
            {"pack": "windows", "rule": "net_use", "title": "Net use", "level": "low"},
            5,
        ),
        ("sigmac_dead_letters_total", {"kind": "payload"}, 1),
        ("sigmac_dead_letters_total", {"kind": "undeliverable"}, 0),
        ("sigmac_delivered_total", {"sink": "kafka"}, 26),
        ("sigmac_delivery_failures_total", {}, 2),
        ("sigmac_stalled_seconds_total", {}, 12.5),
        ("sigmac_worker_state", {"worker": "1", "state": "stalled"}, 1),
        ("sigmac_worker_state", {"worker": "1", "state": "running"}, 0),
        ("sigmac_worker_connected", {"worker": "0"}, 1),
        ("sigmac_worker_partitions", {"worker": "0"}, 1),
        ("sigmac_worker_restarts_total", {"worker": "1"}, 4),
        (
            "sigmac_pack_info",
            {
                "pack": "windows",
                "name": "windows-rules",
                "version": "1.4.0",
                "digest": WINDOWS.digest,
            },
            1,
        ),
        ("sigmac_pack_rules", {"pack": "windows"}, 4),
        ("sigmac_rules_without_chance", {"pack": "windows", "reason": "fields"}, 1),
        ("sigmac_rules_without_chance", {"pack": "windows", "reason": "events"}, 2),
        ("sigmac_pack_loaded_timestamp_seconds", {"pack": "windows"}, 1.7e9),
        ("sigmac_pack_reloads_total", {"pack": "windows"}, 2),
        ("sigmac_pack_reloads_refused_total", {"pack": "windows"}, 1),
        ("sigmac_engine_records_total", {"pack": "windows"}, ENGINE["records"]),
        ("sigmac_engine_fallbacks_total", {"pack": "windows"}, ENGINE["fallbacks"]),
        ("sigmac_engine_undecided_total", {"pack": "windows"}, ENGINE["undecided"]),
        ("sigmac_engine_kinds_total", {"pack": "windows"}, ENGINE["kinds"]),
        ("sigmac_engine_asked_total", {"pack": "windows"}, ENGINE["asked"]),
        ("sigmac_engine_cache_lookups_total", {"pack": "windows"}, ENGINE["looked"]),
        ("sigmac_engine_cache_hits_total", {"pack": "windows"}, ENGINE["found"]),
        ("sigmac_engine_cache_flushes_total", {"pack": "windows"}, ENGINE["flushes"]),
        ("sigmac_engine_cache_bytes", {"pack": "windows"}, ENGINE["bytes"]),
        ("sigmac_batch_duration_seconds_bucket", {"le": "0.001"}, 1),
        ("sigmac_batch_duration_seconds_bucket", {"le": "0.005"}, 3),
        ("sigmac_batch_duration_seconds_bucket", {"le": "10.0"}, 3),
        ("sigmac_batch_duration_seconds_bucket", {"le": "+Inf"}, 6),
        ("sigmac_batch_duration_seconds_count", {}, 6),
        ("sigmac_batch_duration_seconds_sum", {}, 61.5),
    ],
)
def test_a_metric_says_what_the_status_says(
    series: Series, name: str, labels: dict[str, str], wanted: float
) -> None:
    assert value(series, name, **labels) == wanted


def test_every_metric_is_shown_with_its_type_labels_and_meaning() -> None:
    text = Metrics(FixedService()).exposition().decode("utf-8")
    shown = {}
    for family in text_string_to_metric_families(text):
        name = f"{family.name}_total" if family.type == "counter" else family.name
        labels = {label for sample in family.samples for label in sample.labels} - {"le"}
        shown[name] = (family.type, labels, family.documentation)
    assert shown == {name: (kind, set(labels), meaning) for name, kind, labels, meaning in CATALOG}


def test_names_keep_to_the_conventions() -> None:
    for name, kind, _, _ in CATALOG:
        assert re.fullmatch(r"sigmac_[a-z_]*[a-z]", name)
        assert name.endswith("_total") is (kind == "counter")


def test_a_service_that_has_done_nothing_has_its_metrics() -> None:
    state = replace(STATUS, ready=False, workers=[worker(0, "starting")], counts=Counts())
    series = read(Metrics(FixedService(state)))
    assert value(series, "sigmac_ready") == 0
    assert value(series, "sigmac_batch_duration_seconds_count") == 0
    assert set(all_of(series, "sigmac_matches_total", "level").values()) == {0}
    assert "sigmac_engine_records_total" not in {name for name, _ in series}


def test_a_partition_that_changes_hands_has_one_lag() -> None:
    workers = [
        worker(0, "running", lag={"t": {0: 5, 1: -1, 2: 7}}),
        worker(1, "running", lag={"t": {0: -1, 1: -1, 2: 9}}),
    ]
    series = read(Metrics(FixedService(replace(STATUS, workers=workers))))
    # What is not known yet is not shown.
    assert all_of(series, "sigmac_lag_records", "partition") == {"0": 5, "2": 9}


def matched(**others: Any) -> Counts:
    return replace(counts(), **others)


def test_levels_never_count_down_when_a_pack_loses_rules() -> None:
    service = FixedService()
    source = Metrics(service)
    before = all_of(read(source), "sigmac_matches_total", "level")
    # The first rule is gone, the second is the first now.
    service.packs = {"windows": RULES[1:]}
    service.state = replace(STATUS, counts=matched(matches={"windows": {0: 6, 1: 1}}))
    after = all_of(read(source), "sigmac_matches_total", "level")
    assert after == {**before, "low": before["low"] + 1}
    # And it comes back, counting anew.
    service.packs = {"windows": RULES}
    service.state = replace(STATUS, counts=matched(matches={"windows": {0: 2, 1: 6, 2: 1}}))
    assert all_of(read(source), "sigmac_matches_total", "level") == {
        **after,
        "high": before["high"] + 2,
    }


def test_variants_of_one_rule_are_one_series() -> None:
    service = FixedService(packs={"windows": [RULES[0]] * 3})
    series = read(Metrics(service))
    assert all_of(series, "sigmac_rule_matches_total", "rule") == {str(RULES[0].id): 26}


def test_a_pack_that_changes_while_it_is_read_costs_nothing_but_the_rule() -> None:
    series = read(Metrics(FixedService(packs={"windows": RULES[:1]})))
    assert list(all_of(series, "sigmac_rule_matches_total", "title")) == ["Whoami"]


def test_series_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metrics, "_MAX_SERIES", 3)
    service = FixedService()
    source = Metrics(service)

    def records(**topics: int) -> dict[str, float]:
        service.state = replace(STATUS, counts=matched(records=topics))
        return all_of(read(source), "sigmac_records_total", "topic")

    assert records(a=1, b=2, c=3) == {"a": 1, "b": 2, "c": 3}
    # Whatever the order: who has a series keeps it, so that no counter ever falls.
    assert records(e=5, d=4, c=3, b=2, a=1) == {"a": 1, "b": 2, "c": 3, "other": 9}
    assert records(e=6, a=1, d=4, c=3, b=2) == {"a": 1, "b": 2, "c": 3, "other": 10}


def test_hostile_titles_do_no_harm() -> None:
    titles = ["x" * 10_000, 'a"b\\c\nd', "lone \ud800 surrogate", "\x00\x1b[2J", "", "{}}"]
    rules = [Rule(title, id=f"r{number}") for number, title in enumerate(titles)]
    state = replace(STATUS, counts=matched(matches={"windows": dict.fromkeys(range(6), 1)}))
    series = read(Metrics(FixedService(state, {"windows": rules})))
    by_rule = {
        dict(labels)["rule"]: dict(labels)["title"]
        for name, labels in series
        if name == "sigmac_rule_matches_total"
    }
    assert by_rule.keys() == {f"r{number}" for number in range(6)}
    assert by_rule["r0"] == "x" * 200
    assert by_rule["r1"] == titles[1]
    assert all(math.isfinite(number) for number in series.values())


def test_every_metric_is_documented_as_it_is() -> None:
    rows = re.findall(r"^\| `(sigmac_\w+)` \| (\w+) \|(.*?)\|", PAGE.read_text("utf-8"), re.M)
    documented = {
        name: (kind, tuple(re.findall(r"`(\w+)`", labels))) for name, kind, labels in rows
    }
    assert len(documented) == len(rows)
    assert documented == {name: (kind, labels) for name, kind, labels, _ in CATALOG}
