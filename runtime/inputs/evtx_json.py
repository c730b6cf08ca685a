"""EVTX as JSON, `{"Event": {"System": …, "EventData" or "UserData": …}}`, made flat as rules expect it.

The shapes are those of evtx_dump, also with attributes apart (chainsaw, Hayabusa), of what turns XML into JSON
(xmltodict, xml2js, xml-js), of Velociraptor, and of PowerShell's `Get-WinEvent | ConvertTo-Json`; names follow the
Sigma taxonomy (blanks in names of data are removed).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import orjson

_ATTRIBUTES = frozenset({"#attributes", "@attributes", "_attributes", "$"})
_ATTRIBUTE_MARKS = ("@", "-")  # before the name of an attribute that stands among elements
_APART = "_attributes"  # behind the name of an element, where its attributes stand beside it
_TEXTS = ("#text", "_text", "_", "$t", "Value", "value")
# On a conflict these are System's, whatever the data says.
_OF_SYSTEM = ("EventID", "Channel", "Computer", "Provider_")
# Numbers by the schema of events, also where a converter writes them as texts
_NUMBERS = frozenset(
    {"EventID", "EventID_Qualifiers", "Version", "Level", "Task", "Opcode", "EventRecordID"}
    | {"Execution_ProcessID", "Execution_ThreadID"}
)
_NUMBER = re.compile(r"[0-9]{1,18}")
# What PowerShell calls the fields of System
_POWERSHELL = {
    "Id": "EventID",
    "Qualifiers": "EventID_Qualifiers",
    "Version": "Version",
    "Level": "Level",
    "Task": "Task",
    "Opcode": "Opcode",
    "Keywords": "Keywords",
    "RecordId": "EventRecordID",
    "ProviderName": "Provider_Name",
    "ProviderId": "Provider_Guid",
    "LogName": "Channel",
    "ProcessId": "Execution_ProcessID",
    "ThreadId": "Execution_ThreadID",
    "MachineName": "Computer",
    "UserId": "Security_UserID",
    "TimeCreated": "TimeCreated",
    "ActivityId": "Correlation_ActivityID",
    "Message": "Message",
}
_DATE = re.compile(r"/Date\((-?[0-9]{1,15})\)/")  # milliseconds since 1970


def flatten(event: dict[str, Any]) -> dict[str, Any]:
    """An EVTX record as a flat event; any other object unchanged.

    >>> flatten({"Event": {"System": {"EventID": {"#text": 1}}, "EventData": {"Threat Name": "x"}}})
    {'EventID': 1, 'ThreatName': 'x'}
    """
    record = event.get("Event")
    if record is None:
        if "ProviderName" in event and "LogName" in event and "Id" in event:
            return dict(_of_powershell(event))
        record = _bare(event)
    if not isinstance(record, dict):
        return event
    head = _one(record.get("System"))
    if not isinstance(head, dict):
        return event
    system = _system(head)
    flat = system.copy()
    for message in (record, _one(record.get("RenderingInfo"))):
        if isinstance(message, dict) and "Message" in message:
            flat["Message"] = message["Message"]
    user_data = _one(record.get("UserData"))
    if isinstance(user_data, dict):
        for name, body in user_data.items():
            body = _one(body)
            if isinstance(body, dict) and not _of_attributes(name, body):
                flat |= _named(body)
    event_data = _one(record.get("EventData"))
    if isinstance(event_data, dict):
        flat |= _named(event_data)
    elif isinstance(event_data, list):
        flat |= _data(event_data)
    flat |= {name: value for name, value in system.items() if name.startswith(_OF_SYSTEM)}
    return flat


def _bare(event: dict[str, Any]) -> Any:
    """The record of an event that has it under no `Event`, or deeper."""
    system = event.get("System")
    if isinstance(system, dict):  # Velociraptor
        has_data = "EventData" in event or "UserData" in event
        return event if has_data and "EventID" in system else None
    held = event.get("document")  # chainsaw's matches
    data: Any = None
    if isinstance(held, dict) and held.get("kind") == "evtx":
        data = held.get("data")
    if data is None and "event_record_id" in event:  # Python's evtx
        data = event.get("data")
        if isinstance(data, str):
            try:
                data = orjson.loads(data)
            except orjson.JSONDecodeError:
                return None
    return data.get("Event") if isinstance(data, dict) else None


def _one(value: Any) -> Any:
    """What stands in a list of its own, as xml2js makes of every element."""
    return value[0] if isinstance(value, list) and len(value) == 1 else value


def _of_attributes(name: str, value: Any) -> bool:
    """Whether a key beside elements has attributes, of its element or of one beside it."""
    if name in _ATTRIBUTES or name.startswith(_ATTRIBUTE_MARKS):
        return True
    return name.endswith(_APART) and isinstance(value, dict)


def _system(system: dict[str, Any]) -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for name, value in system.items():
        value = _one(value) if type(value) is list else value
        if type(value) is not dict:
            if value is not None and name[:1] not in _ATTRIBUTE_MARKS:
                flat[name] = value if type(value) is int else _typed(name, value)
        elif name not in _ATTRIBUTES:
            element = name.removesuffix(_APART)
            for key, content in value.items():
                if key in _ATTRIBUTES and type(content) is dict:
                    for attribute, each in content.items():
                        attribute = f"{element}_{attribute}"
                        flat[attribute] = each if type(each) is int else _typed(attribute, each)
                elif key not in _TEXTS:
                    attribute = f"{element}_{key.lstrip('@-')}"
                    flat[attribute] = _typed(attribute, content)
                elif content is not None:
                    flat[name] = _typed(name, content)
    return flat


def _typed(name: str, value: Any) -> Any:
    if name in _NUMBERS and type(value) is str and _NUMBER.fullmatch(value):
        return int(value)
    return value


def _named(data: dict[str, Any]) -> dict[str, Any]:
    """The values of EventData, or of the one element of UserData, by their names."""
    flat: dict[str, Any] = {}
    for name, value in data.items():
        if name == "Data":
            flat |= _data(value if isinstance(value, list) else [value])
        elif type(value) is str and name[:1] not in _ATTRIBUTE_MARKS:  # most of them
            flat[name.replace(" ", "")] = value
        elif not _of_attributes(name, value):
            value = _one(value)
            flat[name.replace(" ", "")] = _text(value, value) if isinstance(value, dict) else value
    return flat


def _data(elements: list[Any]) -> dict[str, Any]:
    """What elements `Data` hold: values with names by these, all others as `Data`; several of one name as a list."""
    flat: dict[str, list[Any]] = {}
    for element in elements:
        if not isinstance(element, dict):
            if element is not None:
                flat.setdefault("Data", []).append(element)
            continue
        name = _name(element)
        text = _text(element, None)
        if name is not None:
            flat.setdefault(name.replace(" ", ""), []).append("" if text is None else text)
        elif text is not None:
            flat.setdefault("Data", []).append(text)
        else:
            for key, value in element.items():
                if not _of_attributes(key, value):
                    flat.setdefault(key.replace(" ", ""), []).append(value)
    return {name: _one(values) for name, values in flat.items()}


def _name(element: dict[str, Any]) -> str | None:
    for key in ("Name", "@Name", "-Name"):
        if isinstance(element.get(key), str):
            return str(element[key])
    for key in _ATTRIBUTES & element.keys():
        attributes = element[key]
        if isinstance(attributes, dict) and isinstance(attributes.get("Name"), str):
            return str(attributes["Name"])
    return None


def _text(element: dict[str, Any], default: Any) -> Any:
    return next((element[key] for key in _TEXTS if key in element), default)


def _of_powershell(event: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    """The fields of System; of the data PowerShell gives the values alone, and all in `Message`."""
    for key, name in _POWERSHELL.items():
        value = event.get(key)
        if isinstance(value, dict):  # a time, a SID
            value = _text(value, None)
        if value is not None:
            yield name, _time(value) if name == "TimeCreated" else _typed(name, value)
    properties = event.get("Properties")
    if isinstance(properties, list):
        yield from _data(properties).items()


def _time(value: Any) -> Any:
    found = _DATE.fullmatch(value) if isinstance(value, str) else None
    try:
        return datetime.fromtimestamp(int(found[1]) / 1000, UTC).isoformat() if found else value
    except (OverflowError, ValueError, OSError):
        return value
