"""What `sigmac shadow-live` says over HTTP."""

from __future__ import annotations

import re
import urllib.request
from pathlib import Path

from prometheus_client.parser import text_string_to_metric_families

from sigmac.migration.live.live_comparison import Progress, Report
from sigmac.migration.live.pairing import TALLIES, Counted, RuleCounts, Side
from sigmac.migration.live.shadow_metrics import ShadowMetrics
from sigmac.runtime.service.config.sections import HttpSettings
from sigmac.runtime.service.observe.http import HttpServer

PAGE = Path(__file__).resolve().parents[4] / "docs" / "reference.md"


def report(rules: int, trouble: str = "") -> Report:
    counts = [RuleCounts(f"r{number}", "A Title", 3, 2, 1) for number in range(rules)]
    lines = {side: dict.fromkeys(TALLIES, 1) for side in Side}
    progress = {Side.GO: Progress(7, 2.0, trouble), Side.SIGMAC: Progress(0, 0.0)}
    return Report(Counted(counts, lines, 5), progress)


def test_every_metric_is_documented_as_it_is() -> None:
    rows = re.findall(
        r"^\| `(sigmac_shadow_\w+)` \| (\w+) \|(.*?)\|", PAGE.read_text("utf-8"), re.M
    )
    documented = {
        (name, kind, *sorted(re.findall(r"`(\w+)`", labels))) for name, kind, labels in rows
    }
    text = ShadowMetrics(report(2)).exposition().decode()
    shown = {
        (sample.name, family.type, *sorted(sample.labels))
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }
    assert documented == shown


def test_rules_beyond_a_bound_share_a_series() -> None:
    text = ShadowMetrics(report(3010)).exposition().decode()
    assert 'sigmac_shadow_compared_total{result="agreed",rule="other",title="other"} 30.0' in text
    assert text.count('result="agreed"') == 3001


def test_it_is_served_as_the_service_is() -> None:
    metrics = ShadowMetrics(report(1))
    server = HttpServer(metrics, HttpSettings(bind="127.0.0.1:0"), metrics.exposition)
    try:
        address = "http://{}:{}".format(*server.address)
        with urllib.request.urlopen(f"{address}/ready", timeout=10) as answer:
            assert answer.read() == b"ready\n"
        metrics.take(report(2))
        with urllib.request.urlopen(f"{address}/metrics", timeout=10) as answer:
            assert b'rule="r1"' in answer.read()
        with urllib.request.urlopen(f"{address}/rules", timeout=10) as answer:
            assert answer.read() == b'{"packs":[]}'
    finally:
        server.close()
