"""What the passes of the optimizer did to all rules of a build."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(slots=True)
class PassReport:
    """What one optimizer pass did to all rules: nodes and predicates before and after."""

    name: str
    nodes: tuple[int, int]
    predicates: tuple[int, int]


def pass_reports(rules: Iterable[Mapping[str, Any]]) -> list[PassReport]:
    """Sums over the units of all rules. A pass that ran several times counts as one, in the place of its first run."""
    saved: dict[str, list[int]] = {}
    nodes = predicates = 0
    for rule in rules:
        for i, (name, nodes_before, before, nodes_after, after, _) in enumerate(rule["passes"]):
            if i == 0:
                nodes += nodes_before
                predicates += before
            entry = saved.setdefault(name, [0, 0])
            entry[0] += nodes_after - nodes_before
            entry[1] += after - before
    reports = []
    for name, (change, change_predicates) in saved.items():
        reports.append(
            PassReport(name, (nodes, nodes + change), (predicates, predicates + change_predicates))
        )
        nodes += change
        predicates += change_predicates
    return reports
