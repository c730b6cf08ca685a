"""What events say of their logsource by themselves: one table, which packs are built with.

`sigmac build` compiles the detections into every pack; with the logsource `auto` an event is taken for the first of
them that holds, and rules of another logsource are not tried. Each asks for what only such events have, so that no
event is taken for what it is not: one that none of them knows is tried by all rules.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple


class EventLogsource(NamedTuple):
    """What events are that a detection of Sigma holds for: a map, all of which must hold, or a list of such."""

    title: str
    logsource: dict[str, str]
    detection: dict[str, Any] | list[dict[str, Any]]


# fmt: off
_ZEEK = (
    "conn", "dce_rpc", "dhcp", "dns", "files", "ftp", "http", "kerberos", "notice", "ntlm", "rdp", "smb_files",
    "smb_mapping", "smtp", "snmp", "software", "ssh", "ssl", "syslog", "tunnel", "weird", "x509",
)
# fmt: on


def _table() -> Iterator[EventLogsource]:
    one = EventLogsource
    linux_sysmon = {"Channel": "Linux-Sysmon/Operational"}
    yield one("Sysmon for Linux", {"product": "linux"}, linux_sysmon)
    windows = [{"Channel|exists": True, "EventID|exists": True}]
    windows += [
        {"Provider_Guid|exists": True, "EventID|exists": True}
    ]  # of a trace, without a channel
    yield one("Windows event log", {"product": "windows"}, windows)
    yield one("Winlogbeat", {"product": "windows"}, {"winlog.channel|exists": True})
    winlogbeat_6 = {"log_name|exists": True, "event_id|exists": True, "source_name|exists": True}
    yield one("Winlogbeat before version 7", {"product": "windows"}, winlogbeat_6)
    for stream in _ZEEK:
        said = [{"_path": stream}, {"@stream": stream, "@proc": "zeek"}]
        yield one(f"Zeek {stream}", {"product": "zeek", "service": stream}, said)
    yield one("Zeek, another log", {"product": "zeek", "service": "other"}, {"@proc": "zeek"})
    yield one("Zeek", {"product": "zeek"}, {"id.orig_h|exists": True, "id.resp_h|exists": True})
    yield one(
        "CloudTrail",
        {"product": "aws", "service": "cloudtrail"},
        {"awsRegion|exists": True, "eventSource|endswith": ".amazonaws.com"},
    )
    azure = {"SignInLogs": "signinlogs", "AuditLogs": "auditlogs", "Administrative": "activitylogs"}
    for category, service in azure.items():
        entry = {"category": category, "operationName|exists": True}
        yield one(f"Azure, {category}", {"product": "azure", "service": service}, entry)
    audit = {"protoPayload.serviceName|exists": True, "protoPayload.methodName|exists": True}
    yield one("Google Cloud audit log", {"product": "gcp"}, audit)
    kubernetes = {"apiVersion|startswith": "audit.k8s.io/", "verb|exists": True}
    yield one("Kubernetes audit log", {"product": "kubernetes", "service": "audit"}, kubernetes)
    okta = {"outcome.result|exists": True, "debugContext.debugData|exists": True}
    yield one("Okta system log", {"product": "okta", "service": "okta"}, okta)
    m365 = {"Workload|exists": True, "RecordType|exists": True, "Operation|exists": True}
    yield one("Microsoft 365 audit log", {"product": "m365"}, m365)


EVENT_LOGSOURCES = tuple(_table())
