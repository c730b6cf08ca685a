"""The two entry points as C functions: `int64 f(int64 address)`.

At the address stand, for each array of each group of `layout.BUILD` or `layout.EVALUATE`, where the array is and how
many elements it has. So a jitted kernel and one compiled ahead of time are called alike, and neither needs a Python
object.
"""

from __future__ import annotations

from typing import Any

from numba import cfunc, types

from sigmac.runtime.engine import layout
from sigmac.runtime.engine.kernels.automaton import build
from sigmac.runtime.engine.kernels.compiling import OPTIONS
from sigmac.runtime.engine.kernels.evaluate import evaluate
from sigmac.runtime.engine.kernels.groups import group_at

SIGNATURE = types.int64(types.int64)


def _groups(layouts: tuple[Any, ...]) -> list[Any]:
    made, offset = [], 0
    for each in layouts:
        made.append(group_at(each, offset))
        offset += 16 * len(each._fields)
    return made


_automata, _literals = _groups(layout.BUILD)
(
    _names,
    _automata_2,
    _gates,
    _programs,
    _pieces,
    _rows,
    _memo,
    _classes,
    _searches,
    _kinds,
    _scratch,
    _records,
) = _groups(layout.EVALUATE)


def _build(address: int) -> int:
    return build(_automata(address), _literals(address))


def _evaluate(address: int) -> int:
    return evaluate(
        _names(address),
        _automata_2(address),
        _gates(address),
        _programs(address),
        _pieces(address),
        _rows(address),
        _memo(address),
        _classes(address),
        _searches(address),
        _kinds(address),
        _scratch(address),
        _records(address),
    )


def compile_entries() -> dict[str, Any]:
    """The entry points by name, compiled for this machine as Numba C callbacks."""
    return {
        "build": cfunc(SIGNATURE, **OPTIONS)(_build),
        "evaluate": cfunc(SIGNATURE, **OPTIONS)(_evaluate),
    }
