"""An event that counts for one correlation in one group."""

from __future__ import annotations

from typing import Any, NamedTuple


class Hit(NamedTuple):
    """Plain data: `time` in microseconds since 1970, where the event lies, the rules it is a hit of, as bits.

    `values` are what a `value_…` type looks at: texts (or tuples of them), or numbers.
    """

    time: int
    source: Any
    seen: int = 0
    values: tuple[Any, ...] = ()
