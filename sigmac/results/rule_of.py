"""The rule or correlation that a result is of."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sigmac.runtime.correlation.definition import Correlation
    from sigmac.runtime.match import Rule
    from sigmac.runtime.pack.pack import Pack


class RuleOf:
    """Gives the metadata behind the key of a result."""

    def __init__(self, pack: Pack):
        self._rules = pack.rules
        self._correlations = list(pack.correlations.values())

    def __call__(self, key: int) -> Rule | Correlation:
        return self._rules[key] if key >= 0 else self._correlations[-1 - key]
