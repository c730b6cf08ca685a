"""Recorded events of Sysmon in the form of Defender, OCSF, CrowdStrike and Splunk's CIM.

Written from these products' documentation, as far as the recorded events have what they tell; None where a product has
no such event.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

Event = dict[str, Any]

_DWORD = re.compile(r"DWORD \((0x[0-9a-f]{8})\)", re.IGNORECASE)


def _filled(event: Event) -> Event:
    return {name: value for name, value in event.items() if value not in (None, "")}


def _user(event: Event) -> tuple[str, str]:
    domain, _, name = event.get("User", "").rpartition("\\")
    return domain, name


def _hashes(event: Event) -> dict[str, str]:
    text = str(event.get("Hashes", ""))
    return dict(pair.split("=", 1) for pair in text.split(",") if "=" in pair)


def _key_and_name(path: str, roots: Mapping[str, str]) -> tuple[str, str]:
    for short, long in roots.items():
        if path.startswith(short):
            path = long + path.removeprefix(short)
    key, _, name = path.rpartition("\\")
    return key.replace("\\CurrentControlSet\\", "\\ControlSet001\\"), name


def _data(event: Event) -> tuple[str, str]:
    """A value's data as text, and its type."""
    details = event.get("Details", "")
    if word := _DWORD.fullmatch(details):
        return str(int(word[1], 16)), "Dword"
    if details == "(Empty)":
        return "", "String"
    return details, "Binary" if details == "Binary Data" else "String"


def defender(event: Event) -> Event | None:
    """A row of advanced hunting."""
    domain, name = _user(event)
    digests = {kind: _hashes(event).get(kind) for kind in ("MD5", "SHA1", "SHA256")}
    acting = {
        "InitiatingProcessFolderPath": event.get("Image"),
        "InitiatingProcessAccountDomain": domain,
        "InitiatingProcessAccountName": name,
    }
    match event["EventID"]:
        case 1:
            made = {
                "ActionType": "ProcessCreated",
                "FolderPath": event["Image"],
                "ProcessCommandLine": event.get("CommandLine"),
                "AccountDomain": domain,
                "AccountName": name,
                "ProcessIntegrityLevel": event.get("IntegrityLevel"),
                "ProcessVersionInfoOriginalFileName": event.get("OriginalFileName"),
                "ProcessVersionInfoCompanyName": event.get("Company"),
                "ProcessVersionInfoFileDescription": event.get("Description"),
                "ProcessVersionInfoProductName": event.get("Product"),
                "ProcessVersionInfoProductVersion": event.get("FileVersion"),
                "InitiatingProcessFolderPath": event.get("ParentImage"),
                "InitiatingProcessCommandLine": event.get("ParentCommandLine"),
                **digests,
            }
        case 7:
            made = {"ActionType": "ImageLoaded", "FolderPath": event["ImageLoaded"]}
            made |= digests | acting
        case 11:
            made = {"ActionType": "FileCreated", "FolderPath": event["TargetFilename"], **acting}
        case 13:
            roots = {"HKLM\\": "HKEY_LOCAL_MACHINE\\", "HKU\\": "HKEY_CURRENT_USER\\"}
            key, value = _key_and_name(event["TargetObject"], roots)
            data, kind = _data(event)
            made = {
                "ActionType": "RegistryValueSet",
                "RegistryKey": key,
                "RegistryValueName": value,
                "RegistryValueData": data,
                "RegistryValueType": kind,
                **acting,
            }
        case _:
            return None
    return _filled(made)


