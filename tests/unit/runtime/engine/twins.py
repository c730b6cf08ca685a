"""The kernels as plain Python that refuses every index out of range: run as a module, with `NUMBA_DISABLE_JIT=1`.

NumPy raises `IndexError` where an index is too high; a negative one, or a slice beyond the end, would pass silently in
Python and read foreign memory in machine code. So the arrays are of a class that refuses these too.
"""

from __future__ import annotations

import ctypes
import functools
import hashlib
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sigmac.runtime import load_pack
from sigmac.runtime.engine import layout
from sigmac.runtime.engine import memory as caches
from sigmac.runtime.engine.library import Kernels
from sigmac.runtime.engine.machine_code import choice
from tests.unit.runtime.engine.agreement import said

BETWEEN = b"\0between batches\0"


class Guarded(np.ndarray[Any, Any]):
    """An array that can only be indexed within its length, and by what is a whole number to a machine as well.

    Its elements compute as Numba's do: all as signed 64-bit numbers but those of uint64, which wrap around.
    """

    def __getitem__(self, index: Any) -> Any:
        found = super().__getitem__(self._checked(index))
        return found if isinstance(index, slice) or self.dtype == np.uint64 else int(found)

    def __setitem__(self, index: Any, value: Any) -> None:
        super().__setitem__(self._checked(index), value)

    def _checked(self, index: Any) -> Any:
        if isinstance(index, slice):
            if not 0 <= index.start <= index.stop <= len(self):
                raise IndexError(f"{index} of {len(self)}")
        elif isinstance(index, (float, np.floating)) or not 0 <= index < len(self):
            raise IndexError(f"{index!r} of {len(self)}")
        return index


def group_at(address: int, kind: Any) -> Any:
    """The group of arrays, or of groups, whose table stands at an address, as machine code finds it."""
    words = 2 * _arrays(kind)
    table = np.ctypeslib.as_array((ctypes.c_int64 * words).from_address(address))
    return _group_of(kind, iter(table.reshape(-1, 2).tolist()))


def _group_of(kind: Any, places: Iterator[list[int]]) -> Any:
    return kind(
        *(
            _group_of(member, places) if _is_group(member) else _array_at(*next(places), member)
            for member in _members(kind)
        )
    )


def _arrays(kind: Any) -> int:
    return sum(_arrays(member) if _is_group(member) else 1 for member in _members(kind))


def _is_group(member: Any) -> bool:
    return issubclass(member, tuple)


@functools.cache
def _members(kind: Any) -> tuple[Any, ...]:
    return tuple(layout.members(kind).values())


@functools.lru_cache(4096)
def _array_at(address: int, length: int, dtype: Any) -> Guarded:
    item = np.ctypeslib.as_ctypes_type(dtype)
    return np.ctypeslib.as_array((item * length).from_address(address)).view(Guarded)


def twin_kernels() -> Kernels:
    """The kernels' Python twins; Numba's compiler must have been switched off before it was imported."""
    from numba import config

    from sigmac.runtime.engine.kernels import automaton, evaluate, gather

    assert config.DISABLE_JIT
    return Kernels(
        "twins",
        lambda address: automaton.build(group_at(address, layout.Building)),
        lambda address: evaluate.evaluate(group_at(address, layout.State)),
        lambda address: gather.gather(group_at(address, layout.Gathering)),
        owner=None,
    )


def account(folder: Path, batches: list[bytes], kernels: Kernels, budget: int) -> dict[str, Any]:
    """What a pack says of some batches, and a digest of every array that the kernels wrote."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(choice, "find_kernels", lambda: kernels)
        patch.setattr(caches, "LEAST_BUDGET", budget)
        patch.setattr(caches, "_seed", lambda: 1)  # so that values have the same places in both
        pack = load_pack(folder, memory_budget=budget)
        found = [said(pack.match_batch(data)) for data in batches]
        engines = pack.engines()
    assert engines is not None
    (engine,) = engines.all
    state = engine.state
    written = state.rows, state.memo, state.classes, state.searches, state.kinds, state.scratch
    digests = {
        f"{type(group).__name__}.{name}": hashlib.sha256(array).hexdigest()
        for group in written
        for name, array in group._asdict().items()
    }
    return {"said": found, "digests": digests}


if __name__ == "__main__":
    np.seterr(over="ignore")  # hashes wrap around
    _, pack_folder, file, budget_bytes = sys.argv
    some_batches = Path(file).read_bytes().split(BETWEEN)
    json.dump(
        account(Path(pack_folder), some_batches, twin_kernels(), int(budget_bytes)), sys.stdout
    )
