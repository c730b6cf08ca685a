"""How every kernel is compiled: without the GIL, without reference counts, dividing as NumPy does, and once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from numba import njit, types
from numba.core.dispatcher import Dispatcher

_Function = TypeVar("_Function", bound=Callable[..., Any])

OPTIONS: dict[str, Any] = {"nogil": True, "error_model": "numpy", "_nrt": False}

# Python calls the entry points only: no other function needs wrappers, which are most of the compile time.
_compiled = njit(no_cpython_wrapper=True, no_cfunc_wrapper=True, **OPTIONS)


def kernel(function: _Function) -> _Function:
    """A function for other kernels to call.

    Numba would compile it anew for each literal and each width of a number that a call has: half of all that was made.
    """
    made = _compiled(function)
    if isinstance(made, Dispatcher):  # it is the function itself where Numba is switched off
        resolve = made.get_call_template
        made.get_call_template = lambda args, kws: resolve(tuple(map(_plain, args)), kws)
    return made


def _plain(kind: Any) -> Any:
    kind = types.unliteral(kind)
    narrow = isinstance(kind, types.Integer) and kind.signed and kind.bitwidth < 64
    return types.int64 if narrow else kind
