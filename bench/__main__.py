"""`python -m bench`: every measurement in one run, printed as one table and left in `bench/results/`."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from bench import compiler, scalar
from bench.corpus import ROOT
from bench.figures import Figure, machine, save, table


def main() -> None:
    if not ROOT.is_dir():
        sys.exit(
            "bench: the corpora are not here; they are expected beside the repository, in ../shared/corpus"
        )
    figures: list[Figure] = []
    for part in (compiler, scalar):
        with tempfile.TemporaryDirectory(prefix="sigmac-bench-") as folder:
            for figure in part.measure(Path(folder)):
                print(
                    f"{figure.what}: {figure.value:,.3g} {figure.unit}", file=sys.stderr, flush=True
                )
                figures.append(figure)
    print(", ".join(f"{key} {value}" for key, value in machine().items()))
    print(table(figures))
    print(f"saved {save(figures)}", file=sys.stderr)


main()
