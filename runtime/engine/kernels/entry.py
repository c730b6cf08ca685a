"""The entry points as C functions: `int64 f(int64 address)`.

At the address stands the table of `layout.Building`, `layout.State` or `layout.Gathering`: for each array where it is
and how many elements it has. So a jitted kernel and one compiled ahead of time are called alike, and neither needs a
Python object.
"""

from __future__ import annotations

from typing import Any

from numba import cfunc, types

from sigmac.runtime.engine import layout
from sigmac.runtime.engine.kernels.automaton import build
from sigmac.runtime.engine.kernels.compiling import OPTIONS
from sigmac.runtime.engine.kernels.evaluate import evaluate
from sigmac.runtime.engine.kernels.gather import gather
from sigmac.runtime.engine.kernels.groups import group_at

SIGNATURE = types.int64(types.int64)
_building_at = group_at(layout.Building)
_state_at = group_at(layout.State)
_gathering_at = group_at(layout.Gathering)


def _build(address: int) -> int:
    return build(_building_at(address))


def _evaluate(address: int) -> int:
    return evaluate(_state_at(address))


def _gather(address: int) -> int:
    return gather(_gathering_at(address))


def compile_entries() -> dict[str, Any]:
    """The entry points by name, compiled for this machine as Numba C callbacks."""
    return {
        "build": cfunc(SIGNATURE, **OPTIONS)(_build),
        "evaluate": cfunc(SIGNATURE, **OPTIONS)(_evaluate),
        "gather": cfunc(SIGNATURE, **OPTIONS)(_gather),
    }
