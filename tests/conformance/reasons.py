"""Why a pack and the oracle disagree: one function for each limitation of the oracle.

A function says of one difference whether it is this limitation that makes it, and checks that with the reference:
what it takes away or adds is what the oracle lacks. A difference that no function explains is a fault.
"""

from __future__ import annotations

from collections.abc import Callable

from sigmac.compiler.meaning import reference
from sigmac.compiler.syntax.rule import Rule, items
from tests.conformance.corpora import Event
from tests.conformance.oracle import Difference

Reason = Callable[[Difference], bool]

SYSMON = "Microsoft-Windows-Sysmon/Operational"
DEFENDER = "Microsoft-Windows-Windows Defender/Operational"
# What Sysmon's event 12 says of a key or value that was added or deleted.
REGISTRY_EVENT_TYPES = {
    "registry_add": {"CreateKey"},
    "registry_delete": {"DeleteKey", "DeleteValue"},
}


def registry_event_type(difference: Difference) -> bool:
    """The oracle asks for event 12 and forgets to ask whether the key was added or deleted."""
    wanted = REGISTRY_EVENT_TYPES.get(difference.rule.logsource.category or "")
    event = difference.event
    return (
        not difference.ours
        and wanted is not None
        and (event.get("Channel"), event.get("EventID")) == (SYSMON, 12)
        and event.get("EventType") not in wanted
        and _matches([difference.rule], event)
    )


def audit_integrity_level(difference: Difference) -> bool:
    """The oracle's audit pipeline does not know that event 4688 calls `IntegrityLevel` `MandatoryLabel`."""
    event = {k: v for k, v in difference.event.items() if k != "MandatoryLabel"}
    return (
        difference.ours
        and _audited(event, 4688)
        and "IntegrityLevel" in _fields(difference.rule)
        and _matches(difference.variants, difference.event)
        and not _matches(difference.variants, event)
    )


def audit_network_connection(difference: Difference) -> bool:
    """The oracle's audit pipeline has no event 5156, which says what Sysmon's network connection says."""
    event = difference.event
    return (
        difference.ours
        and difference.rule.logsource.category == "network_connection"
        and _audited(event, 5156)
        and _matches(difference.variants, event)
    )


def audit_registry(difference: Difference) -> bool:
    """The oracle asks event 4657 for one spelling of a key, without the name of its value, and for words alone."""
    event = difference.event
    category = difference.rule.logsource.category or ""
    return (
        difference.ours
        and category.startswith("registry_")
        and _audited(event, 4657)
        and _matches(difference.variants, event)
    )


def legacy_documents(difference: Difference) -> bool:
    """The oracle does not read files with `action: global`: it takes each document for a rule without a title."""
    file, _, _ = difference.source.removeprefix("sigma/").rpartition(":")
    refused = difference.oracle.refused
    said = refused.get(difference.rule.label, "") or refused.get(file, "")
    return (
        difference.ours
        and said.startswith(("SigmaTitleError", "no query produced"))
        and _matches(difference.variants, difference.event)
    )


def antivirus(difference: Difference) -> bool:
    """The oracle does not map the antivirus category: Defender's events have names of their own for its fields."""
    event = difference.event
    renamed = {"Signature": event.get("ThreatName"), "Filename": event.get("Path")}
    return (
        difference.ours
        and difference.rule.logsource.category == "antivirus"
        and event.get("Channel") == DEFENDER
        and difference.rule.label in difference.oracle.unmapped
        and _matches([difference.rule], event | renamed)
    )


REASONS: tuple[Reason, ...] = (
    registry_event_type,
    audit_integrity_level,
    audit_network_connection,
    audit_registry,
    legacy_documents,
    antivirus,
)


def reason_of(difference: Difference) -> Reason | None:
    """The first reason that explains a difference."""
    return next((reason for reason in REASONS if reason(difference)), None)


def _matches(rules: list[Rule] | tuple[Rule, ...], event: Event) -> bool:
    return any(reference.matches(rule, event) for rule in rules)


def _audited(event: Event, event_id: int) -> bool:
    # Collectors differ in the case of a channel's name.
    return (str(event.get("Channel")).lower(), event.get("EventID")) == ("security", event_id)


def _fields(rule: Rule) -> set[str | None]:
    return {item.field for detection in rule.detections.values() for item in items(detection)}
