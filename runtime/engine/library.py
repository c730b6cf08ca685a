"""Compiled kernels as functions that Python can call, and the shared libraries that hold them.

A library is loaded only where its digest and that of the sources are those in the note beside it.
"""

from __future__ import annotations

import ctypes
import functools
import hashlib
import logging
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import orjson
from numpy.typing import NDArray

from sigmac.runtime.engine.layout import Building, Gathering

NATIVE = Path(__file__).parent / "native"

log = logging.getLogger("sigmac")


class KernelsError(Exception):
    """Why some kernels cannot be used; one sentence."""


ENTRIES = ("build", "evaluate", "gather")  # in a library each has `sigmac_` before its name


class Kernels:
    """The kernels that Python calls, by whatever way they were compiled; `origin` says which.

    `evaluate_at` takes the address of the table that `table_of` makes of a `State`. All release the GIL. `owner` is
    what must live as long as they.
    """

    def __init__(
        self,
        origin: str,
        build: Callable[[int], int],
        evaluate: Callable[[int], int],
        gather: Callable[[int], int],
        *,
        owner: Any,
    ):
        self.origin = origin
        self._build = build
        self.evaluate_at = evaluate
        self._gather = gather
        self._owner = owner

    def build(self, building: Building) -> int:
        """Fill the automata; returns how many states they have."""
        return int(self._build(table_of(building).ctypes.data))

    def gather(self, gathering: Gathering) -> int:
        """As the kernel `gather`: it reads what the addresses it is given point to."""
        return int(self._gather(table_of(gathering).ctypes.data))


def table_of(group: NamedTuple) -> NDArray[np.int64]:
    """Address and number of elements of each array of a group, or of its groups; the arrays must outlive its use."""
    return np.array(
        [number for array in _arrays(group) for number in (array.ctypes.data, len(array))], np.int64
    )


def _arrays(group: NamedTuple) -> Iterator[NDArray[Any]]:
    for member in group:
        if isinstance(member, np.ndarray):
            yield member
        else:
            yield from _arrays(member)


def library_path(kind: str) -> Path:
    """Where the library for a kind of processor lies, if it was compiled."""
    return NATIVE / f"kernels-{kind}.so"


def note_path(library: Path) -> Path:
    """The file beside a library that says what it was made of."""
    return library.with_suffix(".json")


def sources() -> list[Path]:
    """The files that decide what a compiled kernel does."""
    here = Path(__file__).parent
    above = ("layout.py", "programs.py", "machine_code/object_code.py")
    return [*(here / name for name in above), *sorted((here / "kernels").glob("*.py"))]


@functools.cache
def sources_digest() -> str:
    """SHA-256 (hexadecimal) of all source code that decides what a compiled kernel does."""
    digest = hashlib.sha256()
    for path in sources():
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
        functions = [getattr(library, f"sigmac_{name}") for name in ENTRIES]
    except (OSError, AttributeError) as error:
        raise KernelsError(f"{path}: {error}") from None
    for function in functions:
        function.restype = ctypes.c_int64
        function.argtypes = [ctypes.c_void_p]
    return Kernels(str(path), *functions, owner=library)
