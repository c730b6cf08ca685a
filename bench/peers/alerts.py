"""Whether a peer's correlations give the same alerts, so that nobody is timed on other work."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import NamedTuple

from bench.peers.result import Group, PeerAlerts
from sigmac import Alert


class Raised(NamedTuple):
    """A correlation by its title, a group, and the number of the record at which the condition became true."""

    title: str
    group: Group
    record: int


class Counted(NamedTuple):
    """A record that counts for a correlation in a group; `time` in seconds."""

    group: Group
    record: int
    time: int


def group_of(values: Iterable[tuple[str, str]]) -> Group:
    """A group whatever the order of its names."""
    return tuple(sorted(values))


def alerts_of(alerts: Iterable[Alert]) -> set[Raised]:
    """Our alerts; their sources have the number of the record as `position`."""
    return {
        Raised(alert.correlation.title, group_of(alert.group.items()), alert.source["position"])
        for alert in alerts
    }


def raised(
    theirs: PeerAlerts, title: str, counted: Iterable[Counted], timespan: int
) -> set[Raised]:
    """The alerts of one correlation of a peer that repeats them for as long as the condition holds.

    Of the records that count, in their order, those are left at which the condition holds and did not at the last one
    of the group, or the window emptied between the two.
    """
    holds = {(group, record) for name, group, record in theirs.alerts if name == title}
    last: dict[Group, tuple[bool, int]] = {}
    found = set()
    for group, record, when in counted:
        held, before = last.get(group, (False, when))
        now = (group, record) in holds
        if now and not (held and when <= before + timespan):
            found.add(Raised(title, group, record))
        last[group] = now, when
    return found


def difference(ours: Collection[Raised], theirs: Collection[Raised]) -> str:
    """A sentence with the first alert that only one of the two has; empty where there is none."""
    only = sorted(set(ours) ^ set(theirs), key=lambda each: each.record)
    if not only:
        return ""
    first = only[0]
    return (
        f"{first.title}: {len(ours):,} alerts here, {len(theirs):,} there; the first that differs is "
        f"{'ours' if first in ours else 'theirs'}, of {dict(first.group)} at record {first.record:,}"
    )
