"""Sees that kernels for this machine are in the cache: `python -m sigmac.runtime.engine.machine_code.keep`.

A service runs it before anything whose time is measured. Exit status `KEPT`, `NOT_KEPT` where nothing can be kept, or
`NONE` where none can be compiled; standard error says why.
"""

from __future__ import annotations

import sys

from sigmac.runtime.engine.library import KernelsError
from sigmac.runtime.engine.machine_code.jit_cache import keep_compiled

KEPT, NOT_KEPT, NONE = 0, 3, 4


def main() -> int:
    """The exit status."""
    try:
        return KEPT if keep_compiled() else NOT_KEPT
    except KernelsError as error:
        print(error, file=sys.stderr)
        return NONE


if __name__ == "__main__":
    sys.exit(main())
