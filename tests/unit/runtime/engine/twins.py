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


def groups_at(address: int, layouts: tuple[Any, ...]) -> Iterator[Any]:
    """The groups of arrays that stand at an address as machine code finds them."""
    size = sum(len(each._fields) for each in layouts)
    table = np.ctypeslib.as_array((ctypes.c_int64 * (2 * size)).from_address(address))
    places = iter(table.reshape(-1, 2).tolist())
    for each in layouts:
        kinds = zip(_dtypes(each), places, strict=False)
        yield each(*(_array_at(at, length, dtype) for dtype, (at, length) in kinds))


@functools.cache
def _dtypes(group: Any) -> tuple[Any, ...]:
    return tuple(layout.dtypes(group).values())


@functools.lru_cache(4096)
def _array_at(address: int, length: int, dtype: Any) -> Guarded:
    item = np.ctypeslib.as_ctypes_type(dtype)
    return np.ctypeslib.as_array((item * length).from_address(address)).view(Guarded)


def twin_kernels() -> Kernels:
    """The kernels' Python twins; Numba's compiler must have been switched off before it was imported."""
    from numba import config

    from sigmac.runtime.engine.kernels import automaton, evaluate

    assert config.DISABLE_JIT
    return Kernels(
        "twins",
        lambda address: automaton.build(*groups_at(address, layout.BUILD)),
        lambda address: evaluate.evaluate(*groups_at(address, layout.EVALUATE)),
        None,
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
    digests = {
        f"{type(group).__name__}.{name}": hashlib.sha256(array).hexdigest()
        for group in engine.caches.groups
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
