"""What `/ready`, `/metrics`, `sigmac status` and the log say of each state of states.yml, and what the page says."""

from __future__ import annotations

import os
import re
import signal
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families
from structlog.testing import capture_logs

from sigmac.cli.status import _lines
from sigmac.runtime.service import supervisor
from sigmac.runtime.service.config.sections import HttpSettings
from sigmac.runtime.service.control.messages import status_message
from sigmac.runtime.service.observe.http import HttpServer
from sigmac.runtime.service.packs.kernels import KernelsAtHand
from sigmac.runtime.service.packs.swap import PacksInService
from sigmac.runtime.service.workers import crew
from tests.unit.runtime.service.conftest import Run, Stage, eventually

PAGE = Path(__file__).parents[4] / "docs" / "operations.md"
NO_ANSWER = "no answer"


@dataclass(frozen=True, slots=True)
class State:
    """A row of states.yml."""

    name: str
    means: str
    ready: int | str
    metrics: list[str]
    status: str
    log: str
    worker: dict[str, Any] = field(default_factory=dict)
    client: dict[str, Any] | None = None
    do: str = ""


STATES = [
    State(**each) for each in yaml.safe_load(Path(__file__).with_name("states.yml").read_text())
]


def fits(pattern: str, text: str) -> bool:
    """Whether a text is as written, where `…` stands for anything."""
    return bool(re.fullmatch(".*".join(map(re.escape, pattern.split("…"))), text))


class Asked:
    """A running service, asked in all ways."""

    def __init__(self, run: Run, http: HttpServer):
        self.run = run
        self.url = "http://{}:{}".format(*http.address)

    def ready(self) -> str:
        try:
            with urllib.request.urlopen(f"{self.url}/ready") as answer:
                return f"{answer.status}"
        except urllib.error.HTTPError as error:
            return str(error.read().decode().strip().removeprefix("not ready: "))

    def metrics(self) -> Iterator[tuple[str, Mapping[str, str], float]]:
        with urllib.request.urlopen(f"{self.url}/metrics") as answer:
            for family in text_string_to_metric_families(answer.read().decode()):
                for sample in family.samples:
                    yield sample.name, sample.labels, sample.value

    def shows(self, metric: str) -> bool:
        """Whether a metric has this value; other labels than those given may have any."""
        name, labels, value = re.fullmatch(r"(\w+)(\{.*\})? (\d+)", metric).groups()  # type: ignore[union-attr]
        wanted = dict(re.findall(r'(\w+)="([^"]*)"', labels or ""))
        return any(
            found == name and wanted.items() <= has.items() and number == float(value)
            for found, has, number in self.metrics()
        )

    def status(self) -> list[str]:
        return _lines(status_message(self.run.status()))


@contextmanager
def in_state(
    state: State, stage: Stage, packs: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> Iterator[Asked]:
    """A service that comes into a state."""
    gate = threading.Event()
    if state.do == "wait for kernels":
        monkeypatch.setattr(
            supervisor, "prepare_kernels", lambda *_: gate.wait() and KernelsAtHand()
        )
    if state.do == "wait for packs":
        load = PacksInService.load
        monkeypatch.setattr(PacksInService, "load", lambda self: gate.wait() and load(self))
    if state.do == "halt":
        monkeypatch.setattr(crew, "_SILENT", 1.0)
    stage.play(0, **state.worker)
    with stage.running(1, shutdown={"timeout": 2}) as run:
        http = HttpServer(run.supervisor, HttpSettings(bind="127.0.0.1:0"))
        try:
            if state.do in ("pause", "push", "halt", "stop"):
                pid = run.when_ready().workers[0].pid
                match state.do:
                    case "pause":
                        run.supervisor.pause()
                    case "push":
                        run.supervisor.push("test", packs["2"])
                    case "halt":
                        os.kill(pid, signal.SIGSTOP)
                    case "stop":
                        run.supervisor.stop()
            yield Asked(run, http)
            if state.do == "halt":
                os.kill(pid, signal.SIGCONT)
        finally:
            gate.set()
            http.close()


@pytest.mark.parametrize("state", STATES, ids=lambda state: state.name)
def test_all_ways_of_asking_say_the_same(
    state: State, stage: Stage, packs: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    with capture_logs() as logs, in_state(state, stage, packs, monkeypatch) as asked:
        if state.ready == NO_ANSWER:
            assert asked.run.ended() is not None
        else:
            eventually(lambda: fits(str(state.ready), asked.ready()))
            for metric in state.metrics:
                eventually(lambda metric=metric: asked.shows(metric))  # type: ignore[misc]
            eventually(lambda: any(fits(state.status, line) for line in asked.status()))
        eventually(lambda: any(fits(state.log, each["event"]) for each in logs))


def rendered() -> str:
    """The table of the page."""
    lines = [
        "| it is | `/ready` | `/metrics` | `sigmac status` | log |",
        "| --- | --- | --- | --- | --- |",
    ]
    for state in STATES:
        ready = str(state.ready)
        if ready not in ("200", NO_ANSWER):
            ready = f"503 {code(ready)}"
        metrics = ", ".join(map(code, state.metrics)) or NO_ANSWER
        cells = (
            f"**{state.name}**: {state.means}",
            ready,
            metrics,
            code(state.status),
            code(state.log),
        )
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def code(text: str) -> str:
    """As code; what holds code itself is left as it is."""
    return text if "`" in text else f"`{text.strip()}`"


def test_the_page_shows_the_table() -> None:
    assert rendered() in PAGE.read_text()
