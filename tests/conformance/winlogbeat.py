"""Flat events of Windows as Winlogbeat ships them, and as its modules' ingest pipelines leave them.

Written from Elastic's documentation of the modules, for tests of the pipeline `ecs`: what it does not know of a channel
stays below `winlog.event_data`, as it does there.
"""

from __future__ import annotations

import re
from typing import Any

Event = dict[str, Any]

# What Windows says of every event; the rest is the event's own data.
_SYSTEM = {
    "Provider_Name": "winlog.provider_name",
    "Provider_Guid": "winlog.provider_guid",
    "Channel": "winlog.channel",
    "Computer": "winlog.computer_name",
    "EventRecordID": "winlog.record_id",
    "Version": "winlog.version",
    "Execution_ProcessID": "winlog.process.pid",
    "Execution_ThreadID": "winlog.process.thread.id",
    "Security_UserID": "winlog.user.identifier",
    "TimeCreated": "@timestamp",
}
_IGNORED = {"Level", "Task", "Opcode", "Keywords", "Correlation_ActivityID", "EventID", "Message"}
_LEVELS = {0: "information", 1: "critical", 2: "error", 3: "warning", 4: "information"}
_KEYWORDS = {"0x8020000000000000": "Audit Success", "0x8010000000000000": "Audit Failure"}

_SYSMON = {
    "Image": "process.executable",
    "SourceImage": "process.executable",
    "Destination": "process.executable",
    "CommandLine": "process.command_line",
    "CurrentDirectory": "process.working_directory",
    "ProcessId": "process.pid",
    "SourceProcessId": "process.pid",
    "ProcessGuid": "process.entity_id",
    "SourceProcessGUID": "process.entity_id",
    "SourceThreadId": "process.thread.id",
    "ParentImage": "process.parent.executable",
    "ParentCommandLine": "process.parent.command_line",
    "ParentProcessId": "process.parent.pid",
    "ParentProcessGuid": "process.parent.entity_id",
    "TargetFilename": "file.path",
    "Device": "file.path",
    "ImageLoaded": "file.path",
    "PipeName": "file.name",
    "RuleName": "rule.name",
    "Protocol": "network.transport",
    "DestinationPortName": "network.protocol",
    "SourceIp": "source.ip",
    "SourceHostname": "source.domain",
    "SourcePort": "source.port",
    "DestinationIp": "destination.ip",
    "DestinationHostname": "destination.domain",
    "DestinationPort": "destination.port",
    "QueryName": "dns.question.name",
    "QueryStatus": "sysmon.dns.status",
    "TargetObject": "registry.path",
}
_COPIED = {
    "OriginalFileName": "original_file_name",
    "Company": "company",
    "Description": "description",
    "FileVersion": "file_version",
    "Product": "product",
}
_DROPPED = {
    "UtcTime",
    "SourcePortName",
    "SourceIsIpv6",
    "DestinationIsIpv6",
    "QueryResults",
    "User",
}
_DROPPED |= {"Hashes", "Hash", "Initiated", "Details", "Archived", "IsExecutable"}
_OF_FILES = {6, 7, 15, 29}

_POWERSHELL = {
    "ScriptBlockText": "powershell.file.script_block_text",
    "ScriptBlockId": "powershell.file.script_block_id",
    "Path": "file.path",
    "MessageNumber": "powershell.sequence",
    "MessageTotal": "powershell.total",
}


def shipped(event: Event) -> Event:
    """The event as Winlogbeat ships it, with dotted names."""
    made = {new: event[old] for old, new in _SYSTEM.items() if old in event}
    made["event.code"] = str(event["EventID"])
    made["winlog.event_id"] = str(event["EventID"])
    made["log.level"] = _LEVELS.get(event.get("Level", 4), "information")
    if (keywords := event.get("Keywords")) in _KEYWORDS:
        made["winlog.keywords"] = [_KEYWORDS[keywords]]
    unnamed = event.get("Data", "").split("\n") if "Data" in event else []
    made.update({f"winlog.event_data.param{n}": text for n, text in enumerate(unnamed, 1)})
    if message := "\n".join(
        filter(None, [event.get("ContextInfo"), event.get("Payload"), *unnamed])
    ):
        made["message"] = message
    for name, value in event.items():
        if name not in _SYSTEM and name not in _IGNORED and name != "Data":
            spelt = "Threat Name" if name == "ThreatName" else name
            made[f"winlog.event_data.{spelt}"] = value
    return made


def ingested(event: Event) -> Event:
    """The event behind the ingest pipeline of its module, with dotted names."""
    made = shipped(event)
    data = {
        name.removeprefix("winlog.event_data."): made.pop(name)
        for name in list(made)
        if name.startswith("winlog.event_data.")
    }
    channel = event["Channel"]
    if channel == "Microsoft-Windows-Sysmon/Operational":
        data = {name: value for name, value in data.items() if value not in ("", "-", None)}
        made.update(_sysmon(data, event["EventID"]))
    elif "PowerShell" in channel:
        for old, new in _POWERSHELL.items():
            if old in data:
                made[new] = data.pop(old)
        for old in ("ContextInfo", "Payload", "param1", "param2", "param3"):
            data.pop(old, None)
    elif channel == "Security" and "AccessList" in data:
        data["AccessList"] = [each.lstrip("%") for each in data["AccessList"].split()]
    made.update({f"winlog.event_data.{name}": value for name, value in data.items()})
    return made


def _sysmon(data: Event, number: int) -> Event:
    made: Event = {"event.module": "sysmon"}
    side = "file" if number in _OF_FILES else "process"
    for pair in filter(None, str(data.get("Hashes", data.get("Hash", ""))).split(",")):
        kind, _, digits = pair.partition("=")
        name = f"{side}.pe.imphash" if kind == "IMPHASH" else f"{side}.hash.{kind.lower()}"
        if digits.strip("0"):
            made[name] = digits.lower()
    if data.get("User", "").count("\\") == 1:
        made["user.domain"], made["user.name"] = data["User"].split("\\")
    if "Initiated" in data:
        made["network.direction"] = "egress" if data["Initiated"] in ("true", True) else "ingress"
    if "SourceIsIpv6" in data:
        made["network.type"] = "ipv6" if data["SourceIsIpv6"] in ("true", True) else "ipv4"
    if "Details" in data:
        made.update(_registry_data(data["Details"]))
    if number == 25 and "Type" in data:
        made["message"] = data.pop("Type")
    for name in _DROPPED:
        data.pop(name, None)
    for old, new in _SYSMON.items():
        if old in data:
            made[new] = data.pop(old)
    for old, new in _COPIED.items():
        if old in data:
            made[f"{'file' if number == 7 else 'process'}.pe.{new}"] = data[old]
    data.pop("OriginalFileName", None)
    return made


def _registry_data(text: str) -> Event:
    word = re.fullmatch(r"DWORD \(0x([0-9a-f]{8})\)", text, re.IGNORECASE)
    if word:
        kind, text = "SZ_DWORD", str(int(word[1], 16))
    else:
        kind = "REG_BINARY" if text == "Binary Data" else "REG_SZ"
    return {"registry.data.strings": [text], "registry.data.type": kind}


def nested(event: Event) -> Event:
    """Dotted names as objects within each other."""
    made: Event = {}
    for name, value in event.items():
        *folders, last = name.split(".")
        place = made
        for folder in folders:
            place = place.setdefault(folder, {})
        place[last] = value
    return made
