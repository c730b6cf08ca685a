"""Which kernels run here: a library compiled ahead of time, else what Numba compiles on this machine.

`find_kernels` tries the libraries of `native/` that this processor can run, best first, then Numba. Whatever is loaded
was checked by digest first and answers the self-test; what fails is refused with a logged reason, and the next way is
tried. Neither Numba nor LLVM is imported for a library.
"""

from __future__ import annotations

import functools
import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

from sigmac.runtime.engine.library import Kernels, KernelsError, library_path, load_library, log
from sigmac.runtime.engine.machine_code.processor import fitting_kinds
from sigmac.runtime.engine.self_test import check_answers

# Environment variable: `off` or `python`, `jit`, or the path of a library
CHOICE = "SIGMAC_KERNELS"
_OFF = ("off", "python")

_lock = threading.Lock()
_found: dict[str, Kernels | None] = {}


def find_kernels() -> Kernels | None:
    """The best kernels that run here; None where there are none, which is logged once.

    The search is made once a process for each value of the environment variable; other threads wait for it.
    """
    choice = os.environ.get(CHOICE, "")
    with _lock:
        if choice not in _found:
            _found[choice] = _search(choice)
        return _found[choice]


def needs_compiling(choice: str) -> bool:
    """Whether `find_kernels` would turn to Numba, with this value of the environment variable.

    That is so where no library that was compiled ahead of time runs here.
    """
    if choice and choice != "jit":
        return False
    for way in _libraries(choice):
        try:
            check_answers(way())
            return False
        except KernelsError as error:
            log.debug("a library of kernels is of no use here: %s", error)
    return True


def _search(choice: str) -> Kernels | None:
    if choice in _OFF:
        return None
    reason = ""
    for way in _ways(choice):
        if reason:
            log.warning("sigmac refuses compiled kernels: %s", reason)
        try:
            kernels = way()
            check_answers(kernels)
            return kernels
        except KernelsError as error:
            reason = str(error)
    log.warning("sigmac evaluates records one at a time, which is many times slower: %s", reason)
    return None


def _ways(choice: str) -> Iterator[Callable[[], Kernels]]:
    yield from _libraries(choice)
    if not choice or choice == "jit":
        yield _compiled_here


def _libraries(choice: str) -> Iterator[Callable[[], Kernels]]:
    if choice and choice != "jit":
        yield functools.partial(load_library, Path(choice))
        return
    if not choice:
        for kind in fitting_kinds():
            path = library_path(kind)
            if path.exists():
                yield functools.partial(load_library, path)


def _compiled_here() -> Kernels:
    # A library needs nothing of this.
    from sigmac.runtime.engine.machine_code.jit_cache import load_compiled

    return load_compiled()
