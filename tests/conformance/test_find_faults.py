"""Faults planted in the compiler are told on a few of SigmaHQ's rules; `find_faults.py` looks at all."""

from __future__ import annotations

import pytest

from tests.conformance.corpora import SigmaHQ
from tests.unit.compiler.validation.planted import compiler_faults, planted

pytest.importorskip("numba")

from tests.conformance.find_faults import built, search

# One of each kind
FAULTS = {
    "optimizer.flatten:_flat",
    "lowering.lower_rule:text_predicate",
    "codegen.printer:wrapped",
    "codegen.programs:_question",
}


def test_faults_are_told(sigmahq: SigmaHQ) -> None:
    some = sigmahq.sources[::100]
    outcome, rules = search([built(some)])
    assert (outcome, rules > 20) == ("NOT TOLD", True)
    faults = {fault.where: fault for fault in compiler_faults() if fault.where in FAULTS}
    assert faults.keys() == FAULTS
    for fault in faults.values():
        with planted(fault):
            assert search([built(some)])[0] == "told", fault
