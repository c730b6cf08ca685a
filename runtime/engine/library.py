"""Compiled kernels as functions that Python can call, and the shared libraries that hold them.

A library is loaded only where its digest and that of the sources are those in the note beside it.
"""

from __future__ import annotations

import ctypes
import functools
import hashlib
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import orjson

NATIVE = Path(__file__).parent / "native"

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
    compiled = (here / "layout.py", here / "machine_code" / "object_code.py")
    for path in (*compiled, *sorted((here / "kernels").glob("*.py"))):
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
