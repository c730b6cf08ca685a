"""The runtime: loads rule packs and evaluates events. It needs no part of the compiler.

Generated packs import from here, and only from here.
"""

from sigmac.runtime.errors import EventError, InputError, PackError, SigmacError
from sigmac.runtime.event import Event
from sigmac.runtime.jit import njit
from sigmac.runtime.match import BatchResult, Explanation, LogSource, Match, Rejected, Rule
from sigmac.runtime.pack import Pack, load_pack

__all__ = [
    "BatchResult",
    "Event",
    "EventError",
    "Explanation",
    "InputError",
    "LogSource",
    "Match",
    "Pack",
    "PackError",
    "Rejected",
    "Rule",
    "SigmacError",
    "load_pack",
    "njit",
]
