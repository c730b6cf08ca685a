"""What a profile of some recordings is worth on others: `sigmac run --profile`, then `sigmac build --profile`."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator

from bench.batch import matching
from bench.corpus import WINDOWS, read_batches
from bench.figures import Figure, note
from bench.packs import WINDOWS_OPTIONS, Packs
from bench.timing import ROUNDS, alternate, median
from sigmac import load_pack


def measure(packs: Packs) -> Iterator[Figure]:
    """The rate of a pack that was built with a profile of half of the recordings, on the other half."""
    batches = list(read_batches(WINDOWS))
    profiled, measured = batches[::2], batches[1::2]
    events, profile = packs.folder / "profiled.ndjson", packs.folder / "profile.json"
    with events.open("wb") as file:
        file.writelines(batch.data for batch in profiled)
    command = [sys.executable, "-m", "sigmac", "run", str(packs.windows), str(events), "-q"]
    subprocess.run([*command, "-o", os.devnull, "--profile", str(profile)], check=True)
    events.unlink()
    with_profile = packs.build(
        "profiled", packs.rules, (*WINDOWS_OPTIONS, "--profile", str(profile))
    )
    rounds: dict[str, list[float]] = {"unseen": [], "seen": []}
    for _ in range(ROUNDS):
        paths = {"without": packs.windows, "with": with_profile}
        works = {name: matching(load_pack(path)) for name, path in paths.items()}
        for batch in profiled:
            for work in works.values():
                work(batch)
        for what, ratios in rounds.items():
            spent = alternate(measured, works)
            ratios.append(spent["without"] / spent["with"])
            note(f"a profile, {what} events: {ratios[-1]:.2f} ×")
    for what, ratios in rounds.items():
        yield Figure(f"a build with a profile, {what} events", median(ratios), "× the rate without")
