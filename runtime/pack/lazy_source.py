"""Python modules compiled piece by piece: what stands above the first piece at once, each piece when it is called for.

A pack of thousands of rules has megabytes of source; compiling a function takes half a millisecond, compiling all
takes seconds. The text is the verified one, never a cached bytecode file, which no digest covers.
"""

from __future__ import annotations

import threading
from types import CodeType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sigmac.runtime.errors import PackError

# What source raises that is not as a compiler of ours wrote it, or whose pieces are not where its tables say
_FAULTS = (
    ArithmeticError,
    AttributeError,
    ImportError,
    LookupError,
    MemoryError,
    NameError,
    RecursionError,
    SyntaxError,
    TypeError,
    ValueError,
)


class LazySource:
    """One module of a pack: `text` its verified source in UTF-8, `path` for tracebacks, `name` as it is imported."""

    def __init__(self, text: bytes, path: str, name: str):
        self.path = path
        self._text = text
        self._starts: NDArray[np.int64] | None = None  # of the lines
        self._namespace: dict[str, Any] = {"__name__": name, "__file__": path}
        self._lock = threading.RLock()
        self._ready = False

    def lines(self, first: int, last: int) -> str:
        """Lines `first` to `last`, counted from 1, both included. Raises `PackError` where there are no such lines."""
        starts = self._line_starts()
        if not 1 <= first <= last + 1 <= len(starts):
            raise PackError(f"{self.path}: there are no lines {first} to {last}")
        try:
            return self._text[int(starts[first - 1]) : int(starts[last])].decode("utf-8")
        except UnicodeDecodeError:
            raise PackError(f"{self.path}: the module is no UTF-8") from None

    def _line_starts(self) -> NDArray[np.int64]:
        if self._starts is None:
            # A line ends with a newline only: `splitlines` knows more line breaks than Python's parser does.
            ends = np.flatnonzero(np.frombuffer(self._text, np.uint8) == 10) + 1
            self._starts = np.concatenate([[0], ends, [len(self._text)]])
        return self._starts

    def prepare(self, last: int | None = None) -> dict[str, Any]:
        """Execute the lines up to `last` (all by default) once; the namespace they make."""
        with self._lock:
            if not self._ready:
                self._execute(1, len(self._line_starts()) - 1 if last is None else last)
                self._ready = True
        return self._namespace

    def piece(self, name: str, first: int, last: int) -> Any:
        """The object called `name` that lines `first` to `last` define; `prepare` has run before.

        Raises `PackError` where they do not define it.
        """
        with self._lock:
            if name not in self._namespace:
                self._execute(first, last)
            if name not in self._namespace:
                raise PackError(f"{self.path}: lines {first} to {last} do not define {name}")
            return self._namespace[name]

    def complete(self) -> None:
        """Execute the whole module, which costs less than piece by piece."""
        with self._lock:
            self._execute(1, len(self._line_starts()) - 1)
            self._ready = True

    def _execute(self, first: int, last: int) -> None:
        text = self.lines(first, last)
        try:
            code = compile(text, self.path, "exec", dont_inherit=True)
            exec(_moved(code, first - 1), self._namespace)
        except _FAULTS as error:
            where = f"{self.path}: lines {first} to {last}"
            raise PackError(f"{where} fail: {type(error).__name__}: {error}") from error


def _moved(code: CodeType, lines: int) -> CodeType:
    """Code with its line numbers moved down; line tables are relative to the first line of each code object."""
    constants = tuple(_moved(c, lines) if isinstance(c, CodeType) else c for c in code.co_consts)
    return code.replace(co_firstlineno=code.co_firstlineno + lines, co_consts=constants)
