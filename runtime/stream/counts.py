"""What a worker counts, as numbers that add up."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any

from sigmac.runtime.correlation.correlator import Counts as OfCorrelation
from sigmac.runtime.correlation.definition import Correlation

# By the name of a count, numbers by pack and correlation, as `pack/id`
CorrelationCounts = dict[str, dict[str, int]]

# Upper bounds of the buckets of `Counts.batch_seconds`, in seconds; one more bucket counts what is beyond.
BATCH_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)


@dataclass(slots=True)
class Counts:
    """What was counted since the service started. Numbers only, so that workers' counts add up.

    `matches` counts by pack name and rule index; `topics` are records and bytes by topic; `engine` are the batch
    engine's counts by pack (`Pack.engine_counts`); `sinks` are messages delivered and given up, by sink.
    """

    records: dict[str, int] = field(default_factory=dict)  # by topic
    bytes: dict[str, int] = field(default_factory=dict)  # by topic
    lost: dict[str, int] = field(default_factory=dict)  # records that were gone unread, by topic
    events: int = 0  # evaluated: a record may hold several
    rejected: int = 0
    matches: dict[str, dict[int, int]] = field(default_factory=dict)  # by pack, by rule's index
    dead_letters: dict[str, int] = field(default_factory=dict)  # by reason's kind
    delivered: dict[str, int] = field(default_factory=dict)  # messages, by sink
    delivery_failures: int = 0  # batches that were done again, or may be by another member
    batches: int = 0
    batch_seconds: list[int] = field(default_factory=lambda: [0] * (len(BATCH_BUCKETS) + 1))
    batch_seconds_sum: float = 0.0
    stalled_seconds: float = 0.0  # spent waiting for a sink
    rebalances: int = 0
    engine: dict[str, dict[str, int]] = field(default_factory=dict)  # by pack
    correlations: CorrelationCounts = field(default_factory=dict)
    state_bytes: int = 0  # of the second stage's state on disk
    restored: int = 0  # entries of its changelog
    restore_seconds: float = 0.0

    def add(self, more: Counts) -> None:
        """Count what another has counted as well."""
        for each in fields(self):
            setattr(self, each.name, added(getattr(self, each.name), getattr(more, each.name)))

    def counted(self) -> dict[str, Any]:
        """What is not nothing, by name."""
        found = {each.name: getattr(self, each.name) for each in fields(self)}
        return {name: value for name, value in found.items() if value}


def described(correlation: Correlation) -> str:
    """What counts call a correlation."""
    return correlation.id or correlation.name or correlation.title


def counts_of_pack(
    pack: str, names: Mapping[str, str], counts: Mapping[str, OfCorrelation]
) -> CorrelationCounts:
    """What the correlations of a pack counted, of what is not nothing; `names` has what each of them is called."""
    found: CorrelationCounts = {}
    for name, each in counts.items():
        for count, number in asdict(each).items():
            if number:
                by_name = found.setdefault(count, {})
                told = f"{pack}/{names[name]}"
                by_name[told] = by_name.get(told, 0) + number
    return found


def added(one: Any, other: Any) -> Any:
    """The sum of two counts: of numbers, or name by name, or element by element. Neither is changed."""
    if isinstance(one, Mapping):
        total = dict(one)
        for name, value in other.items():
            total[name] = added(total[name], value) if name in total else value
        return total
    if isinstance(one, list):
        return [added(a, b) for a, b in zip(one, other, strict=True)]
    return one + other
