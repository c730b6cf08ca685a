"""What a run of another engine gives, and how its program is built and started."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

CACHE = Path(__file__).resolve().parent.parent.parent / ".cache" / "peers"


Group = tuple[tuple[str, str], ...]  # names of `group-by` with their values, sorted


class PeerMissing(Exception):
    """A peer cannot be built here: its toolchain is not installed, or its packages cannot be had. Says which."""


@dataclass(frozen=True, slots=True)
class PeerResult:
    """What a peer took and found. `seconds` is its fastest pass: every record decoded and evaluated.

    `matches` has every rule that the peer took, by id, with the number of records that it matches, 0 too. `parts`
    divides the seconds where there is something to divide.
    """

    name: str
    version: str
    rules: int
    failed: int
    records: int
    seconds: float
    matches: Mapping[str, int]
    parts: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class PeerAlerts:
    """What a peer's correlations found.

    `seconds` is the fastest pass of correlations alone, over records whose detections were known; `whole` the fastest
    from bytes to alerts. `alerts` are the title of a correlation, the group and the number of the record, for each
    record at which the condition holds.
    """

    name: str
    version: str
    records: int
    seconds: float
    whole: float
    alerts: Sequence[tuple[str, Group, int]]


def build(
    name: str,
    command: Sequence[str | Path],
    *,
    folder: Path | None = None,
    environment: Mapping[str, str] | None = None,
) -> None:
    """Run a build command; `PeerMissing` with the end of what it said where it fails."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, cwd=folder, env=environment)
    except FileNotFoundError:
        raise PeerMissing(f"{name} is left out: `{command[0]}` is not installed") from None
    if done.returncode:
        said = "\n".join(done.stderr.strip().splitlines()[-5:])
        raise PeerMissing(f"{name} is left out: it cannot be built here\n{said}")


def _ask(command: Sequence[str | Path]) -> Any:
    """Run a peer's program, which prints its answer as one JSON object."""
    return json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)


def evaluate(name: str, version: str, command: Sequence[str | Path]) -> PeerResult:
    """What a peer's program says of rules."""
    answer = _ask(command)
    return PeerResult(
        name=name,
        version=version,
        rules=answer["rules"],
        failed=answer["failed"],
        records=answer["records"],
        seconds=answer["seconds"],
        matches=answer["matches"],
        parts=answer.get("parts", {}),
    )


def correlate(name: str, version: str, command: Sequence[str | Path]) -> PeerAlerts:
    """What a peer's program says of correlations."""
    answer = _ask(command)
    return PeerAlerts(
        name=name,
        version=version,
        records=answer["records"],
        seconds=answer["seconds"],
        whole=answer["whole"],
        alerts=[
            (title, tuple(sorted(map(tuple, group))), record)
            for title, group, record in answer["alerts"]
        ],
    )
