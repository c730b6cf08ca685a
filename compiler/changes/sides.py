"""The two sides of a comparison, and what only one of them finds in events."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sigmac.compiler.changes.documented import Key
from sigmac.runtime.pack.pack import Pack


@dataclass(frozen=True, slots=True)
class Side:
    """A pack, and the keys of its rules and of its correlations by their places."""

    pack: Pack
    keys: Sequence[Key]
    correlations: Sequence[Key] = ()

    def place(self, key: Key) -> int | None:
        """Where a rule stands in the pack."""
        return self.keys.index(key) if key in self.keys else None


@dataclass(frozen=True, slots=True)
class Sample:
    """An event that only one side matches, or alerts of: where it stands, and why that is so, in words."""

    source: str
    event: Mapping[str, Any]
    why: Sequence[str]


@dataclass(slots=True)
class OneSided:
    """How many matches or alerts only one side has, and the first of them."""

    count: int = 0
    sample: Sample | None = None


@dataclass(slots=True)
class Changed:
    """What only the new side has of a rule or correlation, and what only the old one has."""

    gained: OneSided = field(default_factory=OneSided)
    lost: OneSided = field(default_factory=OneSided)
