"""Which rules in service had no chance in the last hour, out of what all workers have seen."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from sigmac.runtime.chances.chances import Chances
from sigmac.runtime.pack.pack import Pack
from sigmac.runtime.scalar.dispatch import bits_of
from sigmac.runtime.scalar.sightings import Seen

_HOUR = 3600.0  # seconds that what a worker said last counts, alive or not
_MAX_FIELDS = 100_000  # of one message; more than any pack has


class _Said(NamedTuple):
    """What a worker said of a pack, and when; with the digest of the pack's manifest."""

    when: float
    digest: str
    seen: Seen


class RuleChances:
    """What workers said they have seen, and what follows for the rules. For several threads."""

    def __init__(self, clock: Callable[[], float] = time.monotonic):
        self._clock = clock
        self._lock = threading.Lock()
        # By pack's name and worker's process: one that starts again has seen nothing of the hour before.
        self._said: dict[str, dict[int, _Said]] = {}
        self._known: dict[str, tuple[Seen, Mapping[int, Sequence[str]]]] = {}

    def heard(self, process: int, message: Mapping[str, Any]) -> None:
        """Take what a process says. Raises `KeyError`, `TypeError` or `ValueError` where it makes no sense."""
        fields = message["fields"]
        if len(fields) > _MAX_FIELDS or not all(isinstance(name, str) for name in fields):
            raise ValueError("fields are no names")
        tried, meant = int(message["tried"], 16), int(message["meant"], 16)
        now = self._clock()
        said = _Said(now, str(message["digest"]), Seen(frozenset(fields), tried, meant))
        with self._lock:
            of_pack = self._said.setdefault(str(message["pack"]), {})
            of_pack[process] = said
            for other in [each for each, old in of_pack.items() if now - old.when > _HOUR]:
                del of_pack[other]

    def of(self, name: str, pack: Pack) -> Mapping[int, Sequence[str]] | None:
        """The rules of a pack that had no chance, each with the fields that it missed; none: no event it is for.

        None where no event was seen.
        """
        digest = str(pack.manifest["digest"])
        with self._lock:
            now = self._clock()
            seen = Seen()
            for said in self._said.get(name, {}).values():
                if said.digest == digest and now - said.when <= _HOUR:
                    seen = seen.with_more(said.seen)
            if not seen.fields and not seen.tried:
                return None
            known = self._known.get(name)
            if known is None or known[0] != seen:
                sighted = Chances(pack).of_sightings(seen)
                found = {rule: sighted.missing.get(rule, ()) for rule in bits_of(sighted.hopeless)}
                known = self._known[name] = seen, found
            return known[1]
