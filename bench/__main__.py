"""`python -m bench [PART...]`: measure, print one table, and leave it in `bench/results/` and the documentation.

Without a part all are measured, in one go. What a part alone measured is printed and not kept.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from functools import partial
from pathlib import Path

from bench import (
    batch,
    compiler,
    consumer,
    correlations,
    growth,
    hostile,
    keywords,
    many,
    profile,
    scalar,
    shippers,
    stages,
    stalls,
    stream,
    unseen,
    versus,
    workers,
)
from bench.chart import save_chart
from bench.corpus import ROOT
from bench.figures import Figure, describe, machine, note, save, table
from bench.packs import Packs

KERNELS = "sigmac.runtime.engine.machine_code.ahead_of_time"
PARTS = {
    "batch": batch.measure,
    "unseen": unseen.measure,
    "keywords": keywords.measure,
    "scalar": scalar.measure,
    "growth": growth.measure,
    "many": many.measure,
    "stalls": stalls.measure,
    "hostile": hostile.measure,
    "profile": profile.measure,
    "workers": workers.measure,
    "consumer": consumer.measure,
    "build": compiler.measure,
    "peers": versus.measure,
    "go": shippers.measure,
    "correlations": correlations.measure,
    "stream": stream.measure,
    "stages": stages.measure,
}


def main() -> None:
    """Exits with a message where the corpora are missing."""
    parser = argparse.ArgumentParser(prog="python -m bench", description="Measure sigmac.")
    parser.add_argument(
        "parts", nargs="*", metavar="PART", help=f"Of {', '.join(PARTS)}; default: all."
    )
    parser.add_argument("--no-peers", action="store_true", help="Leave the other engines out.")
    parser.add_argument(
        "--records",
        type=int,
        default=stream.RECORDS,
        metavar="N",
        help="How many records the parts stream and stages produce and read; default: %(default)s.",
    )
    arguments = parser.parse_args()
    if unknown := set(arguments.parts) - set(PARTS):
        parser.error(f"there is no part {', '.join(sorted(unknown))}; parts are {', '.join(PARTS)}")
    if not ROOT.is_dir():
        sys.exit(
            "bench: the corpora are not here; they are expected beside the repository, in ../shared/corpus"
        )
    chosen = [
        part
        for part in arguments.parts or PARTS
        if not (part in ("peers", "go") and arguments.no_peers)
    ]
    note("bringing the kernels up to date")
    subprocess.run([sys.executable, "-m", KERNELS], check=True)
    parts = {
        **PARTS,
        "stream": partial(stream.measure, records=arguments.records),
        "stages": partial(stages.measure, records=arguments.records),
        "correlations": partial(correlations.measure, peers=not arguments.no_peers),
    }
    figures: dict[str, list[Figure]] = {}
    setting = machine()
    with tempfile.TemporaryDirectory(prefix="sigmac-bench-") as folder:
        packs = Packs(Path(folder))
        for part in chosen:
            figures[part] = []
            for figure in parts[part](packs):
                note(f"{part}: {figure.what}: {figure.text}")
                figures[part].append(figure)
            if not arguments.parts:
                # An hour's work is not lost with its last minutes.
                save(figures, setting)
                save_chart(figures, setting)
    print(describe(setting))
    print(table(figures))


main()
