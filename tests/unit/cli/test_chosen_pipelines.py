"""Which pipelines are chosen for events, where rules are run as they are."""

from __future__ import annotations

import io
import json
import sys
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import yaml

from sigmac.cli.chosen_pipelines import chosen, first_events
from sigmac.compiler.pipeline.shipped_pipelines import pipelines_for, shipped
from sigmac.runtime.errors import InputError
from sigmac.runtime.reading.reading import Reading

CASES: dict[str, list[dict[str, Any]]] = yaml.safe_load(
    Path(__file__).with_name("chosen_pipelines.yml").read_text("utf-8")
)
SYSMON = {"Channel": "Microsoft-Windows-Sysmon/Operational", "EventID": 1, "Image": "a"}


@pytest.mark.parametrize(
    ("names", "event"), [(names, event) for names, events in CASES.items() for event in events]
)
def test_an_event_has_its_pipelines(names: str, event: dict[str, Any]) -> None:
    assert " ".join(pipelines_for([event])) == names


def test_every_pipeline_that_events_tell_is_chosen_for_some() -> None:
    known = shipped()
    beside = {each.beside for each in known.values()}
    told = {name for name, each in known.items() if each.signs or name in beside}
    assert {name for names in CASES for name in names.split()} == told
    assert set(known) - told == {"go-keywords", "go-white-space"}


def test_of_mixed_inputs_all_are_chosen_and_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    defender = {"ActionType": "ProcessCreated", "FolderPath": "a"}
    for name, event in (("a", SYSMON), ("b", defender)):
        (tmp_path / f"{name}.ndjson").write_text(json.dumps(event) + "\n")
    (tmp_path / "c.ndjson").write_bytes(b"\x00\xff")
    files = [str(file) for file in sorted(tmp_path.iterdir())]
    looked_at = partial(first_events, [*files, str(tmp_path / "missing")], Reading())
    assert chosen(("auto", "my.yml"), looked_at) == ("windows", "defender", "my.yml")
    assert capsys.readouterr().err.splitlines() == [
        "--pipeline auto: windows, as events have Channel and EventID",
        "--pipeline auto: defender, as events have ActionType and FolderPath",
    ]


def test_nothing_is_looked_at_where_pipelines_are_given() -> None:
    def fail() -> Any:
        raise AssertionError

    assert chosen(("ecs", "my.yml"), fail) == ("ecs", "my.yml")
    assert chosen(("none",), fail) == ()
    with pytest.raises(InputError, match="no other pipeline"):
        chosen(("none", "ecs"), fail)


def test_events_of_no_schema_are_said(capsys: pytest.CaptureFixture[str]) -> None:
    assert chosen((), lambda: [{"a": 1}]) == ()
    assert "of no schema" in capsys.readouterr().err


def test_standard_input_is_left_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    line = json.dumps({"_raw": json.dumps(SYSMON)}).encode() + b"\n"
    stdin = io.TextIOWrapper(io.BufferedReader(io.BytesIO(line + b'{"cut": "')))  # type: ignore[arg-type]
    monkeypatch.setattr(sys, "stdin", stdin)
    assert list(first_events(["-"], Reading())) == [SYSMON]
    assert stdin.buffer.read() == line + b'{"cut": "'
