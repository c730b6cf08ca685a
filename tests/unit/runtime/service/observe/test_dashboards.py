"""What lies in deploy/ for Prometheus and Grafana speaks of metrics that exist, and of all of them."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from sigmac.runtime.service.observe.metrics import CATALOG, WORKER_STATES, Metrics
from tests.unit.runtime.service.fixed_service import FixedService

ROOT = Path(__file__).resolve().parents[5]
PROMETHEUS = ROOT / "deploy" / "prometheus"
DASHBOARD = json.loads((ROOT / "deploy" / "grafana" / "sigmac.json").read_text("utf-8"))
RULES = yaml.safe_load((PROMETHEUS / "alerts.yml").read_text("utf-8"))
ALERTS = [rule for group in RULES["groups"] for rule in group["rules"]]
RUNBOOK = (ROOT / "docs" / "runbook.md").read_text("utf-8")
PROMTOOL = shutil.which("promtool")

LABELS = {name: set(labels) for name, _, labels, _ in CATALOG}
HISTOGRAMS = {
    f"{name}_{end}": LABELS[name] | ({"le"} if end == "bucket" else set())
    for name, kind, _, _ in CATALOG
    if kind == "histogram"
    for end in ("bucket", "sum", "count")
}
SERIES = {name: labels for name, labels in LABELS.items() if name not in HISTOGRAMS} | HISTOGRAMS


def panels() -> list[dict[str, Any]]:
    return [panel for panel in DASHBOARD["panels"] if panel["type"] != "row"]


def expressions() -> Iterator[tuple[str, str]]:
    """Where an expression stands, and the expression."""
    for panel in panels():
        for target in panel["targets"]:
            yield f"panel {panel['title']}", target["expr"]
    for each in DASHBOARD["annotations"]["list"]:
        yield f"annotation {each['name']}", each["expr"]
    for variable in DASHBOARD["templating"]["list"]:
        if variable["type"] == "query":
            yield f"variable {variable['name']}", variable["definition"]
    for alert in ALERTS:
        yield f"alert {alert['alert']}", alert["expr"]
    for block in re.findall(
        r"```promql\n(.*?)```", (ROOT / "docs" / "metrics.md").read_text("utf-8"), re.DOTALL
    ):
        for line in block.splitlines():
            if line and not line.startswith("#"):
                yield "docs/metrics.md", line


EXPRESSIONS = list(expressions())


def metrics_in(expression: str) -> set[str]:
    return set(re.findall(r"\bsigmac_\w+", expression))


@pytest.mark.parametrize(("where", "expression"), EXPRESSIONS)
def test_every_metric_that_is_asked_for_exists(where: str, expression: str) -> None:
    assert metrics_in(expression) or expression.startswith("up{")
    assert metrics_in(expression) <= SERIES.keys()


@pytest.mark.parametrize(("where", "expression"), EXPRESSIONS)
def test_every_label_that_is_asked_for_exists(where: str, expression: str) -> None:
    # What Prometheus adds to each series
    known = {"instance", "job"}.union(*(SERIES[name] for name in metrics_in(expression)))
    asked = {
        label.strip()
        for labels in re.findall(r"\b(?:by|on|without)\s*\(([^)]*)\)", expression)
        for label in labels.split(",")
    }
    asked |= set(re.findall(r"(\w+)\s*(?:=~|!~|!=|=)\s*\"", expression))
    assert asked <= known


def test_every_metric_is_on_the_dashboard() -> None:
    shown = {name for where, text in EXPRESSIONS if where[0] in "pav" for name in metrics_in(text)}
    shown = {re.sub(r"_(bucket|sum|count)$", "", name) for name in shown}
    # What is 1 or 0 is shown by what it is about.
    assert {name for name, *_ in CATALOG} - shown == set()


def test_states_that_are_asked_for_exist() -> None:
    asked = {state for _, text in EXPRESSIONS for state in re.findall(r"state=\"(\w+)\"", text)}
    assert asked
    assert asked <= set(WORKER_STATES)


def test_panels_are_told_apart_and_lie_beside_each_other() -> None:
    everything = DASHBOARD["panels"]
    assert len({panel["id"] for panel in everything}) == len(everything)
    taken: set[tuple[int, int]] = set()
    for panel in everything:
        place = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert not cells & taken, panel["title"]
        assert max(x for x, _ in cells) < 24
        taken |= cells


def test_panels_say_what_they_show_and_ask_the_chosen_source() -> None:
    for panel in panels():
        assert panel["title"]
        assert panel["description"].endswith(".")
        for each in (panel, *panel["targets"]):
            assert each["datasource"] == {"type": "prometheus", "uid": "${datasource}"}


def test_every_alert_says_what_is_wrong_and_where_to_read_on() -> None:
    for alert in ALERTS:
        assert re.fullmatch(r"Sigmac[A-Za-z]+", alert["alert"])
        assert alert["labels"]["severity"] in ("critical", "warning", "info")
        said = alert["annotations"]
        assert said["summary"]
        assert said["description"].endswith(".")
        assert said["runbook"] == f"docs/runbook.md#{alert['alert'].lower()}"


def test_the_runbook_has_a_section_for_each_alert_and_no_other() -> None:
    sections = re.split(r"^## ", RUNBOOK, flags=re.MULTILINE)[1:]
    assert [text.partition("\n")[0] for text in sections] == [each["alert"] for each in ALERTS]
    for text in sections:
        parts = re.findall(r"^\*\*(It means|How to look|What to do):\*\*", text, re.MULTILINE)
        assert parts == ["It means", "How to look", "What to do"]


def test_prometheus_loads_the_alerts_and_scrapes_the_service() -> None:
    config = yaml.safe_load((PROMETHEUS / "prometheus.yml").read_text("utf-8"))
    assert config["rule_files"] == ["alerts.yml"]
    (job,) = config["scrape_configs"]
    assert any(f'job="{job["job_name"]}"' in alert["expr"] for alert in ALERTS)


def promtool(*arguments: str, given: bytes = b"") -> None:
    if PROMTOOL is None:
        pytest.skip("promtool is not installed")
    done = subprocess.run(
        [PROMTOOL, *arguments], input=given, capture_output=True, check=False, timeout=60
    )
    said = (done.stdout + done.stderr).decode()
    assert done.returncode == 0, said


def test_promtool_accepts_the_configuration_and_the_alerts() -> None:
    promtool("check", "config", str(PROMETHEUS / "prometheus.yml"))


def test_promtool_finds_that_alerts_fire_when_they_should() -> None:
    promtool("test", "rules", str(Path(__file__).with_name("alerts.yml")))


def test_promtool_accepts_the_metrics() -> None:
    promtool("check", "metrics", given=Metrics(FixedService()).exposition())
