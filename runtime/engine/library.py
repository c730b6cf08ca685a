"""The kernels as functions that Python can call: from a library compiled ahead of time, else compiled on this machine.

`find_kernels` tries the libraries of `native/` that this processor can run, best first, then Numba. Whatever is loaded
was checked by digest first and answers the self-test; what fails is refused with a logged reason, and the next way is
tried. Neither Numba nor LLVM is imported for a library.
"""

from __future__ import annotations

import ctypes
import functools
import hashlib
import logging
import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import orjson

from sigmac.runtime.engine.processor import fitting_kinds

CHOICE = (
    "SIGMAC_KERNELS"  # environment variable: `off` or `python`, `jit`, or the path of a library
)
NATIVE = Path(__file__).parent / "native"
_OFF = ("off", "python")

log = logging.getLogger("sigmac")


class KernelsError(Exception):
    """Why some kernels cannot be used; one sentence."""


class Kernels:
    """The two kernels, by whatever way they were compiled; `origin` says which.

    `build(automata, literals)` takes the groups of `layout.BUILD`; `evaluate_at` the address of the arguments that
    `arguments_of` makes of `layout.EVALUATE`. Both release the GIL. `owner` is what must live as long as they.
    """

    def __init__(
        self, origin: str, build: Callable[[int], int], evaluate: Callable[[int], int], owner: Any
    ):
        self.origin = origin
        self._build = build
        self.evaluate_at = evaluate
        self._owner = owner

    def build(self, *groups: NamedTuple) -> int:
        return int(self._build(arguments_of(*groups).ctypes.data))


def arguments_of(*groups: NamedTuple) -> np.ndarray[Any, np.dtype[np.int64]]:
    """Address and number of elements of each array of some groups; the arrays must outlive the use of these."""
    return np.array(
        [
            number
            for group in groups
            for array in group
            for number in (array.ctypes.data, len(array))
        ],
        dtype=np.int64,
    )


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


def _search(choice: str) -> Kernels | None:
    if choice in _OFF:
        return None
    from sigmac.runtime.engine.self_test import check_answers

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
    if choice and choice != "jit":
        yield functools.partial(load_library, Path(choice))
        return
    if not choice:
        for kind in fitting_kinds():
            path = library_path(kind)
            if path.exists():
                yield functools.partial(load_library, path)
    yield _compiled_here


def _compiled_here() -> Kernels:
    from sigmac.runtime.engine.machine_code.jit_cache import load_compiled

    return load_compiled()


# Libraries


def library_path(kind: str) -> Path:
    """Where the library for a kind of processor lies, if it was compiled."""
    return NATIVE / f"kernels-{kind}.so"


def note_path(library: Path) -> Path:
    """The file beside a library that says what it was made of."""
    return library.with_suffix(".json")


@functools.cache
def sources_digest() -> str:
    """SHA-256 (hexadecimal) of all source code that decides what a compiled kernel does."""
    here = Path(__file__).parent
    digest = hashlib.sha256()
    for path in (here / "layout.py", *sorted((here / "kernels").glob("*.py"))):
        data = path.read_bytes()
        digest.update(f"{path.name} {len(data)}\n".encode() + data)
    return digest.hexdigest()


def load_library(path: Path) -> Kernels:
    """The kernels of a shared library with its note beside it.

    Raises `KernelsError` where it is missing, damaged, or made from other sources than these.
    """
    try:
        data = path.read_bytes()
        note = orjson.loads(note_path(path).read_bytes())
    except OSError as error:
        raise KernelsError(f"{error.filename}: {error.strerror}") from None
    except ValueError:
        note = None
    if not isinstance(note, dict):
        raise KernelsError(f"{note_path(path)}: damaged")
    if note.get("sources") != sources_digest():
        raise KernelsError(f"{path}: made from other sources than these")
    # The loader maps what it is given: half a file would end the process later.
    if note.get("sha256") != hashlib.sha256(data).hexdigest():
        raise KernelsError(f"{path}: damaged")
    try:
        library = ctypes.CDLL(str(path.resolve()))
        build, evaluate = library.sigmac_build, library.sigmac_evaluate
    except (OSError, AttributeError) as error:
        raise KernelsError(f"{path}: {error}") from None
    for function in (build, evaluate):
        function.restype = ctypes.c_int64
        function.argtypes = [ctypes.c_void_p]
    return Kernels(str(path), build, evaluate, library)
