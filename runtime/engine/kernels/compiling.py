"""How every kernel is compiled: without the GIL, without reference counts, dividing as NumPy does."""

from __future__ import annotations

from typing import Any

from numba import njit

OPTIONS: dict[str, Any] = {"nogil": True, "error_model": "numpy", "_nrt": False}

# Python calls the entry points only: no other function needs wrappers, which are most of the compile time.
kernel = njit(no_cpython_wrapper=True, no_cfunc_wrapper=True, **OPTIONS)
