"""The host and the user that an event is about, by the names that usual logs give them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sigmac.runtime.scalar.scalars import lookup

# Windows and Sysmon, ECS, journald and syslog, Defender, CrowdStrike, Kubernetes
HOSTS = (
    *("Computer", "ComputerName", "host.name", "host.hostname", "winlog.computer_name"),
    *("Hostname", "HostName", "hostname", "host", "_HOSTNAME", "DeviceName", "device_name"),
    *("deviceName", "agent.hostname", "computer_name", "computer", "dvchost", "node"),
)
# Windows, ECS, syslog, AWS, Azure and Microsoft 365, Google Cloud, Okta, GitHub, Kubernetes, Defender
USERS = (
    *("User", "user.name", "TargetUserName", "SubjectUserName", "UserName", "username"),
    *("userIdentity.userName", "userIdentity.arn", "userPrincipalName", "UserPrincipalName"),
    *("properties.userPrincipalName", "UserId", "AccountName", "AccountUpn"),
    *("protoPayload.authenticationInfo.principalEmail", "actor.alternateId", "actor"),
    *("user.username", "user", "auid", "cs-username"),
)
_EMPTY = frozenset({"", "-", "?", "N/A"})
_MOST = 255  # characters


def first_text(event: Mapping[str, Any], names: Sequence[str]) -> str | None:
    """The first text that one of these fields holds, cut where it is long; None where none does.

    >>> first_text({"host": {"name": ["-", "dc01"]}}, HOSTS)
    'dc01'
    """
    for name in names:
        if name.partition(".")[0] not in event and name not in event:
            continue
        for value in lookup(event, name) or ():
            if isinstance(value, str) and value not in _EMPTY:
                return value[:_MOST]
    return None
