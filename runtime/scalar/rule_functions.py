"""The generated functions of a pack's rules, each made when it is first called for."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from numpy.typing import NDArray

from sigmac.runtime.scalar.event import Event

Condition = Callable[[Event], bool]


class Conditions:
    """The conditions of rules, by their index, and those that the rules of a logsource share.

    `make(module, name, first, last)` gives the function that stands in these lines of a module; row r of `spans`
    (int32, n × 4) has module, first and last line of rule r, and its logsource; row i of `logsource_spans` (n × 3)
    the same of the conditions of logsources.
    """

    def __init__(
        self,
        make: Callable[[int, str, int, int], Condition],
        names: Sequence[str],
        spans: NDArray[Any],
        logsource_names: Sequence[str],
        logsource_spans: NDArray[Any],
    ):
        self._make = make
        self._names = names
        self.spans = spans
        self._logsources = [*zip(logsource_names, logsource_spans.tolist(), strict=True)]
        self.known: list[Condition | None] = [None] * len(spans)

    def __len__(self) -> int:
        return len(self.known)

    def __getitem__(self, rule: int) -> Condition:
        found = self.known[rule]
        if found is None:
            module, first, last, _ = self.spans[rule].tolist()
            found = self.known[rule] = self._make(module, self._names[rule], first, last)
        return found

    def of_logsources(self) -> list[Condition]:
        """What the rules of each logsource share."""
        return [
            self._make(module, name, first, last)
            for name, (module, first, last) in self._logsources
        ]
