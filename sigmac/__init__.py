"""sigmac: Sigma rules compiled to Python.

import sigmac

pack = sigmac.load_pack("build/windows")
for match in pack.match({"EventID": 1, "Image": r"C:\\Windows\\System32\\whoami.exe"}):
    print(match.rule.id, match.rule.title)
"""

from sigmac.runtime import (
    BatchResult,
    EventError,
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
    "BatchResult",
    "EventError",
    "Match",
    "Pack",
    "PackError",
    "Rejected",
    "Rule",
    "SigmacError",
    "__version__",
    "load_pack",
]
