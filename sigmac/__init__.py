"""sigmac: Sigma rules compiled to Python.

import sigmac

pack = sigmac.load_pack("build/windows")
for match in pack.match({"EventID": 1, "Image": r"C:\\Windows\\System32\\whoami.exe"}):
    print(match.rule.id, match.rule.title)
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sigmac.runtime import (
        Alert,
        BatchResult,
        EventError,
        Limits,
        Match,
        Pack,
        PackError,
        Rejected,
        Rule,
        SigmacError,
        load_pack,
    )

__version__ = "0.1.0"

__all__ = [
    "Alert",
    "BatchResult",
    "EventError",
    "Limits",
    "Match",
    "Pack",
    "PackError",
    "Rejected",
    "Rule",
    "SigmacError",
    "__version__",
    "load_pack",
]


def __getattr__(name: str) -> Any:
    # The command line starts in a third of the time when a name is imported only where it is used.
    if name in __all__:
        from sigmac import runtime

        return getattr(runtime, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
