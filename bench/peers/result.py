"""What a run of another engine gives, and how its program is built and started."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

CACHE = Path(__file__).resolve().parent.parent.parent / ".cache" / "peers"


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


def evaluate(name: str, version: str, command: Sequence[str | Path]) -> PeerResult:
    """Run a peer's program, which prints its answer as one JSON object."""
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE)
    answer = json.loads(done.stdout)
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
