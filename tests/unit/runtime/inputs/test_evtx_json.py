"""EVTX as JSON, made flat."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import orjson
import pytest

from sigmac.runtime.inputs.evtx_json import flatten, flatten_lines

REGRESSION = Path(__file__).resolve().parents[5] / "shared" / "corpus" / "regression"

SYSTEM = {
    "Provider": {"#attributes": {"Name": "Sysmon", "Guid": "G"}},
    "EventID": {"#attributes": {"Qualifiers": 1}, "#text": 4688},
    "Channel": "Security",
    "Computer": "host",
    "Execution": {"#attributes": {"ProcessID": 7}},
    "TimeCreated": {"#attributes": {"SystemTime": "2024-01-02T03:04:05Z"}},
    "Correlation": None,
}


def record(system: dict[str, Any] = SYSTEM, **data: Any) -> dict[str, Any]:
    return {"Event": {"#attributes": {"xmlns": "x"}, "System": system, **data}}


def test_system_elements_and_their_attributes() -> None:
    assert flatten(record()) == {
        "Provider_Name": "Sysmon",
        "Provider_Guid": "G",
        "EventID": 4688,
        "EventID_Qualifiers": 1,
        "Channel": "Security",
        "Computer": "host",
        "Execution_ProcessID": 7,
        "TimeCreated_SystemTime": "2024-01-02T03:04:05Z",
    }


@pytest.mark.parametrize(
    ("data", "gives"),
    [
        ({"EventData": {"Threat Name": "x", "#attributes": {"Name": "y"}}}, {"ThreatName": "x"}),
        ({"EventData": {"Data": {"#text": ["a", "b"]}}}, {"Data": ["a", "b"]}),
        ({"EventData": {"Data": "a"}}, {"Data": "a"}),
        ({"EventData": None}, {}),
        ({"UserData": {"Any": {"#attributes": {}, "Some Key": 1}}}, {"SomeKey": 1}),
        ({"UserData": {"Any": {"k": 1}}, "EventData": {"k": 2}}, {"k": 2}),
        ({"EventData": {"Execution_ProcessID": 8}}, {"Execution_ProcessID": 8}),
        ({"EventData": {"EventID": 1, "Channel": "x", "Provider_Name": "x"}}, {}),
    ],
)
def test_data_and_what_wins_on_a_conflict(data: dict[str, Any], gives: dict[str, Any]) -> None:
    assert flatten(record(**data)) == {**flatten(record()), **gives}


@pytest.mark.parametrize("event", [{}, {"a": 1}, {"Event": 1}, {"Event": {"System": 1}}])
def test_any_other_event_stays_as_it_is(event: dict[str, Any]) -> None:
    assert flatten(event) is event


def test_lines_keep_their_number_and_what_is_no_object_stays() -> None:
    batch = b"\xef\xbb\xbf" + orjson.dumps(record()) + b'\r\n\nnot json\n[1]\n{"a": 1}'
    made = flatten_lines(batch).split(b"\n")
    assert orjson.loads(made[0])["EventID"] == 4688
    assert made[1:4] == [b"", b"not json", b"[1]"]
    assert orjson.loads(made[4]) == {"a": 1}
    assert len(made) == 5


@pytest.mark.parametrize("depth", [250, 300, 900, 1015])
def test_deep_values_are_no_crash(depth: int) -> None:
    event = json.dumps(record(EventData={"x": "DEEP"}))
    line = event.replace('"DEEP"', "[" * depth + "]" * depth).encode()
    made = flatten_lines(line)
    assert made == b"nested too deep" or orjson.loads(made)["EventID"] == 4688
    assert depth > 900 or made != b"nested too deep"


def test_nested_records_become_the_flat_ones_of_the_corpus() -> None:
    if not REGRESSION.is_dir():
        pytest.skip(f"there is no corpus at {REGRESSION}")
    nested = (REGRESSION / "nested.ndjson").read_bytes().splitlines()
    flat = (REGRESSION / "events.ndjson").read_bytes().splitlines()
    assert len(nested) == len(flat)
    differing: dict[str, int] = {}
    for one, other in zip(nested, flat, strict=True):
        made, expected = flatten(orjson.loads(one)), orjson.loads(other)
        # The flat records have this time under another name, and keep an attribute of EventData.
        made["TimeCreated"] = made.pop("TimeCreated_SystemTime")
        expected.pop("EventData_Name", None)
        for name in made.keys() | expected.keys():
            if made.get(name) != expected.get(name):
                differing[name] = differing.get(name, 0) + 1
    assert differing == {}
