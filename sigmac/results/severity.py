"""The levels of rules, in their order.

Source: Sigma specification, rules, `level`.
"""

from __future__ import annotations

LEVELS = ("informational", "low", "medium", "high", "critical")
NO_LEVEL = "none"  # as options call that of rules without one
_RANKS = {level: rank for rank, level in enumerate(LEVELS)}


def rank(level: str | None) -> int:
    """How severe a level is: 0 to 4, and -1 where there is none or no known one.

    >>> rank("critical"), rank("Low"), rank(None)
    (4, 1, -1)
    """
    return _RANKS.get(level.lower(), -1) if level else -1
