"""`njit` as generated packs take it: a function that can be compiled by Numba, and works without it.

The Python function answers until somebody asks for `compiled()`: loading a pack never waits for a compiler.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, Generic, ParamSpec, TypeVar

P = ParamSpec("P")
R = TypeVar("R")


class Jittable(Generic[P, R]):
    """A plain function with a compiled twin on demand."""

    def __init__(self, function: Callable[P, R]):
        self.py_func = function
        self._compiled: Callable[P, R] | None = None
        functools.update_wrapper(self, function)

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        return self.py_func(*args, **kwargs)

    def compiled(self) -> Callable[P, R]:
        """Numba's `njit(nogil=True)` of the function, made once; the function itself where Numba is not installed."""
        if self._compiled is None:
            try:
                import numba
            except ImportError:
                self._compiled = self.py_func
            else:
                jit: Any = numba.njit(nogil=True, error_model="numpy")
                self._compiled = jit(self.py_func)
        return self._compiled


def njit(function: Callable[P, R]) -> Jittable[P, R]:
    """Mark a function of numbers as compilable; usable as a decorator."""
    return Jittable(function)
