"""EVTX as JSON, made flat."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sigmac.runtime.inputs import ndjson
from sigmac.runtime.inputs.evtx_json import flatten
from sigmac.runtime.inputs.format import Event, Item

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


DATA = {"Image": "a.exe", "CommandLine": "a b"}
SHAPES: dict[str, Any] = {
    "attributes": [{"#attributes": {"Name": k}, "#text": v} for k, v in DATA.items()],
    "names": [{"Name": k, "#text": v} for k, v in DATA.items()],
    "names and values": [{"Name": k, "Value": v} for k, v in DATA.items()],
    "xmltodict": [{"@Name": k, "#text": v} for k, v in DATA.items()],
    "mxj": [{"-Name": k, "#text": v} for k, v in DATA.items()],
    "xml2js": [{"$": {"Name": k}, "_": v} for k, v in DATA.items()],
    "xml-js": [{"_attributes": {"Name": k}, "_text": v} for k, v in DATA.items()],
    "by name": DATA,
}


@pytest.mark.parametrize("shape", SHAPES)
def test_named_data_in_the_shapes_of_converters(shape: str) -> None:
    whole = {"Event": {"System": SYSTEM, "EventData": {"Data": SHAPES[shape]}}}
    assert flatten(whole) == {**flatten(record()), **DATA}
    listed = {"Event": {"System": [SYSTEM], "EventData": [{"Data": SHAPES[shape]}]}}
    assert flatten(listed) == {**flatten(record()), **DATA}


@pytest.mark.parametrize(
    ("data", "gives"),
    [
        ([{"Name": "A", "#text": "1"}, {"Name": "A", "#text": "2"}], {"A": ["1", "2"]}),
        ([{"Name": "A"}, "x", None, {"#text": "y"}], {"A": "", "Data": ["x", "y"]}),
        ({"@Name": "A B", "#text": "1"}, {"AB": "1"}),
        ([{"#text": "only"}], {"Data": "only"}),
        ({"#attributes": {"Other": "1"}}, {}),
        ({"#text": ["a", "b"], "#attributes": {}}, {"Data": ["a", "b"]}),
    ],
)
def test_data_with_and_without_names(data: Any, gives: dict[str, Any]) -> None:
    assert flatten(record(EventData={"Data": data})) == {**flatten(record()), **gives}


@pytest.mark.parametrize(
    "system",
    [
        {"Provider": {"@Name": "P"}, "EventID": {"@Qualifiers": "1", "#text": "4688"}},
        {"Provider": {"$": {"Name": "P"}}, "EventID": [{"_": "4688", "$": {"Qualifiers": "1"}}]},
        {"Provider": [{"Name": "P"}], "EventID": {"Value": 4688, "Qualifiers": 1}},
        {
            "Provider_attributes": {"Name": "P"},
            "EventID": 4688,
            "EventID_attributes": {"Qualifiers": 1},
        },
    ],
)
def test_system_in_the_shapes_of_converters(system: dict[str, Any]) -> None:
    expected = {"Provider_Name": "P", "EventID": 4688, "EventID_Qualifiers": 1, "a": "b"}
    assert flatten(record(system, EventData={"a": "b"})) == expected


def test_numbers_as_texts_are_numbers_where_the_schema_has_them() -> None:
    system = {"EventID": "4688", "Level": "0x4", "Execution": {"#attributes": {"ProcessID": "7"}}}
    assert flatten(record(system, EventData={"ProcessId": "7"})) == {
        "EventID": 4688,
        "Level": "0x4",
        "Execution_ProcessID": 7,
        "ProcessId": "7",
    }


def test_records_under_further_keys() -> None:
    whole = record(EventData=DATA)
    expected = flatten(whole)
    text = orjson.dumps(whole).decode()
    assert flatten({"event_record_id": 1, "timestamp": "t", "data": text}) == expected
    assert flatten({"event_record_id": 1, "data": "no JSON"}) == {
        "event_record_id": 1,
        "data": "no JSON",
    }
    assert flatten({"name": "rule", "document": {"kind": "evtx", "data": whole}}) == expected
    assert flatten({"System": SYSTEM, "EventData": DATA, "Message": "m"}) == {
        **expected,
        "Message": "m",
    }
    assert flatten({"System": {"a": 1}, "EventData": {}}) == {"System": {"a": 1}, "EventData": {}}


@pytest.mark.parametrize(
    ("created", "gives"),
    [
        ("/Date(1700000000123)/", "2023-11-14T22:13:20.123000+00:00"),
        ("2023-11-14T22:13:20.123+01:00", "2023-11-14T22:13:20.123+01:00"),
        ({"value": "/Date(0)/", "DateTime": "x"}, "1970-01-01T00:00:00+00:00"),
        ("/Date(999999999999999)/", "/Date(999999999999999)/"),
    ],
)
def test_what_powershell_writes(created: Any, gives: str) -> None:
    event = {
        "Id": 1,
        "LogName": "Security",
        "ProviderName": "P",
        "MachineName": "host",
        "ProcessId": 4,
        "UserId": {"BinaryLength": 12, "Value": "S-1-5-18"},
        "TimeCreated": created,
        "Level": None,
        "Message": "Process Create:\r\nImage: x",
        "Properties": [{"Value": "-"}, {"Value": 7}],
    }
    assert flatten(event) == {
        "EventID": 1,
        "Provider_Name": "P",
        "Channel": "Security",
        "Execution_ProcessID": 4,
        "Computer": "host",
        "Security_UserID": "S-1-5-18",
        "TimeCreated": gives,
        "Message": "Process Create:\r\nImage: x",
        "Data": ["-", 7],
    }


KEYS = [
    "Event",
    "System",
    "EventData",
    "UserData",
    "Data",
    "Name",
    "#text",
    "Value",
    "$",
    "#attributes",
    "Provider_attributes",
    "@Name",
    "EventID",
    "RenderingInfo",
    "Id",
    "LogName",
    "ProviderName",
    "TimeCreated",
    "Properties",
    "document",
    "data",
]
VALUES = st.recursive(
    st.none() | st.integers(-9, 9) | st.sampled_from(["", "Name", "1", "/Date(1)/"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(KEYS),
            inner,
            max_size=5,
        )
    ),
    max_leaves=30,
)


@given(VALUES)
def test_no_shape_is_a_crash(value: Any) -> None:
    for event in (
        {"Event": value},
        {"Event": {"System": {}, "EventData": value, "UserData": value}},
        value,
    ):
        if isinstance(event, dict):
            orjson.dumps(flatten(event))


@pytest.mark.parametrize("event", [{}, {"a": 1}, {"Event": 1}, {"Event": {"System": 1}}])
def test_any_other_event_stays_as_it_is(event: dict[str, Any]) -> None:
    assert flatten(event) is event


def read(batch: bytes) -> list[Item]:
    return [*ndjson.FORMAT.read(io.BytesIO(batch))]


def test_lines_keep_their_number_and_what_is_no_object_stays() -> None:
    batch = b"\xef\xbb\xbf" + orjson.dumps(record()) + b'\r\n\nnot json\n[1]\n{"a": 1}'
    made = read(batch)
    assert [each.position for each in made] == [0, 2, 3, 4]
    lines = [each.data for each in made if isinstance(each, Event)]
    assert orjson.loads(lines[0])["EventID"] == 4688
    assert lines[1:] == [b"not json", b"[1]", b'{"a": 1}']


@pytest.mark.parametrize("depth", [250, 300, 900, 1015])
def test_deep_values_are_no_crash(depth: int) -> None:
    event = json.dumps(record(EventData={"x": "DEEP"}))
    line = event.replace('"DEEP"', "[" * depth + "]" * depth).encode()
    (made,) = read(line)
    if isinstance(made, Event):
        assert orjson.loads(made.data)["EventID"] == 4688
    else:
        assert depth > 900
        assert made.reason == "it is nested too deep"


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