def ocsf(event: Event) -> Event | None:
    """An event of a class of the framework."""
    domain, name = _user(event)
    digests = [{"algorithm": kind, "value": value} for kind, value in _hashes(event).items()]
    user = _filled({"domain": domain, "name": name})
    actor = {"process": {"file": {"path": event.get("Image")}}, "user": user}
    match event["EventID"]:
        case 1:
            parent = {"file": {"path": event.get("ParentImage")}}
            file = {
                "path": event["Image"],
                "hashes": digests,
                "internal_name": event.get("OriginalFileName"),
                "company_name": event.get("Company"),
                "desc": event.get("Description"),
                "product": {"name": event.get("Product")},
                "version": event.get("FileVersion"),
            }
            process = {
                "file": file,
                "cmd_line": event.get("CommandLine"),
                "working_directory": event.get("CurrentDirectory"),
                "integrity": event.get("IntegrityLevel"),
                "parent_process": {**parent, "cmd_line": event.get("ParentCommandLine")},
            }
            made = {"class_uid": 1007, "actor": {"user": user}, "process": process}
        case 7:
            file = {"path": event["ImageLoaded"], "hashes": digests}
            made = {"class_uid": 1005, "actor": actor, "module": {"file": file}}
        case 11:
            made = {"class_uid": 1001, "actor": actor, "file": {"path": event["TargetFilename"]}}
        case 13:
            value = {"path": event["TargetObject"], "data": event.get("Details")}
            made = {"class_uid": 201002, "actor": actor, "reg_value": value}
        case _:
            return None
    return {"category_uid": 1, "activity_id": 1, **made}


def crowdstrike(event: Event) -> Event | None:
    """An event of Falcon Data Replicator."""

    def kernel_path(path: str) -> str:
        return re.sub(r"^[A-Za-z]:", r"\\Device\\HarddiskVolume3", path)

    def base_name(path: str) -> str:
        return path.rpartition("\\")[2]

    match event["EventID"]:
        case 1:
            made = {
                "event_simpleName": "ProcessRollup2",
                "ImageFileName": kernel_path(event["Image"]),
                "CommandLine": event.get("CommandLine"),
                "ParentBaseFileName": base_name(event.get("ParentImage", "")),
                "UserName": _user(event)[1],
                "OriginalFilename": event.get("OriginalFileName"),
                "MD5HashData": _hashes(event).get("MD5"),
                "SHA256HashData": _hashes(event).get("SHA256"),
            }
        case 11:
            made = {
                "event_simpleName": "PeFileWritten",
                "TargetFileName": kernel_path(event["TargetFilename"]),
                "ContextBaseFileName": base_name(event.get("Image", "")),
            }
        case 13:
            roots = {"HKLM\\": "\\REGISTRY\\MACHINE\\", "HKU\\": "\\REGISTRY\\USER\\"}
            key, value = _key_and_name(event["TargetObject"], roots)
            data, kind = _data(event)
            made = {
                "event_simpleName": "AsepValueUpdate",
                "RegObjectName": key,
                "RegValueName": value,
                "RegType": {"Dword": "4", "Binary": "3"}.get(kind, "1"),
                "RegNumericValue" if kind == "Dword" else "RegStringValue": data,
                "ContextBaseFileName": base_name(event.get("Image", "")),
            }
        case _:
            return None
    return _filled({"event_platform": "Win", **made})


def splunk_cim(event: Event) -> Event | None:
    """A search result with the fields of a data model."""
    common = {"process_path": event.get("Image"), "user": event.get("User")}
    match event["EventID"]:
        case 1:
            made = {
                "tag": ["process", "report"],
                "process": event.get("CommandLine"),
                "process_current_directory": event.get("CurrentDirectory"),
                "original_file_name": event.get("OriginalFileName"),
                "process_integrity_level": event.get("IntegrityLevel"),
                "process_hash": event.get("Hashes"),
                "parent_process_path": event.get("ParentImage"),
                "parent_process": event.get("ParentCommandLine"),
            }
        case 11:
            made = {"tag": ["endpoint", "filesystem"], "file_path": event["TargetFilename"]}
        case 13:
            made = {
                "tag": ["endpoint", "registry"],
                "registry_path": event["TargetObject"],
                "registry_value_data": event.get("Details"),
                "action": "modified",
            }
        case _:
            return None
    return _filled(common | made)


SHAPES: Mapping[str, Callable[[Event], Event | None]] = {
    "defender": defender,
    "ocsf": ocsf,
    "crowdstrike": crowdstrike,
    "splunk-cim": splunk_cim,
}
