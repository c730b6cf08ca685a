"""Brokers that take what they are asked and never answer, as one that is frozen or cut off does.

librdkafka reports an error for those only once a request or a connection has timed out, after a minute or more. Its
statistics say sooner which broker owes an answer: one that leads a partition of ours, or the group's coordinator.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from typing import Any

import orjson

INTERVAL = 5.0  # seconds between two statistics
_LIMIT = 20.0  # seconds without an answer
_COORDINATOR = "GroupCoordinator"

Told = Mapping[str, Any]


class Silence:
    """Looks at a consumer's statistics. `fetch_wait` is for how many seconds a broker may hold back an answer."""

    def __init__(self, fetch_wait: float):
        self._limit = max(_LIMIT, 2 * fetch_wait)
        self._owing: dict[str, float] = {}  # since when brokers have owed an answer
        self._noticed = 0.0  # when the last broker became silent
        self.reason = ""  # one sentence while there is one that does not answer

    def look(self, statistics: str) -> None:
        """What librdkafka calls with its statistics."""
        told, now = orjson.loads(statistics), time.monotonic()
        needed = dict(_needed(told))
        self._owing = {name: at for name, at in self._owing.items() if name in needed}
        silent = [name for name, broker in needed.items() if self._is_silent(name, broker, now)]
        if silent:
            if not self.reason:
                self._noticed = now
            self.reason = f"{_named(needed[silent[0]])} does not answer"
        elif self.reason and _heard(told["brokers"].get(_COORDINATOR, {}), now) > self._noticed:
            # Who was thrown out of the group needs nobody; only one that answers shows that all is well.
            self.reason = ""

    def _is_silent(self, name: str, broker: Told, now: float) -> bool:
        heard, since = _heard(broker, now), self._owing.get(name)
        if heard == now:
            self._owing.pop(name, None)
            return False
        if since is None or heard > since:
            # How long ago the question was asked is not told.
            since = self._owing[name] = now
        return now - since > self._limit


def _needed(told: Told) -> Iterator[tuple[str, Told]]:
    """The brokers that a member of a group has to hear from."""
    partitions = [
        each
        for topic in told["topics"].values()
        for each in topic["partitions"].values()
        if each["desired"] and each["partition"] >= 0
    ]
    leaders = {each["leader"] for each in partitions}
    joined = told.get("cgrp", {}).get("join_state") == "steady"
    for name, broker in told["brokers"].items():
        # Who joins is answered when all others have joined.
        if broker["nodeid"] in leaders - {-1} or (name == _COORDINATOR and joined):
            yield name, broker


def _heard(broker: Told, now: float) -> float:
    """When a broker last answered; now, where it owes no answer."""
    if broker.get("state") != "UP" or broker["rxidle"] < 0:
        return 0.0
    return now if broker["rxidle"] <= broker["txidle"] else now - broker["rxidle"] / 1e6


def _named(broker: Told) -> str:
    if broker["name"] == _COORDINATOR:
        return f"the coordinator of the group, {broker['nodename']},"
    return f"the broker {broker['nodename']}"
