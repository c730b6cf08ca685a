"""What came of a run of chaos or of a soak, for a test and for people."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from tests.integration.census import Growth

DELIVERIES = ("at-least-once", "exactly-once")


@dataclass(frozen=True, slots=True)
class Circumstances:
    """What a run is like.

    `rate` is records a second, `session` seconds after which the group gives a member up, `calm` the share of faults
    after which the next one waits until the service has recovered.
    """

    delivery: str
    seed: int
    rate: int = 1000
    workers: int = 2
    session: float = 2.0
    partitions: int = 4
    calm: float = 0.75
    # The supervisor and one worker live to the end, so that their memory can be watched.
    spare: bool = False


@dataclass(slots=True)
class Report:
    """What came of a run. `hidden` counts messages of transactions that were aborted; no reader saw them."""

    circumstances: Circumstances
    seconds: float = 0.0
    records: int = 0
    faults: dict[str, int] = field(default_factory=dict)
    kills: int = 0
    matches: int = 0
    dead_letters: int = 0
    lost: int = 0
    doubled: int = 0
    unidentified: int = 0
    wrong: int = 0
    disordered: int = 0
    uncommitted: int = 0
    hidden: int = 0
    longest_recovery: float = 0.0
    problems: list[str] = field(default_factory=list)
    growth: list[Growth] = field(default_factory=list)

    @property
    def kept(self) -> bool:
        """Whether the promise was kept."""
        doubled = self.doubled if self.circumstances.delivery == "exactly-once" else 0
        bad = self.lost, doubled, self.unidentified, self.wrong, self.disordered, self.uncommitted
        return not any(bad) and not self.problems and all(each.is_flat for each in self.growth)

    def rows(self) -> list[tuple[str, str]]:
        """Name and figure, for people."""
        return [
            ("seed", str(self.circumstances.seed)),
            ("minutes", f"{self.seconds / 60:.1f}"),
            ("records", f"{self.records:,}"),
            *((name, f"{count:,}") for name, count in self.faults.items()),
            ("kills in all", f"{self.kills:,}"),
            ("longest pause of delivery, s", f"{self.longest_recovery:.1f}"),
            ("matches", f"{self.matches:,}"),
            ("dead letters", f"{self.dead_letters:,}"),
            ("hidden by aborted transactions", f"{self.hidden:,}"),
            ("**lost**", f"{self.lost:,}"),
            ("**doubled**", f"{self.doubled:,}"),
            ("doubled with another id", f"{self.unidentified:,}"),
            ("delivered without cause", f"{self.wrong:,}"),
            ("out of order", f"{self.disordered:,}"),
            ("records left uncommitted", f"{self.uncommitted:,}"),
            ("problems", f"{len(self.problems):,}"),
            *(row for number, each in enumerate(self.growth) for row in each.rows(number)),
        ]


def table(reports: Sequence[Report]) -> str:
    """A column for each run, in Markdown."""
    columns = [dict(report.rows()) for report in reports]
    names = list(dict.fromkeys(name for column in columns for name in column))
    head = ["", *(report.circumstances.delivery for report in reports)]
    lines = [head, ["---"] * len(head)]
    lines += [[name, *(column.get(name, "0") for column in columns)] for name in names]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)
