"""The runtime: loads rule packs and evaluates events. It needs no part of the compiler.

Generated packs import from here, and only from here. Names are imported when they are first used.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sigmac.runtime.correlation.alert import Alert
    from sigmac.runtime.correlation.correlator import Limits
    from sigmac.runtime.correlation.definition import Correlation
    from sigmac.runtime.errors import EventError, InputError, PackError, SigmacError
    from sigmac.runtime.match import (
        BatchResult,
        Explanation,
        LogSource,
        Match,
        Matches,
        Rejected,
        Rule,
    )
    from sigmac.runtime.pack.pack import Pack, load_pack
    from sigmac.runtime.scalar.event import Event
    from sigmac.runtime.scalar.jit import njit

__all__ = [
    "Alert",
    "BatchResult",
    "Correlation",
    "Event",
    "EventError",
    "Explanation",
    "InputError",
    "Limits",
    "LogSource",
    "Match",
    "Matches",
    "Pack",
    "PackError",
    "Rejected",
    "Rule",
    "SigmacError",
    "load_pack",
    "njit",
]

_MODULES = {
    "correlation.alert": ("Alert",),
    "correlation.correlator": ("Limits",),
    "correlation.definition": ("Correlation",),
    "errors": ("EventError", "InputError", "PackError", "SigmacError"),
    "scalar.event": ("Event",),
    "scalar.jit": ("njit",),
    "match": ("BatchResult", "Explanation", "LogSource", "Match", "Matches", "Rejected", "Rule"),
    "pack.pack": ("Pack", "load_pack"),
}


def __getattr__(name: str) -> Any:
    for module, names in _MODULES.items():
        if name in names:
            return getattr(importlib.import_module(f"{__name__}.{module}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
