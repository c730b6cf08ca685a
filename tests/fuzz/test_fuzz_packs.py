"""Mutants of a sealed pack answer or are refused: the first hundreds; `make fuzz` makes ten thousand."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from sigmac.runtime.pack.seal import read_files, read_manifest
from tests.fuzz.fuzz_packs import GOOD, make_base, mutant, outcomes

MUTANTS = 300


def faults(folder: Path, runs: int) -> tuple[list[str], Counter[str]]:
    """What ended as it may not, and how often what came out."""
    found = [*outcomes(make_base(folder), 0, runs)]
    counts = Counter(outcome for _, _, outcome in found)
    odd = [f"{number} ({what}): {out}" for number, what, out in found if out not in GOOD]
    return odd, counts


@pytest.mark.slow
def test_mutants_of_a_pack(tmp_path: Path) -> None:
    odd, counts = faults(tmp_path, MUTANTS)
    assert odd == []
    assert counts.total() == MUTANTS
    assert all(counts[each] for each in ("answers", "refused at load"))


def test_a_mutant_is_the_same_whenever_it_is_made(tmp_path: Path) -> None:
    base = make_base(tmp_path)
    manifest, _ = read_manifest(base)
    files = read_files(base, manifest)
    for number in range(40):
        assert mutant(number, files, manifest) == mutant(number, files, manifest)
