"""What a worker's pack has seen in the last hour: which fields occurred, which rules were tried."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from typing import Any

from sigmac.runtime.pack.pack import Pack
from sigmac.runtime.scalar.sightings import Seen

EVERY = 60.0  # seconds between two times that it is told
FIRST = 5.0  # seconds until it is told for the first time of a pack
PART = 600.0  # seconds after which a new part begins
PARTS = 6  # before the one at hand: the last hour is 60 to 70 minutes long


class SightedHour:
    """Adds up what a pack saw, part by part, and forgets what is older than an hour.

    `name` is the pack's in the configuration, `clock` gives seconds. One thread, which also evaluates, uses it.
    """

    def __init__(self, name: str, clock: Callable[[], float] = time.monotonic):
        self._name = name
        self._clock = clock
        self._pack: Pack | None = None
        self._parts: deque[Seen] = deque(maxlen=PARTS)
        self._part_ends = self._due = 0.0

    def message(self, pack: Pack) -> dict[str, Any] | None:
        """What the supervisor is told of the pack that runs, now and then; None where it is not time.

        Rules are bits, in hexadecimal.
        """
        now = self._clock()
        if pack is not self._pack:
            self._pack = pack
            self._parts.clear()
            self._part_ends, self._due = now + PART, now + FIRST
        if now < self._due:
            return None
        self._due = now + EVERY
        here = seen = pack.sightings()
        for part in self._parts:
            seen = seen.with_more(part)
        if now >= self._part_ends:
            self._parts.append(here)
            pack.forget_sightings()
            self._part_ends = now + PART
        rules = (1 << len(pack.rules)) - 1
        return {
            "say": "sightings",
            "pack": self._name,
            "digest": pack.manifest["digest"],
            "fields": sorted(seen.fields),
            "tried": f"{seen.tried & rules:x}",
            "meant": f"{seen.meant & rules:x}",
        }
